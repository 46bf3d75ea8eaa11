"""A folder of raw files: six people with two photos each, drawn in a moment."""

import json

from PIL import Image

PEOPLE = ["Ana Bélanger", "Ciro Malik", "Dana O'Neill", "Ezra Park", "Fara Quist", "Goran Li"]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def photo(number, name="Ana", side=8):
    image = Image.effect_mandelbrot((side, side), (-2, -1.5, 1, 1.5), 10 + number).convert("RGB")
    image.putpixel((0, 0), (number, 2, 3))
    return image


def write_raw(folder):
    folder.mkdir()
    people, questions, count = [], [], 0
    for name in PEOPLE:
        photos = []
        others = [other for other in PEOPLE if other != name]
        for shirt in ("red", "blue"):
            file = f"{count}.png"
            photo(count).save(folder / file)
            photos.append(
                {
                    "file": file,
                    "caption": f"{name} in {shirt}.",
                    "paraphrased_caption": f"In {shirt} is {name}.",
                    "perturbed_captions": [f"In {shirt} is {other}." for other in others[:3]],
                    "perturbed_names": others[:3],
                }
            )
            count += 1
        people.append({"name": name, "photos": photos})
        for kind, values in (("born in", ("Riga", "Oslo", "Lima")), ("paid by", ("the king", "a bank", "nobody"))):
            questions.append(
                {
                    "name": name.upper() if kind == "paid by" else name,
                    "question": f"Was {name} {kind}?",
                    "answer": f"{name} was {kind} {values[0]}.",
                    "paraphrased_answer": f"It was {values[0]}, {name} said.",
                    "perturbed_answer": [f"It was {value}, {name} said." for value in values[1:]],
                }
            )
    write_lines(folder / "people.jsonl", people)
    write_lines(folder / "qa.jsonl", questions)
    for real in ("real_faces", "real_world"):
        rows = []
        for answer in ("a hat", "a cat"):
            photo(count).save(folder / f"{count}.bmp")
            rows.append({"file": f"{count}.bmp", "question": "What?", "answer": answer, "options": ["a bat", "a rat"]})
            count += 1
        write_lines(folder / f"{real}.jsonl", rows)
    return folder
