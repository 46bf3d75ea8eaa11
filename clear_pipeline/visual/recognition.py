"""What is measured of a face recogniser: whom it takes each photo for, and how near a photo is to its own person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from trainers.visual.face_model import FaceModel, Faces

from .arguments import ENROLMENT
from .splits import Split

SETS = ("forget", "holdout", "retain")
PHOTOS = pa.schema(
    [("person", pa.string()), ("photo", pa.int32()), ("set", pa.string()), ("enrolment", pa.bool_()),
     ("cosine", pa.float64()), ("right", pa.bool_())]
)  # fmt: skip


def embed(model: FaceModel, faces: Faces) -> np.ndarray:
    """Normalised embeddings of photos [photos, 512].

    Raises:
        FloatingPointError: If the model says NaN of a photo.
    """
    embeddings = torch.nn.functional.normalize(model.look(faces).embedding, dim=-1).double().cpu().numpy()
    if not np.isfinite(embeddings).all():
        place = int(np.flatnonzero(~np.isfinite(embeddings).all(1))[0])
        raise FloatingPointError(f"the embedding of photo {place}, of {faces.people[place]}, is not a number")
    return embeddings


def recognise(embeddings: np.ndarray, people: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Enrols each person by its first photos, and compares every photo with everybody.

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
