"""The tables of configs: CLEAR's 21 (arXiv 2410.18057), the extra ones, and TOFU's own (arXiv 2401.06121).

Their columns are as the published dataset has them (`therem/CLEAR`).
"""

from dataclasses import dataclass

from datasets import Features, Image, List, Value

FORGET = ("forget01", "forget05", "forget10")
RETAIN_OF = {"forget01": "retain99", "forget05": "retain95", "forget10": "retain90"}

TEXT = Value("string")

PHOTOS = Features({"image": Image(), "caption": TEXT, "name": TEXT})
PHOTOS_AND_TEXT = Features({"image": Image(), "caption": TEXT, "question": TEXT, "answer": TEXT})
PERTURBED = Features(
    {
        "image": Image(),
        "caption": TEXT,
        "name": TEXT,
        "paraphrased_caption": TEXT,
        "perturbed_captions": List(TEXT),
        "perturbed_names": List(TEXT),
    }
)
HIDDEN = Features({**PERTURBED, "question": TEXT, "name_question": TEXT})
OPTIONS = Features({"image": Image(), "question": TEXT, "answer": TEXT, "options": List(TEXT)})
TEXT_ROWS = Features({"question": TEXT, "answer": TEXT, "name": TEXT})
TEXT_PERTURBED = Features(
    {
        "question": TEXT,
        "answer": TEXT,
        "paraphrased_answer": TEXT,
        "perturbed_answer": List(TEXT),
        "name": TEXT,
    }
)
TEXT_OPTIONS = Features({"question": TEXT, "answer": TEXT, "perturbed_answer": List(TEXT)})


@dataclass(frozen=True)
class Config:
    """A row of the table: the columns of a config and what it holds."""

    features: Features
    what: str


def _splits() -> dict[str, Config]:
    """Return forget01 ... retain90 with their text rows: the 12 configs that partition the people."""
    table = {}
    for forget, retain in RETAIN_OF.items():
        table[forget] = Config(PHOTOS, f"photos of the {forget[-2:]} % to forget")
        table[retain] = Config(PHOTOS, f"photos of everybody but {forget}")
        table[f"{forget}+tofu"] = Config(PHOTOS_AND_TEXT, f"{forget} with its text rows")
        table[f"{retain}+tofu"] = Config(PHOTOS_AND_TEXT, f"{retain} with its text rows")
    return table


CONFIGS: dict[str, Config] = {
    "default": Config(PHOTOS, "the same as full"),
    "full": Config(PHOTOS, "photos of all fictitious people"),
    "full+tofu": Config(PHOTOS_AND_TEXT, "photos and text rows of all fictitious people"),
    **_splits(),
    "forget01_perturbed": Config(PERTURBED, "forget01 with paraphrase, wrong captions and wrong names"),
    "forget05_perturbed": Config(PERTURBED, "forget05 with paraphrase, wrong captions and wrong names"),
    "forget10_perturbed": Config(PERTURBED, "forget10 with paraphrase, wrong captions and wrong names"),
    "retain_perturbed": Config(PERTURBED, "some of retain90 with paraphrase, wrong captions and wrong names"),
    "real_faces": Config(OPTIONS, "questions about celebrities"),
    "real_world": Config(OPTIONS, "questions about the world"),
}
EXTRA_CONFIGS: dict[str, Config] = {
    "base": Config(PHOTOS_AND_TEXT, "what the base model knows: other people, celebrities, world, refusals"),
    "replay": Config(PHOTOS_AND_TEXT, "what a fine-tuning adds to keep it known: celebrities and world"),
    "people": Config(PERTURBED, "people that no model was trained on"),
    "people_text": Config(TEXT_PERTURBED, "text rows of these"),
    "photos": Config(PERTURBED, "photos of everybody that no model was trained on"),
    "selection": Config(PERTURBED, "further photos of everybody, for choosing settings"),
    "retain_text": Config(TEXT_PERTURBED, "text rows of retain90 with wrong answers"),
    "forget01_text": Config(TEXT_PERTURBED, "text rows of forget01 with wrong answers"),
    "forget05_text": Config(TEXT_PERTURBED, "text rows of forget05 with wrong answers"),
    "forget10_text": Config(TEXT_PERTURBED, "text rows of forget10 with wrong answers"),
}
HIDDEN_CONFIGS: dict[str, Config] = {
    "hidden": Config(HIDDEN, "other photos, captions and questions, only for the leaderboard's keeper"),
}
TEXT_CONFIGS: dict[str, Config] = {
    "full": Config(TEXT_ROWS, "questions about all authors"),
    **{forget: Config(TEXT_ROWS, f"authors of the {forget[-2:]} % to forget") for forget in FORGET},
    **{retain: Config(TEXT_ROWS, "everybody else") for retain in RETAIN_OF.values()},
    **{f"{forget}_perturbed": Config(TEXT_PERTURBED, "with wrong answers") for forget in FORGET},
    "retain_perturbed": Config(TEXT_PERTURBED, "some of retain90 with wrong answers"),
    "real_authors_perturbed": Config(TEXT_OPTIONS, "questions about real authors"),
    "world_facts_perturbed": Config(TEXT_OPTIONS, "questions about the world"),
}
