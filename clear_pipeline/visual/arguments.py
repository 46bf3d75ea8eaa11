"""The settings of a run of the visual track: the demo's, or a recipe in YAML with the same names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clear_data.configs import FORGET
from clear_data.corpora.mini import Dials
from clear_pipeline.yaml_files import check_settings, known_fields, read_yaml
from evaluate_metrics.u_lira.compute import SIGMAS
from trainers.visual import FURTHER, VISUAL_METHODS

ENROLMENT = 5  # photos of a person
SMALLEST = 8  # pixels of a photo's side


@dataclass(frozen=True)
class Pretraining:
    """The photos that the base model is trained on before it sees the people of the benchmark.

    Attributes:
        dataset: Folder or Hub id; `mini` is the base corpus of the mini dataset.
        config: Its config.
        split: Its split.
        label_column: Column with the person.
        image_column: Column with the photo.
        people: Number of people to take, those with most photos; all by default.
        settings: Settings of the training; see `GoldConfig` in `trainers/visual/finetune.py`.
    """

    dataset: str = "mini"
    config: str | None = "base"
    split: str = "train"
    label_column: str = "name"
    image_column: str = "image"
    people: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VisualArguments:
    """A run of the visual track.

    Attributes:
        output: Folder of the run.
        dataset: Folder or Hub id with the photos; `mini` draws them.
        forget: Forget set; the holdout set is as large.
        models: Splits, each with an original, a gold model and one a method: a multiple of 4, at least 8.
        retain_people: People to retain of each split; by default half of those in neither set.
        methods: Rows of VISUAL_METHODS; by default CLEAR's.
        backbone: A key of BACKBONES, or a vision model of transformers by Hub id or folder.
        size: Side of the photos in pixels.
        seed: Draws corpus, splits, weights and batches.
        persons: mini: fictitious people.
        photos: mini: photos of each.
        pretraining: Photos that the base model is trained on.
        training: Settings of every training.
        settings: Settings of each method, over CLEAR's values.
        sigma: Spread of U-LIRA: one for each `example`, as in the paper, or one `shared` by all.
        enrolment_photos: Attack the enrolment photos too, as the reference does.
        keep_models: Keep all weights, not only the originals'.
    """

    output: Path
    dataset: str = "mini"
    forget: str = "forget10"
    models: int = 16
    retain_people: int | None = None
    methods: tuple[str, ...] = tuple(method for method in VISUAL_METHODS if method not in FURTHER)
    backbone: str = "resnet-mini"
    size: int = 32
    seed: int = 0
    persons: int = 40
    photos: int = 12
    pretraining: Pretraining = field(default_factory=Pretraining)
    training: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    sigma: str = "example"
    enrolment_photos: bool = False
    keep_models: bool = False

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for method in (*self.methods, *self.settings):
            VISUAL_METHODS.check(method)
        missing = [name for name in ("original", "gold") if name not in self.methods]
        if missing:
            raise ValueError(f"the methods must include {missing[0]}, with which the others are compared")
        if self.forget not in FORGET:
            raise ValueError(f"unknown forget set {self.forget!r}; choose from {', '.join(FORGET)}")
        if self.models < 8 or self.models % 4:
            raise ValueError(
                f"models must be 8 or more and a multiple of 4 (targets and shadows of each half), not {self.models}"
            )
        if self.sigma not in SIGMAS:
            raise ValueError(f"sigma must be {' or '.join(SIGMAS)}, not {self.sigma!r}")
        if self.size < SMALLEST:
            raise ValueError(f"size must be {SMALLEST} or more pixels, not {self.size}")
        check_settings("pretraining", VISUAL_METHODS["gold"][1], {**self.training, **self.pretraining.settings})
        for method in self.methods:
            check_settings(f"settings: {method}", VISUAL_METHODS[method][1], self.method_settings(method))
        if self.dataset == "mini":
            Dials(self.persons, self.photos, self.seed)

    def dials(self) -> dict[str, Any]:
        """Return the settings that the report shows."""
        names = ["dataset", "forget", "models", "backbone", "size", "seed"]
        if self.dataset == "mini":
            names += ["persons", "photos"]
        return {name: getattr(self, name) for name in names}

    def method_settings(self, method: str) -> dict[str, Any]:
        """Return the settings of a method's training, over the defaults of its Config."""
        return {**self.training, **self.settings.get(method, {})}


# The demo: settings for small models and drawn faces, chosen on seed 7, which no page shows.
MINI_TRAINING = {"per_device_train_batch_size": 32, "use_cpu": True}
MINI_FINETUNE = {"learning_rate": 0.05, "num_train_epochs": 12, "warmup_steps": 0.1}
MINI_SETTINGS: dict[str, dict[str, Any]] = {
    "original": MINI_FINETUNE,
    "gold": MINI_FINETUNE,
    "retain_finetune": {"num_train_epochs": 3},
    "neggrad": {"learning_rate": 0.07},
    "scrub": {"learning_rate": 0.05, "num_train_epochs": 3, "forget_repeat": 2},
    "scrub_bio": {"num_train_epochs": 3, "forget_repeat": 2},
    "llmu": {"learning_rate": 0.2, "num_train_epochs": 3, "forget_repeat": 2},
    "rmu": {"num_train_epochs": 3},
    "dpo": {"learning_rate": 0.05, "num_train_epochs": 3, "forget_repeat": 2},
    "sparsity": {"learning_rate": 0.05, "num_train_epochs": 4, "l1": 3e-3},
    "twins": {"num_train_epochs": 3, "forget_repeat": 2},
    "random_label": {"learning_rate": 0.2, "num_train_epochs": 3, "forget_repeat": 2},
    "salun": {"learning_rate": 0.2, "num_train_epochs": 3, "forget_repeat": 2},
    "bad_teacher": {"learning_rate": 0.05, "num_train_epochs": 3, "forget_repeat": 2},
    "ssd": {"selection": 1.0},
}


def demo_arguments(output: Path, **dials: Any) -> VisualArguments:
    """Return the demo's arguments."""
    return VisualArguments(
        output,
        pretraining=Pretraining(settings={**MINI_FINETUNE, "num_train_epochs": 8}),
        sigma="shared",  # four shadow models a side are too few for a spread of each photo
        training=MINI_TRAINING,
        settings=MINI_SETTINGS,
        **dials,
    )


def read_recipe(path: Path, output: Path | None = None) -> VisualArguments:
    """Read a recipe: names and meanings are those of VisualArguments and Pretraining.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML, or a key or value is not valid.
    """
    content = read_yaml(path)
    try:
        values = known_fields(
            VisualArguments,
            {"output": f"runs/{path.stem}", **content} if isinstance(content, Mapping) else content,
            "key",
        )
        pretraining = known_fields(Pretraining, values.pop("pretraining", {}), "key of pretraining")
        values |= {"output": Path(output or values["output"]), "pretraining": Pretraining(**pretraining)}
        if "methods" in values:
            values["methods"] = tuple(values["methods"])
        return VisualArguments(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
