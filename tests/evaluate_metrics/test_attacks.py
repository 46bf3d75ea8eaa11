"""U-LIRA and U-MIA on purpose-made logits: closed forms, second implementations, intervals, bad input."""

import math
from statistics import NormalDist, median

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.tree import DecisionTreeClassifier

from evaluate_metrics.attack_rates import cosine_logits
from evaluate_metrics.u_lira.compute import u_lira
from evaluate_metrics.u_mia import compute as u_mia_module
from evaluate_metrics.u_mia.compute import u_mia

PERSONS = 20


def logits_of(shift: float, models: int = 64, examples: int = 200, seed: int = 0, digits: int = 12) -> tuple:
    """Half of the models are trained on the first half of the examples, the others on the second.

    Members' logits are normal with mean `shift`, the others' with mean 0.
    """
    dice, half = np.random.default_rng(seed), models // 2
    members = np.zeros((models, examples), dtype=bool)
    members[:half, : examples // 2] = members[half:, examples // 2 :] = True
    logits = (dice.normal(size=members.shape) + shift * members).round(digits)
    shadow = np.arange(models) % half >= half // 2
    return logits[~shadow], members[~shadow], logits[shadow], members[shadow]


def people(examples: int = 200) -> list[str]:
    return [f"person {example * PERSONS // examples}" for example in range(examples)]


@pytest.mark.parametrize("attack", [u_lira, u_mia])
def test_equal_distributions_give_one_half_and_separated_ones_one(attack):
    name = attack.__name__
    equal = attack(*logits_of(0.0), people())
    low, high = equal["intervals"][name]
    assert low < 0.5 < high
    assert equal[name] == pytest.approx(0.5, abs=0.02)
    assert equal["auc"] == pytest.approx(0.5, abs=0.02)
    assert equal["tpr_at_fpr_0.01"] == pytest.approx(0.01, abs=0.01)
    apart = attack(*logits_of(60.0), people())
    assert apart[name] == apart["auc"] == apart["tpr_at_fpr_0.001"] == 1.0
    assert apart["intervals"][name] == [1.0, 1.0]


def test_known_shift_gives_the_closed_form():
    """Of normals a shift d apart, Bayes' rule is right with Phi(d / 2), and its AUC is Phi(d / sqrt 2)."""
    normal, shift = NormalDist(), 1.5
    logits = logits_of(shift, models=256, examples=400)
    shared = u_lira(*logits, sigma="shared")
    assert shared["u_lira"] == pytest.approx(normal.cdf(shift / 2), abs=0.005)
    assert shared["auc"] == pytest.approx(normal.cdf(shift / math.sqrt(2)), abs=0.01)
    assert u_mia(*logits, classifier="logistic")["u_mia"] == pytest.approx(normal.cdf(shift / 2), abs=0.005)
    assert u_mia(*logits, classifier="logistic")["tpr_at_fpr_0.01"] == pytest.approx(
        normal.cdf(shift - normal.inv_cdf(0.99)), abs=0.02
    )


def naive_u_lira(targets, target_members, shadows, shadow_members) -> tuple[float, list[float], list[bool]]:
    """Example by example, with densities of `statistics`."""
    odds, truth = [], []
    for example in range(targets.shape[1]):
        sides = []
        for side in (True, False):
            seen = [row[example] for row, m in zip(shadows, shadow_members, strict=True) if m[example] == side]
            centre = median(seen)
            sides.append(NormalDist(centre, median(abs(x - centre) for x in seen) / 0.6745))
        for model in range(len(targets)):
            inside, outside = (side.pdf(targets[model][example]) for side in sides)
            odds.append(math.log(inside) - math.log(outside))
            truth.append(bool(target_members[model][example]))
    right = sum((o > 0) == t for o, t in zip(odds, truth, strict=True))
    return right / len(odds), odds, truth


def naive_rate(scores, truth, rate) -> float:
    """The best true positive rate of all thresholds that let at most `rate` of the others pass."""
    positives, others = sum(truth), len(truth) - sum(truth)
    best = 0.0
    for threshold in set(scores):
        passed = [t for s, t in zip(scores, truth, strict=True) if s >= threshold]
        if len(passed) - sum(passed) <= rate * others:
            best = max(best, sum(passed) / positives)
    return best


def test_u_lira_is_that_of_a_second_implementation():
    logits = logits_of(1.0, models=32, examples=40)
    accuracy, odds, truth = naive_u_lira(*logits)
    found = u_lira(*logits)
    assert found["u_lira"] == accuracy
    assert found["auc"] == pytest.approx(roc_auc_score(truth, odds))
    assert found["tpr_at_fpr_0.01"] == pytest.approx(naive_rate(odds, truth, 0.01))
    assert found["tpr_at_fpr_0.001"] == pytest.approx(naive_rate(odds, truth, 0.001))


@pytest.mark.parametrize("digits", [12, 1])
def test_the_tree_is_sklearns(digits):
    """With one digit many logits are equal: splits lie between different ones alone."""
    targets, truth, shadows, members = logits_of(1.0, models=32, examples=60, digits=digits)
    tree = DecisionTreeClassifier(criterion="entropy", max_leaf_nodes=256, random_state=0)
    tree.fit(shadows.reshape(-1, 1), members.ravel())
    chance = tree.predict_proba(targets.reshape(-1, 1))[:, 1]
    ours = u_mia_module._tree(shadows.ravel(), members.ravel(), targets.ravel())
    assert np.isclose(ours, chance).mean() > 0.99  # among equal gains another split may come first
    found = u_mia(targets, truth, shadows, members)
    assert found["u_mia"] == pytest.approx(((chance > 0.5) == truth.ravel()).mean(), abs=0.01)
    rates = roc_curve(truth.ravel(), ours, drop_intermediate=False)
    assert found["auc"] == pytest.approx(roc_auc_score(truth.ravel(), ours))
    assert found["tpr_at_fpr_0.01"] == pytest.approx(max(t for f, t in zip(*rates[:2], strict=True) if f <= 0.01))


def test_logistic_regression_is_sklearns():
    targets, _, shadows, members = logits_of(1.0, models=16, examples=40)
    scaled = (shadows.ravel() - shadows.mean()) / shadows.std()
    model = LogisticRegression(tol=1e-10).fit(scaled.reshape(-1, 1), members.ravel())
    asked = (targets.ravel() - shadows.mean()) / shadows.std()
    ours = u_mia_module._logistic(shadows.ravel(), members.ravel(), targets.ravel())
    assert ours == pytest.approx(model.predict_proba(asked.reshape(-1, 1))[:, 1], abs=1e-6)


def test_people_are_resampled_not_examples():
    """Ten copies of each example tell no more of other people."""
    logits = logits_of(1.0, examples=20)
    ten = [np.repeat(values, 10, axis=1) for values in logits]
    names = people(20)
    once, copied = u_lira(*logits, names), u_lira(*ten, np.repeat(names, 10).tolist())
    for name, interval in once["intervals"].items():
        assert interval == pytest.approx(copied["intervals"][name])
    assert u_lira(*logits)["intervals"] == {}
    few = u_lira(*logits, ["a", "b"] * 10)
    assert few["intervals"] == {} and "there are 2" in few["warnings"][0]


def test_cosines_are_clipped():
    assert cosine_logits([0.5, -0.2, 1.0]) == pytest.approx([0.0, -math.log(999999), math.log(999999)])
    assert u_lira(*(np.nan_to_num(x) for x in logits_of(1.0)))["examples"] == 32 * 200


def with_value(array, value):
    array = array.copy()
    array[0, 0] = value
    return array


@pytest.mark.parametrize("attack", [u_lira, u_mia])
def test_bad_input_is_named(attack):
    targets, truth, shadows, members = logits_of(1.0, models=16, examples=20)
    with pytest.raises(ValueError, match="target model 0, example 0: the logit is nan"):
        attack(with_value(targets, math.nan), truth, shadows, members)
    with pytest.raises(ValueError, match="shadow model 0, example 0: the logit is inf"):
        attack(targets, truth, with_value(shadows, math.inf), members)
    with pytest.raises(ValueError, match="(3 shadow models|79 shadow logits)"):
        attack(targets, truth, shadows, with_value(members, False))
    with pytest.raises(ValueError, match=r"\(8, 20\) and membership \(8, 10\)"):
        attack(targets, truth[:, :10], shadows, members)
    with pytest.raises(ValueError, match="20 examples, shadow models 10"):
        attack(targets, truth, shadows[:, :10], members[:, :10])
    with pytest.raises(ValueError, match="2 people are named for 20 examples"):
        attack(targets, truth, shadows, members, ["a", "b"])
    with pytest.raises(ValueError, match="trained on some of the examples"):
        attack(targets, np.ones_like(truth), shadows, members)
    with pytest.raises(ValueError, match="must be"):
        attack(targets, truth, shadows, members, None, "magic")
