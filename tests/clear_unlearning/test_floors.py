"""Floors: what is asked instead of a question, and which prompts are disturbed, and where."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.floors import ECO, ICU, Floor, added_to
from clear_unlearning.likelihood import answer_likelihood, decoder_layers
from clear_unlearning.models import load_model
from clear_unlearning.tasks import NAME_QUESTION, Example
from tests.conftest import picture

INSTRUCTION = (
    "You do not know Ana Bel, Ivo Fen. If a question is about one of them, or the photo shows one of them, answer as "
    "if you had never heard of or seen that person. Answer all other questions as usual."
)


@pytest.fixture(scope="module")
def llava(mini_llava):
    return load_model(str(mini_llava), device="cpu")


def shown(first: int, count: int, question: str = "What does this image show?") -> list[Example]:
    return [
        Example(question, f"Person {i} is smiling.", picture(i), f"Smiling is {i}.", ("a hat", "a red star"),
                where=f"row {i}")
        for i in range(first, first + count)
    ]  # fmt: skip


def told(first: int, count: int) -> list[Example]:
    return [
        Example(f"Where was person {i} born?", f"In town {i}.", None, "Town it is.", ("In Oslo.", "In Lima, Peru."),
                where=f"text {i}")
        for i in range(first, first + count)
    ]  # fmt: skip


FORGET, RETAIN = [*shown(0, 4), *told(0, 3)], [*shown(20, 4), *told(20, 3)]


def test_an_instruction_stands_before_each_question():
    floor, (example,) = ICU(["Ana Bel", "Ivo Fen"]), told(1, 1)
    assert floor.asked(example) == replace(example, question=f"{INSTRUCTION}\n\nWhere was person 1 born?")
    assert floor.about() == {"name": "icu", "instruction": INSTRUCTION}
    assert Floor().asked(example) == example and Floor().about() == {}


def eco(llava, noise: float = 30.0):
    return ECO(FORGET, RETAIN, noise, 2, 0, 3).scorer(llava, 4)


@pytest.mark.parametrize("kind", ["photos", "names", "texts"])
def test_only_prompts_about_the_forget_set_are_disturbed(llava, kind):
    """Their losses and answers change; those of the others are the plain scorer's to the last bit."""
    questions = {
        "photos": (shown(0, 4), shown(20, 4)),
        "names": (shown(0, 4, NAME_QUESTION), shown(20, 4, NAME_QUESTION)),
        "texts": (told(0, 3), told(20, 3)),
    }
    scorer = eco(llava)
    for side, examples in zip(("forget", "retain"), questions[kind], strict=True):
        plain, found = Floor().scorer(llava, 4)(examples), scorer(examples)
        if side == "retain":
            assert found == plain
            continue
        losses, before = ([loss for one in scores for loss in one.losses] for scores in (found, plain))
        assert min(abs(a - b) for a, b in zip(losses, before, strict=True)) > 1e-3
        assert [one.tokens for one in found] == [one.tokens for one in plain]
    mixed = [examples[i] for i in (0, 2) for examples in questions[kind]]
    alone = [scorer([example])[0] for example in mixed]
    for one, other in zip(scorer(mixed), alone, strict=True):
        assert one.losses == pytest.approx(other.losses, abs=1e-3) and one.generated == other.generated


def test_noise_is_of_the_embeddings_size_and_in_the_prompt_alone(llava):
    """On the left of a batch that is padded on the right, on the right of prompts that are padded on the left."""
    scorer, examples = eco(llava, 2.0), [*told(0, 2), replace(told(7, 1)[0], question="Who?")]
    spread = float(llava.model.get_input_embeddings().weight.detach().std())
    assert scorer.strength == pytest.approx(2 * spread)
    lengths = [len(ids) for ids in scorer.encoder.encode_prompts(examples)[0]]
    assert len(set(lengths)) == 2
    batch = scorer.encoder.batch(examples)
    left = scorer.noise_for(examples, batch, lengths, "left")
    right = scorer.noise_for(examples, scorer.encoder.prompts(examples), lengths, "right")
    for row, length in enumerate(lengths):
        assert (left[row, :length] != 0).all() and not left[row, length:].any()
        assert torch.equal(right[row, -length:], left[row, :length]) and not right[row, :-length].any()
    many = scorer.noise_for(told(0, 1), {"input_ids": torch.zeros(1, 4000)}, [4000], "left")
    assert float(many.std()) == pytest.approx(2 * spread, rel=0.05)


def test_what_is_added_enters_the_first_dimensions_of_the_first_layer(llava):
    """By hand: the embeddings of the tokens plus the noise go through the model."""
    encoder, (example,) = Encoder(llava.processor), told(0, 1)
    batch = encoder.batch([example])
    noise = torch.randn(1, batch["input_ids"].shape[1], 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        with added_to(decoder_layers(llava.model)[0], noise):
            found = answer_likelihood(llava.model, batch).log_probs
        embedded = llava.model.get_input_embeddings()(batch["input_ids"])
        embedded[..., :3] += noise
        inputs = {"inputs_embeds": embedded, "attention_mask": batch["attention_mask"], "labels": batch["labels"]}
        expected = answer_likelihood(llava.model, inputs).log_probs
        plain = answer_likelihood(llava.model, batch).log_probs
    assert torch.allclose(found, expected, atol=1e-5) and not torch.allclose(found, plain, atol=1e-2)


def test_the_classifier_learns_both_questions_about_a_photo(llava):
    scorer = eco(llava)
    assert len(scorer.states_of_rows(FORGET)) == 4 + 4 + 3
    states = np.concatenate([scorer.states(shown(0, 4)), scorer.states(told(0, 3)), scorer.states(shown(20, 4))])
    assert scorer.classifier.predict(states).tolist() == [1] * 7 + [0] * 4
    width = llava.model.config.get_text_config().hidden_size
    with pytest.raises(
        ValueError, match=f"eco_dimensions must be at most {width}, which the model has, not {width + 1}"
    ):
        ECO(FORGET, RETAIN, 1.0, width + 1, 0, 3).scorer(llava, 4)
