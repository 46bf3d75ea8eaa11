"""SMFA: what is left of a change, worked out by hand, and two trainings from the same weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.trainers.conftest import trainer_of, weights
from tests.trainers.test_resume import train_until
from trainers import METHODS
from trainers.base.task_vector import START_FILE
from trainers.smfa import ANCHOR_FILE, sculpted


def test_what_is_left_by_hand():
    """||F|| = 10 and ||A|| = 5: with k 1 the bounds are 2 |A| = 2, 4, 4, 8; the first and the third go against A.

    |F| = 7 is above its 2 and goes; |F| = 1 is below its 4 and stays; of one sign all stay, however large.
    """
    change, anchor = torch.tensor([7.0, 5.0, -1.0, 5.0]), torch.tensor([-1.0, 2.0, 2.0, 4.0])
    assert sculpted(change, anchor, 1.0).tolist() == [0.0, 5.0, -1.0, 5.0]
    assert sculpted(change, anchor, 3.5).tolist() == change.tolist()  # 7 is not above 3.5 x 2
    assert sculpted(change, anchor, 3.4).tolist() == [0.0, 5.0, -1.0, 5.0]
    assert sculpted(change, anchor, 0.0).tolist() == [0.0, 5.0, 0.0, 5.0]  # all that go against it
    assert sculpted(change, torch.zeros(4), 1.0).tolist() == change.tolist()


def test_it_agrees_with_the_formula_entry_by_entry():
    dice = np.random.default_rng(0)
    change, anchor = dice.normal(size=(6, 5)), 0.1 * dice.normal(size=(6, 5))
    ratio, expected = np.sqrt((change**2).sum() / (anchor**2).sum()), change.copy()
    for i, j in np.ndindex(change.shape):
        if change[i, j] * anchor[i, j] < 0 and 0.7 * ratio * abs(anchor[i, j]) < abs(change[i, j]):
            expected[i, j] = 0
    found = sculpted(torch.tensor(change), torch.tensor(anchor), 0.7)
    assert np.array_equal(found.numpy(), expected) and 3 < (expected == 0).sum() < 25


def test_both_trainings_start_from_the_original_and_their_changes_are_combined(tmp_path, mini_llava):
    settings = {"per_device_train_batch_size": 2, "masking": 0.1}
    trainer = trainer_of("smfa", tmp_path / "a", mini_llava, **settings)
    before, kept = weights(trainer.model), {}
    sculpt = trainer.after_training

    def keep_and_sculpt():
        kept["refusing"] = weights(trainer.model)
        kept["anchor"] = load_file(tmp_path / "a" / ANCHOR_FILE)
        sculpt()

    trainer.after_training = keep_and_sculpt
    trainer.train()
    assert not {START_FILE, ANCHOR_FILE} & {path.name for path in (tmp_path / "a").iterdir()}

    plain = trainer_of("idk", tmp_path / "b", mini_llava, per_device_train_batch_size=2)
    plain.train()  # the same loss without an anchor
    assert all(torch.equal(kept["refusing"][name], weight) for name, weight in weights(plain.model).items())

    held = trainer_of("idk", tmp_path / "c", mini_llava, per_device_train_batch_size=2)
    losses = held.losses
    held.losses = lambda *given: {"retain": losses(*given)["retain"]}
    held.train()  # the same steps without refusals
    after, left_out = weights(trainer.model), 0
    for name, anchor in kept["anchor"].items():
        assert torch.allclose(anchor, weights(held.model)[name], atol=2e-4)
        expected = before[name] + sculpted(kept["refusing"][name] - before[name], anchor - before[name], 0.1)
        assert torch.allclose(after[name], expected, atol=1e-7)
        left_out += int((after[name] != kept["refusing"][name]).sum())
    assert left_out > 1000


def test_an_anchor_that_is_there_is_not_trained_again(tmp_path, mini_llava, monkeypatch):
    settings = {"per_device_train_batch_size": 2, "save_strategy": "steps", "save_steps": 1}
    train_until(trainer_of("smfa", tmp_path, mini_llava, **settings), step=2)
    assert (tmp_path / ANCHOR_FILE).exists()
    monkeypatch.setattr("trainers.smfa.AnchorTrainer", None)
    trainer_of("smfa", tmp_path, mini_llava, **settings).train(resume_from_checkpoint=True)


def test_what_it_does_not_take_is_named(tmp_path, mini_llava):
    with pytest.raises(ValueError, match="masking must be 0 or more, not -1"):
        METHODS["smfa"][1](output_dir="unused", use_cpu=True, masking=-1.0)
    with pytest.raises(ValueError, match="smfa leaves a change without low rank: give it no adapter"):
        trainer_of("smfa", tmp_path, mini_llava, lora=True)
