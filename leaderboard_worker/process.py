"""The process that loads a submitted model: `python -m leaderboard_worker.process FOLDER`, started in the sandbox.

It reads `job.json` from its folder and writes `lineage.json`, the public log, the hidden log and `done.json` there;
meanwhile `progress.json` says how far it is. If the model breaks a rule, it writes the reason to `refused.json` and
exits with REFUSED_CODE.
"""

import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from trl import ModelConfig

from clear_pipeline.arguments import DataArguments, EvaluateArguments
from clear_pipeline.evaluate import EvaluateJob, evaluate
from clear_pipeline.runs.run_folder import write_json
from clear_unlearning.models import LoadedModel, load_model

from .hidden_items import evaluate_hidden, hidden_rows, hidden_tasks
from .progress import Progress
from .sandbox import BadOutput, read_output
from .weight_check import check_finite, compare_weights, refusal

JOB, DONE, REFUSED, LINEAGE = "job.json", "done.json", "refused.json", "lineage.json"
PUBLIC, HIDDEN = "log", "hidden.json"
REFUSED_CODE = 3
MOST_WORDS = 2**20  # bytes that are read of a small file
LINEAGE_KEYS = {"distance", "relative", "cosine", "changed", "modules", "to_golds", "between_golds", "refusal"}


class Refusal(Exception):
    """The submission breaks a rule of the leaderboard. The message is shown to its submitter."""


@dataclass(frozen=True)
class ScoringJob:
    """What to score; everything is on the local disk.

    Attributes:
        model: Folder of the model.
        dataset: Folder of the public rows.
        forget: Forget set.
        track: Track of the tasks.
        original: Folder of the original, for the weight check; None skips the check.
        golds: Folders of the gold models.
        hidden: Folder of the hidden items.
        max_examples: Score only the first rows of each task.
        batch_size: Examples at a time.
        dtype: Precision of the weights.
    """

    model: str
    dataset: str
    forget: str
    track: str = "image"
    original: str | None = None
    golds: list[str] = field(default_factory=list)
    hidden: str | None = None
    max_examples: int | None = None
    batch_size: int = 16
    dtype: str = "float32"

    def write(self, folder: Path) -> None:
        """Write the job to the folder of its process."""
        write_json(folder / JOB, asdict(self))


def run_job(folder: Path) -> None:
    """Do what `job.json` says.

    Raises:
        Refusal: If the model breaks a rule. Any other error is a fault of the machine or of this program.
    """
    job = ScoringJob(**json.loads((folder / JOB).read_text()))
    seconds: dict[str, float] = {}
    progress = Progress(folder)

    @contextmanager
    def timed(step: str, questions_after: int = 0) -> Iterator[None]:
        progress.step(step, questions_after)
        started = time.monotonic()
        yield
        seconds[step] = round(time.monotonic() - started, 2)

    with timed("load"):
        loaded = _load(job)
    if job.original is not None:
        with timed("lineage"):
            _check_lineage(job, _weights(loaded), folder)
    rows, hidden_questions = None, 0
    if job.hidden is not None:
        rows = hidden_rows(Path(job.hidden), job.dataset, job.forget, job.max_examples)
        hidden_questions = sum(len(rows(task.config)) for task in hidden_tasks())
    with timed("public items", hidden_questions), _finite_losses():
        data = DataArguments(dataset=job.dataset, track=job.track, forget=job.forget)
        model = ModelConfig(model_name_or_path=job.model, dtype=job.dtype)
        scoring = EvaluateArguments(max_examples=job.max_examples, batch_size=job.batch_size)
        evaluate(EvaluateJob(folder / PUBLIC, model, data, scoring=scoring), progress.questions, loaded=loaded)
    if rows is not None:
        with timed("hidden items"), _finite_losses():
            hidden = evaluate_hidden(loaded, rows, job.forget, job.batch_size, progress.questions)
            write_json(folder / HIDDEN, hidden)
    write_json(folder / DONE, {"seconds": seconds})


def _load(job: ScoringJob) -> LoadedModel:
    """Load the model and check that its weights are finite."""
    try:
        loaded = load_model(job.model, dtype=job.dtype)
    except Exception as error:  # a library may raise anything for weights that a stranger wrote
        raise Refusal(f"the model cannot be loaded: {type(error).__name__}: {error}") from error
    try:
        check_finite(_weights(loaded))
    except ValueError as error:
        raise Refusal(str(error)) from error
    return loaded


@contextmanager
def _finite_losses() -> Iterator[None]:
    """Refuse a model whose losses are NaN or infinite although its weights are finite."""
    try:
        yield
    except FloatingPointError as error:
        raise Refusal(f"the model gives losses that are not finite: {error}") from error


def _weights(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu() for name, tensor in loaded.model.state_dict().items()}


def _check_lineage(job: ScoringJob, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Write how far the model is from the original and from each gold; only one of them is in memory at a time."""

    def stored(model: str) -> dict[str, torch.Tensor]:
        return _weights(load_model(model, dtype=job.dtype))

    assert job.original is not None
    change = compare_weights(weights, stored(job.original))
    to_golds = [compare_weights(weights, stored(gold)).distance for gold in job.golds]
    pairs = itertools.combinations(job.golds, 2)
    between = min((compare_weights(stored(one), stored(other)).distance for one, other in pairs), default=None)
    reason = refusal(change, to_golds, between)
    measured = {**change.as_dict(), "to_golds": to_golds, "between_golds": between, "refusal": reason}
    write_json(folder / LINEAGE, measured)
    if reason:
        raise Refusal(reason)


def read_lineage(folder: Path) -> dict[str, Any]:
    """Read what a process found out of its model's weights, from a folder that it could write to.

    Raises:
        BadOutput: If it is not what `_check_lineage` writes.
    """
    read = read_output(folder, LINEAGE, MOST_WORDS)
    if read.keys() != LINEAGE_KEYS:
        raise BadOutput(f"{LINEAGE} has the keys {sorted(read)}"[:300])
    modules, reason, apart, to_golds = (read[name] for name in ("modules", "refusal", "between_golds", "to_golds"))
    if not isinstance(modules, dict) or not isinstance(to_golds, list) or not isinstance(reason, str | None):
        raise BadOutput(f"{LINEAGE} has other types than it should")
    if not all(isinstance(change, dict) for change in modules.values()):
        raise BadOutput(f"{LINEAGE} has modules that are none")
    changes = [number for change in modules.values() for number in change.values()]
    numbers = [*(read[name] for name in ("distance", "relative", "cosine", "changed")), *to_golds, *changes]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in (*numbers, apart or 0.0)):
        raise BadOutput(f"{LINEAGE} has what is no number")
    return read


def main(folder: Path) -> int:
    """Run the job in a folder and return the exit code."""
    try:
        run_job(folder)
    except Refusal as error:
        write_json(folder / REFUSED, {"reason": " ".join(str(error).split())[:500]})
        return REFUSED_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
