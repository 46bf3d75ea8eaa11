"""The tab of the visual track: what is read of a run, kept and shown."""

import json
import re
import sqlite3

import pytest

from evaluate_metrics import VERSION
from evaluate_metrics.face_scores import read_faces
from leaderboard_app.app import build_app
from leaderboard_app.pages.table import faces_html
from leaderboard_app.store.store import Store
from tests.leaderboard_app.entries import faces, write_visual

HOSTILE = "<script>alert(1)</script>"


def cells(page: str, method: str) -> list[str]:
    row = next(row for row in page.split("<tr")[1:] if f">{method}</td>" in row)
    return [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


def tab_of(store: Store) -> dict:
    config = build_app(store).get_config_file()
    return next(part["props"] for part in config["components"] if part["props"].get("id") == "faces")


def test_the_table_has_the_runs_numbers_and_beside_them_the_papers(tmp_path):
    page = faces_html(read_faces(write_visual(tmp_path / "run")))
    own = ["87.5", "75.0", "100.0", "0.50 [0.45, 0.50]", "0.60 [0.55, 0.60]"]
    assert cells(page, "gold") == ["gold", *own, "15.4", "15.0", "97.5", "0.50", "0.50"]
    assert cells(page, "neggrad") == ["neggrad", *own[:3], "0.90 [0.85, 0.90]", own[4], *"–––––"]
    assert "the paper’s, for orientation" in page and "forget forget10, models 16" in page


def test_an_attack_without_interval_is_its_number_alone():
    assert cells(faces_html(faces()), "gold")[4:6] == ["0.90 [0.85, 0.95]", "0.60"]


def test_text_of_a_report_is_escaped():
    shown = faces()
    shown["rows"][0]["name"] = HOSTILE
    page = faces_html({"dials": {HOSTILE: HOSTILE}, "rows": shown["rows"]})
    assert page.count("&lt;script&gt;") == 3
    assert "<script" not in page


def test_the_tab_is_there_only_with_a_run(store):
    assert tab_of(store)["visible"] is False
    assert "no run of the visual track" in faces_html(store.faces())
    store.set_faces(faces())
    assert tab_of(store)["visible"] is True


def test_the_same_run_brought_again_is_no_change(store):
    def changes() -> list[tuple]:
        with sqlite3.connect(store.path) as db:
            return db.execute("SELECT who, to_state FROM audit").fetchall()

    assert store.set_faces(faces())
    assert not store.set_faces(faces())
    assert changes() == [("keeper", "faces")]
    assert store.set_faces({**faces(), "dials": {}})
    assert len(changes()) == 2 and store.faces()["dials"] == {}
    assert store.metric_version() == VERSION


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"forget": float("nan")}, "nan is not a share between 0 and 1"),
        ({"retain": 87.5}, "87.5 is not a share"),
        ({"u_mia": None}, "TypeError"),
        ({"paper": {"forget": 0.1}}, "KeyError('holdout')"),
        ({"u_lira": {"u_lira": 0.5, "intervals": {"u_lira": [0.4, 0.5, 0.6]}}}, "too many values"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path, changes, said):
    with pytest.raises(ValueError, match="report.json is not as `clear-unlearning visual` writes it") as caught:
        read_faces(write_visual(tmp_path / "run", **changes))
    assert said in str(caught.value)


def test_another_report_or_none_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no report of the visual track"):
        read_faces(tmp_path)
    for text, said in (
        ("{", "is not JSON"),
        ("[]", "kind None, schema None; must be 'visual', 1"),
        (json.dumps({"kind": "visual", "schema": 2}), "schema 2; must be"),
        (json.dumps({"schema": 1, "rows": []}), "kind None"),
        (json.dumps({"kind": "visual", "schema": 1}), "KeyError('dials')"),
    ):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(ValueError, match=re.escape(said)):
            read_faces(tmp_path)
