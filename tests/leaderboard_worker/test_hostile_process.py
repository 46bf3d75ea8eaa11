"""What a scoring process leaves behind when its model has taken it over: no file outside is read, and no worker ends.

The process is a program of the test's, run by the real scorer in the real sandbox.
"""

import json
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from leaderboard_app.store.store import Store
from leaderboard_worker.cage import isolation_problem
from leaderboard_worker.sandbox import Limits
from leaderboard_worker.worker import Worker
from leaderboard_worker.worker_settings import WorkerSettings
from tests.leaderboard_app.submitted import BASE, Attempt, publish_original

# References end well; what a submission's process does is put in.
PROGRAM = """
import json, math, os, sys
from pathlib import Path
job = json.loads(Path("job.json").read_text())
lineage = {"distance": 1.0, "relative": 0.1, "cosine": 0.9, "changed": 1.0, "to_golds": [1.0, 2.0],
           "between_golds": 0.5, "refusal": None, "modules": {"a": {"norm": 1.0, "relative": 0.1, "changed": 1.0}}}
def write(name, content): Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
Path("log").mkdir()
for name in ("log/eval_log_aggregated.json", "log/eval_log_meta.json", "hidden.json"): write(name, {})
write("lineage.json", lineage)
write("done.json", {"seconds": {"load": 1.0}})
if job["original"] is not None:
    DEED
"""
SECRET = "/etc/hostname"
DEEDS = {
    "a link as lineage": ("os.unlink('lineage.json'); os.symlink(SECRET, 'lineage.json')", "lineage.json cannot be"),
    "a hard link to its job": ("os.unlink('lineage.json'); os.link('job.json', 'lineage.json')", "lineage.json has"),
    "a FIFO as lineage": ("os.unlink('lineage.json'); os.mkfifo('lineage.json')", "is not a regular file"),
    "a list as lineage": ("write('lineage.json', [])", "lineage.json holds list"),
    "words as lineage": ("write('lineage.json', lineage | {'distance': '<b>'})", "has what is no number"),
    "NaN as lineage": ("write('lineage.json', lineage | {'cosine': math.nan})", "has what is no number"),
    "words as modules": ("write('lineage.json', lineage | {'modules': {'a': 'b'}})", "has modules that are none"),
    "a list as the reason": ("write('lineage.json', lineage | {'refusal': ['x']})", "has other types"),
    "one more key": ("write('lineage.json', lineage | {'token': 'x'})", "lineage.json has the keys"),
    "a FIFO as log": (
        "os.unlink('log/eval_log_aggregated.json'); os.mkfifo('log/eval_log_aggregated.json')", "is not a regular file"
    ),
    "a link as the log's folder": ("os.rename('log', 'x'); os.symlink('/etc', 'log')", "cannot be read"),
    "a device as hidden log": ("os.unlink('hidden.json'); os.symlink('/dev/zero', 'hidden.json')", ""),
    "a list as refusal": ("write('refused.json', []); sys.exit(3)", "refused.json holds list"),
    "a link as refusal": ("os.symlink(SECRET, 'refused.json'); sys.exit(3)", "refused.json cannot be read"),
    "a FIFO as refusal": ("os.mkfifo('refused.json'); sys.exit(3)", "refused.json is not a regular file"),
    "no reason of a refusal": ("sys.exit(3)", "refused.json cannot be read"),
    "a long reason": ("write('refused.json', {'reason': 'x' * 2**21}); sys.exit(3)", "at most 1048576 are read"),
    "seconds that are none": ("write('done.json', {'seconds': 'x'})", "has no seconds of its steps"),
    "nested very deeply": ("write('done.json', '[' * 10**5)", "done.json is not valid JSON"),
    "folders for ever": ("[(os.mkdir('d'), os.chdir('d')) for _ in range(1100)]; sys.exit(1)", "scoring ended with 1"),
    "folders that are shut": ("os.mkdir('d'); write('d/x', ''); os.chmod('d', 0); sys.exit(1)", "scoring ended with"),
    "a long speech": ("[print('x' * 2**20, flush=True) for _ in range(90)]; sys.exit('the end')", "with 1: the end"),
    "killed by itself": ("os.kill(os.getpid(), 11)", "scoring ended with"),
}  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory, mini_data) -> Path:
    """The worker's folder, which keeps the logs of references, and data that no program of this file reads."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "data").mkdir()
    for name in ("clear", "hidden"):
        (folder / "data" / name).symlink_to(mini_data)
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "for ever" in name else name for name in DEEDS]
)
def test_what_a_process_leaves_ends_its_submission_only(name, hub, monkeypatch, mini_llava, work, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    places = {"golds": {"forget10": [str(mini_llava)], "forget05": [str(mini_llava)]}, "max_examples": 2}
    base = publish_original(
        hub, mini_llava, str(work / "data" / "clear"), hidden=str(work / "data" / "hidden"), **places
    )
    attempt = Attempt(hub, base, mini_llava)
    store = Store(tmp_path / "leaderboard.sqlite")
    number = store.submit(attempt.check().submission)
    settings = WorkerSettings(work, 30, Limits(60, memory=4), isolation_problem() is None)
    worker = Worker(store, {BASE: attempt.base}, settings, HfApi(hub.url, token=False), lambda line: None)
    deed, reason = DEEDS[name]
    program = PROGRAM.replace("DEED", deed.replace("SECRET", repr(SECRET)))
    worker.scorer.program = (sys.executable, "-c", program)
    assert worker.work_once() == "failed"
    status = store.status(number)
    assert reason in status.history[-1].reason, status.history[-1]
    assert worker.work_once() in (None, "failed")  # the queue goes on
    assert list((work / "jobs").iterdir()) == []
    secret = Path(SECRET).read_text().strip() if Path(SECRET).exists() else ""
    assert not secret or secret not in json.dumps([vars(change) for change in status.history]).replace(
        settings.name, ""
    )
