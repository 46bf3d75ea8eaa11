import random

import pytest
import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from clear_unlearning.scoring import score_examples


@pytest.fixture(scope="module")
def loaded(mini_llava):
    return load_model(str(mini_llava))


def scores(loaded, examples, **options):
    found = dict(score_examples(loaded.model, Encoder(loaded.processor), examples, max_new_tokens=8, **options))
    return [found[i] for i in range(len(examples))]


def test_every_loss_equals_a_separate_pass(loaded, examples):
    encoder = Encoder(loaded.processor)
    for example, scored in zip(examples, scores(loaded, examples), strict=True):
        candidates = [example.answer, example.paraphrase, *example.wrong]
        for loss, tokens, answer in zip(scored.losses, scored.tokens, candidates, strict=True):
            with torch.no_grad():
                likelihood = answer_likelihood(loaded.model, encoder.batch([example], [answer]))
            assert loss == pytest.approx(-likelihood.sums().item(), abs=1e-4 * tokens)
            assert tokens == likelihood.counts().item()


def test_generation_is_generates_own(loaded, examples):
    encoder = Encoder(loaded.processor)
    for example, scored in zip(examples, scores(loaded, examples), strict=True):
        prompt = encoder.prompts([example])
        out = loaded.model.generate(
            **prompt, max_new_tokens=8, do_sample=False, pad_token_id=encoder.pad_id, eos_token_id=encoder.end_ids
        )
        alone = encoder.tokenizer.decode(out[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        assert scored.generated == alone.strip()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_size_and_order_change_no_score(loaded, examples, batch_size):
    base = scores(loaded, examples, batch_size=16)
    order = list(range(len(examples)))
    random.Random(0).shuffle(order)
    other = scores(loaded, [examples[i] for i in order], batch_size=batch_size)
    for position, i in enumerate(order):
        assert other[position].losses == pytest.approx(base[i].losses, abs=1e-3)
        assert other[position].generated == base[i].generated
