"""Every method trains a few steps on real classes: what moves, what stays, what the means divide by."""

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers.trainer_utils import get_last_checkpoint

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from tests.conftest import picture
from trainers import METHODS
from trainers.base import REFERENCE_FILE
from trainers.rows import Rows, SideCollator

LORA = LoraConfig(r=2, target_modules=r".*language_model.*(q_proj|v_proj)")


def rows(first: int, count: int = 4) -> Rows:
    """Photos with captions and one text question, as in a `+tofu` config."""
    captions = [{"image": picture(first + i), "caption": f"Person {first + i} is smiling.", "question": None,
                 "answer": None} for i in range(count - 1)]  # fmt: skip
    text = [{"image": None, "caption": None, "question": f"Who is {first}?", "answer": f"Somebody number {first}."}]
    return Rows([Dataset.from_list(captions + text)], seed=0)


def trainer_of(method, folder, model_folder, lora=False, **settings):
    trainer_class, config_class = METHODS[method]
    given = {
        "output_dir": str(folder),
        "use_cpu": True,
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        **settings,
    }
    loaded = load_model(str(model_folder), device="cpu")
    return trainer_class(
        model=loaded.model,
        args=config_class(**given),
        sides={"forget": rows(0), "retain": rows(10, 6)},
        processing_class=loaded.processor,
        peft_config=LORA if lora else None,
    )


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_trainable_moves_and_the_rest_stays(method, lora, checkpointing, tmp_path, mini_llava):
    trainer = trainer_of(method, tmp_path, mini_llava, lora, gradient_checkpointing=checkpointing)
    before = weights(trainer.model)
    trainable = {name for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert trainable and not any("vision_tower" in name for name in trainable)
    trainer.train()
    for name, value in trainer.model.named_parameters():
        moved = not torch.equal(value.detach(), before[name])
        assert moved == (name in trainable), name
    assert all(torch.isfinite(value).all() for value in trainer.model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_one_batch_of_four_equals_four_accumulated_batches_of_one(method, tmp_path, mini_llava):
    whole = trainer_of(method, tmp_path / "a", mini_llava, num_train_epochs=1)
    parts = trainer_of(
        method, tmp_path / "b", mini_llava, num_train_epochs=1, per_device_train_batch_size=1,
        gradient_accumulation_steps=4,
    )  # fmt: skip
    for trainer in (whole, parts):
        trainer.train()
    for (name, one), (_, other) in zip(whole.model.named_parameters(), parts.model.named_parameters(), strict=True):
        # Adam divides by the size of the gradient: rounding in the smallest ones shows as a part of a step.
        assert torch.allclose(one, other, atol=2e-4), name
    logged = [[row["loss"] for row in trainer.state.log_history if "loss" in row] for trainer in (whole, parts)]
    assert logged[0] == pytest.approx(logged[1], abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_terms_are_logged_and_add_up(method, tmp_path, mini_llava):
    trainer = trainer_of(method, tmp_path, mini_llava, num_train_epochs=1)
    trainer.train()
    row = next(row for row in trainer.state.log_history if "loss" in row)
    terms = [row[f"{side}_loss"] for side in trainer.side_names]
    assert sum(terms) == pytest.approx(row["loss"], rel=1e-4)


def forget_likelihood(model, processor):
    encoder, forget = Encoder(processor), rows(0)
    with torch.no_grad():
        return answer_likelihood(model, encoder.batch([forget[i] for i in range(len(forget))])).sums().sum().item()


@pytest.mark.parametrize(
    ("method", "direction"),
    [("gradient_ascent", -1), ("gradient_difference", -1), ("npo", -1), ("retain_finetune", 0)],
)
def test_forget_answers_become_less_likely(method, direction, tmp_path, mini_llava):
    trainer = trainer_of(method, tmp_path, mini_llava, num_train_epochs=4)
    before = forget_likelihood(trainer.model, trainer.processing_class)
    trainer.train()
    after = forget_likelihood(trainer.model.eval(), trainer.processing_class)
    if direction:
        assert (after - before) * direction > 1.0
    else:
        assert after > before - 1.0


@pytest.mark.parametrize("lora", [False, True])
def test_the_reference_is_the_original(lora, tmp_path, mini_llava):
    trainer = trainer_of("npo", tmp_path, mini_llava, lora)
    original = load_model(str(mini_llava), device="cpu")
    encoder, forget = Encoder(original.processor), rows(0)
    batch = encoder.batch([forget[i] for i in range(4)])
    with torch.no_grad():
        expected = answer_likelihood(original.model, batch).sums()
    trainer.train()
    batch["index"] = torch.arange(4)
    assert torch.allclose(trainer.reference_sums(trainer.model, batch), expected, atol=1e-4)
    assert (tmp_path / REFERENCE_FILE).exists() != lora


@pytest.mark.parametrize("lora", [False, True])
def test_saved_and_loaded_models_say_the_same(lora, tmp_path, mini_llava):
    trainer = trainer_of("npo", tmp_path, mini_llava, lora)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    if lora:
        assert isinstance(trainer.model, PeftModel)
        trainer.model.peft_config["default"].base_model_name_or_path = str(mini_llava)
        trainer.model.save_pretrained(tmp_path / "saved")
    loaded = load_model(str(tmp_path / "saved"), device="cpu")
    here = forget_likelihood(trainer.model.eval(), trainer.processing_class)
    assert forget_likelihood(loaded.model, loaded.processor) == pytest.approx(here, abs=1e-3)


@pytest.mark.parametrize("muon", [False, True])
def test_an_interrupted_run_ends_with_the_same_weights(muon, tmp_path, mini_llava):
    settings = {"num_train_epochs": 3, "per_device_train_batch_size": 2, "save_strategy": "steps", "save_steps": 3,
                "muon": muon}  # fmt: skip
    whole = trainer_of("npo", tmp_path / "a", mini_llava, **settings)
    whole.train()
    first = trainer_of("npo", tmp_path / "b", mini_llava, **settings)

    class Stop(Exception):
        pass

    def stop(args, state, control, **kwargs):
        if state.global_step == 4:
            raise Stop

    first.callback_handler.callbacks[0].on_step_end = stop
    with pytest.raises(Stop):
        first.train()
    second = trainer_of("npo", tmp_path / "b", mini_llava, **settings)
    second.train(resume_from_checkpoint=get_last_checkpoint(str(tmp_path / "b")))
    for (name, one), (_, other) in zip(whole.model.named_parameters(), second.model.named_parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6), name


def test_retain_rows_change_with_the_epoch_and_not_with_the_run(mini_llava):
    encoder = Encoder(load_model(str(mini_llava), device="cpu").processor)
    collators = [SideCollator(encoder, {"forget": rows(0), "retain": rows(10, 6)}, seed=3) for _ in range(2)]
    drawn = []
    for epoch in range(3):
        for collator in collators:
            collator.epoch = epoch
        one, other = ([c.partner(i, 1000) for i in range(20)] for c in collators)
        assert one == other
        drawn.append(one)
    assert drawn[0] != drawn[1] != drawn[2]


def test_a_missing_side_is_named(tmp_path, mini_llava):
    loaded = load_model(str(mini_llava), device="cpu")
    trainer_class, config_class = METHODS["npo"]
    with pytest.raises(ValueError, match="retain"):
        trainer_class(
            model=loaded.model,
            args=config_class(output_dir=str(tmp_path), use_cpu=True),
            sides={"forget": rows(0)},
            processing_class=loaded.processor,
        )
    with pytest.raises(ValueError, match="no rows"):
        Rows([Dataset.from_list([])], seed=0)


def test_divergence_stops_with_the_step(tmp_path, mini_llava):
    trainer = trainer_of("gradient_ascent", tmp_path, mini_llava)
    with torch.no_grad():
        trainer.model.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 0"):
        trainer.train()
