"""From recognition to table and page, on made-up cosines: values by hand, missing models, damaged logits."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from clear_pipeline.cli import main
from clear_pipeline.runs.run_folder import write_json
from clear_pipeline.visual.report import PAPER
from clear_pipeline.visual.run import report_of
from clear_pipeline.visual.scores import PHOTOS, attack, embed, gather, read_logits, recognise
from clear_pipeline.visual.splits import as_json, draw_splits
from evaluate_metrics.attack_rates import cosine_logits
from trainers.visual import FURTHER, VISUAL_METHODS
from trainers.visual.face_model import Faces, build_face_model

PEOPLE = [f"person {i}" for i in range(30)]
FORGET, HOLDOUT = PEOPLE[:6], PEOPLE[6:12]
MODELS, TAKEN = 16, 9
SHIFT = {"original": 0.5, "gold": 0.0}  # of the cosines of those trained on


def write_run(folder):
    """A finished run whose models say what SHIFT says."""
    splits = draw_splits(PEOPLE, FORGET, HOLDOUT, MODELS, 4, seed=0)
    (folder / "photos").mkdir(parents=True)
    write_json(folder / "photos" / "splits.json", as_json(splits))
    dice = np.random.default_rng(0)
    for method, shift in SHIFT.items():
        for split in splits:
            place = folder / "models" / method / f"{split.model:03d}"
            place.mkdir(parents=True)
            write_json(place / "run.json", {"settings": {}, "seconds": 2.0})
            sides = {"forget": split.forget, "holdout": split.unseen, "retain": split.retain}
            rows = [
                (person, photo, name, photo < 5, cosine(dice, name, photo, shift), photo != 5 or name == "retain")
                for name, people in sides.items()
                for person in people
                for photo in range(TAKEN)
            ]
            pq.write_table(pa.table(list(zip(*rows, strict=True)), schema=PHOTOS), place / "recognition.parquet")
    about = {"dials": {"forget": "forget10", "models": MODELS}, "methods": list(SHIFT), "sigma": "shared",
             "enrolment_photos": False, "settings": {name: {} for name in SHIFT}, "pretraining": {}}  # fmt: skip
    write_json(folder / "visual.json", about)
    return folder


def cosine(dice, name, photo, shift) -> float:
    if photo < 5:
        return 0.99  # enrolment photos must not be looked at
    return float(dice.normal(0.3, 0.05) + shift * (name == "forget"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("visual") / "run")
    report_of(folder)
    return folder


def test_recognition_by_hand():
    """Five photos along x, five along y; a sixth of each: 0.6, 0.8 is y's."""
    x, y, between = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]
    number, cosines, right = recognise(np.array([x] * 5 + [between] + [y] * 5 + [between]), ["x"] * 6 + ["y"] * 6)
    assert number.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert cosines[[0, 5, 11]] == pytest.approx([1.0, 0.6, 0.8])
    assert right.tolist() == [True] * 5 + [False] + [True] * 6


def test_a_photo_without_a_number_is_named():
    model = build_face_model("resnet-mini", ["a"], 32)
    with torch.no_grad():
        model.embedding.bias[3] = float("nan")
    faces = Faces(np.zeros((2, 32, 32, 3), dtype=np.uint8), np.arange(2), ("a", "b"))
    with pytest.raises(FloatingPointError, match="the embedding of photo 0, of a, is not a number"):
        embed(model, faces)


def test_the_report_has_what_was_put_in(run):
    report = json.loads((run / "report.json").read_text())
    assert (report["schema"], report["kind"]) == (1, "visual")
    rows = {row["name"]: row for row in report["rows"]}
    # One of four photos behind the enrolment is taken for somebody else.
    assert [rows["gold"][name] for name in ("forget", "holdout", "retain")] == [0.75, 0.75, 1.0]
    assert rows["original"]["u_lira"]["u_lira"] == rows["original"]["u_mia"]["u_mia"] == 1.0
    low, high = rows["gold"]["u_lira"]["intervals"]["u_lira"]
    assert low < 0.5 < high
    assert rows["gold"]["u_lira"]["examples"] == MODELS // 2 * 12 * (TAKEN - 5)
    assert rows["gold"]["paper"]["forget"] == 0.1543
    assert rows["gold"]["seconds"] == 2.0
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert "| gold | 75.0 | 75.0 | 100.0 |" in text and "| 15.4 | 15.0 | 97.5 | 0.50 | 0.50 |" in text
    assert page.count("data:image/png") == 2 and "<script" not in page and "http-equiv" in page
    assert (run / "histograms.png").read_bytes().startswith(b"\x89PNG")
    assert not list(run.glob("*.part"))
    assert set(PAPER) == set(VISUAL_METHODS) - {"neggrad", *FURTHER}


def test_logits_are_those_of_the_cosines(run):
    table = read_logits(run)
    assert len(table) == 2 * MODELS * 12 * TAKEN
    assert table["logit"].to_numpy() == pytest.approx(cosine_logits(table["cosine"].to_numpy()))
    assert set(table["person"].to_pylist()) == {*FORGET, *HOLDOUT}
    with_enrolment = attack(table, "gold", enrolment_photos=True)["u_lira"]
    assert with_enrolment["examples"] == MODELS // 2 * 12 * TAKEN


def test_published_logits_are_attacked_without_a_model(run, capsys):
    assert main(["visual", "score", str(run / "shadow_logits.parquet"), "--classifier", "logistic"]) == 0
    assert "original" in capsys.readouterr().out
    assert main(["visual", "report", str(run)]) == 0
    assert "U-LIRA" in capsys.readouterr().out


def test_missing_models_are_named(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    for model in range(8, 16):
        shutil.rmtree(folder / "models" / "gold" / f"{model:03d}")
    with pytest.raises(FileNotFoundError, match="gold: 8 of 16 models are there; missing: 8, 9, 10"):
        gather(folder, list(SHIFT))


def change(table: pa.Table, column: str, values) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def test_damaged_logits_are_named(run, tmp_path):
    table = read_logits(run)
    half = table.filter(pc.less(table["model"], 8))
    with pytest.raises(
        ValueError, match="gold, target: all of the 4 models were trained on person 0: half of them is"
    ):
        attack(half, "gold")
    missing = table.filter(pc.or_(pc.not_equal(table["model"], 12), pc.not_equal(table["method"], "gold")))
    with pytest.raises(ValueError, match="4 shadow models were trained on it and 3 were not"):
        attack(missing, "gold")
    photo = pc.and_(pc.equal(table["model"], 3), pc.equal(table["photo"], 7))
    with pytest.raises(ValueError, match="gold, target: models do not have the same photos; model 3 has 36 of 48"):
        attack(table.filter(pc.invert(photo)), "gold")
    with pytest.raises(ValueError, match="the logit is nan"):
        attack(change(table, "logit", pa.array([np.nan] * len(table))), "gold")
    with pytest.raises(ValueError, match="no logits of 'hope'; there are original, gold"):
        attack(table, "hope")
    with pytest.raises(ValueError, match="have no column role"):
        attack(table.drop_columns(["role"]), "gold")
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(ValueError, match="is not a parquet file"):
        read_logits(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["demo", "--models", "5"], "models must be 8 or more and a multiple of 4"),
        (["demo", "--methods", "original,gold,hope"], "unknown method 'hope'; choose from original"),
        (["demo", "--executor", "cloud"], "unknown executor 'cloud'; choose from local, ray"),
        (["run", "--recipe", "nowhere.yaml"], "no recipe at nowhere.yaml"),
        (["report", "nowhere"], "nowhere holds no finished run of the visual track"),
        (["score", "nowhere"], "no logits at nowhere"),
    ],
)
def test_a_users_error_is_one_line(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    assert main(["visual", *argv]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
