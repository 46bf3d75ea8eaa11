"""The worker on a store and the loopback Hub: what it refuses, what it scores, and what it takes from nobody."""

import json
import shutil
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import HfApi, constants
from safetensors.numpy import load_file, save

from evaluate_metrics.tasks import FORGET_TASK
from leaderboard_app.intake.hub_repository import open_repository
from leaderboard_app.store.store import Store
from leaderboard_worker.cage import isolation_problem
from leaderboard_worker.files import build_submitted
from leaderboard_worker.process import REFUSED, REFUSED_CODE, Refusal, ScoringJob
from leaderboard_worker.process import main as process_main
from leaderboard_worker.sandbox import BadOutput, Limits
from leaderboard_worker.scorer import Result
from leaderboard_worker.worker import Worker
from leaderboard_worker.worker_settings import SetupError, WorkerSettings
from tests.leaderboard_app.submitted import BASE, MODEL_FILES, Attempt, build_data, publish_scored, unlearned
from tests.loopback_hub.store import Fault

WEIGHTS = "model.safetensors"
TEMPLATE = b"{{ cycler.__init__.__globals__.os.system('touch /tmp/owned') }}"


@pytest.fixture(scope="module")
def data(tmp_path_factory, mini_data):
    return build_data(tmp_path_factory.mktemp("data"), mini_data)


@pytest.fixture
def attempt(hub, monkeypatch, mini_llava, data, tmp_path) -> Attempt:
    """A good submission to a leaderboard with two golds, of which the first two rows of each task are scored."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return Attempt(hub, publish_scored(hub, mini_llava, data, tmp_path), mini_llava)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "leaderboard.sqlite", quota=50)


def worker_of(attempt, store, tmp_path, **settings) -> Worker:
    limits = Limits(seconds=300, memory=8)
    chosen = WorkerSettings(tmp_path / "work", lease=30, limits=limits, isolated=isolation_problem() is None)
    for name, value in settings.items():
        object.__setattr__(chosen, name, value)
    lines: list[str] = []
    worker = Worker(
        store, {BASE: attempt.base}, chosen, HfApi(attempt.hub.url, token=False), lines.append, None, store
    )
    worker.lines = lines  # type: ignore[attr-defined]
    return worker


def spoil(attempt: Attempt, repo_id: str, **files: bytes) -> Attempt:
    """Another submission, which passes the checks."""
    other = Attempt(attempt.hub, attempt.base, attempt.folder, repo_id=repo_id)
    other.files |= {name.replace("__", "."): content for name, content in files.items()}
    return other


def test_what_changed_in_the_queue_is_refused_before_anything_is_downloaded(attempt, store, tmp_path):
    number = store.submit(attempt.check().submission)
    worker = worker_of(attempt, store, tmp_path)
    repo = attempt.hub.repo("model", attempt.repo_id)
    repo.private = True
    assert worker.work_once() == "refused"
    assert "not on the Hub, or private" in store.status(number).reason
    assert store.status(number).state == "refused"
    assert worker.work_once() is None
    assert not (tmp_path / "work" / "jobs").exists()


def test_a_hub_that_fails_ends_nothing(attempt, store, tmp_path):
    number = store.submit(attempt.check().submission)
    worker = worker_of(attempt, store, tmp_path)
    attempt.hub.faults.append(Fault("GET", "/api/models/keeper/npo", 503, times=99))
    assert worker.work_once() == "failed"
    status = store.status(number)
    assert (status.state, "503" in status.history[-1].reason) == ("queued", True)


def test_a_model_is_put_together_from_the_originals_settings(attempt, tmp_path):
    attempt.files["chat_template.jinja"] = TEMPLATE
    attempt.edit("generation_config.json", max_new_tokens=1)
    attempt.edit("processor_config.json", image_processor={"do_rescale": False})
    attempt.files["run.json"] = b"{}"
    submission = attempt.check().submission
    repository = open_repository(HfApi(attempt.hub.url, token=False), submission.repo_id, submission.commit)
    folder = build_submitted(repository, "full", attempt.base, attempt.folder, tmp_path / "model")
    assert {path.name for path in folder.iterdir()} == {*MODEL_FILES, WEIGHTS}
    for name in MODEL_FILES:
        assert (folder / name).read_bytes() == (attempt.folder / name).read_bytes()
    assert (folder / WEIGHTS).read_bytes() == attempt.files[WEIGHTS]


def test_of_an_adapter_the_plain_settings_alone_are_taken(attempt, tmp_path):
    attempt.make_adapter(auto_mapping={"parent_library": "os"}, megatron_core="os", lora_dropout=0.5)
    submission = attempt.check().submission
    repository = open_repository(HfApi(attempt.hub.url, token=False), submission.repo_id, submission.commit)
    folder = build_submitted(repository, "adapter", attempt.base, attempt.folder, tmp_path / "model")
    settings = json.loads((folder / "adapter_config.json").read_text())
    assert settings.keys() == {"peft_type", "base_model_name_or_path", "inference_mode", "r", "lora_alpha",
                               "target_modules", "rank_pattern", "alpha_pattern", "use_rslora"}  # fmt: skip
    assert settings["base_model_name_or_path"] == str(attempt.folder)


def test_a_file_that_is_not_the_listed_one_is_refused(attempt, tmp_path):
    submission = attempt.check().submission
    repository = open_repository(HfApi(attempt.hub.url, token=False), submission.repo_id, submission.commit)
    attempt.hub.repo("model", attempt.repo_id).commits[submission.commit].files[WEIGHTS] = save(
        unlearned(attempt.folder, 1)
    )
    with pytest.raises(ValueError, match="is not the file that the Hub listed"):
        build_submitted(repository, "full", attempt.base, attempt.folder, tmp_path / "model")


def test_without_namespaces_a_worker_does_not_start(attempt, store, tmp_path, monkeypatch):
    monkeypatch.setattr("leaderboard_worker.worker.isolation_problem", lambda: "no user namespaces")
    with pytest.raises(ValueError, match=r"no user namespaces.*--no_isolation"):
        worker_of(attempt, store, tmp_path, isolated=True)


@pytest.mark.slow
def test_a_queue_is_scored_and_what_breaks_a_rule_is_refused(attempt, store, tmp_path):
    """One queue, since original and golds are scored once: two workers share it."""
    weights = unlearned(attempt.folder)
    nan = {name: np.full_like(w, np.nan) if name.endswith("norm.weight") else w for name, w in weights.items()}
    gold = load_file(attempt.base.golds["forget10"][0] + f"/{WEIGHTS}")
    half = {name: w.astype(np.float16) for name, w in load_file(attempt.folder / WEIGHTS).items()}
    attempts = {
        "scored": attempt,
        "adapter": spoil(attempt, "keeper/adapter"),
        "nan": spoil(attempt, "keeper/nan", model__safetensors=save(nan)),
        "gold": spoil(attempt, "keeper/gold", model__safetensors=save(gold)),
        "half": spoil(attempt, "keeper/half", model__safetensors=save(half)),
    }  # fmt: skip
    attempts["adapter"].make_adapter()
    numbers = {name: store.submit(made.check().submission) for name, made in attempts.items()}
    workers = [worker_of(attempt, store, tmp_path, name=f"worker-{i}") for i in range(2)]
    told: list[str] = []
    for worker in workers:
        worker.scorer.tell = told.append
    threads = [threading.Thread(target=worker.work, kwargs={"once": True}) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = {name: store.status(number) for name, number in numbers.items()}
    reasons = {"nan": "NaN or infinite", "gold": "the gold model", "half": "nothing was unlearned"}
    for name, reason in reasons.items():
        assert status[name].state == "refused" and reason in status[name].reason, status[name]
    for name in attempts.keys() - reasons:
        assert status[name].state == "scored", status[name]
        assert sum(change.after == "scored" for change in status[name].history) == 1
    assert [line for worker in workers for line in worker.lines if "stopped" in line] == []
    found = store.details(numbers["scored"])
    assert len(found.log[FORGET_TASK]["avg_gt_loss"]) == 2
    assert found.numbers["hidden_gap"] == pytest.approx(
        found.numbers["hidden"]["forget_quality_statistic"] - found.numbers["forget_quality_statistic"]
    )
    assert found.provenance["commit"] == attempts["scored"].said["revision"]
    assert found.provenance["lineage"]["changed"] > 0.5
    assert len(found.provenance["lineage"]["to_golds"]) == 2
    assert str(tmp_path) not in json.dumps([found.meta, found.provenance])
    assert {role: store.reference(role, BASE, "forget10") is not None for role in ("original", "gold")} == {
        "original": True,
        "gold": True,
    }
    assert list((tmp_path / "work" / "jobs").iterdir()) == []
    assert {"fetching original, golds and data", "downloading the model", "loading the model"} <= set(told)
    assert any("first, once for all, original or gold: scoring, question" in text for text in told)


@pytest.mark.slow
def test_finite_weights_whose_losses_are_not_finite_are_refused(attempt, store, tmp_path):
    """Weights so large that the model's own sums overflow: each is a number, no loss is."""
    weights = unlearned(attempt.folder)
    huge = {name: w * np.float32(1e25) if "norm" in name or "head" in name else w for name, w in weights.items()}
    assert all(np.isfinite(w).all() for w in huge.values())
    base = attempt.base
    attempt.base = replace(base, golds={"forget10": base.golds["forget10"][:1], "forget05": []}, forget=("forget10",))
    other = spoil(attempt, "keeper/huge", model__safetensors=save(huge))
    number = store.submit(other.check().submission)
    # The check of weights would refuse it by its distance; here the losses have to.
    folder = tmp_path / "job"
    folder.mkdir()
    model = shutil.copytree(attempt.folder, tmp_path / "model")
    (model / WEIGHTS).write_bytes(save(huge, {"format": "pt"}))
    ScoringJob(str(model), base.dataset, "forget10", max_examples=2).write(folder)
    assert process_main(folder) == REFUSED_CODE
    assert "losses that are not finite" in json.loads((folder / REFUSED).read_text())["reason"]
    worker = worker_of(attempt, store, tmp_path)
    assert worker.work_once() == "refused"
    assert store.status(number).state == "refused" and store.status(number).attempts == 1


class Broken:
    """A scorer that fails in a way of its own."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def score(self, job, lost):
        raise self.error


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Refusal("a rule"), "refused"), (KeyError("lineage"), "failed"), (ValueError("NaN"), "failed"),
        (BadOutput("log is not a regular file"), "failed"), (RecursionError("deep"), "queued"),
        (OSError("disk"), "queued"), (ConnectionError("503"), "queued"), (TimeoutError("long"), "failed"),
    ],
)  # fmt: skip
def test_what_a_submission_causes_ends_that_submission_and_not_the_worker(attempt, store, tmp_path, error, state):
    number = store.submit(attempt.check().submission)
    worker = worker_of(attempt, store, tmp_path)
    worker.scorer = Broken(error)
    assert worker.work_once() == ("refused" if state == "refused" else "failed")
    assert store.status(number).state == state


def test_a_setup_that_does_not_work_stops_the_worker_and_not_the_submission(attempt, store, tmp_path):
    number = store.submit(attempt.check().submission)
    worker = worker_of(attempt, store, tmp_path)
    worker.scorer = Broken(SetupError("no such gold"))
    with pytest.raises(SetupError):
        worker.work_once()
    assert store.status(number).state == "queued"


class Flaky:
    """A queue that fails a few times in each method."""

    def __init__(self, store: Store, times: int) -> None:
        self.store, self.times, self.failed = store, times, Counter()

    def __getattr__(self, name):
        def call(*arguments):
            self.failed[name] += 1
            if self.failed[name] <= self.times:
                raise (sqlite3.OperationalError("locked") if self.failed[name] % 2 else ConnectionError("gone"))
            return getattr(self.store, name)(*arguments)

        return call


def test_a_store_that_fails_for_a_moment_ends_neither_lease_nor_worker(attempt, store, tmp_path):
    class Slow:
        def score(self, job, lost):
            time.sleep(1.2)
            assert not lost()
            return Result({"model_utility": 0.5}, {}, {}, {"seconds": {"all": 1.0}})

    number = store.submit(attempt.check().submission)
    worker = worker_of(attempt, store, tmp_path, lease=3.0)
    worker.scorer, worker.queue = Slow(), Flaky(store, 1)
    assert worker.work_once() == "scored"
    assert store.status(number).state == "scored"
    assert set(worker.queue.failed) == {"claim", "heartbeat", "finish"}
    assert any("no heartbeat (OperationalError" in line for line in worker.lines)


class Gone:
    """A queue of which one method fails for longer than a lease."""

    def __init__(self, store: Store, name: str, error: Exception, times: int) -> None:
        self.store, self.name, self.error, self.times = store, name, error, times

    def __getattr__(self, name):
        def call(*arguments):
            if name == self.name and self.times > 0:
                self.times -= 1
                raise self.error
            return getattr(self.store, name)(*arguments)

        return call


@pytest.mark.parametrize("name", ["claim", "refuse"])
@pytest.mark.parametrize("error", [ConnectionError("gone"), sqlite3.OperationalError("disk I/O error"),
                                   ValueError("an answer of another page"), KeyError("answer")], ids=repr)  # fmt: skip
def test_a_store_that_is_away_for_longer_than_a_lease_does_not_end_the_worker(attempt, store, tmp_path, name, error):
    number = store.submit(attempt.check().submission)
    worker = worker_of(attempt, store, tmp_path, lease=0.05)
    worker.scorer, worker.queue = Broken(Refusal("a rule")), Gone(store, name, error, 2)

    def until_it_is_refused() -> str | None:
        if store.status(number).state in ("refused", "failed"):
            raise KeyboardInterrupt
        return first()

    first, worker.work_once = worker.work_once, until_it_is_refused
    with pytest.raises(KeyboardInterrupt):
        worker.work(pause=0.01)
    assert store.status(number).state == "refused", store.status(number)


def test_the_store_is_told_how_far_a_submission_is(attempt, store, tmp_path):
    class Telling:
        def score(self, job, lost):
            worker.tell("scoring, question 3 of 6")
            until = time.monotonic() + 20
            while store.status(job.id).progress != "scoring, question 3 of 6" and time.monotonic() < until:
                time.sleep(0.05)
            seen.append(store.status(job.id).progress)
            return Result({"model_utility": 0.5}, {}, {}, {"seconds": {"all": 1.0}})

    number, seen = store.submit(attempt.check().submission), []
    worker = worker_of(attempt, store, tmp_path, lease=0.9)
    worker.scorer = Telling()
    assert worker.work_once() == "scored"
    assert seen == ["scoring, question 3 of 6"] and store.status(number).progress == ""
