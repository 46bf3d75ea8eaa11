"""A frozen vision tower sees each photo once, and nothing that is learnt changes by it."""

import logging

import pytest
import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from tests.clear_unlearning.architectures import ARCHITECTURES, build_architecture, questions
from tests.trainers.conftest import trainer_of, weights
from trainers.base.vision import READ, FrozenVision, each_photo_once, freeze_vision, vision_tower

WITH_PHOTOS = [name for name, row in ARCHITECTURES.items() if row.images]


def counted(tower) -> list[int]:
    """How many pictures each pass of a tower sees, from now on."""
    seen = []
    tower.encoder.register_forward_pre_hook(
        lambda module, given, named: seen.append(len(named["inputs_embeds"])), with_kwargs=True
    )
    return seen


def trained(method, folder, model_folder, lora, **settings):
    trainer = trainer_of(method, folder, model_folder, lora, optim="sgd", learning_rate=0.05, **settings)
    network = trainer.model.get_base_model() if lora else trainer.model
    before, seen = weights(trainer.model), counted(vision_tower(network))
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    moved = {name for name, value in weights(trainer.model).items() if not torch.equal(value, before[name])}
    return losses, moved, weights(trainer.model), seen


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("method", ["gradient_difference", "npo"])
def test_losses_and_weights_are_those_of_a_tower_that_runs_in_every_step(
    method, lora, checkpointing, tmp_path, mini_llava
):
    settings = {"num_train_epochs": 3, "per_device_train_batch_size": 2, "gradient_checkpointing": checkpointing}
    once = trained(method, tmp_path / "once", mini_llava, lora, **settings)
    always = trained(method, tmp_path / "always", mini_llava, lora, cached_features=0, **settings)
    assert once[0] == pytest.approx(always[0], abs=1e-6)
    assert once[1] == always[1]
    for name, value in once[2].items():
        assert torch.allclose(value, always[2][name], atol=1e-6), name
    if not lora:
        assert any("projector" in name for name in once[1])
    # 3 photos to forget and 5 to retain, some of which are not drawn, each by itself and once.
    assert set(once[3]) <= {1} and len(once[3]) <= 8
    assert sum(always[3]) > 2 * len(once[3])


@pytest.mark.parametrize("name", WITH_PHOTOS)
def test_every_architecture_says_the_same(name):
    model, processor = build_architecture(name)
    batch = Encoder(processor).batch(questions(images=True))
    with torch.no_grad():
        expected = answer_likelihood(model, batch).log_probs
    freeze_vision(model)
    once, tower = each_photo_once(model, 1.0, sharded=False), vision_tower(model)
    assert isinstance(once, FrozenVision) and tower is not None
    found = expected
    for i in range(2):
        with once, torch.inference_mode(i == 0):  # what scoring keeps is of use to training
            found = answer_likelihood(model, batch).log_probs
        assert torch.allclose(found, expected, atol=1e-5)
    assert once.size
    found.sum().backward()
    assert all(weight.grad is None for weight in tower.parameters())
    assert any(weight.grad is not None for weight in model.parameters())
    assert torch.allclose(answer_likelihood(model, batch).log_probs, expected, atol=1e-6)


@pytest.mark.parametrize("name", WITH_PHOTOS)
def test_a_picture_is_seen_once_whatever_is_beside_it(name, monkeypatch):
    model, processor = build_architecture(name)
    freeze_vision(model)
    encoder, rows = Encoder(processor), questions(images=True)
    once = each_photo_once(model, 1.0, sharded=False)
    assert isinstance(once, FrozenVision)
    seen, run = [], once._run
    monkeypatch.setattr(once, "_run", lambda *given, **named: seen.append(1) or run(*given, **named))
    with once, torch.no_grad():
        answer_likelihood(model, encoder.batch(rows))
        pictures = len(seen)
        for few in (rows[:1], rows[1:4], rows[::-1]):
            answer_likelihood(model, encoder.batch(few))
    assert len(seen) == pictures
    assert pictures >= 3  # three pictures among the questions


def test_what_does_not_fit_is_computed_again_and_said(tmp_path, mini_llava, caplog):
    settings = {"num_train_epochs": 3, "per_device_train_batch_size": 2}
    expected = trained("npo", tmp_path / "all", mini_llava, False, **settings)
    with caplog.at_level(logging.WARNING, "trainers"):
        few = trained("npo", tmp_path / "few", mini_llava, False, cached_features=2e-5, **settings)  # 6.5 kB each
    assert few[0] == expected[0]
    assert len(few[3]) > len(expected[3])
    (message,) = [record.message for record in caplog.records]
    assert "of 3 pictures or tiles: further ones go through the frozen tower in every step" in message


def test_a_tower_that_is_trained_sees_every_photo_in_every_step(tmp_path, mini_llava):
    trainer = trainer_of("gradient_difference", tmp_path, mini_llava, learning_rate=0.05, freeze_vision=False)
    before, given, seen = weights(trainer.model), [], counted(vision_tower(trainer.model))
    trainer.model.register_forward_pre_hook(
        lambda module, nothing, named: given.append(len(named["pixel_values"])), with_kwargs=True
    )
    trainer.train()
    assert any("vision_tower" in name and not torch.equal(value, before[name])
               for name, value in weights(trainer.model).items())  # fmt: skip
    assert seen == given
    # Two steps of four rows a side: three photos to forget, and three or four to retain, of five and a text.
    assert 2 * (3 + 3) <= sum(seen) <= 2 * (3 + 4)


@pytest.mark.parametrize(("kind", "sharded"), [("llava", True), ("other", False)])
def test_where_it_does_not_hold_the_reason_is_said(kind, sharded, caplog):
    model, _ = build_architecture("LLaVA-1.5")
    freeze_vision(model)
    model.config.model_type = kind
    with caplog.at_level(logging.WARNING, "trainers"), each_photo_once(model, 1.0, sharded) as nothing:
        assert nothing is None
    reason = "spread over processes" if sharded else "what other reads of it is not known, as it is of llava, "
    assert reason in caplog.text


def test_every_type_that_is_read_is_tested():
    assert set(READ) == {build_architecture(name)[0].config.model_type for name in WITH_PHOTOS}
