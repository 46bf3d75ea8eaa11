"""A training ends when its condition holds, and says at which step."""

import pytest

from tests.trainers.conftest import trainer_of
from trainers.base.checkpoints import last_checkpoint
from trainers.base.stopping import StopWhen


def test_it_stops_at_the_first_step_above_the_bound(tmp_path, original):
    settings = {"num_train_epochs": 20, "per_device_train_batch_size": 2, "save_strategy": "steps", "save_steps": 1}
    whole = trainer_of("gradient_ascent", tmp_path / "whole", original, **{**settings, "num_train_epochs": 4})
    whole.train()
    losses = [row["forget_loss"] for row in whole.state.log_history if "loss" in row]
    bound = (losses[0] + max(losses)) / 2
    expected = next(step for step, loss in enumerate(losses, 1) if loss > bound)
    trainer = trainer_of("gradient_ascent", tmp_path / "a", original, stop_when=f"forget_loss>{bound}", **settings)
    trainer.train()
    (record,) = [row for row in trainer.state.log_history if "stopped_when" in row]
    assert (record["step"], trainer.state.global_step) == (expected, expected)
    assert record["stopped_when"] == f"forget_loss>{bound}"
    assert record["forget_loss"] == pytest.approx(losses[expected - 1], rel=1e-5)
    # The step is not a checkpoint: after a kill it is taken once more, and stops once more.
    saved = last_checkpoint(tmp_path / "a")
    assert saved is None or saved.name == f"checkpoint-{expected - 1}"


def test_the_loss_of_a_step_is_that_of_its_whole_batch(tmp_path, mini_llava):
    """On four accumulated batches of one."""
    found = {}
    for batch, steps in ((4, 1), (1, 4)):
        trainer = trainer_of(
            "scrub", tmp_path / str(batch), mini_llava, stop_when="retain_loss>5",
            per_device_train_batch_size=batch, gradient_accumulation_steps=steps,
        )  # fmt: skip
        trainer.train()
        (found[batch],) = [row for row in trainer.state.log_history if "stopped_when" in row]
    assert found[1]["step"] == found[4]["step"] == 2  # its first step looks at forget rows alone
    assert found[1]["retain_loss"] == pytest.approx(found[4]["retain_loss"], rel=1e-4)


@pytest.mark.parametrize("text", ["forget_loss", "forget_loss<4", "loss>4", "forget_loss>four", "forget_loss>", ""])
def test_a_malformed_condition_is_named(text):
    with pytest.raises(ValueError, match="NAME>NUMBER with one of forget_loss, retain_loss, forget_quality; not"):
        StopWhen.parse(text)


def test_a_p_value_is_never_above_one():
    with pytest.raises(ValueError, match="forget_quality is a p-value and never above 1"):
        StopWhen.parse("forget_quality>1")


@pytest.mark.parametrize(("steps", "expected"), [(0.25, [2, 4, 6, 8]), (3, [3, 6])])
def test_what_is_measured_is_written_down_and_ends_the_training(steps, expected, tmp_path, mini_llava):
    seen = []

    def measure(model):
        seen.append(model)
        return len(seen) / 10

    settings = {"per_device_train_batch_size": 1, "stop_when": "forget_quality>0.9", "quality_steps": steps}
    trainer = trainer_of("npo", tmp_path, mini_llava, measures={"forget_quality": measure}, **settings)
    trainer.train()
    measured = {row["step"]: row["forget_quality"] for row in trainer.state.log_history if "forget_quality" in row}
    assert measured == {step: (i + 1) / 10 for i, step in enumerate(expected)}
    assert seen == [trainer.model] * len(expected)
    assert trainer.state.global_step == 8
    settings["stop_when"] = f"forget_quality>{(len(seen) + 1.5) / 10}"
    again = trainer_of("npo", tmp_path, mini_llava, measures={"forget_quality": measure}, **settings)
    again.train()
    (record,) = [row for row in again.state.log_history if "stopped_when" in row]
    assert record["step"] == again.state.global_step == expected[1]
    assert record["forget_quality"] == len(seen) / 10


def test_forget_quality_needs_somebody_who_measures_it(tmp_path, mini_llava):
    with pytest.raises(ValueError, match="with one of forget_loss, retain_loss; not 'forget_quality>0.1'"):
        trainer_of("npo", tmp_path, mini_llava, stop_when="forget_quality>0.1")
    with pytest.raises(ValueError, match="quality_steps must be whole, or between 0 and 1; not 1.5"):
        trainer_of("npo", tmp_path, mini_llava, quality_steps=1.5)


def test_a_side_that_a_method_does_not_look_at_is_named(tmp_path, mini_llava):
    with pytest.raises(ValueError, match="with one of retain_loss; not 'forget_loss>4'"):
        trainer_of("idk", tmp_path, mini_llava, stop_when="forget_loss>4")
