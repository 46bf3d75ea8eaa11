"""SMFA: learn to refuse, then take out of the change what goes against learning the retain rows (arXiv 2511.20196)."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from .base.regularisers import named_trainable
from .base.rows import Draw, Rows, refusing_rows
from .base.task_vector import START_FILE, keep_start
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import UnlearningConfig, UnlearningTrainer

ANCHOR_FILE = "anchor.safetensors"  # beside the checkpoints, until the last step
# Of the anchor's training, instead of the settings of the other.
PLAIN: dict[str, Any] = {"optimizer_wrapper": None, "salun": None, "stop_when": None, "l1": 0.0, "report_to": [],
                         "eval_strategy": "no", "save_strategy": "no", "logging_strategy": "no"}  # fmt: skip


@dataclass
class SMFAConfig(UnlearningConfig):
    """Settings of SMFA: the rates of a public port; the paper's authors have published no code."""

    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate of both trainings."})
    num_train_epochs: float = field(default=3, metadata={"help": "Passes over the forget rows, in each."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})
    masking: float = field(default=5.0, metadata={"help": "k: the larger, the less is taken out of the change."})
    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})

    def __post_init__(self) -> None:
        """Check the strength."""
        if not self.masking >= 0:
            raise ValueError(f"masking must be 0 or more, not {self.masking}")
        super().__post_init__()


class SMFATrainer(UnlearningTrainer):
    """Minimise `L(x_f, refusal) + a L_r`, then leave out of the change `F` what goes against the anchor's, `A`.

    A is what the retain term alone changes in the same steps. An entry of F goes if its sign is not that of A and if
    `k ||F|| / ||A|| |A_ij| < |F_ij|`, by the norms of a weight. What is left has no low rank, as an adapter needs.
    """

    args: SMFAConfig
    _tag_names = ["clear", "unlearning", "smfa"]
    _name = "SMFA"
    takes_adapter = False

    def choose_weights(self, model: PreTrainedModel, args: Any, peft_config: Any) -> Any:
        """Train the weights themselves; an adapter is an error."""
        if peft_config is not None or isinstance(model, PeftModel):
            raise ValueError("smfa leaves a change without low rank: give it no adapter (use_peft)")
        return super().choose_weights(model, args, peft_config)

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return refusals instead of the forget answers, which are never shown."""
        refusal = refusing_rows(sides["forget"], args.refusals, args.seed)
        return {"refusal": refusal, "retain": super().draws(args, sides)["retain"]}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent on refusals and on retain answers."""
        now = self.likelihoods(model, batch)
        refusal, retain = (token_mean(now[side], totals[side]) for side in ("refusal", "retain"))
        return {"refusal": refusal, "retain": self.args.retain_weight * retain}

    def before_training(self) -> None:
        """Write down the original weights, and those of the anchor unless they are there; then undo its training."""
        keep_start(self)
        path = self.folder / ANCHOR_FILE
        if path.exists():
            return
        args = copy.copy(self.args)
        vars(args).update(PLAIN)
        with torch.random.fork_rng():
            AnchorTrainer(self.model, args, processing_class=self.processing_class, sides=self.rows).train()
        weights, start = named_trainable(self.model), load_file(self.folder / START_FILE)
        if self.is_world_process_zero():
            part = path.with_suffix(".part")
            save_file({name: weight.detach() for name, weight in weights.items()}, part)
            part.rename(path)
        for name, weight in weights.items():
            weight.data.copy_(start[name])
        self.accelerator.wait_for_everyone()

    @torch.no_grad()
    def after_training(self) -> None:
        """Sculpt the change by that of the anchor."""
        start, anchor = (load_file(self.folder / name) for name in (START_FILE, ANCHOR_FILE))
        for name, weight in named_trainable(self.model).items():
            before, held = (kept[name].to(weight.device).float() for kept in (start, anchor))
            weight.copy_(before + sculpted(weight.float() - before, held - before, self.args.masking))
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            for name in (START_FILE, ANCHOR_FILE):
                (self.folder / name).unlink()


class AnchorTrainer(UnlearningTrainer):
    """Train on the retain rows of the same steps and on nothing else."""

    args: SMFAConfig

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return the retain rows, as they are drawn for each forget row."""
        return {"retain": super().draws(args, sides)["retain"]}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent on retain answers."""
        return {"retain": token_mean(self.likelihoods(model, batch)["retain"], totals["retain"])}


def sculpted(change: torch.Tensor, anchor: torch.Tensor, masking: float) -> torch.Tensor:
    """Return a change without the entries that are large and go against the anchor's change (equations 5 to 8)."""
    scale = masking * change.norm() / anchor.norm()
    return change.masked_fill((change * anchor < 0) & (scale * anchor.abs() < change.abs()), 0.0)
