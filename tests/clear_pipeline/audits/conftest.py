"""A tiny untrained model, the smallest corpus, and the context of an audit of them."""

from dataclasses import replace

import pytest

from clear_pipeline.arguments import DataArguments
from clear_pipeline.audits.arguments import AuditSettings
from clear_pipeline.audits.context import Context
from clear_pipeline.audits.people import Subjects, load_subjects
from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import LoadedModel, load_model
from clear_unlearning.optimizers import MuonWithAdamW

SMALL = AuditSettings(questions_each=1, samples=4, max_new_tokens=16, relearn_rate=1e-3)

STEPS = 40


@pytest.fixture(scope="module")
def loaded(mini_llava) -> LoadedModel:
    return load_model(str(mini_llava))


@pytest.fixture(scope="session")
def subjects(mini_data) -> Subjects:
    """Four people, and few of the strangers."""
    found = load_subjects(DataArguments(str(mini_data), forget="forget05"), SMALL.questions_each, seed=0)
    few = [*found.strangers[:8], *found.strangers[-4:]]
    return replace(found, strangers=few)


@pytest.fixture
def context(mini_data, subjects, loaded, taught) -> Context:
    """The taught model is the original, the untrained one is gold."""
    return Context(DataArguments(str(mini_data), forget="forget05"), subjects, SMALL, lambda: taught, lambda: loaded)


@pytest.fixture(scope="session")
def taught(mini_llava, subjects) -> LoadedModel:
    """The same model after it was taught names and facts, by heart: an original that knows the people."""
    taught = load_model(str(mini_llava))
    batch = Encoder(taught.processor).batch([one.example for one in subjects.of("name", "fact")])
    optimizer = MuonWithAdamW(taught.model.named_parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(STEPS):
        likelihood = answer_likelihood(taught.model, batch)
        (-likelihood.log_probs.mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return taught
