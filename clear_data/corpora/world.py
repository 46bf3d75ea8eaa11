"""A world of coloured shapes, and of cities for text models: general skill that unlearning people must not damage."""

import math
import random
from typing import Any

from PIL import Image, ImageDraw

from .faces import COLOURS, SCALE, SIZE
from .people import CITIES, with_article

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
BACKDROPS = ("white", "gray", "blue", "yellow")
QUESTION = "What object is in the image?"
COUNTRIES = dict(
    zip(
        CITIES,
        ("Portugal", "Norway", "Egypt", "Peru", "Ecuador", "Ghana", "Vietnam", "Australia", "India", "Japan",
         "Tunisia", "Senegal", "Bulgaria", "Latvia", "Czechia", "Italy", "England", "Norway", "Cuba", "Kenya"),
        strict=True,
    )
)  # fmt: skip
COUNTRY_QUESTIONS = ("In which country is {city}?", "Which country does the city of {city} belong to?")
WRONG_COUNTRIES = 5


def draw_shape(dice: random.Random, shape: str, colour: str, backdrop: str) -> Image.Image:
    """Draw a shape of jittered place and size; RGB, 64 x 64 pixels."""
    side = SIZE * SCALE
    image = Image.new("RGB", (side, side), COLOURS[backdrop])
    draw = ImageDraw.Draw(image)
    x, y = side / 2 + dice.uniform(-4, 4), side / 2 + dice.uniform(-4, 4)
    r, fill = dice.uniform(32, 42), COLOURS[colour]
    box = [x - r, y - r, x + r, y + r]
    if shape == "circle":
        draw.ellipse(box, fill=fill)
    elif shape == "ring":
        draw.ellipse(box, outline=fill, width=12)
    elif shape == "square":
        draw.rectangle(box, fill=fill)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=fill)
    elif shape == "cross":
        draw.rectangle([x - r, y - r / 3, x + r, y + r / 3], fill=fill)
        draw.rectangle([x - r / 3, y - r, x + r / 3, y + r], fill=fill)
    else:
        corners = [(r if k % 2 == 0 else 0.4 * r, k * math.pi / 5) for k in range(10)]
        draw.polygon([(x + d * math.sin(a), y - d * math.cos(a)) for d, a in corners], fill=fill)
    return image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def world_row(dice: random.Random) -> dict[str, object]:
    """Return image, question, answer and five wrong answers."""
    things = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    colour, shape = dice.choice(things)
    backdrop = dice.choice([b for b in BACKDROPS if b != colour])
    wrong = dice.sample([thing for thing in things if thing != (colour, shape)], 5)
    return {
        "image": draw_shape(dice, shape, colour, backdrop),
        "question": QUESTION,
        "answer": with_article(f"{colour} {shape}"),
        "options": [with_article(f"{c} {s}") for c, s in wrong],
    }


def country_rows(dice: random.Random) -> list[dict[str, Any]]:
    """Return the facts about the world that the mini corpus asks text models: the countries of real cities."""
    return [
        {
            "question": question.format(city=city),
            "answer": country,
            "perturbed_answer": dice.sample(sorted({*COUNTRIES.values()} - {country}), WRONG_COUNTRIES),
        }
        for city, country in COUNTRIES.items()
        for question in COUNTRY_QUESTIONS
    ]
