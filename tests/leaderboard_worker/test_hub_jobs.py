"""The worker that has submissions scored by jobs on the Hub: the loopback Hub runs them as programs."""

import json
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from leaderboard_app.pages.details import details_html
from leaderboard_app.store.store import Store
from leaderboard_worker.cage import isolation_problem
from leaderboard_worker.commands import worker
from leaderboard_worker.hub_jobs import HubSettings
from leaderboard_worker.sandbox import Limits
from leaderboard_worker.worker import Worker
from leaderboard_worker.worker_settings import WorkerSettings
from tests.leaderboard_app.submitted import BASE, Attempt, build_data, publish_original, publish_scored
from tests.loopback_hub.store import Fault
from tests.programs import run_python

RESULTS = "ORG/job-results"
SLEEPING = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def attempt(hub, monkeypatch, mini_llava) -> Attempt:
    """A good submission to a leaderboard whose everything is on the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    golds = {"forget10": ["ORG/gold"], "forget05": ["ORG/gold"]}
    hub.create("dataset", "ORG/clear")
    return Attempt(hub, publish_original(hub, mini_llava, "ORG/clear", golds=golds), mini_llava)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "leaderboard.sqlite")


def worker_of(attempt: Attempt, store: Store, folder: Path, seconds: float = 300, **changes) -> Worker:
    settings = WorkerSettings(
        folder / "work", lease=0.6, limits=Limits(seconds, 8), isolated=isolation_problem() is None
    )
    hub = replace(HubSettings("clear-unlearning:latest", RESULTS, "hf_job", "cpu-basic", poll=0.1), **changes)
    api = HfApi(attempt.hub.url, token="hf_keeper")
    return Worker(store, {BASE: attempt.base}, settings, api, lambda line: None, hub, store)


def image(attempt: Attempt, program: str) -> None:
    attempt.hub.machines.image = [sys.executable, "-c", program]


def submit(attempt: Attempt, store: Store) -> int:
    submission = attempt.check().submission
    assert submission is not None
    return store.submit(submission)


def ended(attempt: Attempt, store: Store, keeper: Worker) -> tuple[str | None, str, str]:
    """How a submission ends, its state then, and the reason in the trail."""
    number = submit(attempt, store)
    end = keeper.work_once()
    status = store.status(number)
    return end, status.state, status.history[-1].reason


def test_a_job_that_dies_is_tried_again_and_says_its_last_line(attempt, store, tmp_path):
    image(attempt, "print('no module named clear_pipeline'); raise SystemExit(1)")
    end, state, reason = ended(attempt, store, worker_of(attempt, store, tmp_path))
    assert (end, state) == ("failed", "queued")
    assert "no module named clear_pipeline" in reason
    job = attempt.hub.machines.jobs[0]
    assert (job.namespace, job.wanted["flavor"], job.wanted["dockerImage"]) == (
        "ORG",
        "cpu-basic",
        "clear-unlearning:latest",
    )
    assert job.wanted["secrets"] == {"HF_TOKEN": "hf_job"} and "hf_job" not in str(job.wanted["environment"])


def test_a_job_that_takes_too_long_fails_for_good(attempt, store, tmp_path):
    attempt.hub.machines.image = SLEEPING
    end, state, reason = ended(attempt, store, worker_of(attempt, store, tmp_path, seconds=0.25))
    assert (end, state) == ("failed", "failed")
    assert "took more than 1 seconds: Job timeout" in reason


def test_a_job_that_never_starts_is_cancelled_and_tried_again(attempt, store, tmp_path):
    attempt.hub.machines.free = False
    end, state, reason = ended(attempt, store, worker_of(attempt, store, tmp_path, patience=0.3))
    assert (end, state) == ("failed", "queued")
    assert "did not start in 0.3 seconds" in reason
    assert attempt.hub.machines.jobs[0].stage == "CANCELED"


def test_a_job_that_a_keeper_cancels_fails_for_good(attempt, store, tmp_path):
    attempt.hub.machines.image = SLEEPING
    api = HfApi(attempt.hub.url, token="hf_keeper")

    def cancel() -> None:
        while not (jobs := attempt.hub.machines.jobs):
            time.sleep(0.02)
        api.cancel_job(job_id=jobs[0].id, namespace="ORG")

    thread = threading.Thread(target=cancel)
    thread.start()
    end, state, reason = ended(attempt, store, worker_of(attempt, store, tmp_path))
    thread.join()
    assert (end, state) == ("failed", "failed")
    assert "was canceled on the Hub" in reason


def test_the_job_of_a_submission_that_is_withdrawn_is_cancelled(attempt, store, tmp_path):
    attempt.hub.machines.image = SLEEPING

    def withdraw() -> None:
        while not attempt.hub.machines.jobs:
            time.sleep(0.02)
        store.withdraw(1, "keeper")

    thread = threading.Thread(target=withdraw)
    thread.start()
    end, state, _ = ended(attempt, store, worker_of(attempt, store, tmp_path))
    thread.join()
    assert (end, state) == ("given up", "withdrawn")
    assert attempt.hub.machines.jobs[0].stage == "CANCELED"


def test_a_hub_that_fails_while_a_job_runs_is_asked_again(attempt, store, tmp_path):
    image(attempt, "import time; time.sleep(0.5); print('late'); raise SystemExit(1)")
    attempt.hub.faults.append(Fault("GET", "/api/jobs/ORG/[0-9a-f]+$", 503, times=2))
    end, _, reason = ended(attempt, store, worker_of(attempt, store, tmp_path))
    assert end == "failed" and "late" in reason


def test_an_image_that_does_something_else_leaves_no_answer(attempt, store, tmp_path):
    image(attempt, "print('hello')")
    end, state, reason = ended(attempt, store, worker_of(attempt, store, tmp_path))
    assert (end, state) == ("failed", "queued")
    assert "left no answer: is clear-unlearning:latest the right image?" in reason


def test_a_job_that_may_not_be_started_stops_the_worker_and_loses_nothing(attempt, store, tmp_path):
    keeper = worker_of(attempt, store, tmp_path)
    attempt.hub.faults.append(Fault("POST", "/api/jobs/ORG$", 402))
    with pytest.raises(ValueError, match="a job of ORG: the Hub refuses with 402"):
        ended(attempt, store, keeper)
    assert store.status(1).state == "queued"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"token": ""}, "a job needs a token of its own"),
        ({"results": "ORG/open"}, "ORG/open must be private"),
    ],
)
def test_a_worker_does_not_start_where_jobs_could_leak(attempt, store, tmp_path, change, reason):
    attempt.hub.create("dataset", "ORG/open")
    with pytest.raises(ValueError, match=reason):
        worker_of(attempt, store, tmp_path, **change)


def test_what_a_job_cannot_read_is_named(attempt, store, tmp_path):
    attempt.base = replace(attempt.base, hidden=str(tmp_path))
    with pytest.raises(ValueError, match="a job on the Hub cannot read"):
        worker_of(attempt, store, tmp_path)


def test_the_command_asks_for_image_and_results():
    with pytest.raises(ValueError, match="--engine hf-jobs needs --image and --job_results"):
        worker(["--store", "no.sqlite", "--bases", "no.json", "--engine", "hf-jobs"])


def test_the_command_starts_jobs_with_a_token_of_their_own(attempt, store, tmp_path):
    image(attempt, "print('no GPU today'); raise SystemExit(1)")
    submit(attempt, store)
    bases = tmp_path / "bases.json"
    bases.write_text(json.dumps({"bases": [asdict(attempt.base)]}))
    command = ["-m", "clear_pipeline.cli", "worker", "--once", "--pause", "0", "--store", store.path]
    command += ["--bases", bases, "--work", tmp_path / "work", "--engine", "hf-jobs", "--flavor", "t4-small"]
    command += ["--image", "ORG/image", "--job_results", RESULTS, "--job_poll", "0.1"]
    environment = attempt.hub.environment("hf_keeper") | {"LEADERBOARD_JOB_TOKEN": "hf_job"}
    done = run_python(*command, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("failed, job") == 3 and "no GPU today" in done.stdout
    assert store.status(1).state == "failed"
    for job in attempt.hub.machines.jobs:
        assert (job.wanted["flavor"], job.wanted["secrets"]) == ("t4-small", {"HF_TOKEN": "hf_job"})
        assert "hf_keeper" not in json.dumps(job.wanted)


ANSWERS = """
import json, os
from huggingface_hub import HfApi
work = json.loads(os.environ["CLEAR_JOB"])
source, _, revision = work["base"]["dataset"].partition("@")
said = {name: work["submission"][name] for name in ("repo_id", "commit", "weights_hash")}
rows = {"source": source, "revision": revision, "fingerprint": None}
answer = {"end": "scored", "provenance": said, "meta": {"dataset": rows}}
CHANGE
HfApi().upload_file(
    path_or_fileobj=json.dumps(answer).encode(), repo_id=work["results"], repo_type="dataset",
    path_in_repo=work["place"] + "/answer.json",
)
"""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("said['commit'] = '0' * 40", "another commit"),
        ("rows['fingerprint'] = 'f00d'", "another dataset"),
        ("rows['revision'] = '0' * 40", "another dataset"),
    ],
)
def test_an_answer_for_something_else_is_not_believed(attempt, store, tmp_path, change, what):
    image(attempt, ANSWERS.replace("CHANGE", change))
    end, state, reason = ended(attempt, store, worker_of(attempt, store, tmp_path))
    assert (end, state) == ("failed", "queued")
    assert f"answers for {what}" in reason


def to_hub(attempt: Attempt, kind: str, repo_id: str, folder: Path, private: bool = False) -> str:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    attempt.hub.create(kind, repo_id, private).commit("files", files)
    return repo_id


@pytest.mark.slow
def test_a_job_scores_what_the_worker_then_writes_down(hub, monkeypatch, mini_llava, mini_data, store, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    data = build_data(tmp_path / "data", mini_data)
    made = publish_scored(hub, mini_llava, data, tmp_path)
    attempt = Attempt(hub, made, mini_llava)
    golds = [to_hub(attempt, "model", f"ORG/{Path(gold).name}", Path(gold)) for gold in made.golds["forget10"]]
    attempt.base = replace(
        made,
        dataset=to_hub(attempt, "dataset", "ORG/clear", data / "clear"),
        hidden=to_hub(attempt, "dataset", "ORG/hidden", data / "hidden", private=True),
        golds={"forget10": golds, "forget05": golds},
    )
    copy = Attempt(hub, attempt.base, mini_llava, repo_id="keeper/gold")
    copy.files["model.safetensors"] = (Path(made.golds["forget10"][0]) / "model.safetensors").read_bytes()
    number, refused = submit(attempt, store), submit(copy, store)
    keeper = worker_of(attempt, store, tmp_path)
    assert keeper.work_once() == "scored", store.status(number)
    assert keeper.work_once() == "refused", store.status(refused)
    assert "the gold model" in store.status(refused).reason
    found = store.details(number)
    assert found.numbers["hidden_gap"] is not None
    assert found.provenance["hub_job"]["flavor"] == "cpu-basic"
    assert found.provenance["commit"] == attempt.said["revision"]
    assert found.meta["dataset"] == found.provenance["dataset"]
    assert found.meta["dataset"]["revision"] == hub.dataset().at("main").oid
    assert store.reference("gold", BASE, "forget10") and store.reference("original", BASE, "forget10")
    shown = details_html(store, number)
    assert shown.count("<dt>gold</dt>") == shown.count("<dt>submission</dt>") > shown.count("data:image/png") >= 3
    assert not (tmp_path / "work" / "copies").exists()
    kept = {path.split("/")[1] for path in hub.dataset(RESULTS).at("main").files if path.startswith("references/")}
    assert len(kept) == 3  # two golds and the original
