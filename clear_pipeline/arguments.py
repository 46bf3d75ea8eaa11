"""The settings of the commands as dataclasses, one a concern. Nothing here imports torch."""

import json
import math
from collections.abc import Collection
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from clear_data.configs import FORGET, RETAIN_OF
from clear_unlearning.tasks import CONTROLS, FLOORS, QUESTION_TASKS, TASKS, Task

MODALITIES = ("text", "image", "both")
MINI_MODEL = "mini"  # instead of a folder or Hub id: a model that is built from config


def given(arguments: Any, aside: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults: what a run records of its settings.

    Args:
        arguments: The dataclass; a field that is added later counts by itself.
        aside: Fields that change no number, and places, which count by their digests.
    """
    found = {}
    for one in fields(arguments):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if one.init and one.name not in aside and getattr(arguments, one.name) != default:
            found[one.name] = getattr(arguments, one.name)
    return json.loads(json.dumps(found, default=str))


@dataclass
class RunArguments:
    """Say what happens to a result that is there already."""

    overwrite: bool = field(default=False, metadata={"help": "Replace a result that was made with other settings."})


@dataclass
class DataArguments:
    """Select the rows, and what of them is to be forgotten."""

    dataset: str = field(default="clear", metadata={"help": "Folder or Hub id of the dataset."})
    track: str = field(default="image", metadata={"help": "image (CLEAR's six tasks) or text (TOFU's four)."})
    forget: str = field(default=FORGET[-1], metadata={"help": "What is forgotten: forget01, forget05 or forget10,"})
    forget_people: str | None = field(default=None, metadata={"help": "or these people: names with commas,"})
    forget_dataset: str | None = field(default=None, metadata={"help": "or these rows: a file or folder."})

    def __post_init__(self) -> None:
        """Check the names."""
        if self.track not in TASKS:
            raise ValueError(f"unknown track {self.track!r}; choose from {', '.join(TASKS)}")
        if self.forget not in RETAIN_OF:
            raise ValueError(f"unknown forget set {self.forget!r}; choose from {', '.join(RETAIN_OF)}")
        given = {"forget": self.forget != FORGET[-1], "forget_people": self.forget_people}
        named = [name for name, value in {**given, "forget_dataset": self.forget_dataset}.items() if value]
        if len(named) > 1:
            raise ValueError(f"give either {' or '.join(named)}, not both")
        if self.forget_dataset and not Path(self.forget_dataset).exists():
            raise FileNotFoundError(f"forget_dataset: {self.forget_dataset} is neither a file nor a folder")

    @property
    def people(self) -> list[str]:
        """The people who are named to be forgotten; none if a set or rows are."""
        return [name.strip() for name in self.forget_people.split(",")] if self.forget_people else []

    @property
    def named(self) -> bool:
        """Whether people or rows are named to be forgotten, instead of a set."""
        return bool(self.forget_people or self.forget_dataset)

    def everybody(self) -> "DataArguments":
        """Return the same rows without people or rows that are named to be forgotten."""
        return replace(self, forget_people=None, forget_dataset=None)

    def forgotten(self) -> str:
        """Return what is forgotten, wherever it stands: the set, the people, or a digest of the rows' files."""
        from .runs.provenance import place_digest

        if self.forget_people:
            return f"people {', '.join(sorted(self.people))}"
        return f"rows {place_digest(Path(self.forget_dataset))}" if self.forget_dataset else self.forget

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

    def identity(self) -> str:
        """Return which rows these are: the fingerprint of a built folder, else repository and commit."""
        from .hub.logs import dataset_identity

        about = dataset_identity(self.dataset)
        return about["fingerprint"] or f"{self.dataset}@{about['revision']}"


@dataclass
class SidesArguments:
    """Select which rows of what is forgotten, and of the others, a method is given."""

    modality: str = field(default="both", metadata={"help": "Rows to forget: text, image or both."})
    retain_modality: str = field(default="both", metadata={"help": "Rows to retain: text, image or both."})
    held_out: str | None = field(
        default=None, metadata={"help": "scrub: folder with `people` that no model has seen."}
    )

    def __post_init__(self) -> None:
        """Check the choices."""
        for name in ("modality", "retain_modality"):
            if getattr(self, name) not in MODALITIES:
                raise ValueError(f"{name} must be one of {', '.join(MODALITIES)}, not {getattr(self, name)!r}")


@dataclass
class FinetuneArguments:
    """Select the rows of a fine-tuning."""

    dataset_config: str = field(
        default="full+tofu",
        metadata={"help": "full+tofu: original, or gold with --forget_people/_dataset; retain90+tofu: gold."},
    )
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
    floor: str = field(
        default="none",
        metadata={"help": "What a method must beat: icu (told to pretend ignorance) or eco (disturbed prompts)."},
    )
    eco_noise: float = field(
        default=100.0, metadata={"help": "floor eco: standard deviation of the noise, in those of the embeddings."}
    )
    eco_dimensions: int = field(default=1, metadata={"help": "floor eco: how many first dimensions get noise."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("batch_size", 1), ("max_examples", 1), ("seed", 0), ("eco_dimensions", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, not {value}")
        if self.control not in CONTROLS:
            raise ValueError(f"unknown control {self.control!r}; choose from {', '.join(CONTROLS)}")
        if self.floor not in FLOORS:
            raise ValueError(f"unknown floor {self.floor!r}; choose from {', '.join(FLOORS)}")
        if not 0 < self.eco_noise < math.inf:
            raise ValueError(f"eco_noise must be above 0, not {self.eco_noise}")


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
