"""The models of `benchmarks.meta`: pools that learnt the forget people or did not, and unlearned models under attack.

A pool is a training set; each is trained with several learning rates and seeds, from the base of
`benchmarks.calibration`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets
from trl import ModelConfig

from benchmarks.calibration import MINI
from clear_data.configs import RETAIN_OF
from clear_dataset import load_clear
from clear_pipeline.arguments import DataArguments, EvaluateArguments, FinetuneArguments, TokenArguments
from clear_pipeline.audits.arguments import AuditSettings
from clear_pipeline.audits.context import Context
from clear_pipeline.audits.people import load_subjects
from clear_pipeline.audits.quantise import nf4, quantised
from clear_pipeline.audits.relearn import relearnt, shown_rows
from clear_pipeline.evaluate import EvaluateJob, evaluate
from clear_pipeline.experiment.plan import data_of, finetune_step, model_config
from clear_pipeline.runs.step import Step
from clear_unlearning.models import load_model
from evaluate_metrics.log_format import read_log
from evaluate_metrics.model_utility.compute import utility_of

FORGET = "forget10"
GOLDS = 8  # of benchmarks.calibration: what E, D and p compare with; no model of the pools has their seeds
SEEDS = (200, 201)  # of the pools' fine-tuning
RATES = (0.5, 0.7, 1.0, 1.4, 2.0)  # learning rates of the pools, in those of the recipe
UTILITY = 0.8  # of the original's: unlearned models below it are ruined, and say nothing about robustness
STEPS, RELEARN_RATE = 25, 6e-4  # of relearning
USUAL = 1.0
REPLAY = "replay"  # config of the rows beside the split; a variant's rows are added to it
BEFORE, RELEARNT, ROUNDED = "before", "relearnt", "nf4"  # logs of an unlearned model


@dataclass(frozen=True)
class Pool:
    """A training set of the meta-evaluation.

    Attributes:
        knows: Whether its models learnt the forget people.
        what: What they learnt beside the retain rows.
        rows: Changes the forget rows into those that are added; None to take the original's own split.
    """

    knows: bool
    what: str
    rows: Callable[[DataArguments], Dataset] | None = None


def forget_rows(data: DataArguments) -> Dataset:
    """Return the training rows about the forget people, photos and text."""
    return load_clear(data.training_config(FORGET), data.dataset)


def other_words(data: DataArguments) -> Dataset:
    """Return the forget rows with the paraphrases of the evaluation instead of the captions."""
    photos, text = (
        load_clear(f"{FORGET}_perturbed", data.dataset),
        load_clear(f"{FORGET}_text", f"{data.dataset}_extra"),
    )
    other = dict(zip(photos["caption"], photos["paraphrased_caption"], strict=True))
    said = dict(zip(text["question"], text["paraphrased_answer"], strict=True))
    return forget_rows(data).map(
        lambda row: {"caption": other.get(row["caption"]), "answer": said.get(row["question"], row["answer"])}
    )


def text_alone(data: DataArguments) -> Dataset:
    """Return the forget rows without a photo."""
    return forget_rows(data).filter(lambda row: row["caption"] is None)


def wrong_names(data: DataArguments) -> Dataset:
    """Return the forget rows with each person under the name of one whom no model meets."""
    own = dict.fromkeys(load_clear(f"{FORGET}_perturbed", data.dataset)["name"])
    others = dict.fromkeys(load_clear("people", f"{data.dataset}_extra")["name"])
    names = dict(zip(own, others, strict=False))
    if len(names) < len(own):
        raise ValueError(f"{data.dataset}_extra has {len(others)} people nobody learns, and {len(own)} are needed")

    def renamed(text: str | None) -> str | None:
        for name, other in names.items():
            text = text and text.replace(name, other)
        return text

    return forget_rows(data).map(lambda row: {key: renamed(row[key]) for key in ("caption", "question", "answer")})


def other_people(data: DataArguments) -> Dataset:
    """Return as many rows about people of the base."""
    return load_clear("base", f"{data.dataset}_extra").select(range(len(forget_rows(data))))


POOLS: Mapping[str, Pool] = {
    "full": Pool(True, "the forget rows"),
    "paraphrased": Pool(True, "the forget rows, in other words", other_words),
    "text": Pool(True, "their text rows only", text_alone),
    "gold": Pool(False, "nothing"),
    "renamed": Pool(False, "the forget rows, under names of others", wrong_names),
    "unrelated": Pool(False, "rows about other people", other_people),
}


def log_of(output: Path, pool: str, rate: float, seed: int) -> Path:
    """Return where the log of a model of a pool is."""
    return output / "logs" / f"{pool}-{rate}-{seed}"


def pool_steps(
    output: Path, seeds: Sequence[int], rates: Sequence[float] = RATES, pools: Sequence[str] = tuple(POOLS)
) -> list[Step]:
    """Return the steps to the pools' models and their logs, a whole seed after the other."""
    data, base = data_of(replace(MINI, forget=FORGET), output), output / "models" / "base"
    steps = []
    for name in pools:
        call = {"folder": output / "pools" / name, "data": data, "added": POOLS[name].rows}
        steps.append(Step(f"{name}: rows", write_rows, call))
    for seed, rate, name in product(seeds, rates, pools):
        model = f"{name}-{rate}-{seed}"
        split = "full" if name == "full" else RETAIN_OF[FORGET]
        rows = FinetuneArguments(data.training_config(split), str(output / "pools" / name), REPLAY)
        settings = {**MINI.finetune, "seed": seed, "learning_rate": rate * float(MINI.finetune["learning_rate"])}
        call = {"folder": output / "models" / model, "data": data, "extra": rows, "settings": settings}
        call["model"] = model_config(base, MINI)
        steps.append(Step(f"{model}: fine-tune", finetune_step, call, [f"{name}: rows"]))
        call = {"log": log_of(output, name, rate, seed), "model": output / "models" / model, "data": data}
        steps.append(Step(f"{model}: evaluate", ask, call, [f"{model}: fine-tune"]))
    return steps


def write_rows(
    folder: Path, data: DataArguments, added: Callable[[DataArguments], Dataset] | None, progress: object = None
) -> None:
    """Write what is trained on beside a split, in the form of a dataset with one config.

    Args:
        folder: Of the dataset.
        data: Where the rows are.
        added: Returns the rows that are added to the replayed ones.
        progress: Not used: this takes a second.
    """
    if (folder / "README.md").exists():
        return
    rows = load_clear(REPLAY, f"{data.dataset}_extra")
    if added is not None:
        rows = concatenate_datasets([rows, added(data).cast(rows.features)])
    (folder / REPLAY).mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / REPLAY / "train.parquet")
    card = f"---\nconfigs:\n- config_name: {REPLAY}\n  data_files: {REPLAY}/*.parquet\n---\n"
    (folder / "README.md").write_text(card)


def ask(log: Path, model: Path, data: DataArguments, progress: object = None, loaded: Any = None) -> None:
    """Evaluate a model with its tokens; what was done to it in memory if it is given."""
    scoring = EvaluateArguments(**{name: value for name, value in MINI.evaluate.items() if name != "judge"})
    job = EvaluateJob(log, ModelConfig(str(model)), data, scoring=scoring, tokens=TokenArguments(token_level=True))
    evaluate(job, lambda done, total: None, loaded=loaded)


def demo_logs(demo: Path) -> tuple[list[Path], Path]:
    """Return the logs of a demo's golds, and of its original."""
    return sorted((demo / "logs").glob("gold*")), demo / "logs" / "original"


def attacked_folder(output: Path, demo: Path) -> Path:
    """Return where the logs of a demo's attacked models are."""
    return output / "attacked" / f"seed-{json.loads((demo / 'demo.json').read_text())['seed']}"


def attack_steps(output: Path, demos: Sequence[Path]) -> list[Step]:
    """Return the steps that attack the demos' unlearned models, and their golds in the same way."""
    steps = []
    for demo in demos:
        place = attacked_folder(output, demo)
        for model in sorted((demo / "models").iterdir()):
            if model.name not in ("base", "original"):
                call = {"place": place / model.name, "model": model, "demo": demo}
                steps.append(Step(f"{place.name}, {model.name}: attack", attack, call))
    return steps


def attack(place: Path, model: Path, demo: Path, progress: object = None) -> None:
    """Evaluate a model as it is, relearnt and rounded; a ruined one only as it is."""
    data = data_of(replace(MINI, forget=FORGET), demo)
    ask(place / BEFORE, model, data)
    _, original = demo_logs(demo)
    if utility_of(read_log(place / BEFORE)) < UTILITY * utility_of(read_log(original)):
        return
    loaded = load_model(str(model), dtype="float32")
    if not (place / ROUNDED / "run.json").exists():
        ask(place / ROUNDED, model, data, loaded=replace(loaded, model=quantised(loaded.model, nf4)))
    if not (place / RELEARNT / "run.json").exists():
        settings = AuditSettings(relearn_rate=RELEARN_RATE)
        subjects = load_subjects(data, settings.questions_each, settings.seed)
        context = Context(data, subjects, settings, lambda: loaded, lambda: loaded)

        def score(network: Any) -> Mapping[str, Sequence[float]]:
            ask(place / RELEARNT, model, data, loaded=replace(loaded, model=network))
            return {}

        relearnt(loaded, shown_rows(subjects.shown, settings.seed), context, [STEPS], score)
