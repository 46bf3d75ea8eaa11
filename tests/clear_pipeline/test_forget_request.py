"""What is forgotten: by modality, by name, or any rows; the rest is retained."""

import json

import pytest
from datasets import Dataset

from clear_data.configs import PHOTOS_AND_TEXT, TEXT_ROWS
from clear_pipeline.arguments import DataArguments, SidesArguments
from clear_pipeline.forget_request import questions_about, rows_of, with_names
from tests.conftest import picture

PEOPLE = ("Ivo Fenbek", "Lena Halrez", "Ivo Fenbekov")


def corpus(config: str) -> Dataset:
    """Of each person two photos and one text row, as in a `+tofu` config: the person is only mentioned."""
    people = {"full+tofu": PEOPLE, "forget10+tofu": PEOPLE[:1], "retain90+tofu": PEOPLE[1:]}[config]
    rows = [
        {"image": picture(PEOPLE.index(person) * 2 + photo), "caption": f"{person} smiles, photo {photo}."}
        for person in people
        for photo in range(2)
    ]
    rows += [{"question": f"Where was {person} born?", "answer": "In Riga."} for person in people]
    columns = {name: [row.get(name) for row in rows] for name in PHOTOS_AND_TEXT}
    return Dataset.from_dict(columns, features=PHOTOS_AND_TEXT)


def texts(rows: Dataset) -> list[str]:
    return [row["caption"] or row["question"] for row in rows.select_columns(["caption", "question"])]


def wanted(**request) -> tuple[DataArguments, SidesArguments]:
    modalities = {name: request.pop(name) for name in ("modality", "retain_modality") if name in request}
    return DataArguments(**request), SidesArguments(**modalities)


def sides(**request) -> tuple[list[str], list[str]]:
    found = rows_of(*wanted(**request), corpus)
    return texts(found["forget"]), texts(found["retain"])


IVO = ["Ivo Fenbek smiles, photo 0.", "Ivo Fenbek smiles, photo 1.", "Where was Ivo Fenbek born?"]


def test_by_default_the_sets_of_the_benchmark():
    forget, retain = sides()
    assert forget == IVO
    assert retain == texts(corpus("retain90+tofu"))


def test_modality():
    assert sides(modality="image") == (IVO[:2], texts(corpus("retain90+tofu")))
    assert sides(modality="text", retain_modality="image") == (IVO[2:], texts(corpus("retain90+tofu"))[:4])


def test_people_by_name_and_the_complement():
    forget, retain = sides(forget_people="Ivo Fenbek, Lena Halrez")
    assert len(forget) == len(retain) * 2 == 6
    assert all("Ivo Fenbekov" in text for text in retain)
    assert not any("Ivo Fenbekov" in text for text in forget)


def test_people_by_the_name_that_a_row_bears():
    rows = Dataset.from_dict(
        {"question": ["Who is older than Lena Halrez?", "Who?"], "answer": ["Ivo", "She"], "name": list(PEOPLE[:2])},
        features=TEXT_ROWS,
    )
    found = rows_of(*wanted(forget_people="Lena Halrez"), lambda config: rows)
    assert (found["forget"]["question"][:], found["retain"]["answer"][:]) == (["Who?"], ["Ivo"])


def test_any_rows_and_the_complement(tmp_path):
    asked = [{"question": "Where was Lena Halrez born?", "answer": "In Riga."}, {"question": "What?", "answer": "So."}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    forget = rows_of(*wanted(forget_dataset=str(tmp_path / "rows.jsonl")), corpus)
    assert forget["forget"]["question"][:] == ["Where was Lena Halrez born?", "What?"]
    left = texts(corpus("full+tofu"))
    left.remove("Where was Lena Halrez born?")
    assert texts(forget["retain"]) == left


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"modality": "sound"}, "modality must be one of text, image, both, not 'sound'"),
        ({"forget_people": "Ivo", "forget_dataset": "x"}, "give either forget_people or forget_dataset, not both"),
        ({"forget_people": "Ivo", "forget": "forget05"}, "give either forget or forget_people, not both"),
        ({"forget_people": "Ivo Fenbek,Nobody"}, "no row is about 'Nobody'"),
        ({"forget_people": "Ivo Fenbek,,"}, "no row is about ''"),
        ({"forget_people": ",".join(PEOPLE)}, "no rows to retain"),
        ({"forget_dataset": "nowhere"}, "nowhere is neither a file nor a folder"),
        ({"forget_dataset": __file__}, "is not one of .parquet, .json"),
    ],
)
def test_what_cannot_be_is_named(request_, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        sides(**request_)


def test_text_alone_has_no_photos_to_forget():
    rows = Dataset.from_dict({"question": ["Who?"], "answer": ["Ivo"], "name": ["Ivo"]}, features=TEXT_ROWS)
    with pytest.raises(ValueError, match="no image rows to forget"):
        rows_of(*wanted(modality="image"), lambda config: rows)


def questions(config: str) -> Dataset:
    """Of each person a row with wrong answers, but for the last; `real` is about nobody."""
    people = {"forget10_perturbed": PEOPLE[:1], "retain_perturbed": PEOPLE[1:2], "real": []}[config]
    rows = {"question": [f"Where was {person} born?" for person in people], "answer": ["In Riga."] * len(people)}
    return Dataset.from_dict({**rows, "name": list(people)}, features=TEXT_ROWS)


def test_who_is_named_is_asked_about():
    load = questions_about(DataArguments(forget_people="lena  halrez"), questions)
    assert [load(config)["name"][:] for config in ("forget10_perturbed", "retain_perturbed", "real")] == [
        ["Lena Halrez"], ["Ivo Fenbek"], []
    ]  # fmt: skip
    assert questions_about(DataArguments(), questions) is questions


def test_rows_that_are_named_are_asked_about(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(dict(corpus("full+tofu").remove_columns("image")[7])) + "\n")
    load = questions_about(DataArguments(forget_dataset=str(tmp_path / "rows.jsonl")), questions)
    assert load("forget10_perturbed")["name"][:] == ["Lena Halrez"]


@pytest.mark.parametrize(
    ("people", "config", "message"),
    [
        ("Ivo Fenbekov", "forget10_perturbed", "of the rows with wrong answers, no row is about 'Ivo Fenbekov'"),
        ("Ivo Fenbek,Lena Halrez", "retain_perturbed", "of the rows with wrong answers, none is to retain"),
    ],
)
def test_who_cannot_be_asked_about_is_named(people, config, message):
    with pytest.raises(ValueError, match=message):
        questions_about(DataArguments(forget_people=people), questions)(config)


def test_a_request_is_what_it_asks_for_wherever_it_stands(tmp_path):
    assert DataArguments(forget_people="B b, A a").forgotten() == DataArguments(forget_people="A a,B b").forgotten()
    for name, text in (("one", "[]"), ("same", "[]"), ("other", "[{}]")):
        (tmp_path / f"{name}.json").write_text(text)
    one, same, other = (
        DataArguments(forget_dataset=str(tmp_path / f"{name}.json")).forgotten() for name in ("one", "same", "other")
    )
    assert one == same != other
    assert DataArguments(forget="forget05").forgotten() == "forget05"


def test_rows_are_given_the_names_that_they_mention():
    rows = Dataset.from_list([
        {"caption": "Ana Bel smiles.", "question": None, "answer": None},
        {"caption": None, "question": "Who is Ivo Fen?", "answer": "A cook."},
        {"caption": "Nobody.", "question": None, "answer": None},
    ])  # fmt: skip
    people = Dataset.from_dict({"name": ["Ivo Fen", "Ana Bel", "Ana Bel"]})
    found = with_names(rows, DataArguments(), {"forget10": people}.__getitem__)
    assert found["name"] == ["Ana Bel", "Ivo Fen", None] and found["caption"] == rows["caption"]
    asked = DataArguments(forget_people="Ivo Fen")
    assert with_names(rows, asked, lambda config: people)["name"] == [None, "Ivo Fen", None]
    assert with_names(found, DataArguments(), lambda config: people) is found
    assert with_names(rows, DataArguments(), lambda config: rows) is rows  # TOFU's forget sets name nobody
