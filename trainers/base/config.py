"""Settings that every unlearning method has, on top of TRL's: the defaults are those of TOFU's baselines."""

from dataclasses import dataclass, field

import torch
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from trl import SFTConfig

from .stopping import StopWhen


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
    save_steps: float = field(default=0.2, metadata={"help": "Steps between checkpoints; below 1, their share."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints that are kept."})
    freeze_vision: bool = field(default=True, metadata={"help": "Leave the vision tower as it is."})
    cached_features: float = field(
        default=4.0,
        metadata={"help": "GB of a frozen vision tower's features kept in memory, by each process; 0: none."},
    )
    muon: bool = field(default=False, metadata={"help": "Muon for matrices: for small models trained from scratch."})
    retain_ratio: int = field(default=1, metadata={"help": "Retain rows drawn to each forget row."})
    l1: float = field(default=0.0, metadata={"help": "Weight of the L1 norm of the trained weights."})
    l1_from: str = field(default="zero", metadata={"help": "Where the L1 norm is measured from: zero or start."})
    stop_when: str | None = field(
        default=None,
        metadata={"help": "End early: forget_loss>4, retain_loss>2 (nats per answer token) or forget_quality>0.05."},
    )
    quality_steps: float = field(
        default=0.1, metadata={"help": "Steps between two measurements of forget quality; below 1, their share."}
    )
    salun: float | None = field(
        default=None,
        metadata={"help": "SalUn: train this share of the weights, by the size of the forget gradient (paper: 0.5)."},
    )

    def __post_init__(self) -> None:
        """Check the values, and set what a trainer of ready rows and this machine need."""
        accelerator = torch.accelerator.is_available() and not self.use_cpu
        if self.bf16 is None:
            self.bf16 = accelerator and not self.fp16
        self.dataloader_pin_memory = self.dataloader_pin_memory and accelerator
        if self.activation_checkpointing is None:  # the new name of transformers 5.23, which TRL does not know yet
            self.activation_checkpointing = self.gradient_checkpointing
        self.remove_unused_columns = False
        self.dataset_kwargs = {"skip_prepare_dataset": True}
        self.max_length = None
        for name in ("learning_rate", "num_train_epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "logging_steps", "retain_ratio"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("weight_decay", "warmup_steps", "max_grad_norm", "save_steps"):
            if getattr(self, name) is not None and not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        self._check_reporters()
        if self.cached_features < 0:
            raise ValueError(f"cached_features must be 0 or more, not {self.cached_features}")
        if self.l1 < 0 or self.l1_from not in ("zero", "start"):
            raise ValueError(f"l1 must be 0 or more, from zero or start; not {self.l1} from {self.l1_from!r}")
        if self.quality_steps <= 0 or (self.quality_steps > 1 and self.quality_steps % 1):
            raise ValueError(f"quality_steps must be whole, or between 0 and 1; not {self.quality_steps}")
        if self.stop_when is not None:
            StopWhen.parse(self.stop_when)
        if self.salun is not None and not 0 < self.salun < 1:
            raise ValueError(f"salun must be between 0 and 1, not {self.salun}")
        super().__post_init__()

    def _check_reporters(self) -> None:
        """Check that the libraries to report to are installed, before any weight is loaded.

        Raises:
            ValueError: If one is not, or is unknown.
        """
        names = [self.report_to] if isinstance(self.report_to, str) else self.report_to or []
        known = [name for name in INTEGRATION_TO_CALLBACK if isinstance(name, str)]
        for name in names:
            if name in ("none", "all"):
                continue
            if name not in known:
                raise ValueError(f"report_to: unknown library {name!r}; choose from none, {', '.join(sorted(known))}")
            if name not in get_available_reporting_integrations():
                raise ValueError(f"report_to: {name} is not installed; run pip install {name}, or report to none")
