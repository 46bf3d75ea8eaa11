"""Checks of single configs: columns, pictures, empty cells, names, wrong answers, and what was recorded of them."""

from collections.abc import Iterator
from typing import Any

from clear_data.building.folder import fingerprint_configs, fingerprint_rows
from clear_data.names import join_key, name_problem
from clear_data.splits import ROWS

from .findings import EXTRA, Finding, Rows

WRONG = {
    "perturbed_captions": ("caption", "paraphrased_caption"),
    "perturbed_names": ("name",),
    "options": ("answer",),
    "perturbed_answer": ("answer", "paraphrased_answer"),
}
# Which cells of a row with photos and text are filled; rows of these configs also ask about a photo.
WITH_QUESTIONS = ("base", "replay")
FORMS = ({"image", "caption"}, {"question", "answer"})
BASE_FORMS = (*FORMS, {"image", "question", "answer"})


def check_configs(data: Rows) -> Iterator[Finding]:
    """Check that every config of the table is there and has rows."""
    for name in data.table:
        if name not in data.configs and data.kind != EXTRA:
            yield Finding(name, None, None, "is missing")
        elif not data.configs.get(name, [1]):
            yield Finding(name, None, None, "has no rows")
    for name in data.configs.keys() - data.table.keys():
        yield Finding(name, None, None, f"is not a config of the table; those are {', '.join(data.table)}")


def check_columns(data: Rows) -> Iterator[Finding]:
    """Check that columns and their types are those of the table."""
    for name, features in data.features.items():
        expected = data.table[name].features if name in data.table else features
        for column in expected.keys() | features.keys():
            seen, right = features.get(column), expected.get(column)
            if seen != right:
                yield Finding(name, None, column, f"is {seen or 'missing'}, not {right or 'in the table'}")


def check_pictures(data: Rows) -> Iterator[Finding]:
    """Check that every picture decodes, is RGB, not an animation, and shows something."""
    for name, rows in data.configs.items():
        for number, row in enumerate(rows):
            if "broken" in (row.get("image") or {}):
                yield Finding(name, number, "image", row["image"]["broken"])
            for problem in (row.get("image") or {}).get("odd", ()):
                yield Finding(name, number, "image", problem)


def check_filled(data: Rows) -> Iterator[Finding]:
    """Check that no cell is empty, except in the half of a row with photos and text that the row does not have."""
    for name, rows in data.configs.items():
        asked = name in WITH_QUESTIONS
        forms = BASE_FORMS if asked else FORMS
        both = asked or name.endswith("+tofu")
        for number, row in enumerate(rows):
            filled = {column for column, value in row.items() if value is not None}
            if both and filled not in forms:
                wanted = " or ".join("+".join(sorted(form)) for form in forms)
                yield Finding(name, number, "+".join(sorted(filled)) or "row", f"a row has {wanted}, and no more")
            for column, value in row.items():
                if column != "image" and not (both and value is None) and not _text_in(value):
                    yield Finding(name, number, column, f"is empty: {value!r}")
                elif column == "image" and value is None and not both:
                    yield Finding(name, number, column, "is empty")


def _text_in(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(text, str) and text.strip() for text in values)


def check_names(data: Rows) -> Iterator[Finding]:
    """Check that names are printable and not paths, and that one person has one spelling."""
    spelling: dict[str, str] = {}
    for config, rows in data.configs.items():
        for number, row in enumerate(rows):
            name = row.get("name")
            if not name:
                continue  # said by `filled`
            if problem := name_problem(name):
                yield Finding(config, number, "name", problem)
            elif spelling.setdefault(join_key(name), name) != name:
                yield Finding(config, number, "name", f"{name!r} is also spelt {spelling[join_key(name)]!r}")


def check_wrong(data: Rows) -> Iterator[Finding]:
    """Check that wrong captions, names, options and answers differ from the right one and from each other."""
    for config, rows in data.configs.items():
        for number, row in enumerate(rows):
            for column, right in WRONG.items():
                seen = {join_key(row[c]): c for c in right if isinstance(row.get(c), str)}
                for place, text in enumerate(row.get(column) or []):
                    other = seen.setdefault(join_key(text or ""), f"number {place}")
                    if other != f"number {place}":
                        yield Finding(config, number, column, f"number {place} equals {other}: {text!r}")


def check_counts(data: Rows) -> Iterator[Finding]:
    """Check that published data have the published numbers of rows."""
    for config, (fewest, most) in ROWS.items():
        count = len(data.configs.get(config, []))
        if not fewest <= count <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            yield Finding(config, None, None, f"has {count} rows; published are {wanted}")


def check_fingerprint(data: Rows) -> Iterator[Finding]:
    """Check that rows and pixels are those that were written: fingerprints equal those of dataset_meta.json."""
    meta = data.meta or {}
    recorded = meta.get("configs", {})
    for name in sorted(recorded.keys() | data.configs.keys()):
        rows, entry = data.configs.get(name, []), recorded.get(name, {})
        seen, noted = fingerprint_rows(rows), str(entry.get("fingerprint"))
        if seen != noted:
            yield Finding(name, None, None, f"has the fingerprint {seen[:12]}, recorded is {noted[:12]}")
        if len(rows) != entry.get("rows"):
            yield Finding(name, None, None, f"has {len(rows)} rows, recorded are {entry.get('rows')}")
    whole = fingerprint_configs({name: str(entry.get("fingerprint")) for name, entry in recorded.items()})
    if meta.get("fingerprint") != whole:
        yield Finding("dataset_meta.json", None, "fingerprint", "is not that of its configs")
