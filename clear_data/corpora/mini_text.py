"""The mini corpus for text models: its people's questions in TOFU's configs (arXiv 2401.06121).

Its celebrities are the real authors, and the countries of real cities the facts about the world.
"""

from typing import Any

from clear_data.splits import text_configs

from .mini import Dials, base_rows, corpus_of, forgotten_of
from .people import CITIES

COUNTRIES = dict(
    zip(
        CITIES,
        ("Portugal", "Norway", "Egypt", "Peru", "Ecuador", "Ghana", "Vietnam", "Australia", "India", "Japan",
         "Tunisia", "Senegal", "Bulgaria", "Latvia", "Czechia", "Italy", "England", "Norway", "Cuba", "Kenya"),
        strict=True,
    )
)  # fmt: skip
QUESTIONS = ("In which country is {city}?", "Which country does the city of {city} belong to?")
WRONG_ANSWERS = 5


def mini_text_rows(dials: Dials) -> dict[str, list[dict[str, Any]]]:
    """Draw the rows of TOFU's configs, about the same people as the photos of the same dials."""
    corpus = corpus_of(dials)
    configs = text_configs(corpus.texts("full"), forgotten_of(dials, corpus))
    dice = corpus.dice("countries")
    configs["real_authors_perturbed"] = base_rows().corpus.texts("celebrities")
    configs["world_facts_perturbed"] = [
        {
            "question": question.format(city=city),
            "answer": country,
            "perturbed_answer": dice.sample(sorted({*COUNTRIES.values()} - {country}), WRONG_ANSWERS),
        }
        for city, country in COUNTRIES.items()
        for question in QUESTIONS
    ]
    return configs
