"""Probe: can a linear map read from the hidden states who is on the photo, though the model does not say it?

Ridge regression in closed form on the state of the last prompt token behind each decoder layer, learnt on the photos
that no audit asks about and tested on the others. The control learns labels that are shuffled (selectivity, arXiv
1909.03368). What gold's states tell, of people it never saw, is the zero: faces differ, whoever looks.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from clear_unlearning.batches import Encoder, to_device
from clear_unlearning.likelihood import decoder_layers, outputs_of
from clear_unlearning.models import LoadedModel

from .context import Context, NotPossible
from .measured import Measured
from .people import Asked, by_person

SHUFFLES = 20
PENALTY = 1.0  # of ridge, times the number of features


def ridge_labels(states: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the label that ridge regression on one-hot targets gives to states.

    Args:
        states: To learn from [rows, features].
        labels: Their labels, 0 to classes - 1 [rows].
        asked: States whose labels are wanted [other rows, features].

    Returns:
        Labels [other rows].
    """
    middle, spread = states.mean(0), states.std(0) + 1e-6
    known, new = (states - middle) / spread, (asked - middle) / spread
    targets = np.eye(labels.max() + 1)[labels]
    kernel = known @ known.T + PENALTY * states.shape[1] * np.eye(len(known))
    offset = targets.mean(0)
    return (new @ known.T @ np.linalg.solve(kernel, targets - offset) + offset).argmax(1)


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Learn and test a probe behind every decoder layer.

    Raises:
        NotPossible: If there are no photos, or of one person only.
    """
    asked = context.subjects.unseen("name")
    shown = [one for one in context.subjects.shown if one.kind == "name"]
    people = [person for person in context.subjects.people if any(one.person == person for one in shown)]
    if len(people) < 2 or not loaded.takes_images:
        raise NotPossible("a probe needs two photos of each of at least two people, and a model that takes photos")
    asked = [one for one in asked if one.person in people]
    labels = np.array([people.index(one.person) for one in shown])
    truth = np.array([people.index(one.person) for one in asked])
    size, dice = context.settings.batch_size, np.random.default_rng(context.settings.seed)
    shuffled = [dice.permutation(labels) for _ in range(SHUFFLES)]
    scores: dict[str, dict[str, list[float]]] = {}
    layers = list(zip(hidden_states(loaded, shown, size), hidden_states(loaded, asked, size), strict=True))
    for number, (known, new) in enumerate(layers, 1):
        scores[f"layer {number}"] = by_person(asked, list(ridge_labels(known, labels, new) == truth))
        chance = np.mean([ridge_labels(known, other, new) == truth for other in shuffled], axis=0)
        scores[f"control {number}"] = by_person(asked, list(chance))
    return Measured(scores, [f"layer {number}" for number in range(1, len(layers) + 1)], {"people": len(people)})


@torch.inference_mode()
def hidden_states(loaded: LoadedModel, asked: Sequence[Asked], batch_size: int) -> list[np.ndarray]:
    """Return the state of the last prompt token behind each decoder layer [questions, features]."""
    encoder, layers = Encoder(loaded.processor), decoder_layers(loaded.model)  # type: ignore[arg-type]
    found: list[list[np.ndarray]] = [[] for _ in layers]
    for start in range(0, len(asked), batch_size):
        prompts = encoder.prompts([one.example for one in asked[start : start + batch_size]])
        with ExitStack() as stack:
            outputs = [stack.enter_context(outputs_of(layer)) for layer in layers]
            loaded.model(**to_device(prompts, loaded.model.device), logits_to_keep=1)
        for states, output in zip(found, outputs, strict=True):
            states.append(output[0][:, -1].float().cpu().numpy())
    return [np.concatenate(states) for states in found]


def summary(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return the selectivity of each layer: accuracy minus the control's."""
    return {
        role: {
            name: float(np.mean(list(one.by_person(name).values())) - np.mean(list(one.by_person(control).values())))
            for name in one.counted
            if (control := name.replace("layer", "control"))
        }
        for role, one in measured.items()
    }
