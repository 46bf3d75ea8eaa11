"""The audits of `benchmarks.meta`: every audit of every model of its pools, and their numbers.

All models are held against the same original and golds, which are measured once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from benchmarks.calibration import MINI
from benchmarks.meta_models import FORGET, POOLS, RATES, RELEARN_RATE, SEEDS, USUAL, log_of
from clear_pipeline.audits import AUDITS
from clear_pipeline.audits.arguments import AuditSettings
from clear_pipeline.audits.audit import AuditJob, audit
from clear_pipeline.experiment.plan import data_of
from clear_pipeline.runs.step import Step

AUDIT_GOLDS = 3
LIGHTS = "people with a red light"


def audit_of(output: Path, pool: str, rate: float, seed: int) -> Path:
    """Return where the audit of a model of a pool is."""
    return output / "audits" / log_of(output, pool, rate, seed).name


def audit_steps(output: Path, seeds: Sequence[int], audits: Sequence[str] = tuple(AUDITS)) -> list[Step]:
    """Return the steps to the audits; the first measures original and golds, the others take that."""
    steps = []
    usual = audit_of(output, "full", USUAL, SEEDS[0])
    others = [audit_of(output, name, rate, seed) for seed, rate, name in product(seeds, RATES, POOLS)]
    for place in dict.fromkeys([usual, *others]):
        call = {"place": place, "output": output, "audits": audits, "known": usual}
        steps.append(Step(f"{place.name}: audit", run_audit, call, [] if place == usual else [f"{usual.name}: audit"]))
    return steps


def run_audit(place: Path, output: Path, audits: Sequence[str], known: Path, progress: object = None) -> None:
    """Audit a model of a pool."""
    models = output / "models"
    job = AuditJob(
        place,
        model=str(models / place.name),
        original=str(models / known.name),
        golds=[str(models / f"{FORGET}-{gold}") for gold in range(AUDIT_GOLDS)],
        data=data_of(replace(MINI, forget=FORGET), output),
        audits=audits,
        settings=AuditSettings(relearn_rate=RELEARN_RATE),
        reuse=[] if place == known else [known],
    )
    audit(job)


def audit_numbers(place: Path) -> Mapping[str, float]:
    """Return the score of each audit, by its heading, and how many people have a red light."""
    verdict = json.loads((place / "audit.json").read_text())
    scores = {
        f"audit: {AUDITS[name].title.lower()}": float(about["numbers"]["audited"]["score"])
        for name, about in verdict["audits"].items()
    }
    return {**scores, LIGHTS: float(verdict["lights"]["red"])}
