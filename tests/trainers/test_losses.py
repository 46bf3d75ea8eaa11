"""The methods' losses: numbers worked out by hand, and the invariances of the means."""

import math

import pytest
import torch
from torch import nn
from transformers.modeling_outputs import CausalLMOutput

from clear_unlearning.batches import IGNORE
from trainers import METHODS


class Chain(nn.Module):
    """A language model of five tokens: the next token's probabilities depend on the last token alone."""

    TABLE = (
        (0.05, 0.50, 0.10, 0.25, 0.10),
        (0.10, 0.10, 0.50, 0.10, 0.20),
        (0.20, 0.20, 0.20, 0.20, 0.20),
        (0.20, 0.20, 0.20, 0.20, 0.20),
        (0.20, 0.20, 0.20, 0.20, 0.20),
    )

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(self.TABLE).log())

    def forward(self, input_ids, use_cache=False, logits_to_keep=None):
        return CausalLMOutput(logits=self.logits[input_ids][logits_to_keep])  # type: ignore[arg-type]


# Answers after the prompt token 0. Forget: 1 2 (.5 x .5) and 3 (.25). Retain: 1 4 (.5 x .2).
FORGET = {
    "input_ids": torch.tensor([[0, 1, 2], [0, 3, 0]]),
    "labels": torch.tensor([[IGNORE, 1, 2], [IGNORE, 3, IGNORE]]),
    "index": torch.tensor([0, 1]),
}
RETAIN = {
    "input_ids": torch.tensor([[0, 1, 4]]),
    "labels": torch.tensor([[IGNORE, 1, 4]]),
    "index": torch.tensor([0]),
}


class Alone:
    """Stands where accelerate is: one process."""

    @staticmethod
    def reduce(tensor, reduction):
        return tensor


def terms(method: str, reference: list[float] | None = None, **settings) -> dict[str, float]:
    """The terms of a method's loss on the chain, through the trainer's own counting and likelihood."""
    trainer_class, config_class = METHODS[method]
    trainer = trainer_class.__new__(trainer_class)
    trainer.args = config_class(output_dir="unused", use_cpu=True, **settings)
    trainer.accelerator = Alone()
    trainer._reference = None if reference is None else torch.tensor(reference)
    sides = {"forget": FORGET, "retain": RETAIN}
    totals = trainer._totals([sides], torch.device("cpu"))
    return {name: float(term) for name, term in trainer.losses(Chain(), sides, totals).items()}


def test_retain_finetune():
    """L_r = -(ln .5 + ln .2) / 2 = ln(10) / 2 = 1.151293."""
    assert terms("retain_finetune") == pytest.approx({"retain": 1.151293}, abs=1e-6)


def test_gradient_ascent():
    """-L_f = (ln .5 + ln .5 + ln .25) / 3 = ln(1/16) / 3 = -.924196: three tokens, not two sequences."""
    assert terms("gradient_ascent") == pytest.approx({"forget": -0.924196}, abs=1e-6)


def test_gradient_difference():
    """-2 * .924196 and .5 * 1.151293."""
    found = terms("gradient_difference", forget_weight=2.0, retain_weight=0.5)
    assert found == pytest.approx({"forget": -1.848392, "retain": 0.575646}, abs=1e-6)


def test_npo():
    """Both answers have probability 1/4; before, the first had 1/2 and the second 1/16.

    Gains: ln(1/4) - ln(1/2) = -.693147 and ln(1/4) - ln(1/16) = 1.386294. With beta .5, -log sigmoid(-.5 gain) =
    log(1 + e^(.5 gain)) = log(1 + .707107) = .534800 and log(1 + 2) = 1.098612. Times 2/.5 = 4, mean of two: 3.266825.
    """
    found = terms("npo", reference=[math.log(1 / 2), math.log(1 / 16)], beta=0.5)
    assert found == pytest.approx({"forget": 3.266825, "retain": 1.151293}, abs=1e-5)


def test_npo_goes_over_into_gradient_ascent():
    """For beta to 0 the gradient by the gain g is 1: (2/b) (log(1 + e^(b g)) - log 2) -> g."""
    reference = [math.log(1 / 2), math.log(1 / 16)]
    small, gains = 1e-3, [-0.693147, 1.386294]
    found = terms("npo", reference=reference, beta=small)["forget"] - 2 / small * math.log(2)
    assert found == pytest.approx(sum(gains) / 2, abs=1e-2)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="learning_rate must be above 0"):
        METHODS["npo"][1](output_dir="unused", learning_rate=0.0)
    with pytest.raises(ValueError, match="beta must be above 0"):
        METHODS["npo"][1](output_dir="unused", beta=0.0)
