"""SCRUB: its passes, its schedule and its way back."""

import pytest

from tests.trainers.conftest import rows, trainer_of
from trainers.base.batching import alternating_rows
from trainers.base.checkpoints import loss_per_token


def test_max_before_min_in_the_first_epochs_then_min_alone():
    """5 forget and 8 retain rows, 4 in a step: 2 + 2 steps in an epoch with both passes, 2 in one without."""
    columns, ends = alternating_rows({"forget": 5, "retain": 8}, epochs=3, first_epochs=2, step=4, seed=0)
    assert ends == [4, 8, 10]
    steps = [
        {name: values[start : start + 4] for name, values in columns.items()}
        for start in range(0, len(columns["index"]), 4)
    ]
    assert [set(step["side"]) for step in steps] == [
        {side} for side in ["forget"] * 2 + ["retain"] * 2 + ["forget"] * 2 + ["retain"] * 2 + ["retain"] * 2
    ]
    for first, count in ((0, 5), (2, 8), (4, 5), (6, 8), (8, 8)):
        pass_ = steps[first : first + 2]
        real = [i for step in pass_ for i, fills in zip(step["index"], step["filler"], strict=True) if not fills]
        assert sorted(real) == list(range(count))
    assert columns["index"][8:16] != columns["index"][24:32]
    assert alternating_rows({"forget": 5, "retain": 8}, 3, 2, 4, seed=0) == (columns, ends)


def test_a_constant_learning_rate_falls_after_its_epochs(tmp_path, mini_llava):
    trainer = trainer_of("scrub", tmp_path, mini_llava, num_train_epochs=4, msteps=1, lr_decay_epochs=[2, 3])
    trainer.train()
    rates = [row["learning_rate"] for row in trainer.state.log_history if "loss" in row]
    assert rates == pytest.approx([1e-3] * 5 + [1e-4] * 2 + [1e-5] * 2)


@pytest.mark.parametrize("lora", [False, True])
def test_it_goes_back_to_the_epoch_that_forgot_as_much_as_was_never_known(lora, tmp_path, original):
    rate = 3e-2 if lora else 3e-3
    trainer = trainer_of(
        "scrub", tmp_path, original, lora, {"held_out": rows(0)}, num_train_epochs=4, learning_rate=rate
    )
    errors, measure = [], trainer.rewind.forget_error

    def remember(model):
        errors.append(measure(model))
        return errors[-1]

    trainer.rewind.forget_error = remember
    trainer.rewind.choose, choose = lambda model, error: choose(model, errors[1]), trainer.rewind.choose
    trainer.train()
    assert len(errors) == 4
    assert len({round(error, 4) for error in errors}) == 4
    assert trainer.state.log_history[-1]["rewound_to_epoch"] == 2
    assert loss_per_token(trainer.model, trainer.batches("forget")) == pytest.approx(errors[1], abs=1e-4)
