import pytest
import torch

from clear_unlearning.batches import IGNORE, Encoder
from clear_unlearning.models import load_model
from clear_unlearning.tasks import Example


@pytest.fixture(scope="module")
def encoder(mini_llava):
    return Encoder(load_model(str(mini_llava)).processor)


def test_labels_are_the_answer_and_its_end_alone(encoder, examples):
    batch = encoder.batch(examples)
    for labels, example in zip(batch["labels"], examples, strict=True):
        answer = encoder.tokenizer.decode(labels[labels != IGNORE])
        assert answer == f" {example.answer}</s>"


def test_whole_text_is_the_chat_templates(encoder, examples):
    batch = encoder.batch(examples)
    for ids, mask, example in zip(batch["input_ids"], batch["attention_mask"], examples, strict=True):
        text = encoder.tokenizer.decode(ids[mask.bool()])
        images = "<image>" * 16 if example.image else ""
        assert text == f"USER: {images}{example.question} ASSISTANT: {example.answer}</s>"


def test_images_follow_the_rows_that_have_one(encoder, examples):
    batch = encoder.batch(examples)
    alone = [encoder.batch([example])["pixel_values"][0] for example in examples if example.image]
    assert torch.equal(batch["pixel_values"], torch.stack(alone))


def test_prompts_are_padded_on_the_left(encoder, examples):
    prompts = encoder.prompts(examples)
    assert prompts["attention_mask"][:, -1].all()
    decoded = encoder.tokenizer.decode(prompts["input_ids"][2][prompts["attention_mask"][2].bool()])
    assert decoded == "USER: Where was Mara Torgard born? ASSISTANT:"


def test_a_text_model_takes_no_image(mini_llama, examples):
    encoder = Encoder(load_model(str(mini_llama)).processor)
    with pytest.raises(ValueError, match="text model"):
        encoder.batch(examples)
    assert encoder.batch([examples[2]])["labels"].ne(IGNORE).any()


def test_a_missing_chat_template_is_named(mini_llama):
    processor = load_model(str(mini_llama)).processor
    processor.chat_template = None
    with pytest.raises(ValueError, match="chat template"):
        Encoder(processor)


def test_an_answer_that_stands_in_its_own_question_is_found_behind_it(encoder):
    ids = encoder.answer_ids("Is it a circle?", False, "circle")
    assert encoder.tokenizer.decode(list(ids)) == " circle</s>"
    assert Example("q", "a").image is None
