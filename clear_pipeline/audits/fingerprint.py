"""Fingerprint: can the forgotten people be told from people whom no model ever saw, by the model's own losses?

Each answer about a forgotten person is compared with all about strangers of the same kind: the share of these whose
loss is higher, ties counting half. Its mean is the AUC of an attacker. Below .5 the forgotten stand out too. A
stranger who is asked about is compared with the other strangers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clear_unlearning.models import LoadedModel
from clear_unlearning.token_level import answer_tokens
from evaluate_metrics.intervals import FEWEST_PEOPLE, percentiles, resampled_weights, weighted_aucs

from .context import Context, NotPossible
from .measured import Measured
from .people import Asked, by_person

KINDS = ("caption", "fact")


def above(loss: float, strangers: Sequence[float]) -> float:
    """Return the share of the strangers' losses above a loss, ties counting half."""
    others = np.asarray(strangers)
    return float((others > loss).mean() + (others == loss).mean() / 2)


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Compare losses per token of true answers.

    Raises:
        NotPossible: If there is nobody whom no model was trained on.
    """
    subjects, size = context.subjects, context.settings.batch_size
    scores: dict[str, dict[str, list[float]]] = {}
    details: dict[str, Any] = {}
    for kind in KINDS:
        ours, theirs = subjects.of(kind), [one for one in subjects.strangers if one.kind == kind]
        if not ours or len({one.person for one in theirs}) < (2 if subjects.reference else 1):
            continue
        own, others = losses(loaded, ours, size), by_person(theirs, losses(loaded, theirs, size))
        scores[kind] = by_person(ours, [
            above(loss, [other for person, row in others.items() if person != one.person for other in row])
            for one, loss in zip(ours, own, strict=True)
        ])  # fmt: skip
        details[kind] = {"losses": by_person(ours, own), "strangers": others}
    if not scores:
        raise NotPossible(
            "there is nobody whom no model was trained on: --strangers, or people and people_text in DATASET_extra"
        )
    counted = {
        person: [value for rows in scores.values() for value in rows.get(person, [])] for person in subjects.people
    }
    scores["all"] = {person: row for person, row in counted.items() if row}
    return Measured(scores, ["all"], details)


def losses(loaded: LoadedModel, asked: Sequence[Asked], batch_size: int) -> list[float]:
    """Return the mean loss per token of each true answer, in nats."""
    scored = answer_tokens(loaded, [one.example for one in asked], batch_size)
    return [-sum(tokens.token_log_probs) / len(tokens.token_log_probs) for tokens in scored]


def summary(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return, for each model, the AUC by kind of answer, with its 95 % interval over people of both sides."""
    found: dict[str, dict[str, Any]] = {}
    for role, one in measured.items():
        found[role] = {}
        for kind in KINDS:
            if kind in one.details and one.scores[kind]:
                losses = {person: one.details[kind]["losses"][person] for person in one.scores[kind]}
                found[role][kind] = auc({**one.details[kind], "losses": losses})
    return found


def auc(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return how often a forgotten person's answer has a lower loss than a stranger's, and the interval."""
    sides = []
    for name in ("losses", "strangers"):
        people = [person for person, row in details[name].items() for _ in row]
        sides.append((np.concatenate([np.asarray(row) for row in details[name].values()]), people))
    (own, people), (others, unknown) = sides
    value = float(weighted_aucs(others, own, np.ones((1, len(others))), np.ones((1, len(own))))[0])
    if min(len(set(people)), len(set(unknown))) < FEWEST_PEOPLE:
        return {"auc": value, "interval": None}
    drawn = weighted_aucs(others, own, resampled_weights(unknown), resampled_weights(people))
    return {"auc": value, "interval": list(percentiles(drawn, min(len(set(people)), len(set(unknown)))))}
