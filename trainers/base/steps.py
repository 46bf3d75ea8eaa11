"""One step of a training: its terms, what is logged of them, and the gradients of both sides apart for a wrapper.

Without a wrapper the loss goes backwards as in every Trainer. With one, each side goes through the model by itself:
two backward passes of half the rows cost no more than one of all, and no pass is taken twice. The gradients of all
accumulation steps and all processes are added up before the wrapper sees them.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from clear_unlearning.likelihood import AnswerLikelihood

from .evaluation import EvaluatingTrainer
from .regularisers import l1_distance, trainable
from .terms import Sides, Terms, Totals, add_up, check_finite, count_sides, token_mean
from .wrappers import build_wrapper
from .wrappers.wrapper import TwoGradients, Wrapper

WRAPPER_FILE = "wrapper.pt"  # in a checkpoint, beside the optimizer's state
Gradients = list[torch.Tensor | None]  # None: the weight was not used


class SteppingTrainer(EvaluatingTrainer):
    """The steps of `UnlearningTrainer`."""

    # Terms whose gradient is the retain gradient; all others make the forget gradient.
    keeping: ClassVar[tuple[str, ...]] = ("retain", "retain_entropy", "distillation", "l1")
    needs: ClassVar[tuple[str, ...]]
    wrapper: Wrapper | None = None
    nats: dict[str, float]
    losses: Callable[[nn.Module, Sides, Totals], Terms]
    _advice: Callable[[], str]
    _start: list[torch.Tensor] | None
    _seen: dict[str, AnswerLikelihood]

    def build_wrapper(self) -> None:
        """Make the wrapper that the settings name, if they do.

        Raises:
            ValueError: If the method has not the gradients that it needs, or weights are in shards.
        """
        name, self.wrapper = self.args.optimizer_wrapper, build_wrapper(self.args)
        self._apart: dict[str, Gradients] = {}
        self._taken: list[tuple[Any, Totals]] = []  # batches of a step whose gradients are needed again
        if self.wrapper is None:
            return
        missing = [side for side in self.wrapper.needs if side not in self.needs]
        if missing:
            raise ValueError(f"optimizer_wrapper {name} needs a {missing[0]} term; {type(self).__name__} has none")
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ValueError(f"optimizer_wrapper {name} needs whole weights: FSDP and DeepSpeed put them in shards")

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list, Any]:
        """Take the batches of one step and count answer tokens and rows of each side over all processes."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.nats.clear()
        return batches, count_sides(batches, self.accelerator, device) if batches else None

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Add up the terms of `losses`.

        Raises:
            FloatingPointError: If a term is NaN or infinite: training has diverged.
        """
        loss = add_up(self.terms(model, inputs, num_items_in_batch))
        # Gradients are averaged over processes; the totals already count all of them.
        loss = loss * self.accelerator.num_processes
        return (loss, {}) if return_outputs else loss

    def terms(self, model: nn.Module, inputs: Any, totals: Totals | None) -> Terms:
        """Return and log the terms of `losses`, and that of L1."""
        totals = totals or count_sides([inputs], self.accelerator, self.args.device)
        terms = self.losses(model, inputs, totals)
        steps = getattr(self, "current_gradient_accumulation_steps", 1)
        if self.args.l1:
            norm = l1_distance(trainable(model), self._start)
            terms["l1"] = self.args.l1 * norm / (steps * self.accelerator.num_processes)
        self._measure({name: term.detach() for name, term in terms.items()}, totals, steps)
        return terms

    def _measure(self, terms: Terms, totals: Totals, steps: int) -> None:
        """Log the terms, and of each side the loss per answer token, of the whole global batch."""
        sides = {side: token_mean(now, totals[side]).detach() for side, now in self._seen.items()}
        values = torch.stack([value.float() for value in (*terms.values(), *sides.values())])
        shares: list[float] = self.accelerator.reduce(values, reduction="sum").tolist()  # type: ignore[union-attr]
        whole = dict(zip(terms, shares, strict=False))
        check_finite(whole, self.state.global_step, self._advice)
        logged = self._metrics["train" if self.model.training else "eval"]
        # The mean over the batches of a step, times their number, is the term of the global batch.
        for name, share in whole.items():
            logged[f"{name}_term"].append(share * steps)
        for side, share in zip(sides, shares[len(terms) :], strict=True):
            logged[f"{side}_loss"].append(share * steps)
            self.nats[f"{side}_loss"] = self.nats.get(f"{side}_loss", 0.0) + share

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Take the gradients of a batch, as the Trainer does or, for a wrapper, of both sides apart."""
        if self.wrapper is None:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        # `autograd.grad` goes past the hooks of data parallel training: the gradients are added up below.
        with self.accelerator.no_sync(model):
            with self.compute_loss_context_manager():
                terms = self.terms(model, inputs, num_items_in_batch)
            for side, loss in self._losses_apart(terms).items():
                _add(self._apart, side, self._gradients(loss))
        if self.wrapper.looks_again:
            self._taken.append((inputs, num_items_in_batch))
        if self.accelerator.sync_gradients:
            self._combine(model)
        return add_up(terms).detach() * self.accelerator.num_processes

    def _losses_apart(self, terms: Terms) -> dict[str, torch.Tensor]:
        """Return the loss of each side that has a term."""
        sides = {"forget": [], "retain": []}
        for name, term in terms.items():
            sides["retain" if name in self.keeping else "forget"].append(term)
        return {side: torch.stack(found).sum() for side, found in sides.items() if found}

    def _gradients(self, loss: torch.Tensor) -> Gradients:
        weights = trainable(self.model)
        return list(torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True))

    def _combine(self, model: nn.Module) -> None:
        """Give each weight what the wrapper makes of the gradients of the step."""
        weights = trainable(self.model)
        whole = {side: self._whole(self._apart.get(side, [None] * len(weights))) for side in ("forget", "retain")}
        used = [any(gradients[i] is not None for gradients in whole.values()) for i in range(len(weights))]
        filled = {side: _filled(gradients, weights) for side, gradients in whole.items()}
        two = TwoGradients(weights, filled["forget"], filled["retain"], lambda: self._forget_gradient_now(model))
        assert self.wrapper is not None
        for weight, gradient, seen in zip(weights, self.wrapper.combine(two), used, strict=True):
            weight.grad = gradient if seen else None
        self._apart.clear()
        self._taken.clear()

    def _forget_gradient_now(self, model: nn.Module) -> list[torch.Tensor]:
        """Take the forget gradient of the batches of the step once more, at the weights as they are."""
        again: dict[str, Gradients] = {}
        with torch.enable_grad(), self.accelerator.no_sync(model):
            for inputs, totals in self._taken:
                with self.compute_loss_context_manager():
                    loss = self._losses_apart(self.losses(model, inputs, totals)).get("forget")
                if loss is not None:
                    _add(again, "forget", self._gradients(loss))
        return _filled(self._whole(again["forget"]), trainable(self.model))

    def _whole(self, gradients: Gradients) -> Gradients:
        """Add gradients up over all processes; a weight that none of them has used keeps None."""
        if self.accelerator.num_processes == 1:
            return gradients
        used = torch.tensor([gradient is not None for gradient in gradients], device=self.args.device).int()
        users: list[int] = self.accelerator.reduce(used, reduction="sum").tolist()  # type: ignore[union-attr]
        filled = _filled(gradients, trainable(self.model))
        return [
            self.accelerator.reduce(gradient, reduction="sum") if count else None  # type: ignore[misc]
            for gradient, count in zip(filled, users, strict=True)
        ]

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.wrapper is not None and self.args.should_save:
            torch.save(self.wrapper.state_dict(), f"{output_dir}/{WRAPPER_FILE}")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if self.wrapper is not None and checkpoint is not None:
            state = torch.load(f"{checkpoint}/{WRAPPER_FILE}", map_location=self.args.device, weights_only=True)
            self.wrapper.load_state_dict(state)


def _add(apart: dict[str, Gradients], side: str, more: Gradients) -> None:
    """Add the gradients of a batch to those of a side."""
    before = apart.get(side, [None] * len(more))
    apart[side] = [
        new if old is None else old if new is None else old + new for old, new in zip(before, more, strict=True)
    ]


def _filled(gradients: Gradients, weights: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    pairs = zip(gradients, weights, strict=True)
    return [torch.zeros_like(weight) if gradient is None else gradient for gradient, weight in pairs]
