"""Original and gold models as reference rows: their numbers, logs, and the photos of the example questions."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from clear_dataset import load_clear
from evaluate_metrics import VERSION
from evaluate_metrics.log_format import LOG_NAME, META_NAME
from evaluate_metrics.scores import score_log
from leaderboard_app.bases import Base
from leaderboard_app.pages.details import chosen_rows, dataset_key
from leaderboard_app.store.queries import Reference

from .files import public_log_meta

LARGEST_PHOTO = 320  # pixels of the longer side


class ReferenceStore(Protocol):
    """What a worker needs to publish original and gold: a `Store` on this machine, else `AnswerReferences`."""

    def reference(self, kind: str, base_model: str, forget: str) -> Reference | None: ...  # noqa: D102

    def add_reference(  # noqa: D102
        self,
        kind: str,
        base_model: str,
        forget: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        who: str = ...,
    ) -> None: ...

    def add_photos(self, dataset: str, photos: Mapping[tuple[str, int], bytes]) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class AnswerReferences:
    """Collect the references of one job, for its answer.

    Attributes:
        rows: Numbers, log and metadata by role.
        photos: Photos by config and row.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    photos: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def reference(self, kind: str, base_model: str, forget: str) -> None:
        """Return None, so that every reference is added."""

    def add_reference(
        self,
        kind: str,
        base_model: str,
        forget: str,
        numbers: Mapping[str, Any],
        log: Mapping[str, Any],
        meta: Mapping[str, Any],
        who: str = "",
    ) -> None:
        """Collect a reference; a job has one base model and forget set."""
        self.rows[kind] = {"numbers": numbers, "log": log, "meta": meta}

    def add_photos(self, dataset: str, photos: Mapping[tuple[str, int], bytes]) -> None:
        """Collect photos; a job has one dataset."""
        self.photos.update(photos)


def is_current(store: ReferenceStore, role: str, base_model: str, forget: str, rows: str) -> bool:
    """Return whether the store has this reference for these rows and the current version of the metrics."""
    known = store.reference(role, base_model, forget)
    return known is not None and (known.metric_version, dataset_key(known.meta)) == (VERSION, rows)


def keep_reference(
    store: ReferenceStore, role: str, base: Base, forget: str, logs: Sequence[Path], dataset: Path, who: str
) -> None:
    """Add the original or gold to the store, with the photos of the examples, unless it is current there.

    Args:
        store: Where it goes.
        role: `original` or `gold`.
        base: Row of the bases.
        forget: Forget set.
        logs: Folders that `evaluate` wrote: of this model, then of the golds and of the original.
        dataset: Local copy of the rows.
        who: Name of the worker.
    """
    log, meta = read_content(logs[0])
    model = base.original if role == "original" else base.golds[forget][0]
    about = public_log_meta(
        meta,
        base.dataset,
        dataset,
        model=Path(model).name if Path(model).is_dir() else model,
        lineage={**meta.get("lineage", {}), "base_model": base.base_model, "role": role},
    )
    rows = dataset_key(about)
    if not is_current(store, role, base.base_model, forget, rows):
        store.add_reference(
            role, base.base_model, forget, score_log(logs[0], logs[1], logs[2:-1], original=logs[-1]), log, about, who
        )
        store.add_photos(rows, example_photos(log, meta, dataset))


def read_content(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a log and its metadata from a folder of the keeper; a submission's folder needs `read_output`."""
    return json.loads((folder / LOG_NAME).read_text()), json.loads((folder / META_NAME).read_text())


def example_photos(log: Mapping[str, Any], meta: Mapping[str, Any], data: Path | str) -> dict[tuple[str, int], bytes]:
    """Return small photos of the rows that the page of a submission shows, by config and row.

    Args:
        log: Log of any model on these rows.
        meta: Its metadata.
        data: Folder or Hub id of the dataset.
    """
    photos = {}
    for _, keys, row in chosen_rows(log, meta):
        place = meta["tasks"][keys[0]]
        if place.get("images"):
            image = load_clear(place["config"], data)[row]["image"]
            photos[place["config"], row] = _small(image)
    return photos


def _small(image: Image.Image) -> bytes:
    image = image.convert("RGB")
    image.thumbnail((LARGEST_PHOTO, LARGEST_PHOTO))
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if max(image.size) <= 128 else "JPEG", quality=85)
    return buffer.getvalue()
