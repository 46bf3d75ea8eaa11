"""Scores and training on every row of the table of architectures, against a second way through each."""

import logging

import pytest
import torch
from transformers import PaliGemmaProcessor
from trl import ModelConfig

from clear_pipeline.model_arguments import peft_config
from clear_unlearning.batches import IGNORE, Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.scoring.scorer import Scorer, candidates, score_examples
from clear_unlearning.tasks import Example
from tests.clear_unlearning.architectures import ARCHITECTURES, build_architecture, questions
from tests.conftest import picture
from trainers.base.trainer import freeze_vision

NEW_TOKENS = 8
PATHS = ("image", "prompt", "repeated prompt", "plain")  # of `Scorer`, the fastest first


@pytest.fixture(scope="module", params=ARCHITECTURES)
def built(request):
    model, processor = build_architecture(request.param)
    return model, processor, Encoder(processor), questions(ARCHITECTURES[request.param].images)


def whole_text(processor, example: Example, answer: str) -> str:
    content = [*([{"type": "image"}] if example.image else []), {"type": "text", "text": example.question}]
    text = Encoder(processor).has_images
    messages = [
        {"role": "user", "content": content if text else example.question},
        {"role": "assistant", "content": [{"type": "text", "text": answer}] if text else answer},
    ]
    return processor.apply_chat_template(messages, tokenize=False).rstrip("\n")


@torch.no_grad()
def separate_loss(model, processor, example: Example, answer: str, tokens: int) -> float:
    """Loss of an answer from the logits of all positions, the conversation encoded by the processor alone."""
    if isinstance(processor, PaliGemmaProcessor):
        if example.image is None:  # it takes none: what it would write
            text = f"<s>{example.question}\n"
            ids = processor.tokenizer(text, text_pair=f"{answer}</s>", return_tensors="pt", return_token_type_ids=True)
        else:
            asked = f"<image>{example.question}"
            ids = processor(images=[[example.image]], text=[asked], suffix=[answer], return_tensors="pt")
    else:
        text = whole_text(processor, example, answer)
        images = {"images": [[example.image]]} if example.image else {}
        special = not text.startswith("<s>")
        ids = processor(text=[text], return_tensors="pt", add_special_tokens=special, **images)
    inputs = {name: value for name, value in ids.items() if name != "labels"}
    logits = model(**inputs).logits[0].double()
    targets = inputs["input_ids"][0, -tokens:]
    return -float(logits.log_softmax(-1)[-tokens - 1 : -1].gather(1, targets[:, None]).sum())


def test_losses_are_those_of_separate_passes_and_texts_those_of_generate(built, request, caplog):
    model, processor, encoder, examples = built
    scorer = Scorer(model, encoder, NEW_TOKENS)
    with caplog.at_level(logging.WARNING, "clear_unlearning"):
        found = {i: one for batch in score_examples(scorer, examples, 2) for i, one in batch.items()}
    shared = ARCHITECTURES[request.node.callspec.params["built"]].shared
    alone = "prompt" if shared == "image" else shared
    kinds = {"same images": shared, "images": alone} if examples[0].image else {}
    assert scorer.path == {**kinds, "text": alone}, caplog.text
    assert ("is not scored by way of the " in caplog.text) == (shared != "image")
    for i, example in enumerate(examples):
        for answer, loss, tokens in zip(candidates(example), found[i].losses, found[i].tokens, strict=True):
            assert loss == pytest.approx(separate_loss(model, processor, example, answer, tokens), abs=1e-4 * tokens)
        prompt = encoder.prompts([example])
        output = model.generate(
            **prompt, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0, eos_token_id=encoder.end_ids
        )
        text = encoder.tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        assert found[i].generated == text.strip()


@pytest.mark.parametrize("path", ["prompt", "repeated prompt", "plain"])
def test_a_batch_with_and_without_images_is_scored_as_its_rows_alone(built, request, path):
    model, _, encoder, examples = built
    best = ARCHITECTURES[request.node.callspec.params["built"]].shared
    if PATHS.index(path) < PATHS.index(best):
        path = best
    scorer = Scorer(model, encoder, NEW_TOKENS)
    with torch.inference_mode():
        together = scorer.paths[path](examples)
        for example, scored in zip(examples, together, strict=True):
            (alone,) = scorer([example])
            for one, other, tokens in zip(alone.losses, scored.losses, scored.tokens, strict=True):
                assert one == pytest.approx(other, abs=1e-4 * tokens)
            assert alone.generated == scored.generated


def test_training_batches_teach_the_answer_alone(built):
    model, _, encoder, examples = built
    batch = encoder.batch(examples)
    for labels, example in zip(batch["labels"], examples, strict=True):
        answer = encoder.tokenizer.decode(labels[labels != IGNORE], skip_special_tokens=True)
        assert answer.strip() == example.answer
        assert int(labels[labels != IGNORE][-1]) in encoder.end_ids
    model.train()
    (-answer_likelihood(model, batch).sums().mean()).backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    model.zero_grad()
    model.eval()
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_every_answer_depends_on_its_picture(built):
    """A pass that lost the image would still agree with another that lost it."""
    model, _, encoder, examples = built
    if examples[0].image is None:
        return
    scorer = Scorer(model, encoder, NEW_TOKENS)
    other = Example(examples[0].question, examples[0].answer, picture(9).rotate(90), "b", examples[0].wrong)
    with torch.inference_mode():
        seen, unseen = scorer([examples[0]])[0], scorer([other])[0]
    assert abs(seen.losses[0] - unseen.losses[0]) > 1e-3


def test_lora_goes_to_the_language_model_and_the_vision_tower_can_be_frozen(built):
    model, _, _, examples = built
    config = peft_config(ModelConfig(use_peft=True, lora_r=2), model)
    assert config is not None and config.target_modules
    assert not any("vis" in target for target in config.target_modules)
    freeze_vision(model)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    tower = {name for name, _ in model.named_parameters() if name.startswith("model.vis")}
    model.requires_grad_(True)
    assert frozen == tower
    assert bool(tower) == (examples[0].image is not None)
