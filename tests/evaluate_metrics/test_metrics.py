"""The metrics' pure functions: numbers worked out by hand, an independent second way, invariances, bad input."""

import math
import random
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate_metrics.clear_scores.compute import clear_scores
from evaluate_metrics.forget_quality.compute import forget_quality
from evaluate_metrics.model_utility.compute import model_utility
from evaluate_metrics.probability.compute import probability
from evaluate_metrics.rouge.compute import rouge
from evaluate_metrics.truth_ratio.compute import truth_ratio

LN2, LN4, LN8 = math.log(2), math.log(4), math.log(8)


def log_of(tasks: dict[str, list[tuple[float, float, list[float], float]]]) -> dict:
    """A log from (loss, paraphrased loss, wrong losses, ROUGE) an example."""
    names = ("avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss", "rougeL_recall")
    return {
        task: {name: {str(i): row[column] for i, row in enumerate(rows)} for column, name in enumerate(names)}
        for task, rows in tasks.items()
    }


def test_probability_alone():
    """exp(-ln 2) = 1/2 and exp(-ln 4) = 1/4: mean 3/8."""
    assert probability([LN2, LN4]) == pytest.approx(0.375)


def test_probability_among_wrong_answers():
    """1/2 against 1/4 and 1/4: 1/2. 1/8 against 1/2 and 1/4: 1/7."""
    assert probability([LN2, LN8], [[LN4, LN4], [LN2, LN4]]) == pytest.approx((1 / 2 + 1 / 7) / 2)


def test_truth_ratio():
    """R = exp(mean(ln 8, ln 2) - ln 2) = exp(ln 2) = 2, and exp(ln 2 - ln 8) = 1/4.

    forget: (1/2 + 1/4) / 2. other: (1 - 1/2 + 0) / 2.
    """
    paraphrased, wrong = [LN2, LN8], [[LN8, LN2], [LN2, LN2]]
    assert truth_ratio(paraphrased, wrong, "forget") == pytest.approx(0.375)
    assert truth_ratio(paraphrased, wrong, "other") == pytest.approx(0.25)


def test_rouge_is_recall_of_the_longest_common_subsequence():
    """`the cat sat` in order, of five words: 3/5; stems: `sitting` is no `sat`, `cats` is `cat`."""
    assert rouge(["the cats sat there"], ["the cat sat down again"]) == pytest.approx(0.6)
    assert rouge(["", "a b"], ["a b", "a b"]) == pytest.approx(0.5)


def image_log():
    """retain p 1/2, R 2, rouge 1; names p 1/2 among wrong, R 2, rouge 1/2; real sets alike; forget tasks alike."""
    row = (LN2, LN2, [LN4, LN4], 1.0)
    half = (LN2, LN2, [LN4, LN4], 0.5)
    return log_of(
        {
            "eval_log_forget.json": [row],
            "eval_forget_facerec.json": [row],
            "eval_log.json": [row],
            "eval_retain_facerec.json": [half],
            "eval_real_faces_wo_options.json": [row],
            "eval_real_world_wo_options.json": [half],
        }
    )


def test_model_utility_is_the_harmonic_mean_of_twelve():
    """All probabilities 1/2 (alone, or 1/2 against 1/4 + 1/4) and truth ratios 1/2; ROUGE 1, 1/2, 1, 1/2.

    Sum of inverses: 4 * 2 + 4 * 2 + 1 + 2 + 1 + 2 = 22; 12 / 22.
    """
    assert model_utility(image_log()) == pytest.approx(12 / 22)


def test_clear_scores():
    """Real and retain: four halves. Forget: probability 1/2, 1/2 and min(R, 1/R) = 1/2: one half as well."""
    assert clear_scores(image_log()) == pytest.approx({"real": 0.5, "retain": 0.5, "forget": 0.5})


def test_one_zero_makes_the_harmonic_mean_zero():
    log = image_log()
    log["eval_log.json"]["rougeL_recall"]["0"] = 0.0
    assert model_utility(log) == 0.0


def ks_by_counting(one: list[float], other: list[float]) -> tuple[float, float]:
    """D and its exact p by going through all ways to split the pooled sample: no formula, no scipy."""

    def distance(a, b):
        return max(
            abs(Fraction(sum(x <= v for x in a), len(a)) - Fraction(sum(x <= v for x in b), len(b))) for v in [*a, *b]
        )

    pooled, seen = [*one, *other], distance(one, other)
    splits = list(combinations(range(len(pooled)), len(one)))
    extreme = sum(
        distance([pooled[i] for i in split], [pooled[i] for i in range(len(pooled)) if i not in split]) >= seen
        for split in splits
    )
    return float(seen), extreme / len(splits)


@pytest.mark.parametrize("sizes", [(5, 5), (4, 6), (3, 7)])
def test_forget_quality_equals_counting_all_splits(sizes):
    dice = random.Random(str(sizes))
    one = [dice.gauss(0, 1) for _ in range(sizes[0])]
    other = [dice.gauss(1, 1) for _ in range(sizes[1])]
    d, p = ks_by_counting(one, other)
    found = forget_quality(one, other)
    assert found["statistic"] == pytest.approx(d)
    assert found["forget_quality"] == pytest.approx(p, rel=1e-9)
    assert (found["examples"], found["gold_examples"]) == sizes


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40))
def test_gold_against_itself_is_one_in_any_order(ratios):
    found = forget_quality(ratios, ratios[::-1])
    assert found["forget_quality"] == 1.0
    assert found["statistic"] == 0.0


@given(st.permutations(range(5)))
def test_order_of_rows_changes_nothing(order):
    dice = random.Random(1)
    rows = [(dice.random(), dice.random(), [dice.random(), dice.random()], dice.random()) for _ in range(5)]
    tasks = {"eval_log.json": rows, "eval_real_world_wo_options.json": rows}
    shuffled = {task: [rows[i] for i in order] for task in tasks}
    assert model_utility(log_of(tasks)) == pytest.approx(model_utility(log_of(shuffled)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_an_error(value):
    with pytest.raises(ValueError, match="finite"):
        forget_quality([1.0, value], [1.0])
    with pytest.raises(ValueError, match="finite"):
        truth_ratio([value], [[1.0]])
    with pytest.raises(ValueError, match="finite"):
        probability([value])


def test_nothing_to_score_is_an_error():
    for call in (lambda: forget_quality([], [1.0]), lambda: probability([]), lambda: truth_ratio([], []),
                 lambda: rouge([], [])):  # fmt: skip
        with pytest.raises(ValueError):
            call()
    with pytest.raises(ValueError, match="kind must be forget or other"):
        truth_ratio([1.0], [[1.0]], "retain")
    with pytest.raises(ValueError, match="no real task"):
        model_utility(log_of({"eval_log.json": [(LN2, LN2, [LN4], 1.0)]}))


def test_huge_losses_do_not_overflow():
    assert truth_ratio([0.0], [[1e6]], "forget") == 0.0
    assert truth_ratio([1e6], [[0.0]], "other") == 0.0
    assert probability([1e6], [[1e6]]) == 0.0
    assert np.isfinite(probability([1e6], [[1.0]]))


def test_js_of_two_distributions():
    """Equal distributions in any order: 1. Distributions without a common bin: distance 1, so 0.

    Half of the one sample lies on the other, in its first bin, half in a bin of its own: P = (1/2, 1/2), Q = (1, 0),
    M = (3/4, 1/4). KL(P|M) = 1/2 log2(2/3) + 1/2 log2(2), KL(Q|M) = log2(4/3); the distance is the root of their mean.
    """
    ratios = [1.0, 2.0, 5.0, 9.0]
    assert forget_quality(ratios, ratios[::-1], variant="js")["forget_quality"] == pytest.approx(1.0)
    assert forget_quality([1.0, 1.0], [100.0, 100.0], variant="js")["forget_quality"] == pytest.approx(0.0)
    divergence = ((math.log2(2 / 3) + 1) / 2 + math.log2(4 / 3)) / 2
    found = forget_quality([1.0, 100.0], [1.0, 1.0], variant="js")
    assert found["forget_quality"] == pytest.approx(1 - math.sqrt(divergence))
    assert found["log10"] == pytest.approx(math.log10(found["forget_quality"]))


def test_the_papers_form_depends_on_the_order_of_the_rows():
    """Lists taken for probabilities: (1, 3)/4 and (3, 1)/4 have M = (1/2, 1/2) and divergence ln 2 - H(1/4)."""
    entropy = -(math.log(1 / 4) / 4 + 3 * math.log(3 / 4) / 4)
    found = forget_quality([1.0, 3.0], [3.0, 1.0], paper="clear")
    assert found["forget_quality"] == pytest.approx(1 - math.sqrt(LN2 - entropy))
    assert found["statistic"] == 0.0
    with pytest.raises(ValueError, match="pairs the rows, and there are 1 and 2"):
        forget_quality([1.0], [1.0, 2.0], paper="clear")


def test_golds_calibrate_the_distance():
    """Three golds have three pairs. (0,1,2,3) and (0,1,2,9): D 1/4; each against (7,7,7,9) 1 and 3/4.

    A model with D 1 from the first: one pair of three is as far, (1 + 1) / (1 + 3). A model equal to it: all are.
    """
    golds = [[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 9.0], [7.0, 7.0, 7.0, 9.0]]
    assert forget_quality([8.0] * 4, golds[0], golds[1:])["calibrated"] == pytest.approx(0.5)
    assert forget_quality(golds[0], golds[0], golds[1:])["calibrated"] == 1.0
    assert forget_quality(golds[0], golds[0])["calibrated"] is None
    assert any("not calibrated" in warning for warning in forget_quality(golds[0], golds[0])["warnings"])
    assert not any("calibrated" in warning for warning in forget_quality(golds[0], golds[0], golds[1:])["warnings"])


def test_the_papers_truth_ratio_mixes_the_wrong_answers_of_all_examples():
    """Mean wrong loss of all: (ln 8 + ln 2 + 2 ln 2) / 4 = 3/2 ln 2; R = 2^(1/2) and 2^(-3/2).

    forget: (2^(-1/2) + 2^(-3/2)) / 2. other: (1 - 2^(-1/2) + 0) / 2.
    """
    paraphrased, wrong = [LN2, LN8], [[LN8, LN2], [LN2, LN2]]
    assert truth_ratio(paraphrased, wrong, "forget", "clear") == pytest.approx((2**-0.5 + 2**-1.5) / 2)
    assert truth_ratio(paraphrased, wrong, "other", "clear") == pytest.approx((1 - 2**-0.5) / 2)


def test_the_papers_utility_has_fourteen_terms():
    """Twelve halves of probability and truth ratio, and ROUGE 1 of the captions on both sides: 14 / (24 + 2)."""
    assert model_utility(image_log(), paper="clear") == pytest.approx(14 / 26)
    log = image_log()
    del log["eval_forget_facerec.json"]
    with pytest.raises(ValueError, match="needs all six image tasks; the log has no eval_forget_facerec"):
        model_utility(log, paper="clear")


def test_unknown_variants_are_named():
    with pytest.raises(ValueError, match="variant 'kl' must be ks or js"):
        forget_quality([1.0], [1.0], variant="kl")
    with pytest.raises(ValueError, match="paper None or 'clear', not 'tofu'"):
        truth_ratio([1.0], [[1.0]], paper="tofu")
    with pytest.raises(ValueError, match="paper None or 'clear', not 'tofu'"):
        clear_scores(image_log(), paper="tofu")
    with pytest.raises(ValueError, match="a truth ratio is -1.0, and they are exp"):
        forget_quality([1.0], [-1.0], variant="js")
