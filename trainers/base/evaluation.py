"""Watch a model in training: the loss of rows that are given as `eval_dataset`, and a callback that scores it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from trl import SFTTrainer

from clear_unlearning.likelihood import answer_likelihood

from .given import given_rows


def given_evaluation(given: Any, args: Any) -> Any:
    """Return `eval_dataset` as rows: by name if it is a mapping of several, as a DatasetDict; None without it.

    Raises:
        ValueError: If a row cannot be used, or `args` want rows evaluated and there are none.
    """
    if isinstance(given, Mapping):
        return {name: given_rows(f"eval_dataset, {name}", rows, args.seed) for name, rows in given.items()}
    if given is not None:
        return given_rows("eval_dataset", given, args.seed)
    if args.eval_strategy != "no" or args.eval_on_start:
        name = "eval_on_start" if args.eval_strategy == "no" else f"eval_strategy {args.eval_strategy.value!r}"
        raise ValueError(f"{name} requires rows, given to the trainer as eval_dataset; or score the trained model")
    return None


class EvaluatingTrainer(SFTTrainer):
    """TRL's trainer, which evaluates rows by the loss per answer token, exactly and on each of several sides."""

    args: Any
    data_collator: Any
    model: Any
    optimizer: Any
    train_dataset: Any

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """Return the loss per answer token of rows in nats, and what `compute_metrics` makes of them.

        Args:
            eval_dataset: Rows, or several by name: `{"forget": ..., "retain": ...}` gives `eval_forget_loss` and
                `eval_retain_loss`; by default those that the trainer was given.
            ignore_keys: As in TRL.
            metric_key_prefix: What the names begin with.

        Raises:
            ValueError: If there are no rows, or one cannot be used.
        """
        if eval_dataset is None and self.eval_dataset is None:
            raise ValueError("there is nothing to evaluate; give eval_dataset to the trainer or to evaluate")
        given: Any = eval_dataset
        if given is not None and not isinstance(given, str):
            given = given_evaluation(given, self.args)
        return super().evaluate(given, ignore_keys, metric_key_prefix)  # type: ignore[arg-type]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Return the batches of rows, or of those with a name; training draws the same numbers as without them."""
        named: Any = self.eval_dataset if eval_dataset is None or isinstance(eval_dataset, str) else eval_dataset
        rows: Any = named[eval_dataset] if isinstance(eval_dataset, str) else named
        encode, size = self.data_collator.encoder.batch, self.args.eval_batch_size
        loader = DataLoader(rows, size, collate_fn=encode, generator=torch.Generator())
        return self.accelerator.prepare(loader)

    def prediction_step(
        self, model: nn.Module, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """Return loss, logits and labels of a batch as TRL does; logits only where `compute_metrics` needs them."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            now = answer_likelihood(model, inputs)
            of_rows = self.accelerator.gather_for_metrics((now.sums(), now.counts()))
            self._evaluated.append([values.sum().item() for values in of_rows])  # type: ignore[union-attr]
            loss = -now.log_probs.mean()
            if prediction_loss_only:
                return loss, None, None
            fields = {name: value for name, value in inputs.items() if name not in ("labels", "index")}
            return loss, model(**fields, use_cache=False).logits, inputs["labels"]

    def evaluation_loop(
        self, dataloader: DataLoader, description: str, prediction_loss_only: bool | None = None,
        ignore_keys: Any = None, metric_key_prefix: str = "eval",
    ) -> Any:  # fmt: skip
        """Evaluate as TRL does, with the mean over all answer tokens instead of that over batches."""
        self._evaluated: list[list[float]] = []
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        log_probs, tokens = (math.fsum(values) for values in zip(*self._evaluated, strict=True))
        output.metrics[f"{metric_key_prefix}_loss"] = -log_probs / tokens  # type: ignore[index]
        return output


class ScoreCallback(TrainerCallback):
    """Score the model after every few steps; `trainer.state.log_history` keeps the numbers with their step.

    Args:
        score: Takes the model in training and returns numbers by name, as `score_log(evaluate_model(model, ...))`
            does; what is not a number is left out.
        steps: Steps between two scores; below 1, their share of all steps.
        newest: Receives the numbers as well, for the conditions of the same step.
    """

    def __init__(
        self, score: Callable[[Any], Mapping[str, Any]], steps: float = 0.1, newest: dict[str, float] | None = None
    ) -> None:
        if not callable(score):
            raise TypeError(f"score must be a function of the model that returns numbers by name, not {score!r}")
        if not steps > 0 or (steps > 1 and steps % 1):
            raise ValueError(f"steps must be whole, or a share between 0 and 1; not {steps!r}")
        self.score, self.steps, self.newest = score, steps, {} if newest is None else newest

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Score the model if it is due."""
        every = math.ceil(self.steps * state.max_steps) if self.steps < 1 else int(self.steps)
        if state.global_step % every == 0:
            found = {name: value for name, value in self.score(kwargs["model"]).items() if _is_number(value)}
            self.newest.update(found)
            state.log_history.append({"step": state.global_step, **found})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
