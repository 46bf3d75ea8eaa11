"""The visual demo end to end, on a few models: the picture makes sense, and what is finished is not done again."""

import json
import shutil

import pytest

from clear_pipeline.cli import main

DIALS = ("--models", "8", "--methods", "original,gold,rmu", "--seed", "1")


@pytest.mark.slow
def test_the_picture_makes_sense_and_a_lost_model_is_made_again(tmp_path, capsys):
    folder = tmp_path / "run"
    command = ["visual", "demo", "--output", str(folder), *DIALS]
    assert main(command) == 0
    first = (folder / "report.json").read_text()
    rows = {row["name"]: row for row in json.loads(first)["rows"]}
    original, gold = rows["original"], rows["gold"]
    assert original["forget"] > 0.97 and original["retain"] > 0.95
    assert original["u_lira"]["u_lira"] > 0.9
    assert abs(gold["forget"] - gold["holdout"]) < 0.1
    for attack in ("u_lira", "u_mia"):
        low, high = gold[attack]["intervals"][attack]
        assert low < 0.5 < high
    assert rows["rmu"]["u_lira"]["u_lira"] < original["u_lira"]["u_lira"] - 0.15

    shutil.rmtree(folder / "models" / "gold" / "003")
    (folder / "models" / "rmu" / "005").rename(folder / "models" / "rmu" / "005.part")  # as if interrupted
    there = [path for path in folder.glob("models/*/*/recognition.parquet") if path.parent.suffix != ".part"]
    before = {path: path.stat().st_mtime_ns for path in there}
    assert main(command) == 0
    again = {path: path.stat().st_mtime_ns for path in before}
    assert again == before
    second = json.loads((folder / "report.json").read_text())
    for row, old in zip(second["rows"], json.loads(first)["rows"], strict=True):
        assert row["u_lira"] == old["u_lira"] and row["forget"] == old["forget"]
    capsys.readouterr()
    assert main([*command[:-1], "2"]) == 2
    assert "holds another run (seed=1" in capsys.readouterr().err
