"""Datasets in the published schema, opened config by config from a local folder or from the Hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import Dataset, IterableDataset
from datasets.exceptions import DatasetGenerationError
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled
from pyarrow.dataset import ParquetFragmentScanOptions

from .building.folder import META, read_meta


def is_source(name: str) -> bool:
    """Return whether a name is that of a folder, or may be one of a repository on the Hub."""
    return Path(name).is_dir() or (name.count("/") == 1 and not name.startswith((".", "/")))


def source_path(source: str | Path) -> str:
    """Return the source as `datasets` takes it.

    Raises:
        FileNotFoundError: If it is neither a folder nor may be a Hub id.
    """
    if not is_source(str(source)):
        raise FileNotFoundError(f"{source} is neither a folder with the data nor a Hub id; `build` writes one")
    return str(Path(source).resolve()) if Path(source).is_dir() else str(source)


def config_names(source: str | Path, revision: str | None = None) -> list[str]:
    """Return the configs that the source has.

    Raises:
        FileNotFoundError: If there is no such folder or repository, or no data in it.
    """
    path = source_path(source)
    try:
        return datasets.get_dataset_config_names(path, revision=revision)
    except (FileNotFoundError, ConnectionError, OfflineModeIsEnabled) as error:
        reason = "holds no data" if Path(source).is_dir() else "is not a folder here, nor does the Hub give it"
        raise FileNotFoundError(f"{source} {reason}: {error}") from error


def open_config(
    source: str | Path, config: str, revision: str | None = None, streaming: bool = False
) -> Dataset | IterableDataset:
    """Open the rows of a config.

    Raises:
        ValueError: If its files are broken.
        FileNotFoundError: If there is no such folder or repository.
    """
    path = source_path(source)
    options: Any = {}
    if streaming and Path(source).is_dir() and any(Path(source).glob("*/*.parquet")):
        # By default a file is read ahead as a whole: that of a config with all photos is as large as they are.
        options = {"fragment_scan_options": ParquetFragmentScanOptions(pre_buffer=False)}
    try:
        rows: Any = datasets.load_dataset(
            path, config, split="train", revision=revision, streaming=streaming, **options
        )
        plain = None if rows.features is None else plain_features(rows.features)
        return rows if plain is None or plain == rows.features else rows.cast(plain)
    except (pa.ArrowException, DatasetGenerationError) as error:
        raise ValueError(f"{source}, config {config!r}: its files cannot be read: {error}") from error
    except (FileNotFoundError, ConnectionError) as error:
        if Path(source).is_dir():
            raise
        raise FileNotFoundError(f"{source} is not a folder here, nor does the Hub give it: {error}") from error


def plain_features(features: datasets.Features) -> datasets.Features:
    """Return the features with the types of the published schema for others of the same content.

    Parquet that pandas or polars have written again has long or encoded texts, and no word of what is an image.
    """
    plain = {name: _plain(feature) for name, feature in features.items()}
    if plain.get("image") == datasets.Value("binary"):
        plain["image"] = datasets.Image()
    return datasets.Features(plain)


def _plain(feature: Any) -> Any:
    if isinstance(feature, datasets.Value):
        kind = feature.dtype.removeprefix("large_").removesuffix("_view")
        return datasets.Value(kind) if kind in ("string", "binary") else feature
    if isinstance(feature, datasets.List | datasets.LargeList):
        return datasets.List(_plain(feature.feature))
    if isinstance(feature, dict) and feature.keys() == {"bytes", "path"}:
        return datasets.Image()
    return feature


def source_meta(source: str | Path, revision: str | None = None) -> dict[str, Any] | None:
    """Return what the source's `dataset_meta.json` says; None if it has none, as the published dataset."""
    if Path(source).is_dir():
        return read_meta(Path(source))
    try:
        path = hf_hub_download(str(source), META, repo_type="dataset", revision=revision)
    except EntryNotFoundError:
        return None
    return read_meta(Path(path).parent)


class SourceRows:
    """The rows of a config, read anew each time they are iterated; pictures are left undecoded.

    Attributes:
        features: Columns and their types.
    """

    def __init__(self, source: str | Path, config: str, revision: str | None = None) -> None:
        # What is here is read in passing; what is on the Hub is loaded once, since it may be read more than once.
        self._rows: Any = open_config(source, config, revision, streaming=Path(source).is_dir())
        if self._rows.features is None:
            raise ValueError(f"{source}, config {config!r}: its files do not say what columns they have")
        self.features = self._rows.features
        if isinstance(self.features.get("image"), datasets.Image):
            self._rows = self._rows.cast_column("image", datasets.Image(decode=False))
        self._what = f"{source}, config {config!r}"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self._rows
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self._what}: its files cannot be read: {error}") from error
