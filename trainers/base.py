"""What every unlearning method shares, on top of TRL's SFTTrainer: two-sided batches, exact means, the reference.

A method is a `Config` with the paper's defaults and a `Trainer` that says, in `losses`, what it adds up of a forget
and a retain batch. Means are over the answer tokens (or the sequences) of one side of the *global* batch, so that a
batch of 1 x 4, four accumulation steps of 1 and four processes of 1 take the same step.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from datasets import Dataset
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel, TrainerCallback
from trl import SFTConfig, SFTTrainer
from trl.trainer.utils import use_adapter

from clear_unlearning.batches import IGNORE, Batch, Encoder
from clear_unlearning.likelihood import AnswerLikelihood, answer_likelihood
from clear_unlearning.optimizers import MuonWithAdamW

from .rows import Rows, SideCollator

REFERENCE_FILE = "reference_log_probs.safetensors"


@dataclass
class UnlearningConfig(SFTConfig):
    """Settings that every method has. Defaults are those of TOFU's baselines (arXiv 2401.06121, appendix)."""

    learning_rate: float = field(default=1e-5, metadata={"help": "Peak learning rate."})
    weight_decay: float = field(default=0.01, metadata={"help": "Decoupled weight decay."})
    num_train_epochs: float = field(default=5, metadata={"help": "Passes over the rows that drive the epoch."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Rows of each side in a step."})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Trade time for memory."})
    report_to: None | str | list[str] = field(
        default="none", metadata={"help": "trackio, tensorboard, wandb or none."}
    )
    freeze_vision: bool = field(default=True, metadata={"help": "Leave the vision tower as it is."})
    muon: bool = field(default=False, metadata={"help": "Muon for matrices: for small models trained from scratch."})

    def __post_init__(self) -> None:
        """Fills in what a trainer of ready rows needs and what this machine can do."""
        accelerator = torch.accelerator.is_available() and not self.use_cpu
        if self.bf16 is None:
            self.bf16 = accelerator and not self.fp16
        self.dataloader_pin_memory = self.dataloader_pin_memory and accelerator
        self.remove_unused_columns = False
        self.dataset_kwargs = {"skip_prepare_dataset": True}
        self.max_length = None
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        super().__post_init__()


@dataclass(frozen=True)
class SideTotals:
    """Size of one side of the global batch: what the means divide by."""

    tokens: torch.Tensor
    rows: torch.Tensor


Sides = dict[str, Batch]  # one batch a side, from `Encoder.batch`, with the `index` of its rows
Totals = dict[str, SideTotals]
Terms = dict[str, torch.Tensor]  # what a loss adds up, by name


class _TellEpoch(TrainerCallback):
    """Tells the collator which epoch it is, so that it draws other retain rows in each."""

    def __init__(self, collator: SideCollator) -> None:
        self.collator = collator

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.collator.epoch = int(state.epoch or 0)


class UnlearningTrainer(SFTTrainer):
    """Base of the methods.

    Args:
        model: The original model, already loaded; with `peft_config` a new adapter is put on it.
        args: The method's Config.
        sides: Rows to forget and to retain, by the names in `side_names`.
        processing_class: The model's processor or tokenizer.
        peft_config: LoRA, or None to train the weights themselves.

    Raises:
        ValueError: If a side that the method needs has no rows.
    """

    side_names: ClassVar[tuple[str, ...]] = ("forget", "retain")  # the first drives the epoch
    needs_reference: ClassVar[bool] = False  # log-probabilities of the forget answers before unlearning
    args: Any  # the method's Config
    model: Any
    loss_is_scaled_for_ga = True  # losses are divided by the totals of all accumulation steps already

    def __init__(
        self,
        model: PreTrainedModel,
        args: UnlearningConfig,
        sides: dict[str, Rows],
        processing_class: Any,
        peft_config: PeftConfig | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        missing = [name for name in self.side_names if name not in sides]
        if missing:
            raise ValueError(f"{type(self).__name__} needs rows for {', '.join(self.side_names)}; missing: {missing}")
        if args.freeze_vision and peft_config is None:
            freeze_vision(model)
        collator = SideCollator(
            Encoder(processing_class), {name: sides[name] for name in self.side_names}, seed=args.seed
        )
        driving = sides[self.side_names[0]]
        super().__init__(
            model=model,
            args=args,
            train_dataset=Dataset.from_dict({"index": list(range(len(driving)))}),
            data_collator=collator,  # type: ignore[arg-type]
            processing_class=processing_class,
            peft_config=peft_config,
            callbacks=[*(callbacks or []), _TellEpoch(collator)],
        )
        self.rows = sides
        self._reference: torch.Tensor | None = None
        if self.needs_reference and not isinstance(self.accelerator.unwrap_model(self.model), PeftModel):
            self._reference = self._load_or_compute_reference()

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """The terms of the method's loss, by name; the trainer adds them up and logs each.

        Args:
            model: The model in training.
            batch: One batch a side.
            totals: Sizes of the global batch.
        """
        raise ValueError(f"{type(self).__name__} defines no losses")

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Muon with AdamW if asked for, otherwise what `--optim` says."""
        if self.args.muon and self.optimizer is None:
            named = (model or self.model).named_parameters()
            self.optimizer = MuonWithAdamW(named, lr=self.args.learning_rate, weight_decay=self.args.weight_decay)
        return super().create_optimizer(model)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list, Any]:
        """Takes the batches of one step and counts answer tokens and rows of each side over all processes."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        return batches, self._totals(batches, device) if batches else None

    def _totals(self, batches: list[dict[str, Batch]], device: torch.device) -> dict[str, SideTotals]:
        counts = torch.tensor(
            [
                [sum(int((b[side]["labels"][:, 1:] != IGNORE).sum()) for b in batches) for side in self.side_names],
                [sum(len(b[side]["labels"]) for b in batches) for side in self.side_names],
            ],
            device=device,
        )
        counts = self.accelerator.reduce(counts, reduction="sum")
        return {side: SideTotals(*counts[:, i]) for i, side in enumerate(self.side_names)}

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Adds up the terms of `losses`.

        Raises:
            FloatingPointError: If a term is NaN or infinite: training has diverged.
        """
        totals = num_items_in_batch or self._totals([inputs], self.args.device)
        terms = self.losses(model, inputs, totals)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            values = {name: float(term) for name, term in terms.items()}
            raise FloatingPointError(
                f"step {self.state.global_step}: the loss is {values}; a lower learning rate may help"
            )
        mode = "train" if self.model.training else "eval"
        steps = getattr(self, "current_gradient_accumulation_steps", 1)
        for name, term in terms.items():
            # The mean over processes times the number of steps is the term of the global batch.
            whole: Any = self.accelerator.reduce(term.detach(), reduction="sum")
            self._metrics[mode][f"{name}_loss"].append(float(whole) * steps)
        # Gradients are averaged over processes; the totals already count all of them.
        loss = loss * self.accelerator.num_processes
        return (loss, {}) if return_outputs else loss

    def likelihood(self, model: nn.Module, batch: Batch) -> AnswerLikelihood:
        """Log-probabilities of a side's answers under the model in training."""
        return answer_likelihood(model, {name: value for name, value in batch.items() if name != "index"})

    def reference_sums(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Summed log-probability of each forget answer before unlearning [rows].

        Under LoRA the model without its adapter is the reference; otherwise the sums were computed once before the
        first step. Neither needs a second model in memory.
        """
        if self._reference is not None:
            return self._reference.to(batch["index"].device)[batch["index"]]
        inner = self.accelerator.unwrap_model(model)
        with torch.no_grad(), use_adapter(inner, None):
            return self.likelihood(model, batch).sums()

    def _load_or_compute_reference(self) -> torch.Tensor:
        path = Path(self.args.output_dir, REFERENCE_FILE)
        if path.is_file():  # a run that goes on: the weights are no longer the original's
            return load_file(path)["sums"]
        collator: Any = self.data_collator
        rows, sums = self.rows["forget"], []
        self.model.eval()
        with torch.no_grad():
            for start in range(0, len(rows), self.args.per_device_train_batch_size):
                stop = min(start + self.args.per_device_train_batch_size, len(rows))
                batch = collator.encoder.batch([rows[i] for i in range(start, stop)])
                batch = {name: value.to(self.args.device) for name, value in batch.items()}
                sums.append(answer_likelihood(self.model, batch).sums())
        result = torch.cat(sums).cpu()
        if self.is_world_process_zero():
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"sums": result}, path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)
        return result


def token_mean(likelihood: AnswerLikelihood, totals: SideTotals) -> torch.Tensor:
    """Negative log-likelihood per answer token of the global batch, in nats."""
    return -likelihood.log_probs.sum() / totals.tokens


def freeze_vision(model: PreTrainedModel) -> None:
    """Switches off the gradients of the vision tower; a text model has none and stays as it is."""
    tower = model.get_encoder(modality="image")
    if tower is not model and tower is not model.base_model:
        tower.requires_grad_(False)
