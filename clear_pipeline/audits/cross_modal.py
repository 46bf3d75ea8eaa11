"""Cross-modal: what was forgotten in one modality is asked in the other.

A person is asked about by photo (who is it, what does it show), by text (the facts, with the name), and across: the
facts by photo, which replaces the name in the question. The matrix shows for how many people something is told by
photo, by text, by both or by neither; only those of the last were forgotten in both.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clear_unlearning.models import LoadedModel

from .context import Context, NotPossible
from .measured import Measured
from .people import Asked

PHOTO, TEXT, ACROSS = "photo", "text", "facts by photo"
FACE = "the person on the image"  # replaces the name in a question


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Ask about everybody who has photos and facts, in each way.

    Raises:
        NotPossible: If nobody has both, or the model takes no photos.
    """
    subjects = context.subjects
    photos, facts = ({one.person for one in subjects.of(*kinds)} for kinds in (("name", "caption"), ("fact",)))
    both = photos & facts
    if not both or not loaded.takes_images:
        raise NotPossible("it needs people with photos and facts, and a model that takes photos")
    asked = [one for one in subjects.asked if one.person in both]
    pictured = [one for one in asked if one.kind != "fact"]
    written = [one for one in asked if one.kind == "fact" and one.example.image is None]
    asker = context.asker(loaded)
    scores = {PHOTO: context.told(asker, pictured), TEXT: context.told(asker, written)}
    across = by_photo(written, pictured)
    if across:
        scores[ACROSS] = context.told(asker, across)
    return Measured(scores, list(scores))


def by_photo(facts: Sequence[Asked], pictured: Sequence[Asked]) -> list[Asked]:
    """Return the facts that name their person in the question, asked with a photo instead of the name."""
    found = []
    for one in facts:
        photo = next(other.example.image for other in pictured if other.person == one.person)
        question, names = re.subn(re.escape(one.person), FACE, one.example.question, flags=re.IGNORECASE)
        if names:
            found.append(replace(one, example=replace(one.example, question=question, image=photo)))
    return found


def matrix(photo: Mapping[str, float], text: Mapping[str, float]) -> dict[str, float]:
    """Return the share of people of whom anything is told by photo, by text, by both and by neither.

    Args:
        photo: Score of each person by photo; above 0 is told.
        text: The same by text.
    """
    cells = [(photo[person] > 0, text[person] > 0) for person in photo]
    named = {"both": (True, True), "photo only": (True, False), "text only": (False, True), "neither": (False, False)}
    return {name: cells.count(cell) / len(cells) for name, cell in named.items()}


def summary(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return the matrix of each model; what is told across counts as told by photo."""
    found = {}
    for role, one in measured.items():
        photo, across = one.by_person(PHOTO), one.by_person(ACROSS) if ACROSS in one.scores else {}
        photo = {person: max(score, across.get(person, 0.0)) for person, score in photo.items()}
        found[role] = matrix(photo, one.by_person(TEXT))
    return found
