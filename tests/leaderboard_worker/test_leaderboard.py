"""What a keeper does: a demo on the page, the Space on a Hub on 127.0.0.1, and the store rebuilt from there."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from datasets import Dataset
from gradio_client import Client

from clear_pipeline.cli import main
from evaluate_metrics.face_scores import read_faces
from evaluate_metrics.log_format import write_log
from evaluate_metrics.scores import score_log
from leaderboard_app.store.store import Store
from leaderboard_worker.keeper import import_demo, space_files
from tests.conftest import picture
from tests.leaderboard_app.entries import add_references, add_scored, write_visual
from tests.loopback_hub.store import Fault

PEOPLE = [f"person {i // 2}" for i in range(12)]
TASKS = {
    "eval_log_forget.json": "forget10_perturbed",
    "eval_log.json": "retain_perturbed",
    "eval_real_faces_wo_options.json": "real_faces",
}


def write_demo(folder: Path, methods: dict[str, float]) -> Path:
    """A finished demo as its files tell it, with a small log for each model."""
    for name, shift in {"original": 1.0, "gold": 0.0, **methods}.items():
        indices = [str(index) for index in range(12)]
        fields = {
            "avg_gt_loss": {i: 0.2 + int(i) / 10 for i in indices},
            "avg_paraphrased_loss": {i: 0.3 + int(i) / 10 for i in indices},
            "average_perturb_loss": {i: [0.4 + shift * int(i) / 5, 1.5] for i in indices},
            "rougeL_recall": dict.fromkeys(indices, 0.5),
            "generated_text": {i: ["Who is this?", f"{name} {i}", f"Mara {i}"] for i in indices},
        }
        tasks = {task: {"config": config, "images": True, "person": PEOPLE} for task, config in TASKS.items()}
        meta = {
            "schema": 1, "tasks": tasks, "model": str(folder / "models" / name), "method": name, "forget": "forget10",
            "seed": 0, "control": "none", "dataset": {"source": str(folder), "fingerprint": "f00d" * 16},
            "lineage": {"base_model": "mini-image", "role": name}, "versions": {"torch": "2.13"},
        }  # fmt: skip
        (folder / "logs" / name).mkdir(parents=True)
        write_log(folder / "logs" / name, dict.fromkeys(TASKS, fields), meta)
        (folder / "models" / name).mkdir(parents=True)
        settings = {"recipe": name, "model": str(folder / "models" / "original")}
        (folder / "models" / name / "run.json").write_text(json.dumps({"settings": settings, "seconds": 2.5}))
    for config in TASKS.values():
        place = folder / "data" / "clear" / config / "train-00000-of-00001.parquet"
        place.parent.mkdir(parents=True)
        Dataset.from_dict({"image": [picture(i) for i in range(12)]}).to_parquet(place)
    configs = [{"config_name": config, "data_files": f"{config}/*.parquet"} for config in TASKS.values()]
    (folder / "data" / "clear" / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    dials = {"corpus": "mini", "methods": list(methods), "forget": "forget10", "seed": 0}
    (folder / "demo.json").write_text(json.dumps(dials))
    return folder


def test_a_finished_demo_becomes_verified_rows_with_photos_once(tmp_path):
    folder = write_demo(tmp_path / "demo", {"npo": 0.2, "gradient_ascent": 0.9})
    store = Store(tmp_path / "store.sqlite")
    assert import_demo(store, folder) == [1, 2]
    assert import_demo(store, folder) == []
    board = store.rows()
    assert {row.method: row.numbers["d"] for row in board.rows if row.verified} == {
        method: score_log(folder / "logs" / method, folder / "logs" / "gold")["forget_quality_statistic"]
        for method in ("npo", "gradient_ascent")
    }
    assert [row.role for row in board.references] == ["original", "gold"]
    details = store.details(1)
    assert details.provenance["seconds"] == 2.5
    assert details.provenance["settings"] == {"recipe": "npo", "model": "original"}
    assert str(tmp_path) not in json.dumps([details.meta, details.provenance])
    photo = store.photo("f00d" * 16, "forget10_perturbed", 0)
    assert photo is not None and photo.startswith(b"\x89PNG")


def test_a_log_of_ones_own_in_the_demos_folder_is_a_row_too(tmp_path):
    folder = write_demo(tmp_path / "demo", {"npo": 0.2})
    shutil.copytree(folder / "logs" / "npo", folder / "logs" / "mine")
    store = Store(tmp_path / "store.sqlite")
    assert import_demo(store, folder) == [1, 2]
    assert [row.method for row in store.rows().rows] == ["npo", "mine"]
    assert store.details(2).provenance["seconds"] is None


def test_a_folder_without_a_demo_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        assert main(["leaderboard", "serve", "--demo", str(tmp_path / folder), "--store", str(tmp_path / "s")]) == 2
        assert "holds no finished demo" in capsys.readouterr().err


def test_a_visual_run_is_kept_in_the_store_and_a_wrong_folder_makes_none(tmp_path, capsys):
    run, path = write_visual(tmp_path / "visual"), tmp_path / "s"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = ["leaderboard", "serve", "--store", str(path), "--port", str(taken.getsockname()[1]), "--visual"]
        assert main([*command, str(tmp_path)]) == 2
        assert "holds no report of the visual track" in capsys.readouterr().err
        assert not path.exists()
        assert main([*command, str(run)]) == 2
    said = capsys.readouterr()
    assert "2 methods of the visual track imported from" in said.out
    assert "cannot be listened on" in said.err
    assert Store(path).faces() == read_faces(run)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["hide", "3", "--keeper", "k", "--reason", "r"], "there is no store leaderboard.sqlite; name it by --store"),
        (["push", "--repo-id", "ORG/clear-leaderboard"], "there is no store leaderboard.sqlite"),
        (["requeue", "--metric_version", "2", "--keeper", "k", "--store", "nowhere"], "there is no store nowhere"),
    ],
)
def test_a_wrong_name_makes_no_empty_store(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard", *argv]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_keeper_hides_shows_and_queues_again(capsys, tmp_path):
    store = Store(tmp_path / "store")
    number = add_scored(store, 1, 0.2, 0.7)
    flags = ["--store", str(store.path), "--keeper", "mara"]
    assert main(["leaderboard", "hide", str(number), "--reason", "copied", *flags]) == 0
    assert store.status(number).hidden_reason == "copied"
    assert main(["leaderboard", "hide", str(number), "--reason", "not copied", "--undo", *flags]) == 0
    assert store.status(number).hidden_reason is None
    assert main(["leaderboard", "requeue", "--metric_version", "99", *flags]) == 0
    assert "1 submissions are queued again, for version 99" in capsys.readouterr().out
    assert store.status(number).state == "queued"


def leaderboard(hub, *arguments: object, **options):
    return hub.run("-m", "clear_pipeline.cli", "leaderboard", *arguments, **options)


@pytest.fixture
def filled(tmp_path) -> Store:
    store = Store(tmp_path / "store.sqlite")
    add_references(store)
    for number in (1, 2):
        add_scored(store, number, number / 10, 0.75, method=f"method {number}")
    return store


@pytest.mark.slow
def test_the_results_and_the_space_are_pushed_and_restored(hub, filled, tmp_path):
    push = ("push", "--repo-id", "ORG/clear-leaderboard", "--store", filled.path)
    done = leaderboard(hub, *push)
    assert done.returncode == 0, done.stderr
    assert re.search(r"datasets/ORG/clear-leaderboard-results: \d+ files sent", done.stdout)
    results = hub.dataset("ORG/clear-leaderboard-results")
    assert "logs/1/eval_log_aggregated.json" in results.history[0].files
    assert leaderboard(hub, *push).stdout.count("nothing changed, no commit") == 2
    assert len(results.history) == 2
    restored = leaderboard(
        hub, "restore", "--results", "ORG/clear-leaderboard-results", "--store", tmp_path / "again.sqlite"
    )
    assert "2 submissions from ORG/clear-leaderboard-results" in restored.stdout, restored.stderr
    assert Store(tmp_path / "again.sqlite").rows() == filled.rows()
    again = leaderboard(
        hub, "restore", "--results", "ORG/clear-leaderboard-results", "--store", tmp_path / "again.sqlite"
    )
    assert (again.returncode, "is not empty" in again.stderr) == (2, True)
    other = ("push", "--repo-id", "ORG/other", "--store", filled.path)
    assert leaderboard(hub, *other, token="hf_stranger").returncode == 2


@pytest.mark.slow
def test_a_hub_that_fails_for_a_while_loses_nothing(hub, filled):
    hub.faults = [
        Fault("POST", r"/commit/", 503, times=1), Fault("POST", r"/commit/", 429, headers={"Retry-After": "1"}),
        Fault("GET", r"/tree/", 500), Fault("POST", r"/commit/", 504, after=True),
    ]  # fmt: skip
    done = leaderboard(hub, "push", "--repo-id", "ORG/clear-leaderboard", "--store", filled.path)
    assert done.returncode == 0, done.stderr
    assert len(hub.dataset("ORG/clear-leaderboard-results").history) == 2


@pytest.mark.slow
def test_the_published_space_runs_without_torch_from_its_own_files(hub, filled, tmp_path):
    assert leaderboard(hub, "push", "--repo-id", "ORG/clear-leaderboard", "--store", filled.path).returncode == 0
    space = tmp_path / "space"
    for path, content in hub.repo("space", "ORG/clear-leaderboard").history[0].files.items():
        (space / path).parent.mkdir(parents=True, exist_ok=True)
        (space / path).write_bytes(content)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    absent = ("torch", "transformers", "datasets", "evaluate", "scipy", "matplotlib", "clear_data", "clear_pipeline")
    program = f"import sys; sys.modules.update(dict.fromkeys({absent})); sys.path.insert(0, '.'); import app"
    environment = {**hub.environment("hf_keeper"), "GRADIO_SERVER_PORT": port}
    environment |= {"LEADERBOARD_STORE": str(tmp_path / "new"), "LEADERBOARD_PAUSE": "1"}
    del environment["PYTHONPATH"]
    results = hub.dataset("ORG/clear-leaderboard-results")
    with subprocess.Popen([sys.executable, "-P", "-c", program], cwd=space, env=environment) as page:
        try:
            answer = ask(f"http://127.0.0.1:{port}/", page)
            hub.faults = [Fault("POST", r"/commit/", 500)]
            Store(tmp_path / "new").hide(2, "keeper", "copied")
            for _ in range(100):
                if len(results.history) > 2:
                    break
                time.sleep(0.2)
        finally:
            page.terminate()
    assert [row["method"] for row in answer["rows"]] == ["method 1", "method 2"]
    assert len(results.history) == 3  # the Hub failed once, and has it nevertheless


def ask(url: str, page: subprocess.Popen) -> dict:
    """The table, as soon as the page answers."""
    for _ in range(120):
        assert page.poll() is None, "the Space's app ended"
        try:
            return Client(url, verbose=False).predict(api_name="/leaderboard")
        except (OSError, ValueError, httpx.HTTPError):
            time.sleep(0.5)
    raise TimeoutError(url)


def test_the_space_has_what_it_needs_and_nothing_else():
    files = space_files("ORG/board", "ORG/board-results")
    rooms = {path.split("/")[0] for path in files}
    assert rooms == {"leaderboard_app", "evaluate_metrics", "README.md", "app.py", "requirements.txt"}
    card = bytes(files["README.md"]).decode()
    assert "hf_oauth: true" in card and "- ORG/board-results" in card and "GRADIO_VERSION" not in card
    assert "torch" not in bytes(files["requirements.txt"]).decode()
    assert 'start("ORG/board-results")' in bytes(files["app.py"]).decode()
    for path in ("templates/table.html.jinja", "style.css", "page.js"):
        assert f"leaderboard_app/pages/{path}" in files
    assert not any(Path(path).name.startswith(".") or "__pycache__" in path for path in files)
