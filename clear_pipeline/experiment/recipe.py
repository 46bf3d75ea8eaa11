"""A recipe as a YAML file: corpus or dataset, model, seeds, modalities, methods and all settings of a table's runs.

The files of `recipes/` are the only place where settings stand: the demo takes its own from there too. In a wheel they
lie inside this package, so that a recipe is also found by its name alone.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from trl import SFTConfig

from clear_data.configs import RETAIN_OF
from clear_data.corpora import CORPORA
from clear_data.corpora.mini import Dials
from clear_pipeline.forget_request import MODALITIES
from clear_unlearning.tasks import TASKS
from trainers import METHODS
from trainers.base import UnlearningConfig
from trainers.retain_finetune import RetainFinetuneConfig

HERE = Path(__file__).parents[1]
FOLDERS = (HERE.parent / "recipes", HERE / "recipe_folder")  # of a checkout, of a wheel
BUILT = ("mini", "tofu")  # corpora that a recipe builds
MINI_MODEL = "mini"
GOLD = "gold"
PLACE = "."  # a Config is built to be checked, and writes nothing there


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-5 is a number, as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


@dataclass(frozen=True)
class Tuning:
    """How settings are searched.

    Attributes:
        seed: Of corpus, models and training; none of the recipe's own.
        keep: Share of the original's utility that a method should keep.
        learning_rate: Tried with each number of epochs.
        num_train_epochs: Passes.
        grids: Other values for some methods, as many.
    """

    seed: int
    learning_rate: list[float]
    num_train_epochs: list[float]
    keep: float = 0.9
    grids: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def grid(self, method: str) -> dict[str, list[float]]:
        """The values that are tried of a method."""
        own = {"learning_rate": self.learning_rate, "num_train_epochs": self.num_train_epochs}
        return {**own, **self.grids.get(method, {})}


@dataclass(frozen=True)
class Size:
    """What `--dry_run` needs to know of a model whose config is not at hand.

    Attributes:
        parameters: Weights.
        width: Of a decoder layer.
        layers: Of the decoder.
        tokens: Of a row with its image: question and answer about 100, the rest image tokens.
        adapter: Weights of a LoRA adapter of rank 1.
    """

    parameters: float
    width: int
    layers: int
    tokens: int
    adapter: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All that a table's runs are made of.

    Attributes:
        name: Of the file.
        source: The file.
        track: Track of the main table's tasks.
        model: Hub id or folder of the base model; `mini` builds one from config.
        finetune: Settings of original and gold.
        methods: Settings of each method.
        corpus: `mini` or `tofu`, built for each seed; None where there is a dataset.
        dataset: Folder or Hub id.
        text_dataset: Where the text questions are, if not beside the dataset.
        tofu_dir: Folder with TOFU's texts, for that corpus.
        authors: Take so many authors of each side of TOFU.
        persons: People of the mini corpus.
        photos: Photos of each.
        forget: Forget set.
        seeds: Of corpus, weights and batches.
        modalities: Rows to forget; the first one makes the main table.
        extra_config: Configs that original and gold learn besides, with commas.
        dtype: Precision of the weights.
        lora: Settings of a LoRA adapter, None to train the weights themselves.
        unlearn: Settings of all methods.
        evaluate: Settings of the evaluation, and the judge of how fluent the answers are.
        tune: How settings are searched.
        size: Of the model.
    """

    name: str
    source: Path
    track: str
    model: str
    finetune: dict[str, Any]
    methods: dict[str, dict[str, Any]]
    corpus: str | None = None
    dataset: str | None = None
    text_dataset: str | None = None
    tofu_dir: Path | None = None
    authors: int | None = None
    persons: int = Dials.persons
    photos: int = Dials.photos
    forget: str = "forget10"
    seeds: tuple[int, ...] = (0,)
    modalities: tuple[str, ...] = ("both",)
    extra_config: str | None = None
    dtype: str = "float32"
    lora: dict[str, Any] | None = None
    unlearn: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)
    tune: Tuning | None = None
    size: Size | None = None

    @property
    def folder(self) -> str:
        """Name of the built dataset's folder."""
        return CORPORA[self.corpus or "mini"].folder

    @property
    def extra_suffix(self) -> str:
        """Where the configs that are learnt besides lie: appended to the dataset's folder."""
        return "_extra" if self.track == "image" else ""

    @property
    def judge(self) -> str | None:
        """Model that judges how fluent answers are, folder or Hub id: `gold` is the seed's own; None for nobody."""
        judge = self.evaluate.get("judge", GOLD)
        return None if judge == "none" else judge

    @property
    def tracks(self) -> tuple[str, ...]:
        """What models are asked: the recipe's track, and text questions besides where modalities are compared."""
        return ("image", "text") if self.track == "image" and len(self.modalities) > 1 else (self.track,)

    def settings(self, method: str) -> dict[str, Any]:
        """All settings of a method."""
        return {**self.unlearn, **self.methods[method]}


def recipe_path(source: str | Path) -> Path:
    """Finds a recipe by its path, or by the name of one of ours.

    Raises:
        FileNotFoundError: If there is none; the message lists ours.
    """
    places = [Path(source), *(folder / f"{source}.yaml" for folder in FOLDERS)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        stems = {path.stem for folder in FOLDERS for path in folder.glob("*.yaml")}
        ours = sorted(stem for stem in stems if not stem.startswith("visual-"))  # those are of the visual track
        raise FileNotFoundError(f"no recipe {str(source)!r}: give a YAML file or one of {', '.join(ours)}")
    return found


def read_recipe(source: str | Path) -> Recipe:
    """Reads and checks a recipe.

    Args:
        source: YAML file, or the name of one of `recipes/`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key, method, setting or value is none; it is named with the valid ones.
    """
    path = recipe_path(source)
    try:
        content = _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    try:
        return _recipe(path, content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _recipe(path: Path, content: Any) -> Recipe:
    values = {**_known(Recipe, content, "key"), "name": path.stem, "source": path}
    for key in ("seeds", "modalities"):
        if key in values:
            values[key] = tuple(values[key] if isinstance(values[key], list) else [values[key]])
    for key, kind in (("tune", Tuning), ("size", Size)):
        if values.get(key) is not None:
            values[key] = kind(**_known(kind, values[key], f"key of {key}"))
    recipe = Recipe(**values)
    check_recipe(recipe)
    return recipe


def _known(kind: type, content: Any, what: str) -> dict[str, Any]:
    """The fields of a dataclass, from a mapping that has no others and lacks none."""
    if not isinstance(content, Mapping):
        raise ValueError(f"expected {what}s and values, not {content!r}")
    there = {f.name: f for f in fields(kind) if f.name not in ("name", "source")}
    unknown = [str(key) for key in content if key not in there]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; valid: {', '.join(there)}")
    needed = [f.name for f in there.values() if f.default is MISSING and f.default_factory is MISSING]
    missing = [key for key in needed if key not in content]
    if missing:
        raise ValueError(f"{what} {missing[0]!r} is missing")
    return dict(content)


def check_recipe(recipe: Recipe) -> None:
    """Makes sure that everything that a recipe names is there.

    Raises:
        ValueError: If not.
    """
    choices: list[tuple[str, Sequence[Any], Any]] = [
        ("track", (recipe.track,), TASKS),
        ("forget", (recipe.forget,), RETAIN_OF),
        ("modalities", recipe.modalities, MODALITIES),
        ("methods", list(recipe.methods), METHODS),
        ("corpus", [recipe.corpus] if recipe.corpus else [], BUILT),
    ]
    for key, seen, valid in choices:
        wrong = [value for value in seen if value not in valid]
        if wrong or (not seen and key != "corpus"):
            raise ValueError(f"{key}: {wrong[0] if wrong else 'none'!r} is none of {', '.join(valid)}")
    if (recipe.corpus is None) == (recipe.dataset is None):
        raise ValueError("give either corpus (built for each seed) or dataset (a folder or Hub id)")
    if (recipe.corpus is None) == (recipe.model == MINI_MODEL):
        raise ValueError(f"model {recipe.model!r} does not go with {'a corpus' if recipe.corpus else 'a dataset'}")
    if not recipe.seeds or any(not isinstance(seed, int) or isinstance(seed, bool) for seed in recipe.seeds):
        raise ValueError(f"seeds must be whole numbers, not {list(recipe.seeds)}")
    _check_settings("finetune", RetainFinetuneConfig, recipe.finetune)
    for method in recipe.methods:
        _check_settings(f"methods: {method}", METHODS[method][1], recipe.settings(method))
    known = ("batch_size", "max_examples", "seed", "judge")
    wrong = [key for key in recipe.evaluate if key not in known]
    if wrong:
        raise ValueError(f"evaluate: unknown setting {wrong[0]!r}; valid: {', '.join(known)}")
    lora = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules")
    wrong = [key for key in recipe.lora or {} if key not in lora]
    if wrong:
        raise ValueError(f"lora: unknown setting {wrong[0]!r}; valid: {', '.join(lora)}")
    if recipe.tune is not None:
        _check_tuning(recipe, recipe.tune)


def _check_settings(where: str, config: type[UnlearningConfig], settings: Mapping[str, Any]) -> None:
    """Builds the Config, which checks the values."""
    known = {f.name: f.metadata.get("help") for f in fields(config) if f.init}
    for name in settings:
        if name not in known or name in ("output_dir", "seed"):
            base = {f.name for f in fields(SFTConfig)}
            own = difflib.get_close_matches(name, known, n=3) + [key for key in known if key not in base]
            valid = ", ".join(dict.fromkeys(own))
            raise ValueError(f"{where}: unknown setting {name!r} of {config.__name__}; it has {valid} and TRL's own")
    try:
        config(output_dir=PLACE, use_cpu=True, **settings)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error


def _check_tuning(recipe: Recipe, tuning: Tuning) -> None:
    if tuning.seed in recipe.seeds:
        raise ValueError(f"tune: seed {tuning.seed} is one of the table's own; settings must be chosen on another")
    sizes = {}
    for method in (*recipe.methods, *tuning.grids):
        if method not in recipe.methods:
            raise ValueError(f"tune: grids: {method!r} is none of {', '.join(recipe.methods)}")
        grid = tuning.grid(method)
        if set(grid) != {"learning_rate", "num_train_epochs"}:
            raise ValueError(f"tune: {method}: a grid has learning_rate and num_train_epochs, not {', '.join(grid)}")
        sizes[method] = len(grid["learning_rate"]) * len(grid["num_train_epochs"])
    if len(set(sizes.values())) > 1:
        raise ValueError(f"tune: every method gets as many tries, not {sizes}")
