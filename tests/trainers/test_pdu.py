"""PDU: the multiplier follows the retain loss of each step, once the first epochs are over."""

import pytest

from tests.trainers.conftest import trainer_of


def test_the_multiplier_follows_the_retain_loss(tmp_path, mini_llava):
    settings = {"retain_weight": 1.0, "retain_bound": 2.0, "dual_step": 0.5, "dual_warmup_epochs": 1}
    trainer = trainer_of("pdu", tmp_path, mini_llava, per_device_train_batch_size=2, **settings)
    trainer.train()
    history = trainer.state.log_history
    losses = {row["step"]: row for row in history if "loss" in row}
    multipliers = {row["step"]: row["retain_multiplier"] for row in history if "retain_multiplier" in row}
    assert list(losses) == [1, 2, 3, 4] and list(multipliers) == [3, 4]  # two steps an epoch
    expected = 1.0
    for step, row in losses.items():
        assert row["retain_term"] == pytest.approx(expected * row["retain_loss"], rel=1e-4)
        if step > 2:
            expected = max(0.0, expected + 0.5 * (row["retain_loss"] - 2.0))
            assert multipliers[step] == pytest.approx(expected, rel=1e-3)
