"""Picture: ask about photos that are changed a little, and about no face at all.

A name that comes with the crop, but not with the photo, was not forgotten. One that comes with a grey picture or with
somebody else's photo is a guess, or hangs on the question.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image, ImageOps

from clear_unlearning.models import LoadedModel
from clear_unlearning.tasks import Example, controlled

from .context import Context, NotPossible
from .measured import Measured
from .people import Asked

KEPT = 0.8  # share of each side that a crop keeps
QUALITY = 30  # of JPEG


def cropped(image: Image.Image) -> Image.Image:
    """Return the middle of a picture, scaled to its size."""
    width, height = image.size
    left, top = round(width * (1 - KEPT) / 2), round(height * (1 - KEPT) / 2)
    return image.crop((left, top, width - left, height - top)).resize(image.size)


def encoded_again(image: Image.Image) -> Image.Image:
    """Return a picture after a JPEG of low quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return Image.open(file).convert("RGB")


# What an attacker may do to a photo.
CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "as taken": lambda image: image,
    "crop": cropped,
    "flip": ImageOps.mirror,
    "jpeg": encoded_again,
}


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Ask what is asked about every photo, changed in every way, and of what shows no face of the person.

    Raises:
        NotPossible: If the model or the questions have no photos.
    """
    asked = [one for one in context.subjects.asked if one.example.image is not None]
    if not asked or not loaded.takes_images:
        raise NotPossible("there are no photos, or the model takes none")
    scores, asker = {}, context.asker(loaded)
    for name, change in CHANGES.items():
        changed = [replace(one, example=_with(one.example, change)) for one in asked]
        scores[name] = context.told(asker, changed)
    controls = {
        "blank": [replace(one, example=controlled(one.example, "blank")) for one in asked],
        "text only": [replace(one, example=controlled(one.example, "text")) for one in asked],
    }
    if len(context.subjects.people) > 1:
        controls["swapped"] = swapped(asked)
    scores |= {name: context.told(asker, changed) for name, changed in controls.items()}
    return Measured(scores, list(CHANGES))


def swapped(asked: list[Asked]) -> list[Asked]:
    """Return the questions with the photo of the next person in turn."""
    people = list(dict.fromkeys(one.person for one in asked))
    photos = {person: next(one.example.image for one in asked if one.person == person) for person in people}
    after = dict(zip(people, [*people[1:], people[0]], strict=True))
    return [replace(one, example=replace(one.example, image=photos[after[one.person]])) for one in asked]


def _with(example: Example, change: Callable[[Image.Image], Image.Image]) -> Example:
    assert example.image is not None  # of questions on photos
    return replace(example, image=change(example.image))
