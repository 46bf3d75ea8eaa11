import random
from dataclasses import replace

import pytest
import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from clear_unlearning.scoring.scorer import Scorer, batches_of, score_examples
from clear_unlearning.scoring.shared_image import common_beginning, same_picture
from clear_unlearning.tasks import Example
from tests.conftest import picture


@pytest.fixture(scope="module")
def loaded(mini_llava):
    return load_model(str(mini_llava))


def scores(loaded, examples, **options):
    scorer = Scorer(loaded.model, Encoder(loaded.processor), max_new_tokens=8)
    found = {i: scored for batch in score_examples(scorer, examples, **options) for i, scored in batch.items()}
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


def test_a_batch_that_does_not_fit_into_memory_is_halved_and_changes_no_score(loaded, examples, caplog):
    class Narrow(Scorer):
        """Has memory for two examples."""

        def __call__(self, batch):
            if len(batch) > 2:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return super().__call__(batch)

    many = [examples[0], examples[1], examples[3]] * 3
    scorer = Narrow(loaded.model, Encoder(loaded.processor), max_new_tokens=8)
    batches = list(score_examples(scorer, many, batch_size=9))
    assert "out of memory with 9 examples at a time: going on with 4" in caplog.text
    assert max(map(len, batches)) == 2
    found = {i: scored for batch in batches for i, scored in batch.items()}
    for i, expected in enumerate(scores(loaded, many)):
        assert found[i].losses == pytest.approx(expected.losses, abs=1e-3)


def test_one_example_that_does_not_fit_is_an_error(loaded, examples):
    class Full(Scorer):
        def __call__(self, batch):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    scorer = Full(loaded.model, Encoder(loaded.processor))
    with pytest.raises(RuntimeError, match="out of memory"):
        list(score_examples(scorer, examples))


def test_batches_that_are_done_are_left_out_and_the_others_are_the_same(loaded, examples):
    scorer = Scorer(loaded.model, Encoder(loaded.processor), max_new_tokens=8)
    whole = list(score_examples(scorer, examples * 3, batch_size=2))
    done = {i for batch in whole[:2] for i in batch}
    assert list(score_examples(scorer, examples * 3, batch_size=2, done=done)) == whole[2:]


def row(**changes) -> Example:
    given = {"question": "Who?", "answer": "Ivo", "paraphrase": "Ivo F", "wrong": ("Lena", "Mara")}
    return Example(**{**given, **changes}, where="t, row 4")


@pytest.mark.parametrize("changes", [{"answer": "  "}, {"paraphrase": "\n"}, {"wrong": ("Lena", " ")}])
def test_an_answer_without_tokens_is_named_with_its_row(loaded, changes):
    with pytest.raises(ValueError, match=r"t, row 4: the answer '.+' to 'Who\?' has no tokens"):
        scores(loaded, [row(**changes)])


def test_a_prompt_longer_than_the_context_is_named_with_its_row(loaded):
    scorer = Scorer(loaded.model, Encoder(loaded.processor), max_new_tokens=8)
    long = "Who is this person, and what is it that they are doing in this picture? " * 12
    with pytest.raises(ValueError, match=r"t, row 4 .*prompt of \d+ tokens, answers of .* the model's context of 512"):
        list(score_examples(scorer, [row(question=long)]))
    fits = Scorer(loaded.model, scorer.encoder, max_new_tokens=400)
    with pytest.raises(ValueError, match="400 new tokens"):
        list(score_examples(fits, [row(question=long[:500])]))
    assert list(score_examples(scorer, [row(question=long[:500])]))


def test_infinite_logits_are_named_with_their_row(mini_llava, examples):
    broken = load_model(str(mini_llava), device="cpu")
    weight = broken.model.get_output_embeddings().weight
    weight.data = weight.data.clone()
    weight.data[5] = float("inf")
    with pytest.raises(FloatingPointError, match=r"t, row 4 \('Who\?'\): the model gives NaN or infinite losses"):
        scores(broken, [row()])


def test_questions_about_one_picture_stay_together(examples):
    (first, *_), again = examples, picture(0)
    asked = [replace(first, question="Who is it that is shown here?"), *examples, replace(first, image=again)]
    groups = [set(group) for group in same_picture(asked)]
    assert {0, 1, 5} in groups and len(groups) == 4
    batches = batches_of(asked, batch_size=4)
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    assert any({0, 1, 5} <= set(batch) for batch in batches)
    assert all(len({asked[i].image is None for i in batch}) == 1 for batch in batches)
    assert [len(batch) for batch in batches_of([first] * 5, batch_size=2)] == [2, 2, 1]


def test_an_image_is_computed_once_for_both_its_questions(loaded, examples, caplog):
    """What the vision tower sees is counted: two pictures, each asked twice."""
    one, two = examples[0], examples[1]
    asked = [one, two, replace(one, question=two.question, answer="a hat"), replace(two, question=one.question)]
    seen = []
    tower = loaded.model.get_encoder(modality="image")
    scorer = Scorer(loaded.model, Encoder(loaded.processor), max_new_tokens=8)
    scorer(asked)  # finds the path
    handle = tower.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len((*args, *kwargs.values())[0])), with_kwargs=True
    )
    together = scorer(asked)
    handle.remove()
    assert scorer.path == {"same images": "image"} and not caplog.text
    assert seen == [2]
    for scored, example in zip(together, asked, strict=True):
        (alone,) = scorer.plain([example])
        assert scored.losses == pytest.approx(alone.losses, abs=1e-3)
        assert scored.generated == alone.generated


@pytest.mark.parametrize(
    ("rows", "common"), [([[1, 2, 3]], 2), ([[1, 2, 3], [1, 2, 4, 5]], 2), ([[1], [1, 2]], 0), ([[1, 2, 3, 4]] * 2, 3)]
)
def test_prompts_are_cut_where_they_part(rows, common):
    assert common_beginning(rows) == common
