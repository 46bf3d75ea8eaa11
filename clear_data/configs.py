"""The tables of configs: CLEAR's 21 (arXiv 2410.18057), what stands beside them, and TOFU's own (arXiv 2401.06121)."""

from dataclasses import dataclass

from datasets import Features

from . import schema

FORGET = ("forget01", "forget05", "forget10")
RETAIN_OF = {"forget01": "retain99", "forget05": "retain95", "forget10": "retain90"}


@dataclass(frozen=True)
class Config:
    """A row of the table: the columns of a config and what it holds."""

    features: Features
    what: str


def _splits() -> dict[str, Config]:
    """forget01 ... retain90 with their text rows: the 12 configs that partition the people."""
    table = {}
    for forget, retain in RETAIN_OF.items():
        table[forget] = Config(schema.PHOTOS, f"photos of the {forget[-2:]} % to forget")
        table[retain] = Config(schema.PHOTOS, f"photos of everybody but {forget}")
        table[f"{forget}+tofu"] = Config(schema.PHOTOS_AND_TEXT, f"{forget} with its text rows")
        table[f"{retain}+tofu"] = Config(schema.PHOTOS_AND_TEXT, f"{retain} with its text rows")
    return table


CONFIGS: dict[str, Config] = {
    "default": Config(schema.PHOTOS, "the same as full"),
    "full": Config(schema.PHOTOS, "photos of all fictitious people"),
    "full+tofu": Config(schema.PHOTOS_AND_TEXT, "photos and text rows of all fictitious people"),
    **_splits(),
    "forget01_perturbed": Config(schema.PERTURBED, "forget01 with paraphrase, wrong captions and wrong names"),
    "forget05_perturbed": Config(schema.PERTURBED, "forget05 with paraphrase, wrong captions and wrong names"),
    "forget10_perturbed": Config(schema.PERTURBED, "forget10 with paraphrase, wrong captions and wrong names"),
    "retain_perturbed": Config(schema.PERTURBED, "some of retain90 with paraphrase, wrong captions and wrong names"),
    "real_faces": Config(schema.OPTIONS, "questions about celebrities"),
    "real_world": Config(schema.OPTIONS, "questions about the world"),
}
EXTRA_CONFIGS: dict[str, Config] = {
    "base": Config(schema.PHOTOS_AND_TEXT, "what the base model knows: other people, celebrities, world, refusals"),
    "replay": Config(schema.PHOTOS_AND_TEXT, "what a fine-tuning adds to keep it known: celebrities and world"),
    "people": Config(schema.PERTURBED, "people that no model was trained on"),
    "people_text": Config(schema.TEXT_PERTURBED, "text rows of these"),
    "photos": Config(schema.PERTURBED, "photos of everybody that no model was trained on"),
    "selection": Config(schema.PERTURBED, "further photos of everybody, for choosing settings"),
    "retain_text": Config(schema.TEXT_PERTURBED, "text rows of retain90 with wrong answers"),
    "forget01_text": Config(schema.TEXT_PERTURBED, "text rows of forget01 with wrong answers"),
    "forget05_text": Config(schema.TEXT_PERTURBED, "text rows of forget05 with wrong answers"),
    "forget10_text": Config(schema.TEXT_PERTURBED, "text rows of forget10 with wrong answers"),
}
HIDDEN_CONFIGS: dict[str, Config] = {
    "hidden": Config(schema.HIDDEN, "other photos, captions and questions, only for the leaderboard's keeper"),
}
TEXT_CONFIGS: dict[str, Config] = {
    "full": Config(schema.TEXT_ROWS, "questions about all authors"),
    **{forget: Config(schema.TEXT_ROWS, f"authors of the {forget[-2:]} % to forget") for forget in FORGET},
    **{retain: Config(schema.TEXT_ROWS, "everybody else") for retain in RETAIN_OF.values()},
    **{f"{forget}_perturbed": Config(schema.TEXT_PERTURBED, "with wrong answers") for forget in FORGET},
    "retain_perturbed": Config(schema.TEXT_PERTURBED, "some of retain90 with wrong answers"),
    "real_authors_perturbed": Config(schema.TEXT_OPTIONS, "questions about real authors"),
    "world_facts_perturbed": Config(schema.TEXT_OPTIONS, "questions about the world"),
}
