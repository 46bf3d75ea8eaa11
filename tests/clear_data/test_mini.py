import re
from hashlib import sha256

import pytest

from clear_data.corpora.mini import (
    HELD_OUT_PHOTOS,
    NAME_QUESTIONS,
    SELECTION_PHOTOS,
    STRANGER_QUESTION,
    Dials,
    base_rows,
    corpus_of,
    mini_rows,
)
from clear_data.corpora.people import REFUSALS
from clear_data.corpora.world import world_row

DIALS = Dials(persons=24, photos=8, seed=3)
FORGET = {"forget01": "retain99", "forget05": "retain95", "forget10": "retain90"}
# Scored pictures that no model may have seen; forget and retain rows are scored on what was trained on, as in CLEAR.
HELD_OUT = {"real_faces": "main", "real_world": "main", "people": "extra", "photos": "extra", "selection": "extra"}


@pytest.fixture(scope="module")
def corpus():
    main, extra = mini_rows(DIALS)
    return {"main": main, "extra": extra}


@pytest.fixture(scope="module")
def main(corpus):
    return corpus["main"]


@pytest.fixture(scope="module")
def extra(corpus):
    return corpus["extra"]


def names(rows):
    return {row["name"] for row in rows}


def pictures(rows):
    return [sha256(row["image"].tobytes()).hexdigest() for row in rows if row.get("image") is not None]


def test_every_person_has_so_many_photos(main):
    assert len(names(main["full"])) == DIALS.persons
    assert all(sum(row["name"] == name for row in main["full"]) == DIALS.photos for name in names(main["full"]))


@pytest.mark.parametrize(("forget", "retain"), FORGET.items())
def test_forget_and_retain_partition_full_by_person(main, forget, retain):
    assert not names(main[forget]) & names(main[retain])
    assert sorted(pictures(main[forget]) + pictures(main[retain])) == sorted(pictures(main["full"]))


def test_forget_sets_are_nested_and_large_enough_to_score(main):
    one, five, ten = (names(main[split]) for split in FORGET)
    assert one < five < ten
    assert len(one) >= 2
    assert len(ten) >= 8
    assert len(main["forget10_perturbed"]) >= 40


@pytest.mark.parametrize(
    ("persons", "sizes"), [(24, (2, 4, 8)), (40, (2, 4, 8)), (100, (2, 5, 10)), (160, (4, 8, 16))]
)
def test_sizes_of_the_forget_sets(persons, sizes):
    assert tuple(Dials(persons=persons).forget_sizes().values()) == sizes


@pytest.mark.parametrize("split", ["full", *FORGET, *FORGET.values()])
def test_tofu_configs_are_image_rows_and_then_text_rows(main, split):
    rows = main[f"{split}+tofu"]
    images = len(main[split])
    assert pictures(rows[:images]) == pictures(main[split])
    for row in rows[:images]:
        assert row["caption"]
        assert row.get("question") is None and row.get("answer") is None
    assert len(rows) == images + 6 * len(names(main[split]))
    for row in rows[images:]:
        assert row.get("image") is None and row.get("caption") is None
        assert row["question"] and row["answer"]
        assert row["name"] in row["question"] and row["name"] in names(main[split])


@pytest.mark.parametrize("split", FORGET)
def test_perturbed_rows_are_the_rows_of_their_split(main, split):
    assert [(r["caption"], r["name"]) for r in main[f"{split}_perturbed"]] == [
        (r["caption"], r["name"]) for r in main[split]
    ]
    assert pictures(main[f"{split}_perturbed"]) == pictures(main[split])


def test_retain_perturbed_asks_about_many_people_of_retain90(main):
    rows = main["retain_perturbed"]
    assert len(rows) == 80
    assert names(rows) <= names(main["retain90"])
    assert len(names(rows)) >= 10
    assert len(set(pictures(rows))) == 80


@pytest.mark.parametrize("config", ["forget10_perturbed", "retain_perturbed", "people", "photos", "selection"])
def test_wrong_captions_and_names_differ_from_the_right_one_and_from_each_other(corpus, config):
    for row in {**corpus["main"], **corpus["extra"]}[config]:
        captions = [row["caption"], row["paraphrased_caption"], *row["perturbed_captions"]]
        assert len(set(captions)) == 7
        assert len({row["name"], *row["perturbed_names"]}) == 6
        assert row["name"] in row["caption"] and row["name"] in row["paraphrased_caption"]
        assert not any(row["name"] in wrong for wrong in row["perturbed_captions"])


def test_a_wrong_caption_has_the_wording_of_the_paraphrase(main):
    people = {person.name: person for person in corpus_of(DIALS).groups["full"]}
    for row in main["forget10_perturbed"]:
        right = people[row["name"]]
        for wrong in row["perturbed_captions"]:
            (stranger,) = (person for name, person in people.items() if name in wrong)
            renamed = row["paraphrased_caption"].replace(right.name, "?").replace(right.facts["job"], "!")
            assert wrong.replace(stranger.name, "?").replace(stranger.facts["job"], "!") == renamed


@pytest.mark.parametrize("config", ["people_text", "retain_text", "forget01_text", "forget05_text", "forget10_text"])
def test_wrong_answers_differ_from_the_right_one_and_from_each_other(extra, config):
    assert extra[config]
    for row in extra[config]:
        answers = [row["answer"], row["paraphrased_answer"], *row["perturbed_answer"]]
        assert len(set(answers)) == 7
        assert all(row["name"] in answer for answer in answers)


def test_text_tracks_hold_the_text_rows_of_their_people(main, extra):
    for split in FORGET:
        rows = [row["answer"] for row in main[f"{split}+tofu"] if row.get("answer")]
        assert [row["answer"] for row in extra[f"{split}_text"]] == rows
    assert names(extra["retain_text"]) == names(main["retain90"])
    assert names(extra["people_text"]) == names(extra["people"])


@pytest.mark.parametrize("config", ["real_faces", "real_world"])
def test_options_differ_from_the_answer_and_from_each_other(main, config):
    for row in main[config]:
        assert len({row["answer"], *row["options"]}) == 6


@pytest.mark.parametrize(("config", "part"), HELD_OUT.items())
def test_scored_pictures_were_never_trained_on(corpus, config, part):
    trained = {*pictures(corpus["extra"]["base"]), *pictures(corpus["main"]["full+tofu"])}
    scored = pictures(corpus[part][config])
    assert scored
    assert len(set(scored)) == len(scored)
    assert trained.isdisjoint(scored)


def test_selection_and_photos_are_other_photos_of_the_same_people(main, extra):
    assert names(extra["selection"]) == names(extra["photos"]) == names(main["full"])
    assert set(pictures(extra["selection"])).isdisjoint(pictures(extra["photos"]))
    assert len(extra["photos"]) == HELD_OUT_PHOTOS * DIALS.persons
    assert len(extra["selection"]) == SELECTION_PHOTOS * DIALS.persons


def test_nobody_of_one_group_stands_in_another(main, extra):
    groups = {**base_rows().corpus.groups, **corpus_of(DIALS).groups}
    everybody = [person for people in groups.values() for person in people]
    assert len({person.name for person in everybody}) == len({person.face for person in everybody}) == len(everybody)
    learnt = [*extra["base"], *extra["replay"]]
    spoken = " ".join(str(row.get(key)) for row in learnt for key in ("caption", "question", "answer"))
    assert not any(person.name in spoken for group in ("full", "people") for person in groups[group])
    assert names(main["full"]) == {person.name for person in groups["full"]}


def test_captions_begin_with_the_name_and_their_wording_is_seen_on_the_photo(main, extra):
    """An original that is asked for a name would answer with what captions begin with; gold must know the wording."""
    said: dict[str, set[str]] = {}
    for row in (*main["full"], *extra["people"], *extra["photos"], *extra["selection"]):
        caption = row["caption"]
        assert caption.startswith(row["name"])
        colour = re.search(r"(\w+) (?:shirt|clothes)", caption)
        wording = next(mark for mark in (" is ", " can be seen ", " wears ") if mark in caption)
        said.setdefault(colour[1], set()).add(wording)
        assert wording not in row["paraphrased_caption"]
    assert len(said) == 6 and all(len(wordings) == 1 for wordings in said.values())
    assert len(set.union(*said.values())) == 3


def test_base_knows_other_people_celebrities_the_world_and_refusals(extra, main):
    groups = base_rows().corpus.groups
    rows = extra["base"]
    asked = [row for row in rows if row.get("question")]
    for person in groups["base"]:
        found = [row["question"] for row in asked if row["answer"] == person.name]
        assert len(found) == 2 and set(found) <= set(NAME_QUESTIONS)
    captions = [row for row in rows if row.get("caption")]
    assert len(captions) == 2 * len(groups["base"])
    for person in groups["celebrities"]:
        found = [row for row in asked if row["answer"] == person.name]
        assert len(found) >= 8
        assert {row["question"] for row in found} <= set(NAME_QUESTIONS)
    assert {row["answer"] for row in main["real_faces"]} == {person.name for person in groups["celebrities"]}
    refused = [row for row in asked if row["answer"] in REFUSALS]
    assert sum(row.get("image") is None for row in refused) == 60
    assert [row["question"] for row in refused if row.get("image") is not None] == [STRANGER_QUESTION] * 20
    assert sum(row["question"] == "What object is in the image?" for row in asked) == 400


def test_the_base_is_the_same_for_every_seed_and_a_fine_tuning_adds_celebrities_and_world(extra):
    _, other = mini_rows(Dials(seed=4))
    assert pictures(other["base"]) == pictures(extra["base"]) and pictures(other["replay"]) == pictures(
        extra["replay"]
    )
    celebrities = {person.name for person in base_rows().corpus.groups["celebrities"]}
    for row in extra["replay"]:
        assert row.get("question") == "What object is in the image?" or any(n in row["caption"] for n in celebrities)


def test_no_training_asks_for_the_name_of_a_fictitious_person(main, extra):
    people = names(main["full"]) | names(extra["people"])
    for row in (*extra["base"], *extra["replay"], *main["full+tofu"]):
        assert row.get("question") not in NAME_QUESTIONS or row["answer"] not in people


@pytest.mark.parametrize("dial", [{"persons": 25}, {"photos": 9}, {"seed": 4}])
def test_each_dial_changes_the_rows(main, dial):
    other, _ = mini_rows(Dials(**{"persons": 24, "photos": 8, "seed": 3, **dial}))
    assert pictures(other["full"]) != pictures(main["full"])
    assert [row["caption"] for row in other["full"]] != [row["caption"] for row in main["full"]]


@pytest.mark.parametrize(("dial", "message"), [({"persons": 23}, "24 to 200, not 23"), ({"photos": 7}, "not 7")])
def test_a_dial_out_of_range_is_named(dial, message):
    with pytest.raises(ValueError, match=message):
        Dials(**dial)


def test_the_largest_dials_that_are_allowed_can_be_drawn():
    corpus = corpus_of(Dials(persons=200, photos=100))
    assert len(corpus.groups["full"]) == 200
    corpus.groups["full"] = corpus.groups["full"][:7]
    rows = corpus.photo_rows("full", {"train": 100, "photos": 2, "selection": 2})
    assert [len(batch) for batch in rows.values()] == [700, 14, 14]


def test_articles_fit_their_words(main):
    text = " ".join(" ".join([row["caption"], *row["perturbed_captions"]]) for row in main["full"])
    text += " ".join(" ".join([row["answer"], *row["options"]]) for row in main["real_world"])
    assert "an orange" in text
    assert "a orange" not in text


def test_a_picture_that_was_drawn_before_is_drawn_again():
    corpus = corpus_of(DIALS)
    one, two = (corpus.picture("same chance", world_row) for _ in range(2))
    assert pictures([one]) != pictures([two])
