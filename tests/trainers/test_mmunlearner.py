"""MMUnlearner: which weights the forget gradient moves, and that the others follow the retain gradient alone."""

import pytest
import torch

from clear_unlearning.likelihood import answer_likelihood
from tests.trainers.conftest import trainer_of, weights
from trainers import METHODS
from trainers.base.regularisers import trainable
from trainers.mmunlearner import MaskedAscent, masks_of


def test_masks_by_hand():
    """Ratios 4, 1, .5 and, of two weights without a gradient, 1; at a saliency of 2 only the first is left."""
    forget, retain = (
        [torch.tensor([4.0, 3.0]), torch.tensor([1.0, 0.0])],
        [torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.0])],
    )
    assert [mask.tolist() for mask in masks_of(forget, retain, 1.0)] == [[True, True], [False, True]]
    assert [mask.tolist() for mask in masks_of(forget, retain, 2.0)] == [[True, False], [False, False]]


def test_the_squares_are_of_single_rows(tmp_path, mini_llava):
    trainer = trainer_of("mmunlearner", tmp_path, mini_llava)
    model, weight = trainer.model.eval(), trainable(trainer.model)[-1]
    expected = torch.zeros_like(weight)
    for batch in trainer.batches("retain", 1):
        assert len(batch["labels"]) == 1
        (gradient,) = torch.autograd.grad(answer_likelihood(model, batch).log_probs.mean(), [weight])
        expected += gradient**2 / 6
    assert expected.any() and torch.allclose(trainer.squares("retain")[-1], expected, rtol=1e-4)


def test_only_salient_weights_feel_the_ascent(tmp_path, mini_llava):
    """By plain SGD: elsewhere the step is that without any weight of the ascent."""
    settings = {"max_steps": 1, "optim": "sgd", "learning_rate": 0.05, "max_grad_norm": 0.0, "weight_decay": 0.0}
    both, descent = (
        trainer_of("mmunlearner", tmp_path, mini_llava, forget_weight=share, **settings) for share in (1.0, 0.0)
    )
    assert isinstance(both.wrapper, MaskedAscent)
    masks = {id(weight): mask for weight, mask in zip(trainable(both.model), both.wrapper.masks, strict=True)}
    share = torch.cat([mask.flatten() for mask in masks.values()]).float().mean()
    assert 0.1 < share < 0.9
    for trainer in (both, descent):
        trainer.train()
    expected, moved = weights(descent.model), 0
    for name, weight in both.model.named_parameters():
        if id(weight) in masks:
            apart = (weight.detach() - expected[name]).abs() > 1e-7
            assert not apart[~masks[id(weight)]].any(), name
            moved += int(apart.sum())
    assert moved > 1000


def test_no_other_rule_makes_the_steps():
    with pytest.raises(ValueError, match="mmunlearner has a step of its own: give no optimizer_wrapper gru"):
        METHODS["mmunlearner"][1](output_dir="unused", use_cpu=True, optimizer_wrapper="gru")
