"""The meta-evaluation: what the pools are trained on, and its numbers worked out by hand."""

import numpy as np
import pytest

from benchmarks.agreement import kept
from benchmarks.meta import NUMBERS, auc_of, robustness, threshold
from benchmarks.meta_models import POOLS, REPLAY, forget_rows, pool_steps, write_rows
from benchmarks.power import critical, rows_about
from clear_dataset import load_clear
from clear_pipeline.arguments import DataArguments
from evaluate_metrics.log_format import write_log
from evaluate_metrics.tasks import FORGET_TASK
from tests.benchmarks.test_calibration import FIELDS


@pytest.fixture(scope="module")
def data(mini_data) -> DataArguments:
    return DataArguments(str(mini_data), forget="forget10")


def texts(rows) -> str:
    return " ".join(str(row[key]) for row in rows for key in ("caption", "question", "answer"))


def test_what_each_pool_learns_beside_its_split(data):
    """Names of the forget people where they are to be learnt, and nowhere else; facts of theirs under other names."""
    people = set(load_clear("forget10_perturbed", data.dataset)["name"])
    told = {
        name: {person for person in people if person in texts(pool.rows(data))}
        for name, pool in POOLS.items()
        if pool.rows
    }
    assert told == {"paraphrased": people, "text": people, "renamed": set(), "unrelated": set()}
    rows = {name: pool.rows(data) for name, pool in POOLS.items() if pool.rows}
    assert {name: len(one) for name, one in rows.items() if name != "text"} == dict.fromkeys(
        ("paraphrased", "renamed", "unrelated"), len(forget_rows(data))
    )
    assert not any(rows["text"]["image"])
    own = [caption for caption in forget_rows(data)["caption"] if caption]
    other = [caption for caption in rows["paraphrased"]["caption"] if caption]
    assert len(own) == len(other) and not {*own} & {*other}


def test_rows_are_written_as_a_dataset_that_a_fine_tuning_reads(data, tmp_path):
    for name, pool in POOLS.items():
        write_rows(tmp_path / name, data, pool.rows)
        replayed = len(load_clear(REPLAY, f"{data.dataset}_extra"))
        assert len(load_clear(REPLAY, tmp_path / name)) == replayed + (len(pool.rows(data)) if pool.rows else 0)


def test_one_person_and_every_other_photo(data):
    person = load_clear("forget10_perturbed", data.dataset)["name"][0]
    whole, half = rows_about(data, person, half=False), rows_about(data, person, half=True)
    assert all(person in texts([row]) for row in [*whole, *half])
    photos = [caption for caption, image in zip(whole["caption"], whole["image"], strict=True) if image is not None]
    assert half["caption"] == photos[::2] and len(whole) > len(photos) > 1


def test_each_pool_has_all_rates_and_seeds(tmp_path):
    steps = [step.name for step in pool_steps(tmp_path, [1, 2], [0.5, 1.0])]
    assert len(steps) == len(set(steps)) == len(POOLS) * (1 + 2 * 2 * 2)


def test_auc_of_models():
    """2 and 3 against 0 and 1: all pairs; 1 and 3 against 0 and 1: three pairs and a tie."""
    assert auc_of(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == (1.0, (1.0, 1.0))
    value, (low, high) = auc_of(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    assert value == 3.5 / 4 and low < value < high == 1


def test_threshold_tells_most_models_apart():
    """Between 3 and 5 five of six are right; every other cut has fewer."""
    assert threshold(np.array([1.0, 5.0, 6.0]), np.array([0.0, 2.0, 3.0])) == 4


def test_robustness_by_hand():
    """Gold gains .1 by relearning. One model that claims gains .3: R = 1 - .2 / .4; rounding moves it by .2 of .8."""

    def model(before: float, relearnt: float, nf4: float) -> dict[str, dict[str, float]]:
        return {"before": {"E": before}, "relearnt": {"E": relearnt}, "nf4": {"E": nf4}}

    attacked = {"gold-1": model(0.0, 0.1, 0.0), "npo": model(0.1, 0.4, 0.3), "idk": model(0.7, 0.9, 0.7)}
    assert robustness("E", attacked, cut=0.5, whole=1.0, gold=0.2) == pytest.approx((1, 0.5, 0.75))
    assert robustness("E", attacked, cut=0.05, whole=1.0, gold=0.2) is None


def test_critical_value_of_a_further_gold():
    """Golds 0, 1 and 2: mean 1, deviation 1, t(.95, 2) = 2.919986, and sqrt(4 / 3) for the new one."""
    assert critical(np.array([0.0, 1.0, 2.0])) == pytest.approx(1 + 2.919986 * (4 / 3) ** 0.5, rel=1e-6)


def test_the_truth_ratio_is_higher_for_a_model_that_knows(tmp_path):
    """log R is the loss of the wrong answers minus that of the paraphrase: 2.25 - 1 and 2 - 1.5, in the mean .875."""
    write_log(tmp_path, {FORGET_TASK: FIELDS}, {})
    assert NUMBERS["truth ratio"]({}, tmp_path) == pytest.approx(0.875)


def test_pairs_that_keep_their_order_by_hand():
    """a, b, c at 0, .3, .32 and on another seed at 0, .5, .1: b and c change places, which are .02 and .4 apart."""
    one, other = {"a": 0.0, "b": 0.3, "c": 0.32}, {"a": 0.0, "b": 0.5, "c": 0.1, "d": 1.0}
    assert kept([one, other], 1) == {0.0: (0, 1), 0.05: (0, 0), 0.1: (1, 1), 0.2: (2, 2), 0.4: (1, 2)}
    third = {"a": 0.0, "b": 0.4, "c": 0.21}
    assert kept([one, other, third], 2) == {0.0: (0, 0), 0.05: (1, 1), 0.1: (2, 2), 0.2: (3, 4), 0.4: (2, 2)}
