"""What was killed goes on from its last whole checkpoint and ends with the same weights, bit for bit."""

import os

import pytest
import torch
from peft import LoraConfig
from transformers import TrainerCallback

from tests.trainers import conftest
from tests.trainers.conftest import rows, trainer_of, trainings
from trainers.base.checkpoints import STATE_FILE, last_checkpoint
from trainers.base.wrappers import WRAPPERS

SHORT = {"num_train_epochs": 2, "per_device_train_batch_size": 2, "save_steps": 2}


class Killed(Exception):
    pass


def train_until(trainer, step: int) -> None:
    class Kill(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == step:
                raise Killed

    trainer.add_callback(Kill)
    with pytest.raises(Killed):
        trainer.train()


def go_on(trainer, folder) -> None:
    checkpoint = last_checkpoint(folder)
    assert checkpoint is not None and checkpoint.name == "checkpoint-2"
    trainer.train(resume_from_checkpoint=str(checkpoint))


@pytest.mark.parametrize(
    ("method", "lora", "settings"),
    [
        *(pytest.param(*one.values, False, {}, marks=one.marks) for one in trainings()),
        ("npo", False, {"muon": True}),
        ("kl", True, {}),
        ("gradient_difference", False, {"salun": 0.5, "l1": 1e-4, "l1_from": "start", "gradient_accumulation_steps": 2,
                                        "per_device_train_batch_size": 1}),
        ("gradient_difference", False, {"optimizer_wrapper": "gru"}),
        ("npo", True, {"optimizer_wrapper": "dualoptim"}),
        *(pytest.param("npo", True, {"optimizer_wrapper": name}, marks=pytest.mark.slow) for name in WRAPPERS),
        ("scrub", True, {"sides": {"held_out": rows(30, 2)}}),
    ],
)  # fmt: skip
def test_an_interrupted_run_ends_with_the_same_weights(method, lora, settings, tmp_path, mini_llava, monkeypatch):
    # Dropout draws from the generators that a checkpoint keeps.
    monkeypatch.setattr(
        conftest, "LORA", LoraConfig(r=2, lora_dropout=0.1, target_modules=conftest.LORA.target_modules)
    )
    settings = {**SHORT, **settings}
    whole = trainer_of(method, tmp_path / "a", mini_llava, lora, **settings)
    whole.train()
    broken = tmp_path / "b"
    saving = {**settings, "save_strategy": "steps"}
    train_until(trainer_of(method, broken, mini_llava, lora, **saving), step=3)
    second = trainer_of(method, broken, mini_llava, lora, **saving)
    go_on(second, broken)
    assert second.state.global_step == whole.state.global_step > 3
    for (name, one), (_, other) in zip(whole.model.named_parameters(), second.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_checkpoint_that_is_not_whole_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for step, state in ((2, "{}"), (10, "{}"), (12, '{"epoch": 1.'), (14, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{step}" / STATE_FILE).write_text(state)
    (tmp_path / "kept-reference").mkdir()
    found = last_checkpoint(tmp_path)
    assert found is not None and found.name == "checkpoint-10"


@pytest.mark.parametrize(("method", "kept"), [("kl", "kept-reference"), ("scrub", "kept-epochs")])
def test_what_is_kept_beside_the_checkpoints_stays_when_they_go(method, kept, tmp_path, mini_llava):
    """Trainer takes whatever is named as a checkpoint for one, and drops the oldest."""
    sides = {"held_out": rows(30, 2)} if method == "scrub" else {}
    trainer = trainer_of(method, tmp_path, mini_llava, sides=sides, save_strategy="steps", **SHORT)

    class Age(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            for folder in tmp_path.iterdir():
                os.utime(folder, (0, 0 if folder.name == kept else state.global_step))

    trainer.add_callback(Age)
    trainer.train()
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1
    assert len(list((tmp_path / kept).iterdir())) > 1


def test_a_run_that_was_killed_after_its_rewinding_rewinds_again(tmp_path, mini_llava):
    settings = {**SHORT, "sides": {"held_out": rows(30, 2)}, "save_strategy": "steps"}
    first, second = (trainer_of("scrub", tmp_path, mini_llava, **settings) for _ in range(2))
    first.train()
    second.train(resume_from_checkpoint=str(last_checkpoint(tmp_path)))
    assert second.state.log_history[-1]["rewound_to_epoch"] == first.state.log_history[-1]["rewound_to_epoch"]
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_that_are_not_finite_never_reach_a_checkpoint(tmp_path, mini_llava):
    trainer = trainer_of("npo", tmp_path, mini_llava, save_strategy="steps", **SHORT)

    class Spoil(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 4:
                with torch.no_grad():
                    kwargs["model"].get_output_embeddings().weight[0, 0] = float("inf")

    trainer.add_callback(Spoil)
    with pytest.raises(FloatingPointError, match="step 4: a weight .*; the last good checkpoint is .*checkpoint-2"):
        trainer.train()
    assert last_checkpoint(tmp_path).name == "checkpoint-2"  # type: ignore[union-attr]
