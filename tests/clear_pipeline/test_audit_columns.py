"""Audits as columns of a report: whose number stands in which row, and which audits are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from clear_pipeline.audits import AUDITS
from clear_pipeline.report.audit_columns import AUDIT_COLUMNS, add_audits, audit_columns, pool_audits
from evaluate_metrics.columns import COLUMNS, best_rows

DIGESTS = ["o", "g", "n", "w", None]
NAMES = ("original", "gold", "npo", "wga", "logged")


def rows() -> list[dict[str, Any]]:
    return [{"name": name, "intervals": {}} for name in NAMES]


def numbers(score: float) -> dict[str, Any]:
    return {"score": score, "interval": [score - 0.1, score + 0.1]}


def audit(folder: Path, model: str, scores: dict[str, float], **more: Any) -> Path:
    """What an audit of npo or wga leaves; the second gold is not in the report."""
    folder.mkdir()
    models = {"original": "o", "gold 1": "g", "gold 2": "x", "audited": model}
    content = {
        "data": {"forgotten": "forget10"},
        "reference": "gold",
        "models": {role: {"digest": digest, "place": f"runs/{digest}"} for role, digest in models.items()},
        "audits": {"sampling": {"numbers": {role: numbers(score) for role, score in scores.items()}}},
    }
    (folder / "audit.json").write_text(json.dumps({**content, **more}))
    return folder


SCORES = {"original": 1.0, "gold 1": 0.2, "gold 2": 0.6, "audited": 0.5}


def test_each_model_gets_its_number_by_its_weights(tmp_path):
    folders = [audit(tmp_path / "npo", "n", SCORES), audit(tmp_path / "wga", "w", {**SCORES, "audited": 0.1})]
    table = rows()
    add_audits(table, DIGESTS, "forget10", folders)
    assert [row["audit_sampling"] for row in table] == [1.0, 0.2, 0.5, 0.1, None]
    assert table[2]["intervals"] == {"audit_sampling": [0.4, 0.6]} and table[4]["intervals"] == {}
    assert [row["audit_relearn"] for row in table] == [None] * 5
    (column,) = audit_columns(table)
    assert (column.heading, column.arrow) == (AUDITS["sampling"].title, "→ gold")
    assert best_rows(column, table) == {"wga"}  # .1 from gold's .2, npo is .3 away
    assert audit_columns(rows()) == []


def test_every_audit_has_a_column_of_its_own():
    assert [column.key for column in AUDIT_COLUMNS] == [f"audit_{name}" for name in AUDITS]
    assert not {column.key for column in AUDIT_COLUMNS} & {column.key for column in COLUMNS}


@pytest.mark.parametrize(
    ("model", "more", "error"),
    [
        ("n", {"data": {"forgotten": "forget01"}}, "is about forget01, the report about forget10"),
        ("z", {}, "is of runs/z, and no row of the report has these weights; add its log by --add"),
        ("n", {"reference": "strangers"}, "does not hold the model against the report's gold"),
    ],
)
def test_an_audit_of_something_else_is_refused(tmp_path, model, more, error):
    table = rows()
    with pytest.raises(ValueError, match=error):
        add_audits(table, DIGESTS, "forget10", [audit(tmp_path / "one", model, SCORES, **more)])
    assert table == rows()


def test_audits_with_other_golds_or_numbers_are_refused(tmp_path):
    one = audit(tmp_path / "one", "n", SCORES)
    with pytest.raises(ValueError, match="does not hold the model against the report's gold"):
        add_audits(rows(), ["o", "another", "n", "w", None], "forget10", [one])
    other = audit(tmp_path / "other", "w", {**SCORES, "original": 0.9})
    with pytest.raises(ValueError, match="has another number of sampling for runs/o than the other audits"):
        add_audits(rows(), DIGESTS, "forget10", [one, other])
    with pytest.raises(FileNotFoundError, match="holds no finished audit"):
        add_audits(rows(), DIGESTS, "forget10", [tmp_path])


def test_a_table_has_the_mean_over_seeds(tmp_path):
    """Means .5 and .7: .6, with Student's t of one degree of freedom 12.706 times their standard error .1."""
    folders = [audit(tmp_path / "0", "n", SCORES), audit(tmp_path / "1", "n", {**SCORES, "audited": 0.7})]
    row: dict[str, Any] = {"name": "npo", "intervals": {}}
    pool_audits(row, folders, "audited")
    assert row["audit_sampling"] == pytest.approx(0.6) and row["audit_relearn"] is None
    assert row["intervals"] == {"audit_sampling": pytest.approx([0.6 - 1.2706, 0.6 + 1.2706], abs=1e-4)}
    pool_audits(row, folders[:1], "audited")  # one seed: the audit's own interval
    assert (row["audit_sampling"], row["intervals"]) == (0.5, {"audit_sampling": [0.4, 0.6]})
    folders.append(audit(tmp_path / "2", "n", {"original": 1.0}))  # this model had no number
    pool_audits(row, folders, "audited")
    assert row["audit_sampling"] is None
    with pytest.raises(FileNotFoundError, match="holds no finished audit"):
        pool_audits(row, [tmp_path], "audited")
