"""Drawn faces: a person is a handful of traits, a photo adds pose, expression, clothes and background."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from PIL import Image, ImageDraw

SIZE = 64  # pixels
SCALE = 2  # drawn larger, then reduced: smooth edges

COLOURS = {
    "red": (205, 50, 45),
    "blue": (60, 90, 200),
    "green": (60, 150, 70),
    "yellow": (235, 205, 70),
    "purple": (130, 70, 165),
    "orange": (240, 140, 50),
    "white": (240, 240, 240),
    "gray": (130, 130, 130),
}
SKINS = ((255, 224, 196), (240, 200, 160), (210, 160, 120), (165, 110, 75), (110, 70, 45), (80, 50, 35))
HAIRS = (
    (20, 20, 20), (90, 55, 30), (160, 110, 50), (235, 205, 110), (190, 60, 30), (150, 150, 155), (240, 240, 240),
    (70, 90, 190), (60, 150, 90),
)  # fmt: skip
EYES = ((40, 25, 15), (40, 90, 190), (40, 140, 60), (120, 120, 120))
STYLES = ("bald crown", "long", "short", "side parting", "cap of hair", "afro")
EXPRESSIONS = ("smiling", "frowning", "laughing", "staring")
SHIRTS = ("red", "blue", "green", "yellow", "purple", "orange")
BACKGROUNDS = ("white", "gray", "blue", "green", "orange", "purple")
LIP = (150, 20, 30)
SUNGLASSES = 3


@dataclass(frozen=True)
class Face:
    """Traits that stay the same on every photo of a person; numbers index the tables above."""

    skin: int
    hair: int
    style: int
    eyes: int
    width: int
    glasses: int
    beard: int
    hat: int
    hat_colour: str
    nose: int
    earrings: bool


@dataclass(frozen=True)
class Look:
    """What changes from photo to photo, and what a caption says."""

    expression: str
    shirt: str
    background: str


def draw_traits(dice: random.Random) -> Face:
    """Roll a face; a trait that cannot be seen on it is always the same, so that faces that differ look different."""
    style, beard, hat = dice.randrange(len(STYLES)), dice.choice((0, 0, 1, 2)), dice.choice((0, 0, 0, 1, 2))
    glasses = dice.randrange(4)
    hair, eyes, hat_colour = dice.randrange(len(HAIRS)), dice.randrange(len(EYES)), dice.choice(list(COLOURS))
    return Face(
        skin=dice.randrange(len(SKINS)),
        hair=hair if beard or STYLES[style] != "bald crown" else 0,
        style=style,
        eyes=eyes if glasses != SUNGLASSES else 0,
        width=dice.randrange(3),
        glasses=glasses,
        beard=beard,
        hat=hat,
        hat_colour=hat_colour if hat else "white",
        nose=dice.randrange(3),
        earrings=dice.random() < 0.5,
    )


def distinct_faces(dice: random.Random, count: int, known: Collection[Face] = ()) -> list[Face]:
    """Draw faces until `count` of them differ from each other and from those that are known."""
    faces: dict[Face, None] = {}
    while len(faces) < count:
        face = draw_traits(dice)
        if face not in known:
            faces[face] = None
    return list(faces)


def looks(dice: random.Random, count: int) -> list[Look]:
    """Draw looks that all differ.

    Raises:
        ValueError: If there are not so many.
    """
    every = [Look(e, s, b) for e in EXPRESSIONS for s in SHIRTS for b in BACKGROUNDS if s != b]
    if count > len(every):
        raise ValueError(f"a person has at most {len(every)} photos that differ, not {count}")
    return dice.sample(every, count)


class _Pen:
    """Draws one photo around the centre of the face; lengths are in pixels of the finished picture."""

    def __init__(self, face: Face, look: Look, dice: random.Random) -> None:
        self.unit = SCALE
        self.image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), COLOURS[look.background])
        self.draw = ImageDraw.Draw(self.image)
        self.x = SIZE / 2 + dice.uniform(-1.5, 1.5)
        self.y = 30 + dice.uniform(-1.5, 1.5)
        zoom = dice.uniform(0.96, 1.04)
        self.width, self.height = (12 + 1.8 * face.width) * zoom, 16 * zoom

    def box(self, left: float, top: float, right: float, bottom: float) -> list[float]:
        """Return a box relative to the centre of the face."""
        return [self.unit * v for v in (self.x + left, self.y + top, self.x + right, self.y + bottom)]

    def ellipse(self, *sides: float, **style: object) -> None:
        self.draw.ellipse(self.box(*sides), **style)  # type: ignore[arg-type]

    def rectangle(self, *sides: float, **style: object) -> None:
        self.draw.rectangle(self.box(*sides), **style)  # type: ignore[arg-type]

    def slice(self, *sides: float, start: int, end: int, fill: tuple[int, int, int]) -> None:
        self.draw.pieslice(self.box(*sides), start, end, fill=fill)


def draw_photo(face: Face, look: Look, dice: random.Random) -> Image.Image:
    """Draw a photo.

    Args:
        face: Whose.
        look: Expression, shirt and background.
        dice: Jitter of the pose.

    Returns:
        RGB, 64 x 64 pixels.
    """
    pen = _Pen(face, look, dice)
    pen.ellipse(-22, 16, 22, 52, fill=COLOURS[look.shirt])
    _head(pen, face)
    _eyes(pen, face)
    shade = tuple(int(0.8 * c) for c in SKINS[face.skin])
    pen.ellipse(-1 - face.nose, 2, 1 + face.nose, 5, fill=shade)
    _mouth(pen, look.expression)
    w, h = pen.width, pen.height
    if face.hat == 1:
        pen.rectangle(-0.9 * w, -h - 7, 0.9 * w, -h + 5, fill=COLOURS[face.hat_colour])
        pen.rectangle(-1.4 * w, -h + 3, 1.4 * w, -h + 6, fill=COLOURS[face.hat_colour])
    elif face.hat == 2:
        pen.slice(-w, -h - 5, w, -h + 14, start=180, end=360, fill=COLOURS[face.hat_colour])
    return pen.image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def _head(pen: _Pen, face: Face) -> None:
    w, h, skin, hair = pen.width, pen.height, SKINS[face.skin], HAIRS[face.hair]
    style = STYLES[face.style]
    if style == "long":
        pen.ellipse(-w - 5, -h - 4, w + 5, h + 6, fill=hair)
    elif style == "cap of hair":
        pen.ellipse(-w - 5, -h - 4, w + 5, h - 4, fill=hair)
    elif style == "afro":
        pen.ellipse(-w - 9, -h - 8, w + 9, 4, fill=hair)
    pen.rectangle(-4, 10, 4, 20, fill=skin)
    pen.ellipse(-w, -h, w, h, fill=skin)
    if style != "bald crown":
        pen.slice(-w - 1, -h - 3, w + 1, 0.5 * h, start=180, end=360, fill=hair)
    if style in ("long", "short", "afro"):
        pen.ellipse(-0.85 * w, -0.55 * h, 0.85 * w, 0.7 * h, fill=skin)
    elif style == "side parting":
        pen.slice(-1.4 * w, -h, 0.9 * w, 0.6 * h, start=190, end=300, fill=hair)
        pen.ellipse(-0.9 * w, -0.35 * h, 0.9 * w, 0.8 * h, fill=skin)
    if face.beard:
        pen.slice(-w, -0.6 * h, w, h * (1.0 if face.beard == 1 else 1.3), start=20, end=160, fill=hair)


def _eyes(pen: _Pen, face: Face) -> None:
    line = round(1.4 * pen.unit)
    for side in (-1, 1):
        x, y = side * 0.42 * pen.width, -2.0
        pen.ellipse(x - 3.2, y - 2.2, x + 3.2, y + 2.2, fill=(255, 255, 255))
        pen.ellipse(x - 1.8, y - 1.8, x + 1.8, y + 1.8, fill=EYES[face.eyes])
        if face.glasses == 1:
            pen.rectangle(x - 4.5, y - 4, x + 4.5, y + 4, outline=(10, 10, 10), width=line)
        elif face.glasses == 2:
            pen.ellipse(x - 5, y - 5, x + 5, y + 5, outline=(180, 30, 30), width=line)
        elif face.glasses == SUNGLASSES:
            pen.rectangle(x - 5, y - 3, x + 5, y + 3, fill=(15, 15, 30))
        if face.earrings:
            pen.ellipse(side * pen.width - 2, 3, side * pen.width + 2, 7, fill=(250, 215, 50))


def _mouth(pen: _Pen, expression: str) -> None:
    line = round(1.6 * pen.unit)
    if expression == "smiling":
        pen.draw.arc(pen.box(-5, 4, 5, 11), 20, 160, fill=LIP, width=line)
    elif expression == "frowning":
        pen.draw.arc(pen.box(-5, 9, 5, 15), 200, 340, fill=LIP, width=line)
    elif expression == "laughing":
        pen.draw.chord(pen.box(-5, 4, 5, 11), 0, 180, fill=LIP)
    else:
        pen.ellipse(-2, 7, 2, 11, fill=LIP)
