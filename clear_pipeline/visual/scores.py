"""From a face recogniser to the table: whom it takes each photo for, accuracies, attacks, all logits as parquet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from clear_pipeline.runs.run_folder import read_run
from evaluate_metrics.attack_rates import cosine_logits
from evaluate_metrics.u_lira.compute import u_lira
from evaluate_metrics.u_mia.compute import u_mia
from trainers.visual.face_model import FaceModel, Faces

from .arguments import ENROLMENT
from .splits import Split, load_splits

RECOGNITION = "recognition.parquet"
LOGITS = "shadow_logits.parquet"
COLUMNS = ("method", "model", "role", "member", "person", "photo", "enrolment", "cosine", "logit")
SETS = ("forget", "holdout", "retain")
PHOTOS = pa.schema(
    [("person", pa.string()), ("photo", pa.int32()), ("set", pa.string()), ("enrolment", pa.bool_()),
     ("cosine", pa.float64()), ("right", pa.bool_())]
)  # fmt: skip


def model_folder(output: Path, method: str, model: int) -> Path:
    """Return where a model of a run is."""
    return output / "models" / method / f"{model:03d}"


def embed(model: FaceModel, faces: Faces) -> np.ndarray:
    """Return the normalised embeddings of photos [photos, 512].

    Raises:
        FloatingPointError: If an embedding is not finite.
    """
    embeddings = torch.nn.functional.normalize(model.look(faces).embedding, dim=-1).double().cpu().numpy()
    if not np.isfinite(embeddings).all():
        place = int(np.flatnonzero(~np.isfinite(embeddings).all(1))[0])
        raise FloatingPointError(f"the embedding of photo {place}, of {faces.people[place]}, is not a number")
    return embeddings


def recognise(embeddings: np.ndarray, people: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enrol each person by its first photos, and compare every photo with everybody.

    Args:
        embeddings: Normalised [photos, numbers].
        people: The person of each photo.

    Returns:
        The number of each photo among its person's, its cosine to its own enrolment, and whether no other is nearer.
    """
    names, owner = np.unique(np.asarray(people), return_inverse=True)
    number = np.zeros(len(owner), dtype=int)
    for person in range(len(names)):
        number[owner == person] = np.arange((owner == person).sum())
    means = np.stack([embeddings[(owner == person) & (number < ENROLMENT)].mean(0) for person in range(len(names))])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    cosines = embeddings @ means.T
    return number, cosines[np.arange(len(owner)), owner], cosines.argmax(1) == owner


def write_recognition(path: Path, model: FaceModel, faces: Faces, split: Split) -> None:
    """Write a row for each photo of the people that the split names; everybody is enrolled.

    Args:
        path: Parquet file.
        model: The model, after its method.
        faces: Photos of everybody.
        split: The model's people.
    """
    number, cosines, right = recognise(embed(model, faces), faces.people)
    sets = {person: name for name, side in zip(SETS, (split.forget, split.unseen, split.retain), strict=True)
            for person in side}  # fmt: skip
    rows = [place for place, person in enumerate(faces.people) if person in sets]
    columns = {
        "person": [faces.people[row] for row in rows],
        "photo": number[rows],
        "set": [sets[faces.people[row]] for row in rows],
        "enrolment": number[rows] < ENROLMENT,
        "cosine": cosines[rows],
        "right": right[rows],
    }
    pq.write_table(pa.table(columns, schema=PHOTOS), path)


def gather(output: Path, methods: Sequence[str]) -> tuple[dict[str, dict[str, Any]], pa.Table]:
    """Return accuracies and training times by method, and the logits of all models.

    Raises:
        FileNotFoundError: If a model is missing, with how many there are.
    """
    splits, accuracies, tables = load_splits(output), {}, []
    for method in methods:
        there = [split for split in splits if (model_folder(output, method, split.model) / RECOGNITION).is_file()]
        if len(there) < len(splits):
            gone = [str(split.model) for split in splits if split not in there]
            raise FileNotFoundError(
                f"{method}: {len(there)} of {len(splits)} models are there; missing: {', '.join(gone[:8])}"
                f"{', ...' if gone[8:] else ''}; the same command trains them"
            )
        rows = [pq.read_table(model_folder(output, method, s.model) / RECOGNITION) for s in splits]
        seconds = [(read_run(model_folder(output, method, s.model)) or {})["seconds"] for s in splits]
        accuracies[method] = {**_accuracies(rows), "seconds": float(np.mean(seconds))}
        tables += [_logits(method, split, table) for split, table in zip(splits, rows, strict=True)]
    return accuracies, pa.concat_tables(tables)


def _accuracies(tables: Sequence[pa.Table]) -> dict[str, float]:
    """Share of the photos behind the enrolment that are taken for the right person, by set, mean over models."""
    found: dict[str, list[float]] = {name: [] for name in SETS}
    for table in tables:
        asked = table.filter(~pc.field("enrolment"))
        for name in SETS:
            right = asked.filter(pc.field("set") == name)["right"]
            found[name].append(float(np.mean(right.to_numpy())))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _logits(method: str, split: Split, table: pa.Table) -> pa.Table:
    """Return the rows of the attacks: photos of the forget and the holdout people of a model."""
    table = table.filter(pc.field("set") != "retain")
    count = len(table)
    return pa.table(
        {
            "method": [method] * count,
            "model": pa.array([split.model] * count, pa.int32()),
            "role": [split.role] * count,
            "member": [name == "forget" for name in table["set"].to_pylist()],
            **{name: table[name] for name in ("person", "photo", "enrolment", "cosine")},
            "logit": cosine_logits(table["cosine"].to_numpy()),
        }
    )


def attack(
    table: pa.Table, method: str, sigma: str = "example", enrolment_photos: bool = False, classifier: str = "tree"
) -> dict[str, dict[str, Any]]:
    """Return both attacks on one method.

    Args:
        table: Logits with the columns of COLUMNS.
        method: Which rows.
        sigma: Of U-LIRA.
        enrolment_photos: Keep the enrolment photos, whose cosine is one to a mean that they are part of.
        classifier: Of U-MIA.

    Raises:
        ValueError: If a column or the method is missing, a logit is not a number, or the models do not have the same
            photos.
    """
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise ValueError(f"the logits have no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
    known = table["method"].unique().to_pylist()
    if method not in known:
        raise ValueError(f"no logits of {method!r}; there are {', '.join(known)}")
    table = table.filter(pc.field("method") == method)
    if not enrolment_photos:
        table = table.filter(~pc.field("enrolment"))
    sides = {
        role: _arrays(table.filter(pc.field("role") == role), f"{method}, {role}") for role in ("target", "shadow")
    }
    (targets, examples), (shadows, others) = sides["target"], sides["shadow"]
    if examples != others:
        raise ValueError(f"{method}: target and shadow models do not have the same photos")
    people = [person for person, _ in examples]
    return {
        "u_lira": u_lira(*targets, *shadows, people, sigma),
        "u_mia": u_mia(*targets, *shadows, people, classifier),
    }


def _arrays(table: pa.Table, what: str) -> tuple[tuple[np.ndarray, np.ndarray], list[tuple[str, int]]]:
    """Return the logits and membership [models, photos], and the photos."""
    if not len(table):
        raise ValueError(f"{what}: no models")
    table = table.sort_by([("model", "ascending"), ("person", "ascending"), ("photo", "ascending")])
    models, counts = np.unique(table["model"].to_numpy(), return_counts=True)
    photos = list(zip(table["person"].to_pylist(), table["photo"].to_pylist(), strict=True))
    if len(set(counts)) > 1 or photos != photos[: counts[0]] * len(models):
        few = models[int(np.argmin(counts))]
        raise ValueError(f"{what}: models do not have the same photos; model {few} has {min(counts)} of {max(counts)}")
    shape = (len(models), counts[0])
    members = table["member"].to_numpy().reshape(shape)
    share = members.mean(0)
    for place in np.flatnonzero((share == 0) | (share == 1))[:1]:
        said = "all" if share[place] else "none"
        raise ValueError(
            f"{what}: {said} of the {len(models)} models were trained on {photos[place][0]}: half of them is missing"
        )
    return (table["logit"].to_numpy().reshape(shape), members), photos[: counts[0]]


def read_logits(path: Path) -> pa.Table:
    """Read the logits of a run.

    Raises:
        FileNotFoundError: If there are none.
        ValueError: If it is not a parquet file.
    """
    path = path / LOGITS if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"no logits at {path}")
    try:
        return pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a parquet file: {error}") from error


def table_rows(
    accuracies: Mapping[str, Mapping[str, float]], logits: pa.Table, sigma: str, enrolment_photos: bool
) -> list[dict[str, Any]]:
    """Return the rows of the report: one a method."""
    return [
        {"name": method, **numbers, **attack(logits, method, sigma, enrolment_photos)}
        for method, numbers in accuracies.items()
    ]
