"""The process that loads a submitted model: `python -m leaderboard_worker.scoring_process FOLDER`, in a sandbox.

It reads `job.json` of its folder, and leaves there `lineage.json`, the public log, the hidden log, and `done.json`; or
`refused.json` with the reason.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from trl import ModelConfig

from clear_pipeline.arguments import DataArguments, EvaluateArguments
from clear_pipeline.evaluate import EvaluateJob, evaluate
from clear_pipeline.runs.run_folder import write_json
from clear_unlearning.models import LoadedModel, load_model

from .hidden_items import evaluate_hidden
from .scoring_job import DONE, HIDDEN, JOB, LINEAGE, PUBLIC, REFUSED, REFUSED_CODE, ScoringJob
from .weight_check import check_finite, compare_weights, refusal


class Refused(ValueError):
    """The model breaks a rule of the leaderboard; any other error is a fault of the machine or of ours."""


def run_job(folder: Path) -> None:
    """Does what `job.json` says.

    Raises:
        Refused: If the model must be.
    """
    job = ScoringJob(**json.loads((folder / JOB).read_text()))
    seconds: dict[str, float] = {}
    started = time.monotonic()
    loaded = _load(job.model, job.dtype)
    seconds["load"] = time.monotonic() - started
    weights = _weights(loaded)
    try:
        check_finite(weights)
    except ValueError as error:
        raise Refused(str(error)) from error
    if job.original is not None:
        started = time.monotonic()
        about = _lineage(job, weights)
        write_json(folder / LINEAGE, about)
        seconds["lineage"] = time.monotonic() - started
        if about["refusal"]:
            raise Refused(about["refusal"])
    del weights
    started = time.monotonic()
    data = DataArguments(dataset=job.dataset, track=job.track, forget=job.forget)
    model = ModelConfig(model_name_or_path=job.model, dtype=job.dtype)
    scoring = EvaluateArguments(max_examples=job.max_examples, batch_size=job.batch_size)
    with _numbers_only():
        evaluate(EvaluateJob(folder / PUBLIC, model, data, scoring=scoring), loaded=loaded)
    seconds["public items"] = time.monotonic() - started
    if job.hidden is not None:
        started = time.monotonic()
        items = Path(job.hidden)
        with _numbers_only():
            hidden = evaluate_hidden(loaded, items, job.dataset, job.forget, job.max_examples, job.batch_size)
        write_json(folder / HIDDEN, hidden)
        seconds["hidden items"] = time.monotonic() - started
    write_json(folder / DONE, {"seconds": {name: round(value, 2) for name, value in seconds.items()}})


def _load(model: str, dtype: str) -> LoadedModel:
    try:
        return load_model(model, dtype=dtype)
    except Exception as error:  # whatever a library says of weights that were sent to it
        raise Refused(f"the model cannot be loaded: {type(error).__name__}: {error}") from error


@contextmanager
def _numbers_only() -> Iterator[None]:
    """A model whose losses are no numbers is refused: it is no language model."""
    try:
        yield
    except ValueError as error:
        if "NaN or infinite" in str(error):
            raise Refused(str(error)) from error
        raise


def _weights(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu() for name, tensor in loaded.model.state_dict().items()}


def _lineage(job: ScoringJob, weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """How far the model is from the original and from the golds; a gold at a time is held in memory."""
    assert job.original is not None
    change = compare_weights(weights, _weights(load_model(job.original, dtype=job.dtype)))
    to_golds = [compare_weights(weights, _weights(load_model(gold, dtype=job.dtype))).distance for gold in job.golds]
    between = [
        compare_weights(*(_weights(load_model(gold, dtype=job.dtype)) for gold in pair)).distance
        for pair in itertools.combinations(job.golds, 2)
    ]
    between_golds = min(between, default=None)
    return {
        **change.as_dict(),
        "to_golds": to_golds,
        "between_golds": between_golds,
        "refusal": refusal(change, to_golds, between_golds),
    }


def main(folder: Path) -> int:
    """Runs the job; 3 if the model is refused, whose reason is then in `refused.json`."""
    try:
        run_job(folder)
    except Refused as error:
        write_json(folder / REFUSED, {"reason": " ".join(str(error).split())[:500]})
        return REFUSED_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
