"""The verdict as JSON and as one page that needs nothing else, to be read and to be printed."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from clear_pipeline.arguments import DataArguments
from clear_pipeline.report.pages import as_source, render
from clear_pipeline.runs.provenance import lineage, versions
from clear_pipeline.runs.run_folder import write_files

from . import AUDITS
from .arguments import AuditSettings
from .measured import Measured
from .people import KINDS, Asked, Subjects
from .relearn import BUDGETS
from .roles import AUDITED, ORIGINAL, is_gold
from .verdict import LEAST_REACH, LIGHTS, MARGIN, control, ledger, people_of, table

JSON_NAME, PAGE_NAME = "audit.json", "audit.html"
THUMB = 96  # pixels of a photo's longer side
LIMITS = (
    "The model was asked about some photos and facts of each person, with the questions of these audits. That it "
    "tells nothing here does not prove that it holds nothing.",
    "The bounds come from the gold models that were given: what they reach by chance. More golds make them sharper. "
    "That gold never learnt these people is taken from whoever made it.",
    "Every person is looked at by several audits, so that a light turns amber now and then without cause: the same "
    "rule, applied to each gold, shows how often.",
    "Only the weights were audited. Training data, backups, logs, copies of the original and models made from it are "
    "outside of this page.",
    "A light says how a model behaves, not what the law asks for.",
)


def verdict(
    models: Mapping[str, str],
    digests: Mapping[str, str],
    subjects: Subjects,
    data: DataArguments,
    settings: AuditSettings,
    contents: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> dict[str, Any]:
    """Return the verdict as plain JSON values.

    Args:
        models: Places of the models by role.
        digests: Their digests by role.
        subjects: What was asked.
        data: What was forgotten, and where the rows are.
        settings: How much was asked.
        contents: Side files by audit and role.
    """
    results, reasons = _results(contents)
    people = people_of(results, AUDITED, subjects.people)
    said = {role: one.details["said"] for role, one in results["answers"].items()}
    for entry in people:
        person = entry["person"]
        entry["answers"] = _answers(said, person)
        entry["leak"] = _leak(results, person)
        entry["relearning"] = _curve(results, person)
    lights = [entry["light"] for entry in people]
    found = ledger(results["answers"], AUDITED)
    return {
        "schema": 1,
        "data": {"dataset": data.dataset, "identity": data.identity(), "forgotten": data.forgotten(),
                 "track": data.track},
        "models": {
            role: {"place": place, "name": Path(place).name, "digest": digests[role], "lineage": lineage(place)}
            for role, place in models.items()
        },
        "asked": {
            "people": len(subjects.people),
            **{kind: len(subjects.of(kind)) for kind in KINDS},
            "settings": asdict(settings),
        },
        "lights": {light: lights.count(light) for light in LIGHTS},
        "control": control(results, subjects.people),
        "ledger": {name: found[name] for name in ("share", "bound", "notes")},
        "people": people,
        "audits": table(results, list(models)),
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
    photos = {person: _thumb(subjects.asked, person) for person in subjects.people}
    html = render(
        "audit.html.jinja", audit=content, photos=photos, table_of=AUDITS, limits=LIMITS, curves=curves(content),
        margin=MARGIN, least=LEAST_REACH, golds=sum(map(is_gold, content["models"])), original=ORIGINAL,
        audited=AUDITED,
    )  # fmt: skip
    write_files(folder, {JSON_NAME: json.dumps(content, indent=2, allow_nan=False) + "\n", PAGE_NAME: html})


def _results(
    contents: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> tuple[dict[str, dict[str, Measured]], dict[str, str]]:
    """Return the results by audit and role, and why the other audits were not done."""
    results: dict[str, dict[str, Measured]] = {}
    reasons: dict[str, str] = {}
    for name, by_role in contents.items():
        why = next((one["reason"] for one in by_role.values() if "reason" in one), None)
        if why is not None:
            reasons[name] = why
            continue
        results[name] = {
            role: Measured(one["scores"], one["counted"], one["details"]) for role, one in by_role.items()
        }
    return results, reasons


def _answers(said: Mapping[str, Sequence[Mapping[str, Any]]], person: str) -> list[dict[str, Any]]:
    """Return a question of each kind about a person, with what each model says; one that is told comes first."""
    found = []
    for kind in KINDS:
        numbers = [i for i, one in enumerate(said[AUDITED]) if one["person"] == person and one["kind"] == kind]
        if numbers:
            number = max(numbers, key=lambda i: (said[AUDITED][i]["told"], said[ORIGINAL][i]["told"]))
            asked = said[AUDITED][number]
            found.append({
                "question": asked["question"], "truth": asked["truth"],
                "said": {role: {"text": rows[number]["said"], "told": rows[number]["told"]}
                         for role, rows in said.items()},
            })  # fmt: skip
    return found


def _leak(results: Mapping[str, Mapping[str, Measured]], person: str) -> dict[str, Any] | None:
    """Return the leaks of a person among drawn answers, with an answer that leaks; None without `sampling`."""
    if "sampling" not in results:
        return None
    own = results["sampling"][AUDITED].details
    golds = [one.details["people"][person] for role, one in results["sampling"].items() if is_gold(role)]
    return {
        **own["people"][person], "example": own["leaked"].get(person),
        "gold_leaks": sum(one["leaks"] for one in golds), "gold_drawn": sum(one["drawn"] for one in golds),
    }  # fmt: skip


def _curve(results: Mapping[str, Mapping[str, Measured]], person: str) -> dict[str, list[float]] | None:
    """Return a person's share of told secrets by steps of relearning, for each model; None without `relearn`."""
    if "relearn" not in results:
        return None
    conditions = ["0 steps", *(f"forget rows, {steps}" for steps in BUDGETS)]
    return {
        role: [one.by_person(condition)[person] for condition in conditions]
        for role, one in results["relearn"].items()
    }


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
