"""KVW: gates worked out by hand, coefficients read once more from the model, and columns that were multiplied."""

import pytest
import torch

from clear_unlearning.batches import IGNORE
from tests.trainers.conftest import fresh, trainer_of, weights
from trainers import METHODS
from trainers.kvw import gates


def test_gates_by_hand():
    """With g .5: log 4 = 1.386294 times -.5 gives 1/2; what retain needs as much, or more, stays; 0 beside 0 too."""
    forget, retain = torch.tensor([4.0, 3.0, 1.0, 0.0, 9.0]), torch.tensor([1.0, 3.0, 2.0, 0.0, 1.0])
    (found,) = gates([forget], [retain], 0.5)
    assert found.tolist() == pytest.approx([0.5, 1.0, 1.0, 1.0, 1 / 3])
    (stronger,) = gates([forget], [retain], 1.0)
    assert stronger.tolist() == pytest.approx([0.25, 1.0, 1.0, 1.0, 1 / 9])


def coefficients(model, trainer, side, index=None):
    """Mean absolute input of down_proj of layer 1 at the positions that predict answer tokens, row by row."""
    found = []
    layer = model.get_decoder().layers[1].mlp.down_proj
    handle = layer.register_forward_pre_hook(lambda _, given: found.append(given[0][0].abs()))
    picked = []
    for place, batch in enumerate(trainer.batches(side, 1)):
        if index in (None, place):
            with torch.no_grad():
                model(**{name: value for name, value in batch.items() if name not in ("labels", "index")})
            picked += [found[-1][i - 1] for i, token in enumerate(batch["labels"][0].tolist()) if token != IGNORE]
    handle.remove()
    return torch.stack(picked).mean(0)


def test_each_step_weakens_by_its_rows_and_the_weights_as_they_are(tmp_path, mini_llava):
    """Two steps of two rows, in the order of the epoch; only down_proj of layer 1 changes."""
    settings = {"num_train_epochs": 1, "per_device_train_batch_size": 2, "weakening": 0.3}
    trainer = trainer_of("kvw", tmp_path, mini_llava, **settings)
    original, before = fresh(mini_llava).model.eval(), weights(trainer.model)
    order = list(trainer._get_train_sampler())
    name = "model.language_model.layers.1.mlp.down_proj.weight"
    expected, weight = before[name].double(), dict(original.named_parameters())[name]
    retain = coefficients(original, trainer, "retain")
    for step in (order[:2], order[2:]):
        parts, counts = [], []
        for row in step:
            answer = sum(int((batch["labels"] != IGNORE).sum()) for batch in [list(trainer.batches("forget", 1))[row]])
            parts.append(coefficients(original, trainer, "forget", row) * answer)
            counts.append(answer)
        forget = torch.stack(parts).sum(0) / sum(counts)
        ratio = (forget / retain).clamp(min=1.0).double()
        expected = expected * ratio**-0.3
        with torch.no_grad():
            weight.copy_(expected)
    trainer.train()
    after = weights(trainer.model)
    assert torch.allclose(after.pop(name).double(), expected, rtol=1e-4, atol=1e-7)
    assert not torch.allclose(expected, before.pop(name).double(), rtol=1e-2)
    assert all(torch.equal(after[other], before[other]) for other in before)


def test_what_it_does_not_take_is_named(tmp_path, mini_llava):
    config = METHODS["kvw"][1]
    for settings, message in (
        ({"weakening": 0.0}, "weakening must be above 0, not 0.0"),
        ({"optimizer_wrapper": "gru"}, "optimizer_wrapper acts on gradients, and this method has none: leave it out"),
        ({"salun": 0.5}, "salun acts on gradients"),
    ):
        with pytest.raises(ValueError, match=message):
            config(output_dir="unused", use_cpu=True, **settings)
    with pytest.raises(ValueError, match="KVWTrainer changes the model's own weights: give it no adapter"):
        trainer_of("kvw", tmp_path, mini_llava, lora=True)
    for first, last in ((2, None), (1, 2), (1, 0)):
        with pytest.raises(
            ValueError, match=f"layers must be from 0 to 1, .*not {first} to {1 if last is None else last}"
        ):
            trainer_of("kvw", tmp_path, mini_llava, first_layer=first, last_layer=last)
