"""Checks across configs: who and what is in which split, and that nothing scored as unseen was trained on."""

from collections.abc import Iterator, Sequence

from clear_data.configs import CONFIGS, FORGET

from .findings import IDENTITY, PHOTOS, REAL, Finding, Rows, people_of, row_key, strangers

HELD_OUT = (*REAL, "people", "photos", "selection")


def check_default(data: Rows) -> Iterator[Finding]:
    """Check that the default config is full."""
    if {"default", "full"} <= data.configs.keys():
        for config, known in (("default", "full"), ("full", "default")):
            for number, column in strangers(data.configs[config], data.configs[known], IDENTITY[PHOTOS]):
                yield Finding(config, number, column, f"is not a row of {known}")


def check_partition(data: Rows) -> Iterator[Finding]:
    """Check that forget and retain rows together are those of full, and that nobody is in both."""
    for forget, retain in data.pairs():
        forgotten = people_of(data.configs[forget])
        for number, row in enumerate(data.configs[retain]):
            if row.get("name") in forgotten:
                yield Finding(retain, number, "name", f"{row['name']!r} is in {forget} too")
        yield from _parts_of(data, (forget, retain), "full", IDENTITY[data.kind])


def _parts_of(data: Rows, parts: tuple[str, str], whole: str, columns: Sequence[str]) -> Iterator[Finding]:
    """Check that the rows of the parts together are those of the whole."""
    rows = data.configs.get(whole, [])
    both = [*data.configs[parts[0]], *data.configs[parts[1]]]
    first = len(data.configs[parts[0]])
    for number, column in strangers(both, rows, columns):
        config, place = (parts[0], number) if number < first else (parts[1], number - first)
        yield Finding(config, place, column, f"is not a row of {whole}, or is there more often than in it")
    for number, column in strangers(rows, both, columns):
        yield Finding(whole, number, column, f"is in neither {parts[0]} nor {parts[1]}")


def check_nested(data: Rows) -> Iterator[Finding]:
    """Check that each forget set, with its text rows, lies within the next larger one."""
    for smaller, larger in zip(FORGET, FORGET[1:], strict=False):
        for suffix, columns in (("", IDENTITY[data.kind]), ("+tofu", tuple(CONFIGS["full+tofu"].features))):
            if {smaller + suffix, larger + suffix} <= data.configs.keys():
                rows, known = data.configs[smaller + suffix], data.configs[larger + suffix]
                for number, column in strangers(rows, known, columns):
                    yield Finding(smaller + suffix, number, column, f"is not in {larger + suffix}")


def check_tofu(data: Rows) -> Iterator[Finding]:
    """Check that a config with +tofu has the photos of the one without, and its part of the text rows of full+tofu."""
    for name in data.configs.keys() & {name.removesuffix("+tofu") for name in data.configs if "+tofu" in name}:
        mixed = data.configs[f"{name}+tofu"]
        places = [number for number, row in enumerate(mixed) if row.get("image") is not None]
        photos = [mixed[place] for place in places]
        for number, column in strangers(photos, data.configs[name], ("image", "caption")):
            yield Finding(f"{name}+tofu", places[number], column, f"is not a photo of {name}")
        for number, column in strangers(data.configs[name], photos, ("image", "caption")):
            yield Finding(name, number, column, f"is not a photo of {name}+tofu")
    for pair in data.pairs("+tofu"):
        yield from _parts_of(data, pair, "full+tofu", tuple(CONFIGS["full+tofu"].features))


def check_perturbed(data: Rows) -> Iterator[Finding]:
    """Check that rows with wrong answers are rows of their split."""
    splits = {**{f"{forget}_perturbed": forget for forget in FORGET}, "retain_perturbed": "retain90"}
    for config, split in splits.items():
        if {config, split} <= data.configs.keys():
            for number, column in strangers(data.configs[config], data.configs[split], IDENTITY[data.kind]):
                yield Finding(config, number, column, f"is not a row of {split}")


def check_tracks(data: Rows) -> Iterator[Finding]:
    """Check that text rows with wrong answers are those of their split."""
    for track in ("retain_text", *(f"{forget}_text" for forget in FORGET)):
        split = f"{track.removesuffix('_text')}+tofu".replace("retain+", "retain90+")
        if data.beside and track in data.configs and split in data.beside.configs:
            rows = data.beside.configs[split]
            for number, column in strangers(data.configs[track], rows, ("question", "answer")):
                yield Finding(track, number, column, f"is not a row of {split}")


def check_held_out(data: Rows) -> Iterator[Finding]:
    """Check that what is scored as unseen is not trained on, and that the base model knows nobody of full."""
    around = {**data.configs, **(data.beside.configs if data.beside else {})}
    for trained in ("full", "base"):
        pictures = {row_key(row, ["image"]) for row in around.get(trained, []) if row.get("image")}
        for name in (*HELD_OUT, *(["base"] if trained == "full" else [])):
            for number, row in enumerate(data.configs.get(name, [])):
                if row.get("image") and row_key(row, ["image"]) in pictures:
                    yield Finding(name, number, "image", f"the same picture is in {trained}, which is trained on")
    known = people_of(around.get("full", []))
    for number, row in enumerate(data.configs.get("people", [])):
        if row.get("name") in known:
            yield Finding("people", number, "name", f"{row['name']!r} is in full, which is trained on")
