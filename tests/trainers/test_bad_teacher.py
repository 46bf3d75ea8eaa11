"""The bad teacher is an untrained network, drawn by the seed and asked once."""

import math

import pytest
import torch

from clear_unlearning.likelihood import answer_likelihood
from tests.trainers.conftest import trainer_of, weights
from trainers.bad_teacher import TEACHER_FOLDER, BadTeacherTrainer


def test_the_bad_teacher_is_an_untrained_network_of_the_seed(tmp_path, mini_llava, monkeypatch):
    full = trainer_of("bad_teacher", tmp_path / "full", mini_llava, num_train_epochs=1)
    lora = trainer_of("bad_teacher", tmp_path / "lora", mini_llava, lora=True, num_train_epochs=1)
    batch = full.data_collator([{"index": 0}, {"index": 3}])
    said = full.reference(full.model, batch, "forget")
    network = full.untrained()
    with torch.no_grad():
        assert torch.allclose(said, full.logits(network, batch["forget"]), atol=1e-5)
        p0 = answer_likelihood(full.model.eval(), batch["forget"]).logits
    assert torch.equal(said, lora.reference(lora.model, batch, "forget"))
    entropy = torch.distributions.Categorical(logits=said).entropy()
    assert entropy.mean() > 0.99 * math.log(said.shape[-1]) and not torch.allclose(said, p0, atol=1e-2)

    def refuse(self):
        raise AssertionError("asked again")

    monkeypatch.setattr(BadTeacherTrainer, "untrained", refuse)
    again = trainer_of("bad_teacher", tmp_path / "full", mini_llava, num_train_epochs=1)
    assert torch.equal(again.reference(again.model, batch, "forget"), said)
    with pytest.raises(AssertionError, match="asked again"):
        trainer_of("bad_teacher", tmp_path / "other", mini_llava, seed=1)
    assert (tmp_path / "lora" / TEACHER_FOLDER).is_dir()


def test_the_generators_are_left_as_they_are(tmp_path, mini_llava):
    trainer = trainer_of("bad_teacher", tmp_path, mini_llava, num_train_epochs=1)
    before, start = torch.get_rng_state(), weights(trainer.model)
    one, other = trainer.untrained(), trainer.untrained()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(value, start[name]) for name, value in trainer.model.named_parameters())
