"""The sides of a batch in one pass say the same as in several."""

from dataclasses import replace

import pytest
import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from tests.trainers.conftest import rows
from trainers.base import likelihoods
from trainers.base.likelihoods import likelihoods_of


@pytest.fixture(scope="module")
def loaded(mini_llava):
    return load_model(str(mini_llava), device="cpu")


def sides_of(loaded, **examples):
    encoder = Encoder(loaded.processor)
    return {side: encoder.batch(list(drawn)) for side, drawn in examples.items()}


def test_one_pass_equals_several(loaded, examples):
    """Photos and text, text alone, photos alone; answers of different lengths."""
    forget = rows(0)
    sides = sides_of(loaded, forget=[forget[i] for i in range(4)], retain=[examples[2]], random=examples[:2])
    together = likelihoods_of(loaded.model, sides, always=True)
    for side, batch in sides.items():
        alone = answer_likelihood(loaded.model, batch)
        assert torch.equal(together[side].targets, alone.targets)
        assert torch.equal(together[side].row, alone.row)
        assert together[side].rows == alone.rows
        assert torch.allclose(together[side].log_probs, alone.log_probs, atol=2e-6)
        assert torch.allclose(together[side].logits, alone.logits, atol=2e-6)


def test_gradients_are_the_same(loaded, examples, monkeypatch):
    sides = sides_of(loaded, forget=examples[:2], retain=examples[2:])
    found = []
    for always in (True, False):
        loaded.model.zero_grad()
        monkeypatch.setattr(likelihoods, "MOST_PADDING", 0.0)
        now = likelihoods_of(loaded.model, sides, always)
        (now["forget"].log_probs.mean() - now["retain"].log_probs.mean()).backward()
        found.append({n: w.grad.clone() for n, w in loaded.model.named_parameters() if w.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], atol=1e-6), name


def test_a_long_and_a_short_side_go_apart(loaded, examples, monkeypatch):
    calls = []

    def seen(model, batch):
        calls.append(batch)
        return answer_likelihood(model, batch)

    monkeypatch.setattr(likelihoods, "answer_likelihood", seen)
    likelihoods_of(loaded.model, sides_of(loaded, forget=[examples[0]], retain=[replace(examples[3], image=None)] * 6))
    assert len(calls) == 2
