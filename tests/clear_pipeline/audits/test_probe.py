"""Hidden states: ridge by hand, chance for shuffled labels, and the states of the last prompt token."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clear_pipeline.audits import probe
from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.measured import Measured
from clear_pipeline.audits.probe import hidden_states, measure, ridge_labels, summary


def test_ridge_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge

    dice = np.random.default_rng(0)
    states, labels, asked = dice.normal(size=(12, 5)), np.arange(12) % 3, dice.normal(size=(40, 5))
    scaled = (states - states.mean(0)) / (states.std(0) + 1e-6)
    new = (asked - states.mean(0)) / (states.std(0) + 1e-6)
    expected = Ridge(alpha=probe.PENALTY * 5).fit(scaled, np.eye(3)[labels]).predict(new).argmax(1)
    assert ridge_labels(states, labels, asked).tolist() == expected.tolist()


def test_what_can_be_read_is_read_and_shuffled_labels_are_not():
    dice = np.random.default_rng(1)
    labels, truth = np.arange(40) % 4, np.arange(80) % 4
    middles = dice.normal(size=(4, 16)) * 3
    states, asked = middles[labels] + dice.normal(size=(40, 16)), middles[truth] + dice.normal(size=(80, 16))
    assert (ridge_labels(states, labels, asked) == truth).mean() > 0.95
    shuffled = [(ridge_labels(states, dice.permutation(labels), asked) == truth).mean() for _ in range(20)]
    assert np.mean(shuffled) == pytest.approx(0.25, abs=0.12)


def test_selectivity_by_hand():
    scores = {"layer 1": {"a": [1.0, 1.0], "b": [0.0, 1.0]}, "control 1": {"a": [0.5, 0.0], "b": [0.25, 0.25]}}
    assert summary({"audited": Measured(scores, ["layer 1"])}) == {"audited": {"layer 1": 0.75 - 0.25}}


@torch.inference_mode()
def test_states_are_those_of_the_last_prompt_token(context, loaded):
    asked = context.subjects.of("name")[:3]
    states = hidden_states(loaded, asked, 2)
    assert [one.shape for one in states] == [(3, 128), (3, 128)]
    from clear_unlearning.batches import Encoder

    prompt = Encoder(loaded.processor).prompts([asked[2].example])
    output = loaded.model(**prompt, output_hidden_states=True)
    assert np.allclose(states[0][2], output.hidden_states[1][0, -1].numpy(), atol=1e-4)


def test_layers_count_and_controls_do_not(context, loaded):
    found = measure(loaded, context)
    assert found.counted == ["layer 1", "layer 2"] and {"control 1", "control 2"} < found.scores.keys()
    chance = np.mean(list(found.by_person("control 2").values()))
    assert 0 <= chance < 0.6


def test_one_person_cannot_be_told_from_others(context, loaded):
    one = context.subjects.people[0]
    alone = replace(context.subjects, asked=[each for each in context.subjects.asked if each.person == one])
    with pytest.raises(NotPossible, match="at least two people"):
        measure(loaded, replace(context, subjects=alone))
