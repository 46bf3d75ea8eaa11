"""The selection set: further photos of the same people, on which settings and the end of a training may be chosen.

No model is trained on it and no table shows it, so that what is chosen there is not chosen on what is reported.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import PeftModel
from torch import nn

from clear_dataset import load_clear
from clear_unlearning.evaluate import evaluate_model
from clear_unlearning.models import LoadedModel
from clear_unlearning.tasks import IMAGE_TASKS
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.log_format import read_log, read_meta
from evaluate_metrics.tasks import FORGET_TASK
from trainers.base.stopping import FORGET_QUALITY, Measure, StopWhen

SELECTION = "selection"  # the config


@dataclass
class SelectionArguments:
    """What `--stop_when "forget_quality>X"` compares with."""

    gold_log: str | None = field(
        default=None,
        metadata={"help": "Gold's log on the selection set, of evaluate --selection, for --stop_when forget_quality."},
    )
    selection: str | None = field(
        default=None, metadata={"help": "Folder or Hub id with the config selection (<dataset>_extra)."}
    )

    def settings(self) -> dict[str, Any]:
        """What a run records of it: nothing of what was not asked for."""
        return {name: value for name, value in vars(self).items() if value}

    def check(self, stop_when: str | None) -> None:
        """Makes sure that a condition and the gold log belong together.

        Raises:
            ValueError: If one is there without the other.
        """
        wanted = stop_when is not None and StopWhen.parse(stop_when).name == FORGET_QUALITY
        if wanted and not self.gold_log:
            raise ValueError(
                f"stop_when {FORGET_QUALITY} needs --gold_log, the gold model's log on the selection set: that of "
                "evaluate --selection FOLDER"
            )
        if not wanted and self.settings():
            raise ValueError(
                f"--{next(iter(self.settings()))} says nothing without --stop_when {FORGET_QUALITY}>NUMBER"
            )


def selection_rows(data: Any, beside: str, retained: int | None = None) -> Callable[[str], Dataset]:
    """Gives the rows of a config, with those of the selection set for the forget and the retain rows.

    Args:
        data: Which rows: `DataArguments` of the image track.
        beside: Folder or Hub id with the config `selection`.
        retained: Take so many photos of each person who stays; all by default.

    Raises:
        ValueError: If the track shows no photos.
    """
    if data.track != "image":
        raise ValueError(f"the selection set has photos, and the track {data.track} asks none: --track image")
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

    return load


def measures(arguments: SelectionArguments, data: Any, loaded: LoadedModel, batch_size: int) -> dict[str, Measure]:
    """Forget quality on the selection set, if it was asked for, of a model in training.

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
        raise ValueError(f"gold_log: {path} has no task {FORGET_TASK}, which forget quality needs")
    load = selection_rows(data, arguments.selection or f"{data.dataset}_extra")
    tasks = [task for task in IMAGE_TASKS if task.key == FORGET_TASK]
    rows, golden = load(tasks[0].config.format(forget=data.forget)), log[FORGET_TASK]
    if [said[2] for said in golden.generated] != rows[tasks[0].answer]:
        raise ValueError(
            f"gold_log: {path} is not about the {len(rows)} photos of {data.forget} in the selection set; make it by "
            "evaluate --selection FOLDER"
        )
    expected = golden.truth_ratios().tolist()

    def measure(model: nn.Module) -> float:
        network: Any = model.get_base_model() if isinstance(model, PeftModel) else model  # the adapter is in it
        training = network.training
        network.eval()
        scored = LoadedModel(network, loaded.processor, loaded.source, loaded.commit)
        found, _ = evaluate_model(scored, tasks, load, data.forget, seed, batch_size=batch_size, max_new_tokens=1)
        network.train(training)
        ratios = read_log(found)[FORGET_TASK].truth_ratios().tolist()
        return float(forget_quality(ratios, expected)["forget_quality"])

    return {FORGET_QUALITY: measure}
