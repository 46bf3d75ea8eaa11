import json

import pytest

from clear_pipeline.runs.run_folder import RUN_FILE, Run, read_run, write_json


def test_a_finished_run_is_not_done_twice(tmp_path):
    run = Run(tmp_path / "model", {"lr": 0.1})
    assert not run.finished
    (run.start() / "weights").write_text("w")
    run.finish(steps=3)
    again = Run(tmp_path / "model", {"lr": 0.1})
    assert again.finished
    assert (tmp_path / "model/weights").read_text() == "w"
    assert again.record["steps"] == 3
    assert not (tmp_path / "model.part").exists()


def test_an_interrupted_run_goes_on_in_its_folder(tmp_path):
    (Run(tmp_path / "model", {"lr": 0.1}).start() / "checkpoint-3").mkdir()
    run = Run(tmp_path / "model", {"lr": 0.1})
    assert not run.finished
    assert (run.start() / "checkpoint-3").is_dir()
    run.finish()
    assert not (tmp_path / "model/checkpoint-3").exists()


@pytest.mark.parametrize("finished", [False, True])
def test_another_runs_folder_is_left_alone(tmp_path, finished):
    run = Run(tmp_path / "model", {"lr": 0.1, "seed": 0})
    run.start()
    if finished:
        run.finish()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"holds another run \(lr=0.1\)"):
        Run(tmp_path / "model", {"lr": 0.2, "seed": 0}).start()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_no_run_is_named(tmp_path):
    (tmp_path / "thesis").mkdir()
    with pytest.raises(ValueError, match="thesis exists and holds no run.json"):
        Run(tmp_path / "thesis", {})
    (tmp_path / "thesis" / RUN_FILE).write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        Run(tmp_path / "thesis", {})


def test_time_before_an_interruption_counts(tmp_path):
    part = Run(tmp_path / "model", {}).start()
    write_json(part / RUN_FILE, {"settings": {}, "seconds": 100.0})
    run = Run(tmp_path / "model", {})
    run.start()
    assert run.finish()["seconds"] >= 100.0


def test_json_is_strict_and_whole(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
    assert read_run(tmp_path / "nothing") is None


def settings_of(model: str, digest: str, **more):
    return {"model": model, **more, "digests": {"model": digest}}


def test_a_moved_model_is_the_same_run_and_a_changed_one_is_not(tmp_path):
    Run(tmp_path / "log", settings_of("here", "abc", seed=0)).start()
    Run(tmp_path / "log", settings_of("here", "abc", seed=0)).finish()
    assert Run(tmp_path / "log", settings_of("there", "abc", seed=0)).finished
    with pytest.raises(ValueError, match=r"holds another run \(model='abc'\).*--overwrite true"):
        Run(tmp_path / "log", settings_of("here", "def", seed=0))


@pytest.mark.parametrize("finished", [True, False])
def test_overwrite_replaces_another_run_and_keeps_the_same_one(tmp_path, finished):
    run = Run(tmp_path / "log", {"seed": 0})
    (run.start() / "old").write_text("old")
    if finished:
        run.finish()
    assert Run(tmp_path / "log", {"seed": 0}, overwrite=True).finished == finished
    again = Run(tmp_path / "log", {"seed": 1}, overwrite=True)
    assert not again.finished and not (again.start() / "old").exists()
    assert (tmp_path / "log" / "old").exists() == finished  # there until the new one is whole
    again.finish()
    assert read_run(tmp_path / "log")["settings"] == {"seed": 1} and not (tmp_path / "log" / "old").exists()
