"""Submissions and numbers as the tests of the leaderboard need them."""

import json
from pathlib import Path
from typing import Any

from leaderboard_app.intake.submission import Submission
from leaderboard_app.store.store import Store

BASE = "mini-image"


def entry(number: int = 1, **changes: Any) -> Submission:
    values = {
        "user": f"user{number}",
        "repo_id": f"user{number}/model",
        "commit": f"{number:040x}",
        "kind": "full",
        "base_model": BASE,
        "method": "npo",
        "forget": "forget10",
        "modality": "both",
        "licence": "apache-2.0",
        "statement": True,
    }
    return Submission(**{**values, **changes})


def numbers(d: float, utility: float, **more: Any) -> dict[str, Any]:
    return {
        "forget_quality_statistic": d,
        "forget_quality": 0.5,
        "model_utility": utility,
        "real": 0.9,
        "retain": 0.8,
        "forget": 0.2,
        "tasks": {"eval_log_forget.json": {"rouge": 0.4, "probability": 0.1, "truth_ratio": 0.3}},
        "intervals": {"forget_quality_statistic": [d / 2, min(1.0, d * 2)]},
        "notes": [],
        **more,
    }


def add_scored(
    store: Store,
    number: int,
    d: float,
    utility: float,
    now: float = 0.0,
    gold_share: float | None = None,
    weights: str = "",
    **changes: Any,
) -> int:
    """A submission that went all the way."""
    made = store.submit(entry(number, **changes), now=now)
    job = store.claim("worker", 60, now=now)
    assert job is not None and job.id == made
    store.finish(
        made,
        "worker",
        numbers(d, utility, gold_share=gold_share),
        {"eval_log.json": {}},
        {},
        {"worker": "worker"} | ({"weights": weights} if weights else {}),
        now=now + 1,
    )
    return made


def add_references(store: Store, original: float = 0.8, gold: float = 0.75, base_model: str = BASE) -> None:
    store.add_reference("original", base_model, "forget10", numbers(0.9, original), {}, {}, now=0.0)
    store.add_reference("gold", base_model, "forget10", numbers(0.0, gold), {}, {}, now=0.0)


def write_visual(folder: Path, **changes: Any) -> Path:
    """A finished visual run as its report tells it; the changes are those of its second row."""

    def row(name: str, u_lira: float, paper: dict[str, float] | None) -> dict[str, Any]:
        attacks = {
            key: {key: value, "auc": value, "intervals": {key: [value - 0.05, value]}, "examples": 9, "warnings": []}
            for key, value in (("u_lira", u_lira), ("u_mia", 0.6))
        }
        return {
            "name": name,
            "forget": 0.875,
            "holdout": 0.75,
            "retain": 1.0,
            "seconds": 2.5,
            **attacks,
            "paper": paper,
        }

    paper = {"forget": 0.1543, "holdout": 0.1504, "retain": 0.9752, "u_lira": 0.5, "u_mia": 0.5}
    rows = [row("gold", 0.5, paper), row("neggrad", 0.9, None) | changes]
    report = {"schema": 1, "kind": "visual", "dials": {"forget": "forget10", "models": 16}, "rows": rows}
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def faces() -> dict[str, Any]:
    """What the page keeps of a visual run."""
    attacks = {"u_lira": {"value": 0.9, "interval": [0.85, 0.95]}, "u_mia": {"value": 0.6, "interval": None}}
    row = {"name": "gold", "forget": 0.9, "holdout": 0.9, "retain": 1.0, **attacks, "paper": None}
    return {"dials": {"forget": "forget10"}, "rows": [row]}
