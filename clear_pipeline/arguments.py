"""The settings of the commands as dataclasses, one a concern. Nothing here imports torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clear_data.building.folder import read_meta
from clear_data.configs import RETAIN_OF
from clear_unlearning.tasks import QUESTION_TASKS, TASKS, Task


def asked_for(arguments: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that were set: what a run records of optional settings."""
    return {name: value for name, value in vars(arguments).items() if value}


@dataclass
class DataArguments:
    """Select the rows."""

    dataset: str = field(default="clear", metadata={"help": "Folder or Hub id of the dataset."})
    track: str = field(default="image", metadata={"help": "image (CLEAR's six tasks) or text (TOFU's four)."})
    forget: str = field(default="forget10", metadata={"help": "forget01, forget05 or forget10."})

    def __post_init__(self) -> None:
        """Check the names."""
        if self.track not in TASKS:
            raise ValueError(f"unknown track {self.track!r}; choose from {', '.join(TASKS)}")
        if self.forget not in RETAIN_OF:
            raise ValueError(f"unknown forget set {self.forget!r}; choose from {', '.join(RETAIN_OF)}")

    def training_config(self, split: str) -> str:
        """Return the config with the training rows of a split: photos and text together on the image track."""
        return f"{split}+tofu" if self.track == "image" else split

    def questions(self) -> tuple[tuple[Task, ...], str]:
        """Return the tasks of the track and the source of their rows.

        The text questions of a dataset with photos are in `<dataset>_extra`.
        """
        beside = f"{self.dataset}_extra"
        if self.track == "text" and Path(beside, "retain_text").is_dir():
            return QUESTION_TASKS, beside
        return TASKS[self.track], self.dataset

    def fingerprint(self) -> str | None:
        """Return the fingerprint of a built folder, None for data on the Hub, whose commit is recorded instead."""
        return (read_meta(Path(self.dataset)) or {}).get("fingerprint")


@dataclass
class FinetuneArguments:
    """Select the rows of a fine-tuning."""

    dataset_config: str = field(default="full+tofu", metadata={"help": "full+tofu: original; retain90+tofu: gold."})
    extra_dataset: str | None = field(default=None, metadata={"help": "Further rows: their folder or Hub id ..."})
    extra_config: str | None = field(default=None, metadata={"help": "... and config, or several with commas."})


@dataclass
class SelectionArguments:
    """Say what `--stop_when "forget_quality>X"` compares with."""

    gold_log: str | None = field(
        default=None,
        metadata={"help": "Gold's log on the selection set, of evaluate --selection, for --stop_when forget_quality."},
    )
    selection: str | None = field(
        default=None, metadata={"help": "Folder or Hub id with the config selection (<dataset>_extra)."}
    )


@dataclass
class EvaluateArguments:
    """Say how a model is scored."""

    output: str = field(default="", metadata={"help": "Folder of the log."})
    max_examples: int | None = field(default=None, metadata={"help": "Score only the first rows of each task."})
    batch_size: int = field(default=16, metadata={"help": "Examples at a time; each brings all its answers."})
    seed: int = field(default=0, metadata={"help": "Draws the caption question of each row."})
    selection: str | None = field(
        default=None, metadata={"help": "Ask about the photos of the config selection of this folder or Hub id."}
    )
    control: str = field(
        default="none", metadata={"help": "What can be answered without looking: blank (grey images) or text (none)."}
    )


@dataclass
class TokenArguments:
    """Say what is written in addition to the log, for the metrics that need more than losses."""

    token_level: bool = field(
        default=False, metadata={"help": "Write each token of the right answers, for extraction and membership."}
    )
    judge: str | None = field(
        default=None,
        metadata={"help": "Model that judges how fluent the answers are, usually gold: folder or Hub id."},
    )
    holdout: str | None = field(
        default=None,
        metadata={"help": "Dataset with people that no model was trained on (<dataset>_extra by default)."},
    )
    holdout_config: str | None = field(
        default=None, metadata={"help": "Its config (people, or people_text on the text track)."}
    )

    def __post_init__(self) -> None:
        """Check that the flags belong together."""
        if not self.token_level and (self.holdout or self.holdout_config):
            raise ValueError("--holdout and --holdout_config require --token_level")
