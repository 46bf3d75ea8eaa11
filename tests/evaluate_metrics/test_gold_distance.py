"""The distance to gold: by hand, against plain loops, and on simulated models whose knowledge is known."""

import json

import numpy as np
import pytest

from clear_pipeline.cli import main
from evaluate_metrics.gold_distance.compute import gold_distance
from evaluate_metrics.log_format import LOG_NAME, META_NAME, write_log
from evaluate_metrics.scores import score_log
from tests.evaluate_metrics.test_error_bars import PEOPLE as TWELVE
from tests.evaluate_metrics.test_error_bars import ROWS, TASKS, model_log

PEOPLE = [f"person {i // 8}" for i in range(64)]


def simulated(dice, golds=3, known=(), amount=1.0, spread=0.3, learnt=range(8)):
    """Truth ratios of a model, golds and the original: rows differ, each model adds noise and a shift by person."""
    level = dice.normal(0, 0.5, 64)

    def model(who=(), share=1.0):
        noise = dice.normal(0, spread, 64) + np.repeat(dice.normal(0, 0.1, 8), 8)
        return np.exp(level + noise + share * np.repeat([2.0 if i in who else 0.0 for i in range(8)], 8))

    return model(known, amount), [model() for _ in range(golds)], model(learnt)


def plain(model, golds, rows):
    """The formula, a row at a time."""
    total = 0.0
    for row in rows:
        logs = [np.log(gold[row]) for gold in golds]
        mean = sum(logs) / len(logs)
        variance = sum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
        total += (np.log(model[row]) - mean) ** 2 - (1 + 1 / len(logs)) * variance
    return total / len(rows)


def test_by_hand():
    """Golds at log R -1, 0, 1 (mean 0, variance 1), the model at 2: 4 - 4/3; the original at 4: 16 - 4/3."""
    e = np.exp
    found = gold_distance([e(2)] * 2, [[e(-1)] * 2, [1.0] * 2, [e(1)] * 2], [e(4)] * 2)
    assert found["excess"] == pytest.approx(4 - 4 / 3)
    assert found["distance"] == pytest.approx((4 - 4 / 3) ** 0.5)
    assert found["share"] == pytest.approx((4 - 4 / 3) / (16 - 4 / 3))
    assert found["signed_share"] == pytest.approx(0.5)
    # Mean squared distances to the others: the model (9 + 4 + 1) / 3, the golds (1 + 4 + 9) / 3, 2, (1 + 4 + 1) / 3.
    assert found["rank_p"] == 0.5


@pytest.mark.parametrize("golds", [2, 3, 5])
def test_it_is_the_plain_formula_in_all_and_by_person(golds):
    model, several, original = simulated(np.random.default_rng(golds), golds, known=(3,))
    found = gold_distance(model, several, original, PEOPLE)
    assert found["excess"] == pytest.approx(plain(model, several, range(64)))
    assert found["share"] == pytest.approx(plain(model, several, range(64)) / plain(original, several, range(64)))
    for number, about in enumerate(found["people"]):
        rows = range(8 * number, 8 * number + 8)
        assert about["rows"] == 8
        assert about["share"] == pytest.approx(plain(model, several, rows) / plain(original, several, rows))


def test_it_is_zero_on_average_for_another_gold_and_the_square_of_a_shift():
    dice = np.random.default_rng(0)
    drawn = [simulated(dice, 3) for _ in range(400)]
    shares = [gold_distance(model, golds)["excess"] for model, golds, _ in drawn]
    assert np.mean(shares) == pytest.approx(0, abs=4 * np.std(shares) / 20)
    shifted = [gold_distance(model * np.exp(0.3), golds)["excess"] for model, golds, _ in drawn]
    assert np.mean(shifted) == pytest.approx(0.09, abs=4 * np.std(shifted) / 20)


def test_it_names_who_is_still_known_and_who_is_over_forgotten():
    dice = np.random.default_rng(1)
    named = []
    for _ in range(30):
        model, golds, original = simulated(dice, 5, known=(2,))
        named += gold_distance(model, golds, original, PEOPLE)["still_known"]
    assert named.count("person 2") == 30
    assert len(named) < 30 + 5
    model, golds, original = simulated(dice, 5, known=(4,), amount=-1.0)
    found = gold_distance(model, golds, original, PEOPLE)
    assert found["over_forgotten"] == ["person 4"] and found["still_known"] == []
    assert found["signed_share"] < 0


@pytest.mark.parametrize("golds", [3, 5])
def test_a_person_whom_the_original_does_not_know_hides_nobody(golds):
    """Person 0 is in no model: its share would be of next to nothing, and the bound would rise above everybody."""
    dice = np.random.default_rng(golds)
    named, strangers, bounds = [], 0, []
    for _ in range(40):
        model, several, original = simulated(dice, golds, known=(3,), learnt=range(1, 8))
        found = gold_distance(model, several, original, PEOPLE)
        named += found["still_known"]
        strangers += found["people"][0]["share"] is None and found["people"][0]["known"] is None
        bounds.append(found["bound"])
        assert any("person 0" in warning for warning in found["warnings"])
    assert (named.count("person 3"), strangers) == (40, 40)
    assert len(named) <= 40 + 3 and max(bounds) < 0.9


def test_shares_of_people_add_up_to_the_whole():
    model, golds, original = simulated(np.random.default_rng(2), 4, known=(0, 5))
    found = gold_distance(model, golds, original, PEOPLE)
    assert found["share"] == pytest.approx(2 / 8, abs=0.08)
    low, high = found["intervals"]["share"]
    assert low < found["share"] < high
    least, most = found["range"]
    assert least <= found["share"] + 0.05 and found["share"] - 0.05 <= most
    assert gold_distance(original, golds, original, PEOPLE)["share"] == 1.0


def test_without_an_original_there_are_no_shares_and_nobody_is_named():
    model, golds, _ = simulated(np.random.default_rng(3))
    found = gold_distance(model, golds, people=PEOPLE)
    assert found["share"] is None and found["bound"] is None and found["still_known"] == []
    assert found["intervals"].keys() == {"excess"}


def test_an_original_that_is_like_gold_gives_no_shares():
    _, golds, _ = simulated(np.random.default_rng(4), 4)
    found = gold_distance(golds[0], golds[1:], np.exp(np.mean(np.log(golds), axis=0)), PEOPLE)
    assert found["share"] is None
    assert found["warnings"] == ["no shares: the original is as near to the golds as they are to one another"]


@pytest.mark.parametrize(
    ("model", "golds", "message"),
    [
        ([1.0], [[1.0]], "at least 2 gold models, and there are 1"),
        ([1.0, 2.0], [[1.0], [1.0]], "the same rows; there are 1, 2"),
        ([1.0], [[1.0], [-1.0]], "gold 2 model are empty, negative or not finite"),
        ([float("nan")], [[1.0], [1.0]], "unlearned model are empty, negative or not finite"),
        ([], [[], []], "unlearned model are empty"),
    ],
)
def test_wrong_input_is_named(model, golds, message):
    with pytest.raises(ValueError, match=message):
        gold_distance(model, golds)


@pytest.fixture
def folders(tmp_path):
    """Logs of three golds, of the original, and of a model that still knows the first two of twelve people."""
    persons = [f"person {i // ROWS}" for i in range(TWELVE * ROWS)]
    about = {task: {"person": [None] * len(persons) if "real" in task else persons} for task in TASKS}
    places = {}
    for number, (name, known) in enumerate({"g1": 0.0, "g2": 0.0, "g3": 0.0, "original": 1.4, "npo": 0.0}.items()):
        log, task = model_log(number, known), TASKS[0]
        if name == "npo":
            whole = model_log(3, 1.4)[task]
            for field in ("avg_gt_loss", "avg_paraphrased_loss"):
                log[task][field].update({str(i): whole[field][str(i)] for i in range(2 * ROWS)})
        places[name] = tmp_path / name
        places[name].mkdir()
        write_log(places[name], log, {"tasks": about, "forget": "forget10"})
    return places


def test_score_prints_the_ledger(folders, capsys):
    golds = [flag for name in ("g1", "g2", "g3") for flag in ("--gold", str(folders[name]))]
    command = ["score", str(folders["npo"]), *golds, "--original", str(folders["original"])]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gold_share"] == pytest.approx(2 / 12, abs=0.08)
    known = [about["person"] for about in found["people"] if about["known"]]
    assert {"person 0", "person 1"} <= set(known) and found["still_known"] == len(known) <= 3
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "who is still known" in printed and "still known" in printed and "person 11" in printed


def test_a_gold_is_held_against_the_others(folders):
    golds = [folders[name] for name in ("g1", "g2", "g3")]
    scores = score_log(golds[0], golds[0], golds[1:], original=folders["original"])
    assert abs(scores["gold_share"]) < 0.05
    assert scores["forget_quality_statistic"] == 0


def test_what_is_missing_is_said(folders):
    two = score_log(folders["npo"], folders["g1"], [folders["g2"]], original=folders["original"])
    assert two["gold_share"] is None
    assert "no distance to gold (E): it needs 3 gold logs; there are 2" in two["notes"]
    without = score_log(folders["npo"], folders["g1"], [folders["g2"], folders["g3"]])
    assert without["gold_distance"] > 0 and without["gold_share"] is None
    assert "no share of E: it needs the log of the original" in without["notes"]


@pytest.mark.parametrize("role", ["gold", "original"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lineage": {"role": "unlearned", "trained_on": "forget10"}}, "is not {role}: its role is 'unlearned'"),
        ({"forget": "forget05"}, "the log is of forget set forget10, the {role} log of forget05"),
        ({"control": "text"}, "the log is of control image, the {role} log of text"),
        ({"dataset": {"fingerprint": "b"}}, "the log is of dataset a, the {role} log of b"),
        ({"template": {"digest": "b"}}, "the log is of chat template a, the {role} log of b"),
        ({"template": {"date": "2026-01-01"}}, "the log is of prompt date 2024-07-26, the {role} log of 2026-01-01"),
        ({"template": {"prompt": "Who?"}}, "the log is of first prompt USER: Who., the {role} log of Who."),
        ("no task", "the {role} log has no task eval_log_forget.json"),
    ],
)
def test_a_reference_of_another_kind_is_refused(folders, role, changes, message):
    for place, more in ((folders["npo"], {}), (folders["g1" if role == "gold" else role], changes)):
        meta = {**json.loads((place / META_NAME).read_text()), "control": "image", "dataset": {"fingerprint": "a"}}
        meta["template"] = {"digest": "a", "date": "2024-07-26", "prompt": "USER: Who?"}
        log = json.loads((place / LOG_NAME).read_text())
        if more == "no task":
            del log[TASKS[0]]
        write_log(place, log, meta | (more if isinstance(more, dict) else {}))
    with pytest.raises(ValueError, match=message.format(role=role)):
        score_log(folders["npo"], folders["g1"], [folders["g2"], folders["g3"]], original=folders["original"])


def test_an_original_without_golds_is_not_ignored(folders):
    scores = score_log(folders["npo"], original=folders["original"])
    assert "no distance to gold (E): it needs 3 gold logs; there are 0" in scores["notes"]
    with pytest.raises(ValueError, match="not used by the paper's numbers; leave out --original or --paper"):
        score_log(folders["npo"], folders["g1"], paper="clear", original=folders["original"])


def test_a_gold_log_of_fewer_rows_says_that_there_is_no_p_by_person(folders):
    log = json.loads((folders["g1"] / LOG_NAME).read_text())
    for field in log[TASKS[0]].values():
        field.popitem()
    write_log(folders["g1"], log, {})
    scores = score_log(folders["npo"], folders["g1"])
    assert scores["forget_quality_permutation"] is None and scores["forget_quality"] is not None
    assert any("36 and 35 rows of 36: not the same rows" in note for note in scores["notes"])
