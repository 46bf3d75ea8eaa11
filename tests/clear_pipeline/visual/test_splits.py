"""Who is trained on what, and recipes: halves, roles, bad input."""

import pytest
import yaml

from clear_pipeline.visual.arguments import Pretraining, VisualArguments, demo_arguments, read_recipe
from clear_pipeline.visual.splits import as_json, check_photos, draw_splits, from_json, holdout_people

PEOPLE = [f"person {i}" for i in range(20)]
FORGET, HOLDOUT = PEOPLE[:4], PEOPLE[4:8]


def test_halves_and_roles():
    splits = draw_splits(PEOPLE, FORGET, HOLDOUT, 8, 5, seed=1)
    assert [split.role for split in splits] == ["target", "target", "shadow", "shadow"] * 2
    assert all(split.forget == tuple(FORGET) and split.unseen == tuple(HOLDOUT) for split in splits[:4])
    assert all(split.forget == tuple(HOLDOUT) and split.unseen == tuple(FORGET) for split in splits[4:])
    assert all(len(set(split.retain)) == 5 and set(split.retain) <= set(PEOPLE[8:]) for split in splits)
    assert len({split.retain for split in splits}) > 1
    assert splits == draw_splits(PEOPLE, FORGET, HOLDOUT, 8, 5, seed=1) == from_json(as_json(splits))
    assert len(draw_splits(PEOPLE, FORGET, HOLDOUT, 8, None, seed=1)[0].retain) == 6


def test_holdout_people_are_drawn_by_the_seed():
    drawn = holdout_people(PEOPLE, FORGET, "forget10", seed=1)
    assert len(drawn) == 4 and not set(drawn) & set(FORGET)
    assert drawn == holdout_people(PEOPLE, FORGET, "forget10", seed=1) != holdout_people(PEOPLE, FORGET, "forget10", 2)


def test_bad_people_are_named():
    with pytest.raises(ValueError, match="person 3: in both the forget and the holdout set"):
        draw_splits(PEOPLE, FORGET, PEOPLE[3:7], 8, None, 0)
    with pytest.raises(ValueError, match="no photos of nobody"):
        draw_splits(PEOPLE, [*FORGET, "nobody"], HOLDOUT, 8, None, 0)
    with pytest.raises(ValueError, match="retain_people must be 1 to 12, those in neither set, not 13"):
        draw_splits(PEOPLE, FORGET, HOLDOUT, 8, 13, 0)
    with pytest.raises(ValueError, match=r"1 people have too few photos for enrolment \(5, and one .*: b \(5\)"):
        check_photos({"a": range(6), "b": range(5)})
    with pytest.raises(ValueError, match="4 people to forget leave 4"):
        holdout_people(PEOPLE[:8], FORGET, "forget10", 0)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"models": 6}, "models must be 8 or more and a multiple of 4"),
        ({"methods": ("original", "twins")}, "must include gold"),
        ({"methods": ("original", "gold", "hope")}, "unknown method 'hope'; choose from original, gold"),
        ({"forget": "forget50"}, "unknown forget set 'forget50'"),
        ({"persons": 3}, "persons must be 24 to 200"),
        ({"settings": {"hope": {}}}, "unknown method 'hope'"),
        ({"sigma": "wide"}, "sigma must be example or shared, not 'wide'"),
        ({"settings": {"twins": {"hope": 1}}}, "settings: twins: unknown setting 'hope' of TwinsConfig; it has"),
        ({"size": 0}, "size must be 8 or more pixels, not 0"),
    ],
)
def test_bad_arguments_are_named(tmp_path, dials, message):
    with pytest.raises(ValueError, match=message):
        VisualArguments(tmp_path, **dials)


def test_recipes(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"models": 8, "methods": ["original", "gold"], "pretraining": {"people": 3}}))
    arguments = read_recipe(path, tmp_path / "run")
    assert arguments.models == 8 and arguments.methods == ("original", "gold")
    assert arguments.pretraining == Pretraining(people=3) and arguments.output == tmp_path / "run"
    assert str(read_recipe(path).output) == "runs/mine"
    for content, message in (
        ("modles: 8", "unknown key 'modles'; valid: output, dataset"),
        ("[1", "is not YAML"),
        ("3", "expected a mapping of keys to values, not 3"),
        (
            "pretraining: {settings: {learning_rat: 1}}",
            "pretraining: unknown setting 'learning_rat' of GoldConfig; it has",
        ),
        ("models: 1e-2", "models must be a whole number, not 0.01"),  # a number, not a text
        ("methods: [original, gold, scurb]", "unknown method 'scurb'; did you mean 'scrub'"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            read_recipe(path)
    with pytest.raises(FileNotFoundError, match="no recipe at"):
        read_recipe(tmp_path / "none.yaml")
    assert demo_arguments(tmp_path, seed=3).dials()["seed"] == 3
