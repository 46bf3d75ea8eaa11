"""Settings that every unlearning method has, on top of TRL's: the defaults are those of TOFU's baselines."""

import math
from dataclasses import MISSING, dataclass, field, fields

import torch
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from trl import SFTConfig

from .stopping import StopWhen
from .wrappers import check_wrapper

READY = "the rows are built ready for the model, and no answer is ever cut"
SCORED = "score the model with `clear-unlearning evaluate` after training"
PUSHED = "publish the model with `clear-unlearning push`"
RESUMED = "the same command resumes by itself, with the same steps"
DRAWN = "which rows make a step follows from the forget request and the seed"
OWN_LOSS = "the loss is the method's own"

# Fields of SFTConfig that would do nothing here or change what a method is -> why, and what to use instead.
UNSUPPORTED: dict[str, str] = {
    **dict.fromkeys(("dataset_text_field", "dataset_kwargs", "dataset_num_proc", "max_length", "truncation_mode",
                     "packing", "packing_strategy", "padding_free", "pad_to_multiple_of", "eval_packing",
                     "completion_only_loss", "assistant_only_loss"), READY),
    **dict.fromkeys(("eos_token", "pad_token", "chat_template_path"), "use --chat_template FILE"),
    **dict.fromkeys(("shuffle_dataset", "train_sampling_strategy", "length_column_name", "dataloader_drop_last",
                     "dataloader_in_order"), DRAWN),
    **dict.fromkeys(("loss_type", "label_smoothing_factor", "neftune_noise_alpha", "use_liger_kernel",
                     "liger_kernel_config", "router_aux_loss_coef", "average_tokens_across_devices"), OWN_LOSS),
    **dict.fromkeys(("prediction_loss_only", "eval_do_concat_batches", "eval_use_gather_object", "label_names",
                     "include_for_metrics", "batch_eval_metrics", "bf16_full_eval", "fp16_full_eval",
                     "load_best_model_at_end", "metric_for_best_model", "greater_is_better", "do_train", "do_eval",
                     "do_predict"), SCORED),
    **dict.fromkeys(("push_to_hub", "hub_token", "hub_private_repo", "hub_model_id", "hub_strategy",
                     "hub_always_push", "hub_revision"), PUSHED),
    **dict.fromkeys(("resume_from_checkpoint", "ignore_data_skip", "restore_callback_states_from_checkpoint",
                     "save_only_model", "enable_jit_checkpoint", "save_on_each_node"), RESUMED),
    "auto_find_batch_size": "it would change the steps; give --per_device_train_batch_size",
    "model_init_kwargs": "use --dtype, --attn_implementation, --device_map",
    "trust_remote_code": "code from a repository is never run",
}  # fmt: skip

# Fields that say how `eval_dataset` is evaluated, which a program gives: the commands have none.
EVALUATED = ("eval_strategy", "eval_steps", "eval_delay", "eval_on_start", "eval_accumulation_steps",
             "per_device_eval_batch_size")  # fmt: skip


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
    optimizer_wrapper: str | None = field(
        default=None,
        metadata={"help": "What a step makes of forget and retain gradient: gru, ngdiff, dualoptim or sam."},
    )
    gru_share: float = field(default=0.8, metadata={"help": "GRU: share of the new retain gradient in its mean."})
    dualoptim_forget_rate: float = field(
        default=1.0, metadata={"help": "DualOptim: learning rate of the forget gradient, times --learning_rate."}
    )
    sam_radius: float = field(default=0.01, metadata={"help": "SAM: length of the step to the worst place nearby."})

    def __post_init__(self) -> None:
        """Check the values, and set what a trainer of ready rows and this machine need."""
        ready = {"remove_unused_columns": False, "dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None}
        for one in fields(self):
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            if one.name in UNSUPPORTED and getattr(self, one.name) not in (default, ready.get(one.name, default)):
                raise ValueError(f"--{one.name} is not supported: {UNSUPPORTED[one.name]}")
        accelerator = torch.accelerator.is_available() and not self.use_cpu
        if self.bf16 is None:
            self.bf16 = accelerator and not self.fp16
        self.dataloader_pin_memory = self.dataloader_pin_memory and accelerator
        if self.activation_checkpointing is None:  # the new name of transformers 5.23, which TRL does not know yet
            self.activation_checkpointing = self.gradient_checkpointing
        for name, value in ready.items():
            setattr(self, name, value)
        for name in ("learning_rate", "num_train_epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "logging_steps", "retain_ratio"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        weights = [one.name for one in fields(self) if one.name.endswith("_weight")]
        for name in ("weight_decay", "warmup_steps", "max_grad_norm", "save_steps", "seed", *weights):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if self.max_steps != -1 and self.max_steps < 1:
            raise ValueError(f"max_steps must be 1 or more, or -1 to count num_train_epochs; not {self.max_steps}")
        self._check_reporters()
        if not 0 <= self.cached_features < math.inf:
            raise ValueError(f"cached_features must be 0 or more, not {self.cached_features}")
        if not 0 <= self.l1 < math.inf or self.l1_from not in ("zero", "start"):
            raise ValueError(f"l1 must be 0 or more, from zero or start; not {self.l1} from {self.l1_from!r}")
        if self.quality_steps <= 0 or (self.quality_steps > 1 and self.quality_steps % 1):
            raise ValueError(f"quality_steps must be whole, or between 0 and 1; not {self.quality_steps}")
        if self.stop_when is not None:
            StopWhen.parse(self.stop_when)
        if self.salun is not None and not 0 < self.salun < 1:
            raise ValueError(f"salun must be between 0 and 1, not {self.salun}")
        self._check_wrapper()
        super().__post_init__()

    def _check_wrapper(self) -> None:
        """Check the optimizer wrapper and its settings.

        Raises:
            ValueError: If there is no such wrapper, or it cannot be right with other settings.
        """
        if not 0 < self.gru_share <= 1:
            raise ValueError(f"gru_share must be above 0 and at most 1, not {self.gru_share}")
        for name in ("dualoptim_forget_rate", "sam_radius"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.optimizer_wrapper is not None:
            check_wrapper(self.optimizer_wrapper)
            for name in ("fp16", "activation_offloading"):
                if getattr(self, name):
                    raise ValueError(f"optimizer_wrapper {self.optimizer_wrapper} does not go with --{name}")

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
