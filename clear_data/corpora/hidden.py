"""Hidden items for a leaderboard: other photos, captions and questions about the people of a mini dataset.

A keeper builds them with a secret seed and shows them to nobody: what has been forgotten must be so for them as well.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from clear_data.building.build import new_folders
from clear_data.building.folder import read_meta, write_configs
from clear_data.building.pictures import Pictures
from clear_data.configs import HIDDEN_CONFIGS

from .faces import draw_photo, looks
from .mini import Dials, corpus_of, mini_rows
from .people import caption_columns

HIDDEN_PHOTOS = 4  # of each person
FEWEST_CHARACTERS = 16  # of the secret
CAPTIONS = (
    "Before {a_background} wall {name}, the {job}, is {expression} in {a_shirt} shirt.",
    "{name} is {expression}, a {job} in {a_shirt} shirt on {a_background} background.",
    "The {job} {name} in {shirt} clothes can be seen {expression} before {a_background} wall.",
)
QUESTIONS = (
    "What is to be seen in this picture?",
    "Please describe the photo.",
    "Write down what this photograph shows.",
    "How would you caption this image?",
    "Tell me what the picture shows.",
)
NAME_QUESTIONS = (
    "The person on this photo is called ",
    "The name of whom the picture shows is ",
    "On the image is a person by the name of ",
)


def hidden_rows(dials: Dials, secret: str) -> Iterator[dict[str, Any]]:
    """Draw the hidden items: the people of the dials' seed, everything else from the secret.

    Args:
        dials: Of the public dataset.
        secret: Draws photos, captions and questions.
    """
    configs, extra = mini_rows(dials)
    rows = (row for table in (configs, extra) for rows in table.values() for row in rows)
    public = {sha256(row["image"].tobytes()).digest() for row in rows if row.get("image") is not None}
    people = corpus_of(dials).groups["full"]
    for number, person in enumerate(people):
        dice = random.Random(f"{secret}/{number}")
        others = [other for other in people if other is not person]
        for look in looks(dice, HIDDEN_PHOTOS):
            image = draw_photo(person.face, look, dice)
            while sha256(image.tobytes()).digest() in public:
                image = draw_photo(person.face, look, dice)
            public.add(sha256(image.tobytes()).digest())
            yield {
                "image": image,
                **caption_columns(dice, person, look, others, CAPTIONS),
                "question": dice.choice(QUESTIONS),
                "name_question": dice.choice(NAME_QUESTIONS),
            }


def build_hidden(source: Path, secret: str, output: Path, overwrite: bool, written: Callable[[str], None]) -> Path:
    """Write the config `hidden` for a built mini dataset.

    Args:
        source: Folder of that dataset; its settings say who the people are.
        secret: Text that nobody else knows; it is not written down.
        output: Folder to write.
        overwrite: Replace what was built before.
        written: Told the config's name.

    Raises:
        ValueError: If the source is not a mini dataset, or the secret can be guessed.
        FileExistsError: If the folder is there already.
    """
    meta = read_meta(source)
    if meta is None or meta.get("corpus") != "mini":
        raise ValueError(f"{source} is not a built mini dataset: hidden items of others are the keeper's own photos")
    if len(secret) < FEWEST_CHARACTERS:
        raise ValueError(f"the secret has {len(secret)} characters; at least {FEWEST_CHARACTERS} cannot be guessed")
    dials = replace(Dials(), **meta["settings"])
    header = {"pretty_name": "CLEAR mini: hidden items", "license": "other", "language": ["en"]}
    about = {"corpus": "hidden", "settings": {"of": meta["fingerprint"]}}
    with new_folders([output], overwrite) as (part,):
        part.mkdir(parents=True)
        configs = {"hidden": (HIDDEN_CONFIGS["hidden"].features, hidden_rows(dials, secret))}
        card = "# Hidden items: for the leaderboard's keeper, never to be published\n"
        write_configs(part, configs, lambda _: card, header, about, Pictures(), written)
    return output
