"""Every method trains a few steps on real classes: what moves, what stays, what the means divide by."""

from itertools import product

import pytest
import torch
from datasets import Dataset
from peft import PeftModel

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from clear_unlearning.tasks import CAPTION_QUESTIONS
from tests.trainers.conftest import OTHERS, TRAINED, fresh, rows, trainer_of, trainings, weights
from trainers import METHODS
from trainers.base.batching import SideCollator
from trainers.base.rows import Rows, partner_rows, rows_themselves
from trainers.base.trainer import REFERENCE_FOLDER

WITH_REFERENCE = ("kl", "dpo", "npo", "scrub", "llmu", "rmu", "sku", "undial", "jensun")


@pytest.mark.parametrize(
    ("method", "lora", "checkpointing"),
    [
        *product(TRAINED, (False, True), (False, True)),
        *(
            pytest.param(method, True, True, marks=pytest.mark.slow)
            for method in OTHERS
            if METHODS[method][0].takes_adapter
        ),  # the first step, below: without
    ],
)
def test_what_is_trainable_moves_and_the_terms_add_up(method, lora, checkpointing, tmp_path, mini_llava):
    trainer = trainer_of(method, tmp_path, mini_llava, lora, gradient_checkpointing=checkpointing)
    before = weights(trainer.model)
    trainable = {name for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert trainable and not any("vision_tower" in name for name in trainable)
    trainer.train()
    for name, value in trainer.model.named_parameters():
        moved = not torch.equal(value.detach(), before[name])
        assert moved == (name in trainable), name
    assert all(torch.isfinite(value).all() for value in trainer.model.parameters())
    assert_terms_add_up(trainer)


@pytest.mark.parametrize("method", trainings())
def test_one_batch_of_four_equals_four_accumulated_batches_of_one(method, tmp_path, mini_llava):
    settings: dict = {"num_train_epochs": 1}
    if method == "scrub":  # the gradient of its first step is rounding, which Adam would bring to full size
        settings |= {"optim": "sgd", "learning_rate": 0.1}
    whole = trainer_of(method, tmp_path / "a", mini_llava, **settings)
    parts = trainer_of(
        method, tmp_path / "b", mini_llava, per_device_train_batch_size=1, gradient_accumulation_steps=4, **settings
    )
    for trainer in (whole, parts):
        trainer.train()
    for (name, one), (_, other) in zip(whole.model.named_parameters(), parts.model.named_parameters(), strict=True):
        # Adam divides by the size of the gradient: rounding in the smallest ones shows as a part of a step.
        assert torch.allclose(one, other, atol=2e-4), name
    logged = [[row["loss"] for row in trainer.state.log_history if "loss" in row] for trainer in (whole, parts)]
    assert logged[0] == pytest.approx(logged[1], abs=1e-4)


def assert_terms_add_up(trainer):
    row = next(row for row in trainer.state.log_history if "loss" in row)
    terms = [value for name, value in row.items() if name.endswith("_term")]
    assert sum(terms) == pytest.approx(row["loss"], rel=1e-4)


@pytest.fixture(scope="module")
def loaded(mini_llava):
    return load_model(str(mini_llava), device="cpu")


@pytest.mark.parametrize("method", OTHERS)
def test_the_first_step_of_every_other_loss(method, tmp_path, mini_llava, loaded):
    """What whole trainings test of each of `trainings`, on one step from a model that is loaded once."""
    trainer = trainer_of(method, tmp_path, mini_llava, loaded=loaded, max_steps=1)
    before = weights(trainer.model)
    trainer.train()
    for name, value in trainer.model.named_parameters():
        assert torch.isfinite(value).all()
        assert torch.equal(value.detach(), before[name]) != value.requires_grad, name
    assert len([row for row in trainer.state.log_history if "loss" in row]) == 1
    assert_terms_add_up(trainer)


def forget_likelihood(model, processor):
    encoder, forget = Encoder(processor), rows(0)
    with torch.no_grad():
        return answer_likelihood(model, encoder.batch([forget[i] for i in range(len(forget))])).sums().sum().item()


@pytest.mark.parametrize("method", trainings(method for method in METHODS if method != "retain_finetune"))
def test_forget_answers_become_less_likely(method, tmp_path, original):
    steered = method in ("rmu", "adaptive_rmu")
    longer = {"learning_rate": 1e-2, "num_train_epochs": 12, "layer": 1, "retain_weight": 100.0} if steered else {}
    longer |= {"learning_rate": 1e-2, "steering": 20.0, "num_train_epochs": 20} if method == "lunar" else {}
    longer |= {"weakening": 1.0, "first_layer": 0, "num_train_epochs": 12} if method == "kvw" else {}
    trainer = trainer_of(method, tmp_path, original, **{"num_train_epochs": 4, **longer})
    before = forget_likelihood(trainer.model, trainer.processing_class)
    assert before > -3.0
    trainer.train()
    assert forget_likelihood(trainer.model.eval(), trainer.processing_class) < before - 5.0


def test_fine_tuning_on_the_rest_does_not_lower_what_was_never_known(tmp_path, mini_llava):
    trainer = trainer_of("retain_finetune", tmp_path, mini_llava, num_train_epochs=4)
    before = forget_likelihood(trainer.model, trainer.processing_class)
    trainer.train()
    assert forget_likelihood(trainer.model.eval(), trainer.processing_class) > before - 1.0


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("method", trainings(WITH_REFERENCE))
def test_the_reference_is_the_original(method, lora, tmp_path, mini_llava):
    """On all that is drawn in the second epoch, after training."""
    trainer = trainer_of(method, tmp_path, mini_llava, lora)
    original = fresh(mini_llava).model
    trained = trainer.model
    if method == "rmu":
        number = 0  # a third of two layers
        layers = [model.get_decoder().layers[number] for model in (trained, original)]
        assert trainer.layer is layers[0]
    trainer.train()
    collator = trainer.data_collator
    items = [trainer.train_dataset[i] for i in range(len(trainer.train_dataset))]
    half = [item for item in items if method != "scrub" or item["side"] == "retain"]
    collator.epoch = 0 if method == "scrub" else 1
    batch = collator(half[:4])
    for side, quantity in trainer.references().items():
        if side not in batch:
            continue
        if method == "rmu":
            trainer.layer = layers[1]
        with torch.no_grad():
            expected = quantity(original, batch[side])
        if method == "rmu":
            trainer.layer = layers[0]
        assert torch.allclose(trainer.reference(trained, batch, side), expected, atol=1e-4)
        with torch.no_grad():
            assert not torch.allclose(quantity(trained.eval(), batch[side]), expected, atol=1e-4)
    assert (tmp_path / REFERENCE_FOLDER).exists() != lora


def test_a_reference_on_disk_is_not_computed_again(tmp_path, mini_llava):
    first = trainer_of("kl", tmp_path, mini_llava)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / REFERENCE_FOLDER).iterdir()}
    second = trainer_of("kl", tmp_path, mini_llava)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / REFERENCE_FOLDER).iterdir()} == files
    batch = first.data_collator([{"index": 0}, {"index": 3}])
    assert torch.equal(*(trainer.reference(trainer.model, batch, "retain") for trainer in (first, second)))


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


def test_retain_rows_change_with_the_epoch_and_not_with_the_run(mini_llava):
    encoder = Encoder(load_model(str(mini_llava), device="cpu").processor)
    retain = rows(10, 6)
    draws = {"forget": rows_themselves(rows(0)), "retain": partner_rows(retain, seed=3, count=3)}
    one, other = (SideCollator(encoder, draws) for _ in range(2))
    drawn = []
    for epoch in range(3):
        one.epoch = other.epoch = epoch
        batch = one([{"index": 1}, {"index": 2}])
        assert [key // len(CAPTION_QUESTIONS) for key in batch["forget"]["index"].tolist()] == [1, 2]
        assert len(batch["retain"]["index"]) == 6
        alone = [other([{"index": index}])["retain"]["index"].tolist() for index in (1, 2)]
        assert batch["retain"]["index"].tolist() == [*alone[0], *alone[1]]
        drawn.append(alone)
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
    with pytest.raises(FloatingPointError, match="step 0: the loss is .*; no checkpoint yet"):
        trainer.train()


def test_weights_that_did_not_change_are_an_error(tmp_path, mini_llava):
    trainer = trainer_of("gradient_ascent", tmp_path, mini_llava, learning_rate=1e-60, weight_decay=0.0)
    with pytest.raises(ValueError, match="no weight has changed in 2 steps"):
        trainer.train()
