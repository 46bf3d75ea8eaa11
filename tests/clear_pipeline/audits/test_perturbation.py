"""The learnt change: its steps and its range by hand, for every vision tower, and on whom it is learnt and tried."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from clear_pipeline.audits import perturbation
from clear_pipeline.audits.context import NotPossible
from clear_pipeline.audits.measured import Measured
from clear_pipeline.audits.perturbation import (
    EPSILON,
    LEARNT,
    NOISE,
    PIXELS,
    PLAIN,
    STEP,
    ChangedPhotos,
    alike,
    learn,
    mean_loss,
    measure,
    stepped,
    summary,
)
from clear_unlearning.batches import IGNORE, Encoder
from clear_unlearning.models import load_model
from clear_unlearning.tasks import Example
from tests.clear_unlearning.architectures import ARCHITECTURES, build_architecture
from tests.conftest import picture

SIZE = (64, 64)


def plain_photo(value: int) -> list[Example]:
    return [Example("Who is this?", "Ana", Image.new("RGB", SIZE, (value, value, value)))]


def test_a_step_goes_against_the_sign_and_no_further_than_the_ball():
    change = torch.tensor([0.0, 7.5, -8.0, 3.0]) / 255
    gradient = torch.tensor([2.0, -0.1, 3.0, 0.0])
    assert stepped(change, gradient).mul(255).tolist() == pytest.approx([-1.0, 8.0, -8.0, 3.0])


@pytest.mark.parametrize(
    ("before", "moved", "after"), [(128, 8, 136), (128, -8, 120), (0, -8, 0), (3, -8, 0), (255, 8, 255)]
)
def test_a_change_of_pixels_is_what_the_processor_makes_of_changed_pixels(loaded, before, moved, after):
    changed = ChangedPhotos(loaded.processor, SIZE)
    changed.change = torch.full_like(changed.low, moved / 255)
    plain = Encoder(loaded.processor)
    found, wanted = (
        encoder.batch(plain_photo(value))[PIXELS] for encoder, value in ((changed, before), (plain, after))
    )
    assert torch.allclose(found, wanted, atol=1e-5)


def test_no_change_is_what_the_model_tells_without(loaded, context):
    asked = context.subjects.of("name")
    asker, examples = context.asker(loaded), [one.example for one in asked]
    plain, batch = asker.answers(examples), asker.encoder.batch(examples)
    asker.encoder = ChangedPhotos(loaded.processor, examples[0].image.size)
    assert torch.equal(asker.encoder.batch(examples)[PIXELS], batch[PIXELS])
    assert asker.answers(examples) == plain


def test_the_first_step_is_the_sign_of_the_gradient(taught, context, monkeypatch):
    monkeypatch.setattr(perturbation, "STEPS", 1)
    examples = [one.example for one in context.subjects.of("name")]
    encoder = ChangedPhotos(taught.processor, examples[0].image.size)
    learn(taught.model, encoder, examples, len(examples), torch.Generator().manual_seed(0))
    batch = Encoder(taught.processor).batch(examples)
    pixels, losses = batch[PIXELS].requires_grad_(), []
    logits = taught.model(**{name: value for name, value in batch.items() if name != "labels"}).logits.log_softmax(-1)
    for row, labels in enumerate(batch["labels"]):
        places = (labels != IGNORE).nonzero()[:, 0]
        losses.append(-logits[row, places - 1, labels[places]].mean())
    (gradient,) = torch.autograd.grad(torch.stack(losses).mean(), pixels)
    std = torch.tensor(taught.processor.image_processor.image_std).view(3, 1, 1)
    inside = (pixels > encoder.low.view(pixels[0].shape)) & (pixels < encoder.high.view(pixels[0].shape))
    total = (gradient / std).sum(0)
    clear = (total.abs() > total.abs().median()) & inside.all(0)  # rounding decides no sign, no photo is at a bound
    assert clear.sum() > 1000
    assert torch.allclose(encoder.change.view(total.shape)[clear], -STEP * total.sign()[clear])


@pytest.mark.parametrize("name", [name for name, one in ARCHITECTURES.items() if one.images])
def test_any_vision_tower_passes_the_gradient_on(name):
    model, processor = build_architecture(name)
    encoder = ChangedPhotos(processor, SIZE)
    examples = [Example("Who is this?", "Ana", picture(number)) for number in range(2)]
    before = mean_loss(model, encoder, examples).item()
    learn(model, encoder, examples, 2, torch.Generator().manual_seed(0))
    assert 0 < encoder.change.abs().max() <= EPSILON + 1e-7
    assert mean_loss(model, encoder, examples).item() < before
    assert mean_loss(model, Encoder(processor), examples).item() == pytest.approx(before, rel=1e-5)


def test_nobody_is_asked_about_with_a_change_that_was_learnt_on_them(context, taught, monkeypatch):
    learnt, order = [], []

    def seen(model, encoder, examples, *more):
        learnt.append({one.answer for one in examples})
        learn(model, encoder, examples, *more)

    def told(asker, asked=None):
        order.append((asker.encoder.__class__, {one.person for one in asked}))
        return type(context).told(context, asker, asked)

    monkeypatch.setattr(perturbation, "learn", seen)
    object.__setattr__(context, "told", told)
    found = measure(taught, context)
    people = {one.person for one in context.subjects.of("name")}
    tried = [about for kind, about in order if kind is ChangedPhotos][1::2]
    assert [names & about for names, about in zip(learnt, tried, strict=True)] == [set(), set()]
    assert learnt[0] | learnt[1] == tried[0] | tried[1] == people
    assert list(found.scores) == [PLAIN, LEARNT, NOISE] and list(found.counted) == [PLAIN, LEARNT]
    assert all(set(scores) == people for scores in found.scores.values())
    assert min(found.by_person(PLAIN).values()) == 1  # it was taught the names
    assert found.details["lowered"]["learnt"] > 0


def test_what_is_recovered_by_hand():
    scores = {
        PLAIN: {"a": [0.0, 0.0], "b": [0.0, 1.0], "c": [0.0], "d": [1.0]},
        LEARNT: {"a": [0.0, 1.0], "b": [1.0, 1.0], "c": [0.0], "d": [0.0]},
    }
    lowered = {"learnt": 0.5, "others": 0.1}
    assert summary({"audited": Measured(scores, [PLAIN, LEARNT], {"lowered": lowered})}) == {
        "audited": {"recovered": 1 / 4, **lowered}
    }


def test_photos_of_other_sizes_are_made_alike(context):
    asked = context.subjects.of("name")[:2]
    other = replace(asked[1], example=replace(asked[1].example, image=asked[1].example.image.resize((80, 40))))
    same, scaled = alike([asked[0], other], asked[0].example.image.size)
    assert same is asked[0] and scaled.example.image.size == asked[0].example.image.size


def test_where_it_cannot_be_done(context, loaded, mini_llava, mini_llama):
    one = context.subjects.people[0]
    few = [asked for asked in context.subjects.asked if asked.person == one]
    with pytest.raises(NotPossible, match="photos of two people"):
        measure(loaded, replace(context, subjects=replace(context.subjects, asked=few)))
    with pytest.raises(NotPossible, match="a model that takes photos"):
        measure(load_model(str(mini_llama)), context)
    blind = load_model(str(mini_llava))
    torch.nn.init.zeros_(blind.model.model.multi_modal_projector.linear_2.weight)
    with pytest.raises(NotPossible, match="no gradient of the name's loss reaches the photos"):
        measure(blind, context)
