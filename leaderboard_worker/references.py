"""Original and gold of a base model: from their logs to the rows and photos that the page shows beside submissions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluate_metrics import VERSION
from evaluate_metrics.log_format import LOG_NAME, META_NAME
from evaluate_metrics.scores import score_log
from leaderboard_app.bases import Base
from leaderboard_app.pages.examples import dataset_key
from leaderboard_app.store.store import Store

from .example_photos import example_photos
from .files import public_log_meta


@dataclass(frozen=True)
class References:
    """Takes the place of a store where there is none: it has no reference, and keeps what it is given.

    Attributes:
        rows: By role, numbers, log and metadata.
        photos: By config and row.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    photos: dict[tuple[str, int], bytes] = field(default_factory=dict)
    path: None = None

    def reference(self, kind: str, base_model: str, forget: str) -> None:
        """As `Store.reference`."""

    def add_reference(
        self, kind: str, base_model: str, forget: str, numbers: Any, log: Any, meta: Any, who: str
    ) -> None:
        """As `Store.add_reference`, of the one base and forget set that there is."""
        self.rows[kind] = {"numbers": numbers, "log": log, "meta": meta}

    def add_photos(self, dataset: str, photos: Mapping[tuple[str, int], bytes]) -> None:
        """As `Store.add_photos`, of the one dataset that there is."""
        self.photos.update(photos)


def is_current(store: Store | References, role: str, base_model: str, forget: str, rows: str) -> bool:
    """Whether a store has an original or gold of these rows, by the metrics of today."""
    known = store.reference(role, base_model, forget)
    return known is not None and (known.metric_version, dataset_key(known.meta)) == (VERSION, rows)


def keep_reference(
    store: Store | References, role: str, base: Base, forget: str, logs: tuple[Path, Path], dataset: Path, who: str
) -> None:
    """Gives a store the original or gold with the photos of the examples, if it has not got them.

    Args:
        store: What keeps them.
        role: `original` or `gold`.
        base: Row of the bases.
        forget: Forget set.
        logs: Folders that `evaluate` wrote: of this model, and of gold.
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
        store.add_reference(role, base.base_model, forget, score_log(*logs), log, about, who)
        store.add_photos(rows, example_photos(log, meta, dataset))


def read_content(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A log and its metadata as they stand in their files."""
    return json.loads((folder / LOG_NAME).read_text()), json.loads((folder / META_NAME).read_text())
