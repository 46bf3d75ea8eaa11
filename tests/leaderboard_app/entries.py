"""Submissions and numbers as the tests of the leaderboard need them."""

from typing import Any

from leaderboard_app.store import Store
from leaderboard_app.submission import Submission

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


def add_scored(store: Store, number: int, d: float, utility: float, now: float = 0.0, **changes: Any) -> int:
    """A submission that went all the way."""
    made = store.submit(entry(number, **changes), now=now)
    job = store.claim("worker", 60, now=now)
    assert job is not None and job.id == made
    store.finish(made, "worker", numbers(d, utility), {"eval_log.json": {}}, {}, {"worker": "worker"}, now=now + 1)
    return made


def add_references(store: Store, original: float = 0.8, gold: float = 0.75, base_model: str = BASE) -> None:
    store.add_reference("original", base_model, "forget10", numbers(0.9, original), {}, {}, now=0.0)
    store.add_reference("gold", base_model, "forget10", numbers(0.0, gold), {}, {}, now=0.0)
