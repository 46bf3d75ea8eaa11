"""Optimizer wrappers: each rule by hand on two weights, and in the steps of real methods."""

import math

import pytest
import torch
from torch import nn

from tests.trainers.conftest import trainer_of, weights
from trainers import METHODS
from trainers.base.wrappers import WRAPPERS, build_wrapper
from trainers.base.wrappers.dualoptim import OptimizerPair
from trainers.base.wrappers.wrapper import TwoGradients, Wrapper, added

SGD = {"optim": "sgd", "learning_rate": 0.05, "num_train_epochs": 1}


def wrapper_of(name: str, **settings):
    return build_wrapper(METHODS["npo"][1](output_dir="unused", use_cpu=True, optimizer_wrapper=name, **settings))


def combined(wrapper, forget, retain, at=(1.0, 1.0), slopes=(0.0, 0.0)):
    """What a wrapper makes of two gradients of two weights, each a tensor of its own.

    The forget gradient at other weights is `slopes` times these.
    """
    pair = [nn.Parameter(torch.tensor(value)) for value in at]
    again = lambda: [slope * weight.detach() for slope, weight in zip(slopes, pair, strict=True)]  # noqa: E731
    two = TwoGradients(pair, [torch.tensor(float(v)) for v in forget], [torch.tensor(float(v)) for v in retain], again)
    found = [float(value) for value in wrapper.combine(two)]
    assert [weight.item() for weight in pair] == list(at)
    return found


def test_gru_by_hand():
    """m = .8 (0, 5) = (0, 4): <(3, -4), m> = -16, over 16: (3, -4) + (0, 4) = (3, 0); plus (0, 5).

    Then m = .8 (-5, 0) + .2 (0, 4) = (-4, .8): <(1, 1), m> = -3.2, over 16.64: (1, 1) + .192308 m = (.230769,
    1.153846); plus (-5, 0). Then m = .8 (1, 1) + .2 (-4, .8) = (0, .96) and (2, 1) is not against it.
    """
    gru = wrapper_of("gru")
    assert combined(gru, (3, -4), (0, 5)) == pytest.approx([3.0, 5.0])
    assert combined(gru, (1, 1), (-5, 0)) == pytest.approx([-4.769231, 1.153846])
    assert combined(gru, (2, 1), (1, 1)) == pytest.approx([3.0, 2.0])
    assert [float(value) for value in gru.mean] == pytest.approx([0.0, 0.96], abs=1e-6)
    assert combined(gru, (3, -4), (0, 0)) == pytest.approx([3.0, 0.0])  # no retain term in the step: m stays


def test_ngdiff_by_hand():
    """(3, 4) / 5 + (0, -2) / 2 = (.6, -.2); a gradient of 0 stays 0."""
    assert combined(wrapper_of("ngdiff"), (3, 4), (0, -2)) == pytest.approx([0.6, -0.2])
    assert combined(wrapper_of("ngdiff"), (0, 0), (0, -2)) == [0.0, -1.0]


def test_sam_by_hand():
    """From (1, 1) a step of length 1 along (3, 4) leads to (1.6, 1.8): there (4.8, 7.2), plus (1, -1)."""
    found = combined(wrapper_of("sam", sam_radius=1.0), (3, 4), (1, -1), slopes=(3.0, 4.0))
    assert found == pytest.approx([5.8, 6.2])


def test_dualoptim_by_hand():
    """Adam with both betas .5, of the gradients 2 and -4: moments 1, 2 and -1.5, 9; steps 2 / 2 and -2 / sqrt(12).

    Of 3 and 3 both steps are 1. At twice the rate the first come to .2 (1 - .577350) = .084530, the others to .2.
    """
    x, y = (nn.Parameter(torch.tensor(0.0)) for _ in range(2))
    forget, retain = (torch.optim.AdamW([x, y], lr=0.1, betas=(0.5, 0.5), weight_decay=0.0) for _ in range(2))
    pair = OptimizerPair(forget, retain, forget_rate=2.0)
    for gradient in (2.0, -4.0):
        x.grad, y.grad = torch.tensor(gradient), torch.tensor(0.0)
        pair.retain = {x: torch.tensor(3.0), y: torch.tensor(3.0)}
        pair.step()
    assert [float(x), float(y)] == pytest.approx([-0.284530, -0.2], abs=1e-6)
    assert [group["lr"] for group in pair.param_groups] == [0.1, 0.2]


def test_dualoptim_cuts_the_retain_gradient_too():
    dual = wrapper_of("dualoptim", max_grad_norm=2.5)
    dual.optimizer(lambda: torch.optim.SGD([nn.Parameter(torch.tensor(1.0))], lr=0.1))
    assert combined(dual, (30, 40), (3, 4)) == [30.0, 40.0]  # the Trainer cuts this one
    assert [float(value) for value in dual.pair.retain.values()] == pytest.approx([1.5, 2.0], rel=1e-5)


class Sum(Wrapper):
    """Adds what was taken apart."""

    needs = ()

    def combine(self, two):
        return added(two.forget, two.retain)


@pytest.mark.parametrize(
    ("method", "lora", "settings"),
    [
        ("npo", False, {"forget_entropy": 1.0, "retain_entropy": -0.25, "l1": 1e-3}),
        ("npo", True, {"retain_loss": "kl", "gradient_checkpointing": True}),
        ("rmu", False, {"layer": 1}),
        ("idk_ap", False, {"salun": 0.5}),
        ("retain_finetune", False, {}),
    ],
)
def test_the_gradients_apart_add_up_to_that_of_the_loss(method, lora, settings, tmp_path, mini_llava):
    """So that a wrapper that does nothing changes nothing: neither the weights nor what is logged."""
    plain, apart = (trainer_of(method, tmp_path, mini_llava, lora, max_steps=2, **SGD, **settings) for _ in range(2))
    apart.wrapper = Sum(apart.args)
    for trainer in (plain, apart):
        trainer.train()
    for (name, one), (_, other) in zip(plain.model.named_parameters(), apart.model.named_parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6), name
    rows = [[row for row in trainer.state.log_history if "loss" in row] for trainer in (plain, apart)]
    for one, other in zip(*rows, strict=True):
        assert {name: one[name] for name in one} == pytest.approx({name: other[name] for name in one}, rel=1e-4)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_sees_the_gradients_of_the_whole_step(wrapper, tmp_path, mini_llava):
    """One batch of four or four of one; by another step than without it."""
    found = []
    for name, size, steps in ((wrapper, 4, 1), (wrapper, 1, 4), (None, 4, 1)):
        trainer = trainer_of(
            "gradient_difference", tmp_path, mini_llava, optimizer_wrapper=name, per_device_train_batch_size=size,
            gradient_accumulation_steps=steps, sam_radius=0.5, dualoptim_forget_rate=2.0, **SGD,
        )  # fmt: skip
        trainer.train()
        found.append(weights(trainer.model))
    whole, parts, without = found
    for name, value in whole.items():
        assert torch.allclose(value, parts[name], atol=1e-6), name
    assert any(not torch.allclose(value, without[name], atol=1e-4) for name, value in whole.items())


def test_a_weight_that_no_row_uses_is_not_decayed(tmp_path, mini_llava):
    """As without a wrapper: it has no gradient, instead of one of zeros."""
    settings = {"max_steps": 1, "weight_decay": 0.5, "learning_rate": 0.1, "optimizer_wrapper": "dualoptim"}
    trainer = trainer_of("gradient_difference", tmp_path, mini_llava, **settings)
    unused = nn.Parameter(torch.ones(2))
    trainer.model.register_parameter("unused", unused)
    trainer.train()
    assert unused.tolist() == [1.0, 1.0]


def test_what_a_wrapper_cannot_do_is_named(tmp_path, mini_llava):
    config = METHODS["gradient_ascent"][1]
    for settings, message in (
        ({"optimizer_wrapper": "grou"}, "unknown optimizer_wrapper 'grou'; did you mean 'gru'\\? choose from gru, "),
        ({"gru_share": 0.0}, "gru_share must be above 0 and at most 1, not 0.0"),
        ({"sam_radius": -1.0}, "sam_radius must be above 0, not -1.0"),
        ({"dualoptim_forget_rate": math.inf}, "dualoptim_forget_rate must be above 0, not inf"),
        ({"optimizer_wrapper": "sam", "activation_offloading": True}, "does not go with --activation_offloading"),
    ):
        with pytest.raises(ValueError, match=message):
            config(output_dir="unused", use_cpu=True, **settings)
    with pytest.raises(ValueError, match="gru needs a retain term; GradientAscentTrainer has none"):
        trainer_of("gradient_ascent", tmp_path, mini_llava, optimizer_wrapper="gru")
    trainer_of("gradient_ascent", tmp_path, mini_llava, optimizer_wrapper="sam", max_steps=1).train()
