"""Tokens and judge against full passes over one example at a time, without our likelihood."""

import pytest
import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.models import load_model, require_model
from clear_unlearning.scoring.scorer import Scorer
from clear_unlearning.token_level import JudgeEncoder, answer_tokens, judge_losses, token_fields


@pytest.fixture(scope="module")
def llava(mini_llava):
    """An untrained model that is sure of itself: its distributions are far from flat."""
    loaded = load_model(str(mini_llava), device="cpu")
    loaded.model.get_output_embeddings().weight.data.mul_(20)
    return loaded


def distributions(loaded, encoder, example, text=None):
    """Log-probabilities at each answer token [tokens, vocabulary] and the tokens: one example alone, unpadded."""
    batch = encoder.batch([example], None if text is None else [text])
    labels = batch.pop("labels")[0]
    with torch.no_grad():
        logits = loaded.model(**batch).logits[0].double()
    places = (labels != -100).nonzero()[:, 0]
    return logits[places - 1].log_softmax(-1), labels[places]


def test_every_token_is_that_of_a_full_pass(llava, examples):
    encoder = Encoder(llava.processor)
    for example, found in zip(examples, answer_tokens(llava, examples, batch_size=3), strict=True):
        every, targets = distributions(llava, encoder, example)
        own = every[range(len(targets)), targets]
        assert found.token_log_probs == pytest.approx(own.tolist(), abs=1e-4)
        assert found.token_hits == (every.argmax(-1) == targets).int().tolist()
        mean = (every.exp() * every).sum(-1)
        std = (every.exp() * (every - mean[:, None]).square()).sum(-1).sqrt()
        assert found.vocabulary_means == pytest.approx(mean.tolist(), abs=1e-4)
        assert found.vocabulary_stds == pytest.approx(std.tolist(), abs=1e-3)


def test_tokens_add_up_to_the_loss_of_the_log(llava, examples):
    scored = Scorer(llava.model, Encoder(llava.processor), max_new_tokens=2)(examples)
    for tokens, log in zip(answer_tokens(llava, examples), scored, strict=True):
        assert len(tokens.token_log_probs) == log.tokens[0]
        assert -sum(tokens.token_log_probs) == pytest.approx(log.losses[0], abs=1e-4 * log.tokens[0])


def test_fields_are_keyed_by_the_row(llava, examples):
    fields = token_fields(answer_tokens(llava, examples))
    assert set(fields) == {"token_log_probs", "token_hits", "vocabulary_means", "vocabulary_stds"}
    assert all(list(column) == ["0", "1", "2", "3"] for column in fields.values())


def test_a_judge_scores_what_was_said_with_the_image_and_the_end(llava, examples):
    texts = ["a red star", "", "In Riga.", "Ivo"]
    losses = judge_losses(llava, examples, texts, batch_size=2)
    encoder = JudgeEncoder(llava.processor)
    for example, text, own in zip(examples, texts, losses, strict=True):
        every, targets = distributions(llava, encoder, example, text)
        assert own == pytest.approx((-every[range(len(targets)), targets]).tolist(), abs=1e-4)
        assert targets[-1] == encoder.end_ids[0]
        assert (len(targets) == 1) == (text == "")


def test_a_text_model_judges_without_the_image(mini_llama, examples):
    judge = load_model(str(mini_llama), device="cpu")
    texts = ["a red star"] * 4
    losses = judge_losses(judge, examples, texts)
    assert losses[0] != losses[1]  # the questions differ
    assert all(loss >= 0 for own in losses for loss in own)


def test_a_model_that_is_not_there_is_named_before_the_work(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds neither config.json nor adapter_config.json"):
        require_model(str(tmp_path))
