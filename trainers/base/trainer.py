"""The base of every unlearning method, on top of TRL's SFTTrainer: two-sided batches, exact means, the reference.

A method is a `Config` with the paper's defaults and a `Trainer` that says, in `losses`, what it adds up of a forget
and a retain batch. Means are over the answer tokens (or the sequences) of one side of the *global* batch, so that a
batch of 1 x 4, four accumulation steps of 1 and four processes of 1 take the same step.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from datasets import Dataset
from peft import PeftConfig, PeftModel
from torch import nn
from transformers import EvalPrediction, PreTrainedModel, TrainerCallback
from trl.trainer.utils import use_adapter

from clear_unlearning.batches import Batch, Encoder, answer_counts, to_device
from clear_unlearning.likelihood import AnswerLikelihood, answer_likelihood
from clear_unlearning.optimizers import MuonWithAdamW

from .batching import EpochSampler, SideCollator, TellEpoch, epochs_begun, fillers
from .checkpoints import all_finite, load_weights, where_to_resume
from .config import UnlearningConfig
from .evaluation import given_evaluation
from .given import given_adapter, given_args, given_model, given_sides
from .likelihoods import ReferenceCache, likelihoods_of
from .regularisers import SalientWeights, trainable
from .rows import Draw, Drawn, Rows, partner_rows, rows_themselves
from .steps import SteppingTrainer
from .stopping import Measure, stop_callbacks
from .terms import Sides, Terms, Totals, check_sides, token_kl
from .vision import each_photo_once, freeze_vision

REFERENCE_FOLDER = "kept-reference"  # goes when the checkpoints go
Quantity = Callable[[nn.Module, Batch], torch.Tensor]  # of a model and a side: [answer tokens, ...]


class UnlearningTrainer(SteppingTrainer):
    """Unlearn by a method: the base of all of them, TRL's trainer with rows to forget and rows to retain.

    Args:
        model: The original model, or its folder or Hub id; with `peft_config` a new adapter is put on it.
        args: The method's Config; its defaults in the folder `<model>-<method>` if None.
        train_dataset: Rows to forget, as `given_rows` takes them; or a mapping with rows for `forget` and `retain`.
        retain_dataset: Rows to retain.
        eval_dataset: Rows to watch, for `eval_strategy` and `evaluate`; or several by name.
        processing_class: The model's processor or tokenizer; by default the model's own.
        peft_config: LoRA, or None to train the weights themselves.
        callbacks, compute_metrics, preprocess_logits_for_metrics: As in TRL; the last two for `eval_dataset`.
        measures: What `stop_when` can name besides losses.
        sides: Rows by the names in `needs`, instead of the two datasets.

    Raises:
        TypeError: If `args` are of another method.
        ValueError: If a side that the method needs has no rows, or a row cannot be used.
    """

    needs: ClassVar[tuple[str, ...]] = ("forget", "retain")  # rows; the first drive the epoch
    optional: ClassVar[tuple[str, ...]] = ()  # further rows that a method can use
    collator_class: ClassVar[type[SideCollator]] = SideCollator
    takes_adapter: ClassVar[bool] = True
    needs_names: ClassVar[bool] = False  # whether rows to forget must say whom they are about
    loss_is_scaled_for_ga = True  # losses are divided by the totals of all accumulation steps already

    def __init__(
        self,
        model: PreTrainedModel | PeftModel | str | Path,
        args: UnlearningConfig = None,  # type: ignore[assignment]
        train_dataset: Any = None,
        retain_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        peft_config: PeftConfig | None = None,
        callbacks: list[TrainerCallback] | None = None,
        compute_metrics: Callable[[EvalPrediction], dict[str, Any]] | None = None,
        preprocess_logits_for_metrics: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        measures: Mapping[str, Measure] | None = None,
        sides: dict[str, Rows] | None = None,
    ) -> None:
        args = given_args(type(self), args, model)
        watched = given_evaluation(eval_dataset, args)
        sides = sides or given_sides(train_dataset, retain_dataset, (*self.needs, *self.optional), args.seed)
        check_sides(type(self), sides, self.needs)
        network, processing_class = given_model(model, processing_class)
        peft_config = self.choose_weights(network, args, given_adapter(peft_config, network, args.freeze_vision))
        collator = self.collator_class(Encoder(processing_class), self.draws(args, sides))
        self.nats: dict[str, float] = {}  # loss per answer token of the last step, by side: `forget_loss`
        stops = stop_callbacks(args, collator.draws, self.nats, measures or {})
        super().__init__(
            model=network, args=args, processing_class=processing_class, peft_config=peft_config,
            train_dataset=Dataset.from_dict(self.items(args, sides)), data_collator=collator,  # type: ignore[arg-type]
            callbacks=[*(callbacks or []), TellEpoch(collator), *stops], eval_dataset=watched,
            compute_metrics=compute_metrics, preprocess_logits_for_metrics=preprocess_logits_for_metrics,
        )  # fmt: skip
        self.rows, self.folder = sides, Path(str(args.output_dir))
        self.build_wrapper()
        weights = trainable(self.model)
        self._start = [weight.detach().clone() for weight in weights] if args.l1_from == "start" else None
        self._salient = None if args.salun is None else SalientWeights(self.model, self.batches("forget"), args.salun)
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        self._vision = each_photo_once(network, args.cached_features, sharded)
        self._reference: ReferenceCache | None = None
        if self.references() and peft_config is None:  # otherwise the model without the new adapter
            self.model.eval()
            with self._vision, self.accelerator.main_process_first():  # it computes for all
                self._reference = ReferenceCache(self.folder / REFERENCE_FOLDER)
                epochs = epochs_begun(args, len(self.train_dataset))
                examples = collator.examples(self.train_dataset, epochs, self.references())
                self._reference.fill(examples, self._reference_values, args.per_device_train_batch_size)

    def choose_weights(self, model: PreTrainedModel, args: Any, peft_config: PeftConfig | None) -> PeftConfig | None:
        """Choose the trained weights: all or LoRA's, without a frozen vision tower."""
        if args.freeze_vision and peft_config is None:
            freeze_vision(model)
        return peft_config

    def items(self, args: Any, sides: dict[str, Rows]) -> dict[str, list[Any]]:
        """Return the columns of the training set: numbers of the rows that drive the epoch, and which are fillers."""
        rows = len(sides[self.needs[0]])
        more = fillers(rows, args.train_batch_size, args.world_size)
        return {"index": [*range(rows), *[0] * more], "filler": [False] * rows + [True] * more}

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return what is drawn for a row, by side: the row itself and rows of the other side."""
        first, *others = self.needs
        partners = {name: partner_rows(sides[name], args.seed, args.retain_ratio) for name in others}
        return {first: rows_themselves(sides[first]), **partners}

    def references(self) -> dict[str, Quantity]:
        """Return the quantities of the original model that the loss needs, by side; none by default."""
        return {}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the terms of the method's loss, by name, of one batch a side; `totals` are of the global batch."""
        raise ValueError(f"{type(self).__name__} defines no losses")

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return Muon with AdamW if asked for, otherwise what `--optim` says; a wrapper may take two of them."""
        if self.optimizer is None:
            build = functools.partial(self._new_optimizer, model)
            self.optimizer = build() if self.wrapper is None else self.wrapper.optimizer(build)
        if self._salient is not None:
            self._salient.attach(self.optimizer)
        return self.optimizer

    def _new_optimizer(self, model: nn.Module | None) -> torch.optim.Optimizer:
        if self.args.muon:
            named = (model or self.model).named_parameters()
            return MuonWithAdamW(named, lr=self.args.learning_rate, weight_decay=self.args.weight_decay)
        self.optimizer = None
        return super().create_optimizer(model)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train.

        Raises:
            FloatingPointError: If training has diverged.
            ValueError: If no weight has changed.
        """
        self.before_training()
        before = self._weight_sums()
        with self._vision:
            output = super().train(*args, **kwargs)
            self._check_weights()
            self.after_training()
        if self._weight_sums() == before:
            raise ValueError(
                f"no weight has changed in {self.state.global_step} steps; a higher learning_rate than "
                f"{self.args.learning_rate} or weights in float32 may help"
            )
        return output

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        self._check_weights()  # so that every checkpoint is a good one
        super()._save_checkpoint(model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if model is None and isinstance(self.model, PreTrainedModel):
            load_weights(self.model, Path(resume_from_checkpoint))
        else:  # an adapter, or a model in shards
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _check_weights(self) -> None:
        if not all_finite(trainable(self.model)):
            raise FloatingPointError(f"step {self.state.global_step}: a weight is NaN or infinite; {self._advice()}")

    def _advice(self) -> str:
        return f"a lower learning rate may help; {where_to_resume(self.folder)}"

    def before_training(self) -> None:
        """Prepare with the original weights before the first step; a method may override it."""

    def after_training(self) -> None:
        """Change the weights after the last step; a method may override it."""

    def _weight_sums(self) -> list[float]:
        return torch.stack([weight.detach().sum(dtype=torch.float64) for weight in trainable(self.model)]).tolist()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows, args = self.train_dataset, self.args
        seed = args.seed if args.data_seed is None else args.data_seed
        return EpochSampler(rows["filler"], self.data_collator, seed, args.train_batch_size, args.world_size)  # type: ignore

    def likelihoods(self, model: nn.Module, batch: Sides) -> dict[str, AnswerLikelihood]:
        """Return the log-probabilities of the answers of all sides under the model in training, in one pass.

        A wrapper wants the sides' gradients apart: then each side has a pass of its own.
        """
        apart = self.wrapper is not None
        self._seen = likelihoods_of(model, batch, always=self.accelerator.num_processes > 1 and not apart, apart=apart)
        return self._seen

    def log_probs(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Return the log-probability of each answer token in nats [answer tokens]."""
        return answer_likelihood(model, batch).log_probs

    def logits(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Return the logits that predict the answer tokens [answer tokens, vocabulary], in the weights' precision."""
        return answer_likelihood(model, batch).logits.to(self.model.dtype)

    def gains(self, now: AnswerLikelihood, model: nn.Module, batch: Sides, side: str) -> torch.Tensor:
        """Return the change of each answer's summed log-probability since before unlearning [rows].

        Rows that only fill a batch are left out.
        """
        change = replace(now, log_probs=now.log_probs - self.reference(model, batch, side))
        return change.sums()[now.counts() > 0]

    def divergence(
        self, now: AnswerLikelihood, model: nn.Module, batch: Sides, side: str, temperature: float = 1.0
    ) -> torch.Tensor:
        """Return `KL(p0 || p)` of the model from the original, summed over the answer tokens of a side.

        The side must be in `references` with its logits; see `token_kl` for the temperature.
        """
        return token_kl(self.reference(model, batch, side), now.logits, temperature).sum()

    def reference(self, model: nn.Module, batch: Sides, side: str) -> torch.Tensor:
        """Return the quantity of `references` of a side, before unlearning [answer tokens, ...].

        Under LoRA the model without its adapter is the reference; otherwise it was computed once before the first
        step. Neither needs a second model in memory.
        """
        if self._reference is not None:
            keys = batch[side]["index"].tolist()
            return self._reference.get(side, keys, answer_counts(batch[side])).to(self.args.device)
        inner = self.accelerator.unwrap_model(model)
        training = inner.training
        inner.eval()  # without dropout, as the cache
        with torch.no_grad(), use_adapter(inner, None):
            value = self.references()[side](model, batch[side])
        inner.train(training)
        return value

    def _reference_values(self, side: str, drawn: Drawn) -> list[torch.Tensor]:
        batch = to_device(self.data_collator.encode(drawn), self.args.device)
        with torch.no_grad(), self.accelerator.autocast():
            value = self.references()[side](self.model, batch)
        return list(value.split(answer_counts(batch)))

    def batches(self, side: str, size: int | None = None) -> Iterator[Batch]:
        """Yield all rows of a side, in order; as many at a time as in training if `size` is None."""
        if side not in self.rows:
            raise ValueError(f"{side} rows are needed; there are {', '.join(self.rows)}")
        rows: Rows = self.rows[side]
        size = int(size or self.args.per_device_train_batch_size)
        for start in range(0, len(rows), size):
            keys = range(start, min(start + size, len(rows)))
            yield to_device(self.data_collator.encode([(key, rows[key]) for key in keys]), self.args.device)
