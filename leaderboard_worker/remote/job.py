"""What runs on a machine of the Hub for `worker --engine hf-jobs`: `python -m leaderboard_worker.remote.job`.

It has its work in the environment, scores as a worker on its own machine does, and puts the answer, also that of a
refusal or a failure, into the keeper's private dataset. Logs of original and gold are kept there for the next job.
"""

import json
import os
import sys
from base64 import b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from evaluate_metrics import VERSION
from leaderboard_app.bases import Base
from leaderboard_app.intake.hub_repository import hub_answers
from leaderboard_app.intake.submission import Submission
from leaderboard_app.store.worker_queue import Job
from leaderboard_worker.references import References
from leaderboard_worker.sandbox import Limits, isolation_problem
from leaderboard_worker.scorer import Refusal, SubmissionScorer, WorkerSettings
from leaderboard_worker.scoring_job import HIDDEN, PUBLIC

WORK = "CLEAR_JOB"  # environment variable
ANSWER = "answer.json"
# What an answer may say of a failure; the first that fits.
FAILURES = {kind.__name__: kind for kind in (ConnectionError, TimeoutError, MemoryError, ValueError, RuntimeError)}


@dataclass(frozen=True)
class HubWork:
    """What a job is told.

    Attributes:
        id: Number of the submission.
        attempt: How often it was started.
        submission: Its fields.
        base: Its row of the bases.
        results: Dataset that takes the answer.
        place: Folder of the answer there.
        worker: Name of the worker that has the submission.
        metrics: Version of the metrics that the worker expects.
        isolated: Cut the scoring process off.
        limits: Of the scoring process.
    """

    id: int
    attempt: int
    submission: dict[str, Any]
    base: dict[str, Any]
    results: str
    place: str
    worker: str
    metrics: str
    isolated: bool
    limits: dict[str, Any]


def answer_of(work: HubWork, folder: Path, api: HfApi) -> dict[str, Any]:
    """Scores a submission.

    Returns:
        `end`: `scored` with the fields of a `Result`, original and gold as `references` by role, and `photos` of the
        examples as (config, row, base64); `refused` with its `reason`; `failed` with a key of FAILURES as `kind` and
        its `reason`.
    """
    base = Base(**{**work.base, "forget": tuple(work.base["forget"])})
    settings = WorkerSettings(folder, limits=Limits(**work.limits), isolated=work.isolated, name=work.worker)
    references = References()
    try:
        if work.metrics != VERSION:
            raise ValueError(f"the image has version {VERSION} of the metrics, the worker {work.metrics}: renew it")
        if work.isolated and (problem := isolation_problem()):
            raise ValueError(f"models cannot be cut off on the Hub's machine ({problem}); see --no_isolation")
        scorer = SubmissionScorer(references, {base.base_model: base}, settings, api)
        job = Job(work.id, Submission(**work.submission), work.attempt, 0, work.metrics)
        result = scorer.score(job, lambda: False)
    except Refusal as error:
        return {"end": "refused", "reason": str(error)}
    except tuple(FAILURES.values()) as error:
        kind = next(name for name, kind in FAILURES.items() if isinstance(error, kind))
        return {"end": "failed", "kind": kind, "reason": str(error)}
    photos = [(*place, b64encode(photo).decode()) for place, photo in references.photos.items()]
    return {"end": "scored", **asdict(result), "references": references.rows, "photos": photos}


def main() -> int:
    """Does the work of the environment; whoever waits for it reads the answer, so that the exit code is 0."""
    work, folder, api = HubWork(**json.loads(os.environ[WORK])), Path("clear-work").resolve(), HfApi()
    with hub_answers(work.results):
        api.snapshot_download(work.results, repo_type="dataset", allow_patterns="references/*", local_dir=folder)
    answer = answer_of(work, folder, api)
    with hub_answers(work.results):
        if (folder / "references").is_dir():
            api.upload_folder(
                repo_id=work.results,
                repo_type="dataset",
                folder_path=folder / "references",
                path_in_repo="references",
                allow_patterns=[f"*/{PUBLIC}/*", f"*/{HIDDEN}"],
                ignore_patterns="*.part/*",
            )
        content = json.dumps(answer).encode()
        where = f"{work.place}/{ANSWER}"
        api.upload_file(repo_id=work.results, repo_type="dataset", path_or_fileobj=content, path_in_repo=where)
    return 0


if __name__ == "__main__":
    sys.exit(main())
