"""A recipe: corpus or dataset, model, seeds, modalities, methods and all settings of a table's runs, as a YAML file.

The files of `recipes/` are the only place of settings: the demo reads its own from there too. A wheel has them inside
this package, so that a recipe is found by its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from clear_data.configs import RETAIN_OF
from clear_data.corpora import CORPORA
from clear_data.corpora.mini import Dials
from clear_pipeline.arguments import MINI_MODEL, MODALITIES, DataArguments
from clear_pipeline.audits.arguments import AuditSettings
from clear_pipeline.yaml_files import check_settings, known_fields, read_yaml, typed
from clear_unlearning.tasks import TASKS
from trainers import METHODS
from trainers.retain_finetune import RetainFinetuneConfig

HERE = Path(__file__).parents[1]
FOLDERS = (HERE.parent / "recipes", HERE / "recipe_folder")  # of a checkout, of a wheel
BUILT = ("mini", "tofu")  # corpora that a recipe builds
TEXTS = "qa.jsonl and the two *_perturbed.json files"
GOLD = "gold"
PLACE = "."  # output_dir of a Config that is built only to check its values


@dataclass(frozen=True)
class Tuning:
    """A search of settings.

    Attributes:
        seed: Seed of corpus, models and training; not one of the recipe's own.
        keep: Share of the original's utility that a method should keep.
        learning_rate: Values, each tried with each number of epochs.
        num_train_epochs: Values.
        grids: Other values, or other settings, for some methods: as many tries.
    """

    seed: int
    learning_rate: list[float]
    num_train_epochs: list[float]
    keep: float = 0.9
    grids: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def grid(self, method: str) -> dict[str, list[float]]:
        """Return the values to try for a method, by setting. A grid of other settings replaces the shared one."""
        shared = {"learning_rate": self.learning_rate, "num_train_epochs": self.num_train_epochs}
        own = self.grids.get(method, {})
        return {**shared, **own} if own.keys() <= shared.keys() else own

    def only(self, methods: Sequence[str] | None) -> "Tuning":
        """Return the search of some methods; None for all."""
        return replace(self, grids={name: grid for name, grid in self.grids.items() if not methods or name in methods})


@dataclass(frozen=True)
class Recipe:
    """The runs of a table.

    Attributes:
        name: Name of the file.
        source: The file.
        track: Track of the main table's tasks.
        model: Hub id or folder of the base model; `mini` builds one from config.
        finetune: Settings of original and gold.
        pretrain: Settings of the mini base, which is trained once for all seeds; None to leave it untrained.
        methods: Keys of METHODS; all by default.
        settings: Settings of single methods, over `unlearn` and the defaults of their Config.
        corpus: `mini` or `tofu`, built for each seed; None if there is a dataset.
        dataset: Folder or Hub id.
        text_dataset: Source of the text questions, if the dataset has none.
        tofu_dir: Folder with TOFU's texts, for that corpus.
        authors: Authors of each side of TOFU; all by default.
        persons: People of the mini corpus.
        photos: Photos of each.
        forget: Forget set.
        forget_people: Forget these people instead: names with commas.
        forget_dataset: Forget these rows instead: a file or folder.
        seeds: Seeds of corpus, weights and batches.
        golds: Gold models of each seed, fine-tuned by different seeds; 3 or more give the distance to gold.
        modalities: Rows to forget; the first one makes the main table.
        extra_config: Further configs that original and gold learn, with commas.
        dtype: Precision of the weights.
        lora: Settings of a LoRA adapter, None to train the weights themselves.
        unlearn: Settings of all methods.
        evaluate: Settings of the evaluation, and the judge of how fluent the answers are.
        tune: How settings are searched.
        audit: How `table --audits` asks.
    """

    name: str
    source: Path
    track: str
    model: str
    finetune: dict[str, Any]
    pretrain: dict[str, Any] | None = None
    methods: tuple[str, ...] = tuple(METHODS)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    corpus: str | None = None
    dataset: str | None = None
    text_dataset: str | None = None
    tofu_dir: Path | None = None
    authors: int | None = None
    persons: int = Dials.persons
    photos: int = Dials.photos
    forget: str = "forget10"
    forget_people: str | None = None
    forget_dataset: str | None = None
    seeds: tuple[int, ...] = (0,)
    golds: int = 1
    modalities: tuple[str, ...] = ("both",)
    extra_config: str | None = None
    dtype: str = "float32"
    lora: dict[str, Any] | None = None
    unlearn: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)
    tune: Tuning | None = None
    audit: AuditSettings = field(default_factory=AuditSettings)

    def check_texts(self) -> None:
        """Check that TOFU's texts are named and there, for the corpus that has them.

        Raises:
            ValueError, FileNotFoundError: If they are not.
        """
        if self.corpus != "tofu":
            for name, value in (("tofu_dir", self.tofu_dir), ("authors", self.authors)):
                if value is not None:
                    raise ValueError(f"--{name} is used only by corpus tofu, not by {self.corpus or self.dataset}")
        elif self.tofu_dir is None:
            raise ValueError(f"corpus tofu requires --tofu_dir FOLDER with {TEXTS}")
        elif not (self.tofu_dir / "qa.jsonl").is_file():
            raise FileNotFoundError(f"--tofu_dir {self.tofu_dir}: no file qa.jsonl there; it must hold {TEXTS}")

    @property
    def folder(self) -> str:
        """Return the name of the built dataset's folder."""
        return CORPORA[self.corpus or "mini"].folder

    @property
    def extra_suffix(self) -> str:
        """Return what is appended to the dataset's folder to find the further configs."""
        return "_extra" if self.track == "image" else ""

    @property
    def judge(self) -> str | None:
        """Return the model that judges how fluent answers are: folder, Hub id, `gold` (the seed's own), or None."""
        judge = self.evaluate.get("judge", GOLD)
        return None if judge == "none" else judge

    @property
    def tracks(self) -> tuple[str, ...]:
        """Return the tracks of the evaluation: the recipe's, and also text where modalities are compared."""
        return ("image", "text") if self.track == "image" and len(self.modalities) > 1 else (self.track,)

    def settings_of(self, method: str) -> dict[str, Any]:
        """Return all settings of a method."""
        return {**self.unlearn, **self.settings.get(method, {})}


def recipe_path(source: str | Path) -> Path:
    """Find a recipe by its path, or by the name of one of ours.

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
    """Read and check a recipe.

    Args:
        source: YAML file, or the name of one of `recipes/`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key, method, setting or value is not valid; the message names the valid ones.
    """
    path = recipe_path(source)
    content = read_yaml(path)
    try:
        return _recipe(path, content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _recipe(path: Path, content: Any) -> Recipe:
    values = {**known_fields(Recipe, content, "key", aside=("name", "source")), "name": path.stem, "source": path}
    if isinstance(values.get("methods"), Mapping):
        raise ValueError("methods must be a list of names; settings of single methods belong under settings")
    for key in ("seeds", "modalities", "methods"):
        if key in values:
            values[key] = tuple(values[key] if isinstance(values[key], list) else [values[key]])
    if values.get("tune") is not None:
        values["tune"] = Tuning(**known_fields(Tuning, values["tune"], "key of tune"))
    if values.get("audit") is not None:
        values["audit"] = AuditSettings(**known_fields(AuditSettings, values["audit"], "key of audit"))
    recipe = Recipe(**values)
    check_recipe(recipe)
    return recipe


def check_recipe(recipe: Recipe) -> None:
    """Check all names and values of a recipe.

    Raises:
        ValueError: If one is not valid.
    """
    choices: list[tuple[str, Sequence[Any], Any]] = [
        ("track", (recipe.track,), TASKS),
        ("forget", (recipe.forget,), RETAIN_OF),
        ("modalities", recipe.modalities, MODALITIES),
        ("methods", recipe.methods, METHODS),
        ("settings", [*recipe.settings, *recipe.methods], METHODS),
        ("dtype", (recipe.dtype,), ("float32", "bfloat16", "float16", "auto")),
        ("corpus", [recipe.corpus] if recipe.corpus else [], BUILT),
    ]
    for key, seen, valid in choices:
        wrong = [value for value in seen if value not in valid]
        if wrong or (not seen and key != "corpus"):
            hint = METHODS.hint(str(wrong[0])) if wrong and valid is METHODS else ""
            names = f"{', '.join(valid)}; {hint}".rstrip("; ")
            raise ValueError(f"{key}: {wrong[0] if wrong else 'none'!r} is not one of {names}")
    if (recipe.corpus is None) == (recipe.dataset is None):
        raise ValueError("give either corpus (built for each seed) or dataset (a folder or Hub id)")
    if recipe.corpus and (recipe.forget_people or recipe.forget_dataset):
        raise ValueError(
            "forget_people and forget_dataset go with a dataset: a corpus is built for each seed, with other people"
        )
    DataArguments(
        forget=recipe.forget, forget_people=recipe.forget_people, forget_dataset=recipe.forget_dataset
    )  # checks that only one is given
    if not recipe.seeds or any(not isinstance(seed, int) or isinstance(seed, bool) for seed in recipe.seeds):
        raise ValueError(f"seeds must be whole numbers, not {list(recipe.seeds)}")
    if not 1 <= recipe.golds <= 100:
        raise ValueError(f"golds must be 1 to 100, not {recipe.golds}")
    check_settings("finetune", RetainFinetuneConfig, recipe.finetune)
    for seed in recipe.seeds:
        Dials(recipe.persons, recipe.photos, seed)  # checks the ranges
    if recipe.authors is not None and recipe.authors < 1:
        raise ValueError(f"authors must be 1 or more, not {recipe.authors}")
    for method, settings in recipe.settings.items():
        typed(f"settings: {method}", settings, dict)
    if recipe.pretrain is not None:
        if (recipe.corpus, recipe.model) != ("mini", MINI_MODEL):
            raise ValueError("pretrain is for corpus and model mini: the corpus has the rows for it, config `base`")
        check_settings("pretrain", RetainFinetuneConfig, recipe.pretrain)
    for method in recipe.methods:
        check_settings(f"settings: {method}", METHODS[method][1], recipe.settings_of(method))
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


def _check_tuning(recipe: Recipe, tuning: Tuning) -> None:
    if tuning.seed in recipe.seeds:
        raise ValueError(f"tune: seed {tuning.seed} is one of the table's own; choose settings on another seed")
    sizes = {}
    for method in (*recipe.methods, *tuning.grids):
        if method not in recipe.methods:
            raise ValueError(f"tune: grids: {method!r} is not one of {', '.join(recipe.methods)}")
        grid = tuning.grid(method)
        for values in product(*grid.values()):
            check_settings(f"tune: grids: {method}", METHODS[method][1], dict(zip(grid, values, strict=True)))
        sizes[method] = prod(map(len, grid.values()))
    if len(set(sizes.values())) > 1:
        raise ValueError(f"tune: every method must get the same number of tries, not {sizes}")


def demo_recipe(corpus: str) -> Recipe:
    """Return the recipe of a corpus of the demo.

    Raises:
        ValueError: If the demo has no such corpus.
    """
    if corpus not in BUILT:
        raise ValueError(f"unknown corpus {corpus!r}; choose from {', '.join(BUILT)}")
    return read_recipe(corpus)
