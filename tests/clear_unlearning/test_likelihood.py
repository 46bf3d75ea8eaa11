import pytest
import torch

from clear_unlearning.batches import IGNORE, Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model


@pytest.fixture(scope="module")
def loaded(mini_llava):
    return load_model(str(mini_llava))


def by_hand(model, batch):
    """Log-probabilities from the logits of every position, in numpy's order of things: an independent second way."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        logits = model(**inputs).logits.double()
    sums = []
    for row_logits, labels in zip(logits, batch["labels"], strict=True):
        total = 0.0
        for position in range(1, len(labels)):
            if labels[position] != IGNORE:
                before = row_logits[position - 1]
                total += float(before[labels[position]] - before.exp().sum().log())
        sums.append(total)
    return torch.tensor(sums)


def test_sums_equal_the_loop_over_all_positions(loaded, examples):
    batch = Encoder(loaded.processor).batch(examples)
    with torch.no_grad():
        likelihood = answer_likelihood(loaded.model, batch)
    assert torch.allclose(likelihood.sums(), by_hand(loaded.model, batch).float(), atol=1e-4)
    assert likelihood.counts().tolist() == batch["labels"].ne(IGNORE).sum(1).tolist()


def test_padding_and_company_change_nothing(loaded, examples):
    encoder = Encoder(loaded.processor)
    with torch.no_grad():
        together = answer_likelihood(loaded.model, encoder.batch(examples)).sums()
        alone = [answer_likelihood(loaded.model, encoder.batch([example])).sums()[0] for example in examples]
    assert torch.allclose(together, torch.stack(alone), atol=1e-4)


def test_the_image_matters(loaded, examples):
    encoder = Encoder(loaded.processor)
    first, other = examples[0], examples[1]
    swapped = type(first)(first.question, first.answer, other.image)
    with torch.no_grad():
        seen = answer_likelihood(loaded.model, encoder.batch([first])).sums()
        unseen = answer_likelihood(loaded.model, encoder.batch([swapped])).sums()
    assert not torch.allclose(seen, unseen, atol=1e-5)
