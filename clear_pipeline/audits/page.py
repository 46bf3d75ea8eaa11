"""The verdict as JSON and as one page that needs nothing else, to be read and to be printed."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from clear_pipeline.report.pages import as_source, render
from clear_pipeline.runs.provenance import lineage, versions
from clear_pipeline.runs.run_folder import write_files

from . import AUDITS
from .arguments import AuditSettings
from .limits import limits_of
from .measured import Measured
from .people import KINDS, Asked, Subjects
from .relearn import BUDGETS
from .request import Request
from .roles import AUDITED, GOLD, ORIGINAL, STRANGERS, is_gold
from .verdict import LEAST_REACH, LIGHTS, MARGIN, control, ledger, people_of, table

JSON_NAME, PAGE_NAME = "audit.json", "audit.html"
THUMB = 96  # pixels of a photo's longer side


def verdict(
    models: Mapping[str, str],
    digests: Mapping[str, str],
    subjects: Subjects,
    request: Request,
    settings: AuditSettings,
    contents: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, Any]:
    """Return the verdict as plain JSON values.

    Args:
        models: Places of the models by role.
        digests: Their digests by role.
        subjects: What was asked.
        request: Whom they are about.
        settings: How much was asked.
        contents: Side files by audit and role.
    """
    results, reasons = _results(contents, subjects)
    people = people_of(results, AUDITED, subjects.forgotten)
    said = {role: one.details["said"] for role, one in results["answers"].items() if role != STRANGERS}
    known = {name: found[AUDITED].known() for name, found in results.items()}
    for entry in people:
        person = entry["person"]
        entry["scores"] = {name: scores[person] for name, scores in known.items() if person in scores}
        entry["answers"] = _answers(said, person, every=request.questions is not None)
        entry["leak"] = _leak(results, person)
        entry["relearning"] = _curve(results, person)
    lights = [entry["light"] for entry in people]
    found = ledger(results["answers"], AUDITED)
    return {
        "schema": 1,
        "reference": GOLD if any(map(is_gold, models)) else STRANGERS if subjects.reference else None,
        "data": request.about(subjects.forgotten),
        "models": {
            role: {"place": place, "name": Path(place).name, "digest": digests[role], "lineage": lineage(place)}
            for role, place in models.items()
        },
        "asked": {
            "people": len(subjects.forgotten),
            "strangers": list(subjects.reference),
            **{kind: len(subjects.of(kind)) for kind in KINDS},
            "told": _told(said[AUDITED], subjects.forgotten),
            "settings": asdict(settings),
        },
        "lights": {light: lights.count(light) for light in LIGHTS},
        "control": control(results, subjects.forgotten),
        "ledger": {name: found[name] for name in ("share", "bound", "notes")},
        "people": people,
        "audits": table(results, list(results["answers"])),
        "summaries": {
            name: import_module(f"{__package__}.{name}").summary(found)
            for name, found in results.items()
            if AUDITS[name].summarised
        },
        "not_done": reasons,
        "seconds": {name: {role: one.get("seconds") for role, one in by.items()} for name, by in contents.items()},
        "versions": versions(),
    }  # fmt: skip


def write_verdict(folder: Path, content: Mapping[str, Any], subjects: Subjects) -> None:
    """Write a verdict as `audit.json` and `audit.html`.

    Args:
        folder: Where they go.
        content: The verdict.
        subjects: What was asked, with the photos.
    """
    photos = {person: _thumb(subjects.asked, person) for person in subjects.forgotten}
    html = render(
        "audit.html.jinja", audit=content, photos=photos, table_of=AUDITS, curves=curves(content), margin=MARGIN,
        limits=limits_of(content["reference"], ORIGINAL in content["models"]), least=LEAST_REACH,
        golds=sum(map(is_gold, content["models"])), original=ORIGINAL, audited=AUDITED, strangers=STRANGERS,
    )  # fmt: skip
    write_files(folder, {JSON_NAME: json.dumps(content, indent=2, allow_nan=False) + "\n", PAGE_NAME: html})


def _results(
    contents: Mapping[str, Mapping[str, Mapping[str, Any]]], subjects: Subjects
) -> tuple[dict[str, dict[str, Measured]], dict[str, str]]:
    """Return the results by audit and role, and why the other audits were not done.

    What a model says of strangers who stand in for a gold is a role of its own, behind the original.
    """
    results: dict[str, dict[str, Measured]] = {}
    reasons: dict[str, str] = {}
    for name, by_role in contents.items():
        why = next((one["reason"] for one in by_role.values() if "reason" in one), None)
        if why is not None:
            reasons[name] = why
            continue
        all_of = {role: Measured(one["scores"], one["counted"], one["details"]) for role, one in by_role.items()}
        results[name] = {}
        for role, one in all_of.items():
            if role == AUDITED and subjects.reference:
                results[name][STRANGERS] = one.about(subjects.reference)
            results[name][role] = one.about(subjects.forgotten)
    return results, reasons


def _told(said: Sequence[Mapping[str, Any]], people: Sequence[str]) -> dict[str, int]:
    """Return how many questions about some people there are, and how many of the answers tell the secret."""
    about = [one["told"] for one in said if one["person"] in people]
    return {"questions": len(about), "told": sum(about)}


def _answers(
    said: Mapping[str, Sequence[Mapping[str, Any]]], person: str, every: bool = False
) -> list[dict[str, Any]]:
    """Return a question of each kind about a person, with what each model says; one that is told comes first.

    Args:
        said: Questions and answers by role.
        person: Whom they are about.
        every: All questions, and not one of each kind.
    """
    found = []
    for kind in KINDS:
        numbers = [i for i, one in enumerate(said[AUDITED]) if one["person"] == person and one["kind"] == kind]
        if numbers:
            order = [said[role] for role in (AUDITED, ORIGINAL) if role in said]
            numbers = sorted(numbers, key=lambda i: [rows[i]["told"] for rows in order], reverse=True)
        for number in numbers if every else numbers[:1]:
            asked = said[AUDITED][number]
            found.append({
                "question": asked["question"], "truth": asked["truth"], "secret": asked["secret"],
                "said": {role: {"text": rows[number]["said"], "told": rows[number]["told"]}
                         for role, rows in said.items()},
            })  # fmt: skip
    return found


def _leak(results: Mapping[str, Mapping[str, Measured]], person: str) -> dict[str, Any] | None:
    """Return the leaks of a person among drawn answers, with an answer that leaks; None without `sampling`."""
    if "sampling" not in results:
        return None
    own = results["sampling"][AUDITED].details
    others = [
        one.details["people"][other]
        for role, one in results["sampling"].items()
        for other in (one.known() if role == STRANGERS else [person] if is_gold(role) else [])
    ]
    return {
        **own["people"][person], "example": own["leaked"].get(person),
        "zero_leaks": sum(one["leaks"] for one in others), "zero_drawn": sum(one["drawn"] for one in others),
    }  # fmt: skip


def _curve(results: Mapping[str, Mapping[str, Measured]], person: str) -> dict[str, list[float]] | None:
    """Return a person's share of told secrets by steps of relearning, for each model; None without `relearn`."""
    if "relearn" not in results:
        return None
    conditions = ["0 steps", *(f"forget rows, {steps}" for steps in BUDGETS)]
    lines: dict[str, list[float]] = {}
    for role, one in results["relearn"].items():
        means = [one.by_person(condition) for condition in conditions]
        if person not in means[0] and role != STRANGERS:
            return None
        # Strangers have no line for this person: the mean of theirs.
        lines[role] = [sum(by.values()) / len(by) if role == STRANGERS else by[person] for by in means]
    return lines


def curves(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the mean curves of relearning as points of a drawing 600 wide and 200 high; None without `relearn`."""
    people = [entry["relearning"] for entry in content["people"] if entry["relearning"]]
    if not people:
        return None
    steps = [0, *BUDGETS]
    lines = {}
    for role in people[0]:
        means = [sum(one[role][i] for one in people) / len(people) for i in range(len(steps))]
        places = [(40 + 540 * step / steps[-1], 180 - 160 * mean) for step, mean in zip(steps, means, strict=True)]
        lines[role] = {"points": " ".join(f"{x:.1f},{y:.1f}" for x, y in places), "last": places[-1], "values": means}
    return {"steps": [(40 + 540 * step / steps[-1], step) for step in steps], "lines": lines}


def _thumb(asked: Sequence[Asked], person: str) -> str | None:
    """Return a small photo of a person for the page, None without one."""
    photo = next((one.example.image for one in asked if one.person == person and one.example.image), None)
    if photo is None:
        return None
    photo = photo.copy()
    photo.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    photo.save(file, "PNG")
    return as_source(file.getvalue())
