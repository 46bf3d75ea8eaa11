"""Depth: the score by hand, the tokens of the secret, and that patching a model into itself costs nothing."""

import numpy as np
import pytest

from clear_pipeline.audits.depth import depth_score, measure, patched_costs, secret_batch
from clear_unlearning.batches import IGNORE, Encoder


@pytest.mark.parametrize(("gold", "model", "expected"), [
    ([1.0, 3.0], [0.5, 3.0], 3.5 / 4), ([1.0, 3.0], [9.0, -1.0], 1 / 4), ([0.04, 2.0], [0.04, 1.0], 0.5),
    ([0.05, 0.0], [1.0, 1.0], None),
])  # fmt: skip
def test_the_score_by_hand(gold, model, expected):
    assert depth_score(gold, model) == (None if expected is None else pytest.approx(expected))


def test_only_the_secret_is_labelled(context, loaded):
    encoder = Encoder(loaded.processor)
    asked = [*context.subjects.of("caption")[:2], *context.subjects.of("fact")[:2]]
    for one in asked:
        batch = secret_batch(encoder, [one])
        ids = batch["labels"][batch["labels"] != IGNORE].tolist()
        text = encoder.tokenizer.decode(ids).lower()
        for word in one.secret:
            assert word.lower() in text
        assert len(ids) < len(encoder.tail(one.example, one.example.answer))


def test_the_original_itself_costs_nothing_and_gold_does(context, taught, loaded):
    facts = context.subjects.of("fact")
    assert np.abs(patched_costs(taught, taught, facts, 3)).max() < 1e-4
    assert patched_costs(taught, loaded, facts, 3)[:, -1].min() > 1
    one_by_one = np.concatenate([patched_costs(taught, loaded, [fact], 1) for fact in facts])
    assert np.allclose(one_by_one, patched_costs(taught, loaded, facts, 3), atol=1e-3)


def test_gold_holds_nothing_and_the_original_all(context, taught, loaded):
    gold, original = measure(loaded, context), measure(taught, context)
    assert max(gold.known().values()) == pytest.approx(0) and min(original.known().values()) > 0.99
