"""SCRUB: alternate away from the original on forget rows and back to it on retain rows (arXiv 2302.09880)."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .base.batching import PhaseCollator, alternating_rows
from .base.checkpoints import Rewind, loss_per_token
from .base.given import given_args
from .base.rows import Draw, Rows, rows_themselves
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer

EPOCHS_FOLDER = "kept-epochs"  # goes when the checkpoints go


@dataclass
class SCRUBConfig(UnlearningConfig):
    """Settings of SCRUB: the paper's for small scale."""

    learning_rate: float = field(default=5e-4, metadata={"help": "Learning rate of the first epochs."})
    weight_decay: float = field(default=0.1, metadata={"help": "Decoupled weight decay."})
    num_train_epochs: float = field(default=10, metadata={"help": "Passes over the retain rows."})
    lr_scheduler_type: str = field(default="constant", metadata={"help": "constant decays after lr_decay_epochs."})
    lr_decay_epochs: list[int] = field(
        default_factory=lambda: [5, 8, 9], metadata={"help": "Epochs after which a constant learning rate falls."}
    )
    msteps: int = field(default=3, metadata={"help": "Epochs, from the first, that begin with a pass over forget."})
    temperature: float = field(default=2.0, metadata={"help": "T of the divergences."})
    distillation_weight: float = field(default=0.5, metadata={"help": "Weight a of the divergence on retain."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight g of the likelihood on retain."})

    def __post_init__(self) -> None:
        """Check the phases."""
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if self.msteps < 0:
            raise ValueError(f"msteps must be 0 or more, not {self.msteps}")
        if self.max_steps > 0:
            raise ValueError(f"scrub counts passes: give num_train_epochs, not max_steps ({self.max_steps})")
        super().__post_init__()


class SCRUBTrainer(UnlearningTrainer):
    """Maximise `KL_T(p0 || p)` on forget in the first epochs; minimise `a KL_T(p0 || p) + g L_r` in every epoch.

    `KL_T = T^2 KL(softmax(z0 / T) || softmax(z / T))`. All epochs are one pass of the Trainer over a list of rows.
    With rows of people that no model has seen (`held_out`), it ends with the weights of the epoch whose forget error
    is closest to the error of the last weights on these; the error is the loss per answer token.
    """

    args: SCRUBConfig
    collator_class = PhaseCollator
    optional = ("held_out",)
    _tag_names = ["clear", "unlearning", "scrub"]
    _name = "SCRUB"

    def __init__(self, model: Any, args: Any = None, *rest: Any, **others: Any) -> None:
        args = copy.copy(given_args(type(self), args, model))
        self.epochs = math.ceil(args.num_train_epochs)
        args.num_train_epochs = 1
        super().__init__(model, args, *rest, **others)
        self.rewind: Rewind | None = None
        if "held_out" in self.rows:
            self.rewind = Rewind(self.folder / EPOCHS_FOLDER, self.ends, self.forget_error)
            self.add_callback(self.rewind)

    def forget_error(self, network: nn.Module) -> float:
        """Return the loss per token of the forget answers."""
        return loss_per_token(network, self.batches("forget"))

    def items(self, args: SCRUBConfig, sides: dict[str, Rows]) -> dict[str, list[Any]]:
        """Return the rows of all passes."""
        step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        sizes = {side: len(sides[side]) for side in ("forget", "retain")}
        columns, self.ends = alternating_rows(sizes, self.epochs, args.msteps, step, args.seed)
        return columns

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return each row itself."""
        return {side: rows_themselves(sides[side]) for side in ("forget", "retain")}

    def references(self) -> dict[str, Quantity]:
        """Return the logits of both sides."""
        return {"forget": self.logits, "retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the max step on a forget batch, the min step on a retain batch."""
        (side,) = batch
        now = self.likelihoods(model, batch)[side]
        divergence = self.divergence(now, model, batch, side, self.args.temperature)
        if side == "forget":
            return {"forget": -divergence / totals[side].tokens}
        distillation = self.args.distillation_weight * divergence / totals[side].tokens
        return {"distillation": distillation, "retain": self.args.retain_weight * token_mean(now, totals[side])}

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """Return the paper's steps for a constant learning rate."""
        if self.lr_scheduler is None and self.args.lr_scheduler_type == "constant":
            falls = [self.ends[epoch - 1] for epoch in self.args.lr_decay_epochs if 0 < epoch <= self.epochs]
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, lambda step: 0.1 ** sum(step >= fall for fall in falls)
            )
        return super().create_scheduler(num_training_steps, optimizer)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def after_training(self) -> None:
        """Go back to the best epoch, if there are held-out rows."""
        if self.rewind is not None:
            self.accelerator.wait_for_everyone()
            unseen = loss_per_token(self.model, self.batches("held_out"))
            epoch = self.rewind.choose(self.model, unseen)
            self.state.log_history.append({"step": self.state.global_step, "rewound_to_epoch": epoch})
