"""The selection set: further photos of the same people, to choose settings and the end of a training on.

No model is trained on it and no table shows it, so that nothing is chosen on the rows that are reported.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import PeftModel
from torch import nn

from clear_dataset import load_clear
from clear_unlearning.evaluate import score_tasks
from clear_unlearning.models import LoadedModel
from clear_unlearning.tasks import IMAGE_TASKS
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.log_format import read_log, read_meta
from evaluate_metrics.tasks import FORGET_TASK
from trainers.base.stopping import FORGET_QUALITY, Measure, StopWhen

from .arguments import DataArguments, SelectionArguments, given
from .forget_request import questions_about

SELECTION = "selection"  # the config


def check_selection(arguments: SelectionArguments, stop_when: str | None) -> None:
    """Check that a condition to stop and the gold log belong together.

    Raises:
        ValueError: If one is given without the other.
    """
    wanted = stop_when is not None and StopWhen.parse(stop_when).name == FORGET_QUALITY
    if wanted and not arguments.gold_log:
        raise ValueError(
            f"stop_when {FORGET_QUALITY} requires --gold_log: the gold model's log on the selection set, written by "
            "evaluate --selection FOLDER"
        )
    if not wanted and given(arguments):
        raise ValueError(f"--{next(iter(given(arguments)))} requires --stop_when '{FORGET_QUALITY}>NUMBER'")


def selection_rows(data: DataArguments, beside: str, retained: int | None = None) -> Callable[[str], Dataset]:
    """Return a loader of configs that gives the photos of the selection set for the forget and the retain rows.

    Args:
        data: Which rows: `DataArguments` of the image track.
        beside: Folder or Hub id with the config `selection`.
        retained: Photos of each retain person; all by default.

    Raises:
        ValueError: If the track shows no photos.
    """
    if data.track != "image":
        raise ValueError(
            f"the selection set has only photos, which track {data.track!r} does not use; use --track image"
        )
    people = set(load_clear(data.forget, data.dataset)["name"])
    selection = load_clear(SELECTION, beside)

    def load(config: str) -> Dataset:
        if not config.endswith("_perturbed"):
            return load_clear(config, data.dataset)
        inside, seen, chosen = config.startswith("forget"), Counter(), []
        for i, name in enumerate(selection["name"]):
            if (name in people) == inside and (inside or retained is None or seen[name] < retained):
                chosen.append(i)
                seen[name] += 1
        return selection.select(chosen)

    return questions_about(data, load)


def measures(
    arguments: SelectionArguments, data: DataArguments, loaded: LoadedModel, batch_size: int
) -> dict[str, Measure]:
    """Return a measure of forget quality on the selection set of a model in training, if it was asked for.

    Args:
        arguments: Which gold log.
        data: Which rows: `DataArguments`.
        loaded: The model that will be trained.
        batch_size: Examples at a time.

    Raises:
        FileNotFoundError, ValueError: If there is no such log or selection set, or one is not about the other.
    """
    if not arguments.gold_log:
        return {}
    path = Path(arguments.gold_log)
    log, seed = read_log(path), read_meta(path).get("seed") or 0
    if FORGET_TASK not in log:
        raise ValueError(f"gold_log: {path} has no task {FORGET_TASK}, which forget quality requires")
    load = selection_rows(data, arguments.selection or f"{data.dataset}_extra")
    tasks = [task for task in IMAGE_TASKS if task.key == FORGET_TASK]
    rows, golden = load(tasks[0].config.format(forget=data.forget)), log[FORGET_TASK]
    if [said[2] for said in golden.generated] != rows[tasks[0].answer]:
        raise ValueError(
            f"gold_log: {path} does not cover the {len(rows)} photos of {data.forgotten()} in the selection set; "
            "write it with evaluate --selection FOLDER"
        )
    expected = golden.truth_ratios().tolist()

    def measure(model: nn.Module) -> float:
        network: Any = model.get_base_model() if isinstance(model, PeftModel) else model  # the adapter is in it
        training = network.training
        network.eval()
        scored = LoadedModel(network, loaded.processor, loaded.source, loaded.commit)
        found, _ = score_tasks(scored, tasks, load, data.forget, seed, batch_size=batch_size, max_new_tokens=1)
        network.train(training)
        ratios = read_log(found)[FORGET_TASK].truth_ratios().tolist()
        return float(forget_quality(ratios, expected)["forget_quality"])

    return {FORGET_QUALITY: measure}
