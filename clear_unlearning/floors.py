"""Floors: what can be had at inference, without a weight that changes; every method must beat them.

`icu` puts an instruction before each question (prompting as in arXiv 2403.03329). `eco` tells prompts about the forget
set from others, and disturbs their embeddings (arXiv 2406.07933). All of the original's knowledge is still there.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from .batches import IGNORE, Batch, Encoder, to_device
from .likelihood import AnswerLikelihood, answer_likelihood, decoder_layers, outputs_of
from .models import LoadedModel
from .scoring.scorer import Scored, Scorer
from .tasks import NAME_QUESTION, Example, training_example


class Examples(Protocol):
    """Examples that are read one by one, such as training rows with photos."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, index: int, /) -> Example:
        """Read one."""
        ...


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a training config as examples; `seed` draws the caption questions."""

    rows: Dataset
    seed: int

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Example:
        """Read one."""
        return training_example(self.rows[index], index, self.seed)


class Floor:
    """No floor: the question as it is, and the model as it is."""

    def asked(self, example: Example) -> Example:
        """Return what the model is asked instead of a question."""
        return example

    def scorer(self, loaded: LoadedModel, max_new_tokens: int) -> Scorer:
        """Return what scores the model."""
        return Scorer(loaded.model, Encoder(loaded.processor), max_new_tokens)  # type: ignore[arg-type]

    def about(self) -> dict[str, Any]:
        """Return what the metadata say of it; empty if there is none."""
        return {}


class ICU(Floor):
    """An instruction to pretend ignorance of some people, before every question.

    Args:
        people: Their names.
    """

    def __init__(self, people: Sequence[str]) -> None:
        self.instruction = (
            f"You do not know {', '.join(people)}. If a question is about one of them, or the photo shows one of "
            "them, answer as if you had never heard of or seen that person. Answer all other questions as usual."
        )

    def asked(self, example: Example) -> Example:
        """Return the question behind the instruction."""
        return replace(example, question=f"{self.instruction}\n\n{example.question}")

    def about(self) -> dict[str, Any]:
        """Return the name and the instruction."""
        return {"name": "icu", "instruction": self.instruction}


class ECO(Floor):
    """Noise in the prompts that a classifier takes for such about the forget set.

    The classifier is logistic regression on the mean state of a prompt behind the last layer, learnt from the training
    rows of both sides; photos are asked for their caption and for the name. The noise is added to the first dimensions
    of what enters the first layer, of all positions of the prompt, image tokens too. The authors train a classifier of
    texts of its own, and search the strength that brings a score to that of a gold model; here it is a setting.

    Args:
        forget: Training rows to forget.
        retain: Training rows to retain.
        noise: Standard deviation of the noise, in standard deviations of the input embeddings.
        dimensions: How many are disturbed.
        seed: Draws the noise.
        batch_size: Prompts at a time.
    """

    def __init__(
        self, forget: Examples, retain: Examples, noise: float, dimensions: int, seed: int, batch_size: int
    ) -> None:
        self.sides = {"forget": forget, "retain": retain}
        self.noise, self.dimensions, self.seed, self.batch_size = noise, dimensions, seed, batch_size

    def scorer(self, loaded: LoadedModel, max_new_tokens: int) -> "DisturbingScorer":
        """Return a scorer that has learnt which prompts to disturb."""
        scorer = DisturbingScorer(loaded.model, Encoder(loaded.processor), max_new_tokens)  # type: ignore[arg-type]
        scorer.learn(self)
        return scorer

    def about(self) -> dict[str, Any]:
        """Return the name, the settings, and how many rows the classifier has learnt from."""
        rows = {side: len(examples) for side, examples in self.sides.items()}
        return {"name": "eco", "noise": self.noise, "dimensions": self.dimensions, "rows": rows}


class DisturbingScorer(Scorer):
    """Scores examples by `Scorer`, those about the forget set with noise in their prompts."""

    disturbing = False

    def learn(self, floor: ECO) -> None:
        """Learn which prompts are about the forget set.

        Args:
            floor: The settings, and the rows to learn from.

        Raises:
            ValueError: If the model has not so many dimensions.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        width = self.model.config.get_text_config().hidden_size
        if floor.dimensions > width:
            raise ValueError(f"eco_dimensions must be at most {width}, which the model has, not {floor.dimensions}")
        embeddings: Any = self.model.get_input_embeddings()
        self.floor, self.strength = floor, floor.noise * float(embeddings.weight.detach().float().std())
        states = {side: self.states_of_rows(rows) for side, rows in floor.sides.items()}
        labels = np.repeat([1, 0], [len(found) for found in states.values()])
        self.classifier = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
        ).fit(np.concatenate(list(states.values())), labels)

    def states_of_rows(self, rows: Examples) -> np.ndarray:
        """Return the state of each row's prompt, and of each photo's with the question for the name."""
        found, size = [], self.floor.batch_size
        for start in range(0, len(rows), size):
            examples = [rows[i] for i in range(start, min(start + size, len(rows)))]
            texts, photos = ([one for one in examples if (one.image is None) == text] for text in (True, False))
            named = [replace(one, question=NAME_QUESTION) for one in photos]
            found += [self.states(part) for part in (texts, photos, named) if part]
        return np.concatenate(found)

    @torch.inference_mode()
    def states(self, examples: Sequence[Example]) -> np.ndarray:
        """Return the mean state of each prompt behind the last layer [examples, width]."""
        batch = to_device(self.encoder.batch(examples), self.model.device)
        with outputs_of(decoder_layers(self.model)[-1]) as outputs:
            answer_likelihood(self.model, batch)
        mask = (batch["attention_mask"].bool() & (batch["labels"] == IGNORE))[..., None]
        return ((outputs[0].float() * mask).sum(1) / mask.sum(1)).cpu().numpy()

    def __call__(self, examples: Sequence[Example]) -> list[Scored]:
        """Score the examples, some of them disturbed."""
        chosen = self.classifier.predict(self.states(examples)).astype(bool).tolist()
        groups = [[i for i, one in enumerate(chosen) if one == disturbed] for disturbed in (False, True)]
        scored: dict[int, Scored] = {}
        for group, score in zip(groups, (super().__call__, self.disturbed), strict=True):
            scored |= dict(zip(group, score([examples[i] for i in group]) if group else [], strict=True))
        return [scored[i] for i in range(len(examples))]

    @torch.inference_mode()
    def disturbed(self, examples: Sequence[Example]) -> list[Scored]:
        """Score with noise in all prompts, by full passes."""
        self.disturbing = True
        try:
            return self.plain(examples)
        finally:
            self.disturbing = False

    def likelihood(self, examples: Sequence[Example], batch: Batch) -> AnswerLikelihood:
        """Return the log-probabilities of the answers; the prompts, at the left, are disturbed or not."""
        if not self.disturbing:
            return super().likelihood(examples, batch)
        lengths = [len(ids) for ids in self.encoder.encode_prompts(examples)[0]]
        with added_to(decoder_layers(self.model)[0], self.noise_for(examples, batch, lengths, "left")):
            return super().likelihood(examples, batch)

    def generate(self, examples: Sequence[Example], prompts: Batch) -> torch.Tensor:
        """Return the model's own answers; the prompts, at the right, are disturbed or not."""
        if not self.disturbing:
            return super().generate(examples, prompts)
        lengths = prompts["attention_mask"].sum(1).tolist()
        with added_to(decoder_layers(self.model)[0], self.noise_for(examples, prompts, lengths, "right")):
            return super().generate(examples, prompts)

    def noise_for(self, examples: Sequence[Example], batch: Batch, lengths: Sequence[int], side: str) -> torch.Tensor:
        """Return the noise of a batch [rows, positions, dimensions]: drawn for each question, 0 but in the prompts."""
        rows, positions = batch["input_ids"].shape
        noise = torch.zeros(rows, positions, self.floor.dimensions)
        for row, example, length in zip(noise, examples, lengths, strict=True):
            seed = random.Random(f"{self.floor.seed}/{example.where}/{example.question}").getrandbits(60)
            drawn = torch.randn(length, self.floor.dimensions, generator=torch.Generator().manual_seed(seed))
            span = slice(0, length) if side == "left" else slice(positions - length, None)
            row[span] = self.strength * drawn
        return noise.to(self.model.device, self.model.dtype)


@contextmanager
def added_to(layer: nn.Module, noise: torch.Tensor) -> Iterator[None]:
    """Add noise to the first dimensions of the states that enter a layer, where they are as many as the noise.

    The steps of a generation bring one position each, which is left as it is.
    """

    def add(
        module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        states = given[0] if given else named["hidden_states"]
        if states.shape[1] != noise.shape[1]:
            return given, named
        states = torch.cat([states[..., : noise.shape[-1]] + noise, states[..., noise.shape[-1] :]], -1)
        return ((states, *given[1:]), named) if given else (given, {**named, "hidden_states": states})

    handle = layer.register_forward_pre_hook(add, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
