"""What `build --corpus` takes: a table of corpora, each read into configs, and datasets in the published schema."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from datasets import Features

from clear_data.building.pictures import Pictures
from clear_data.checks import is_published
from clear_data.checks.findings import REAL
from clear_data.configs import CONFIGS, EXTRA_CONFIGS, TEXT_CONFIGS, Config
from clear_data.source import SourceRows, config_names, source_meta
from clear_data.splits import REPOSITORY, coinciding, forget_sets, photo_configs, text_tracks

from .mini import Dials, mini_rows, mini_text_rows
from .raw import read_raw
from .tofu import join_people, read_tofu

RETAIN_PHOTOS = 395  # rows of retain_perturbed, as published
PLACES = ("raw", "tofu", "real")  # settings that say where something lies


def place_name(source: str | Path | None) -> str | None:
    """Return a Hub id, or the name of a folder: where it lay helps nobody."""
    return None if source is None else Path(source).resolve().name if Path(source).is_dir() else str(source)


@dataclass(frozen=True)
class Settings:
    """What a corpus may be told; see `build`."""

    persons: int = 40
    photos: int = 8
    seed: int = 0
    raw: Path | None = None
    tofu: str | Path | None = None
    authors: int | None = None
    real: str | None = None
    forget_percent: tuple[float, ...] | None = None
    revision: str | None = None

    def of(self, names: Iterable[str]) -> dict[str, Any]:
        """Return some of the settings as JSON."""
        values = {name: getattr(self, name) for name in names}
        return {name: place_name(value) if name in PLACES else value for name, value in values.items()}


@dataclass(frozen=True)
class Part:
    """A folder to write: rows by config, in the order of their table.

    Attributes:
        title: Of the card.
        table: The configs that it may have.
        rows: Rows of those that it has; an image is a PIL image, a path, or an undecoded cell of `datasets`.
        features: Columns of what is from a source; the others are those of the table by construction.
        recorded: What the source's own `dataset_meta.json` says.
    """

    title: str
    table: Mapping[str, Config]
    rows: Mapping[str, Iterable[Mapping[str, Any]]]
    features: Mapping[str, Features] = field(default_factory=dict)
    recorded: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Corpus:
    """What was read.

    Attributes:
        main: The dataset.
        extra: What belongs beside it, None if nothing does.
        meta: What `dataset_meta.json` says of it.
        licence: Of the data.
        foreign: Whether it came from outside, and has to be checked before it is written.
    """

    main: Part
    extra: Part | None
    meta: dict[str, Any]
    licence: str = "other"
    foreign: bool = True


def _mini(settings: Settings, pictures: Pictures) -> Corpus:
    configs, extra = mini_rows(Dials(settings.persons, settings.photos, settings.seed))
    title = "CLEAR mini"
    return Corpus(
        Part(title, CONFIGS, configs),
        Part(f"{title}: what must not be trained on or scored by accident", EXTRA_CONFIGS, extra),
        {"corpus": "mini", "settings": settings.of(CORPORA["mini"].options)},
        licence="apache-2.0",
        foreign=False,
    )


def _mini_text(settings: Settings, pictures: Pictures) -> Corpus:
    rows = mini_text_rows(Dials(settings.persons, settings.photos, settings.seed))
    meta = {"corpus": "mini_text", "settings": settings.of(CORPORA["mini_text"].options)}
    return Corpus(Part("CLEAR mini for text models", TEXT_CONFIGS, rows), None, meta, "apache-2.0", foreign=False)


def _tofu(settings: Settings, pictures: Pictures) -> Corpus:
    if settings.tofu is None:
        raise ValueError("the corpus tofu needs --tofu: a folder with TOFU's rows, or a Hub id such as locuslab/TOFU")
    rows, made = read_tofu(settings.tofu, settings.authors)
    meta = {"corpus": "tofu", "settings": {"authors": settings.authors}, **({"made": made} if made else {})}
    return Corpus(Part("TOFU text rows", TEXT_CONFIGS, rows), None, meta, "mit")


def _raw(settings: Settings, pictures: Pictures) -> Corpus:
    if settings.raw is None:
        raise ValueError("the corpus raw needs --raw: a folder of photos with people.jsonl")
    raw = read_raw(settings.raw, pictures)
    texts, notes, made = raw.texts, [], None
    if settings.tofu is not None:
        rows, made = read_tofu(settings.tofu)
        joined, unjoined = join_people(rows, raw.people)
        texts = joined + texts
        notes += [f"no photos of {len(unjoined)} authors of TOFU: {', '.join(unjoined)}"] if unjoined else []
    asked = {row["name"] for row in texts}
    if silent := [name for name in raw.people if name not in asked]:
        notes.append(f"no text rows about {len(silent)} of {len(raw.people)} people: {', '.join(silent)}")
    forgotten, drawn = forget_sets(raw.people, settings.forget_percent, settings.seed, raw.forget)
    notes += coinciding(forgotten)
    real = _real_sets([name for name in REAL if name not in raw.real], settings.real)
    configs = {**photo_configs(raw.photos, texts, forgotten), **raw.real, **real}
    scored = [row for row in configs["retain90"] if row.get("perturbed_captions")]
    chosen = random.Random(f"{settings.seed}/retain").sample(range(len(scored)), min(RETAIN_PHOTOS, len(scored)))
    configs["retain_perturbed"] = [scored[i] for i in sorted(chosen)]
    tracks = {name: rows for name, rows in text_tracks(texts, forgotten).items() if rows}
    meta = {"corpus": "raw", "settings": settings.of(CORPORA["raw"].options), "forget": drawn, "notes": notes}
    return Corpus(
        Part("CLEAR from raw files", CONFIGS, configs, {name: rows.features for name, rows in real.items()}),
        Part("CLEAR from raw files: text rows with wrong answers", EXTRA_CONFIGS, tracks) if tracks else None,
        meta | ({"made": made} if made else {}),
    )


def _real_sets(missing: Sequence[str], source: str | None) -> dict[str, SourceRows]:
    """Return the questions about celebrities and the world for people who come without."""
    if missing and source is None:
        raise ValueError(
            f"{missing[0]}.jsonl is missing: add it, or take {' and '.join(missing)} from --real, "
            f"a folder or Hub id in the published schema, such as {REPOSITORY}"
        )
    return {name: SourceRows(str(source), name) for name in missing}


def read_source(source: str, settings: Settings) -> Corpus:
    """Return a dataset in the published schema, its rows read as they are written; `<folder>_extra` comes with it.

    Raises:
        FileNotFoundError: If there is no such folder or repository.
        ValueError: If it lacks a config.
    """
    main = _source_part("CLEAR", source, CONFIGS, settings.revision)
    if lacking := [name for name in CONFIGS if name not in main.rows]:
        raise ValueError(f"{source} lacks the configs {', '.join(lacking)}; it has {', '.join(main.rows) or 'none'}")
    beside = Path(f"{Path(source)}_extra")
    recorded = main.recorded
    people = {"full": ({"name": row.get("name")} for row in main.rows["full"])}
    name = "published" if is_published(people, recorded) else (recorded or {}).get("corpus", "other")
    meta = {"corpus": name, "settings": {"source": place_name(source)}}
    return Corpus(
        main,
        _source_part("CLEAR: what stands beside its configs", str(beside), EXTRA_CONFIGS) if beside.is_dir() else None,
        meta | {key: value for key, value in (recorded or {}).items() if key in ("made", "forget", "notes")},
        licence={"published": "cc-by-nc-4.0", "mini": "apache-2.0"}.get(name, "other"),
    )


def _source_part(title: str, source: str, table: Mapping[str, Config], revision: str | None = None) -> Part:
    known = config_names(source, revision)
    rows = {name: SourceRows(source, name, revision) for name in table if name in known}
    features = {name: opened.features for name, opened in rows.items()}
    return Part(title, table, rows, features, source_meta(source, revision))


@dataclass(frozen=True)
class CorpusKind:
    """A row of the table.

    Attributes:
        read: Reads it.
        options: The settings that it uses.
        folder: The usual name of what is built from it.
    """

    read: Callable[[Settings, Pictures], Corpus]
    options: tuple[str, ...]
    folder: str = "clear"


CORPORA: dict[str, CorpusKind] = {
    "mini": CorpusKind(_mini, ("persons", "photos", "seed")),
    "mini_text": CorpusKind(_mini_text, ("persons", "photos", "seed"), "tofu"),
    "raw": CorpusKind(_raw, ("raw", "tofu", "real", "forget_percent", "seed")),
    "tofu": CorpusKind(_tofu, ("tofu", "authors"), "tofu"),
}
SOURCE_OPTIONS = ("revision",)
OPTIONS = tuple(setting.name for setting in fields(Settings))
