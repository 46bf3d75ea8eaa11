"""Where a submission's weights come from: how far they are from the original's, and from the golds'.

What is refused: weights that are not finite, that are the original's, that are of another base, and the gold model
itself, or one nearer to a gold than golds of two seeds are to one another.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

Weights = Mapping[str, torch.Tensor]
LEAST_COSINE = 0.5  # between what descends from the same weights; independent ones are at 0
SAME_AS_GOLD = 0.1  # of the way from original to gold, where a single gold is known
LAYER = re.compile(r"^(.*?\.\d+)\.")


@dataclass(frozen=True)
class ModuleChange:
    """How one module differs from the original's.

    Attributes:
        norm: Euclidean norm of the difference.
        relative: The same as a share of the norm of the original's weights.
        changed: Share of its tensors that differ at all.
    """

    norm: float
    relative: float
    changed: float


@dataclass(frozen=True)
class WeightChange:
    """How a model differs from another.

    Attributes:
        distance: Euclidean norm of the difference of all weights.
        relative: The same as a share of the norm of the other's weights.
        cosine: Of the angle between the two.
        changed: Share of tensors that differ at all.
        modules: By layer, or by module outside of layers.
    """

    distance: float
    relative: float
    cosine: float
    changed: float
    modules: dict[str, ModuleChange]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def check_finite(weights: Weights) -> None:
    """Make sure that all weights are numbers.

    Raises:
        ValueError: If one is NaN or infinite; its tensor is named.
    """
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"the weights of {name} are NaN or infinite")


def compare_weights(theirs: Weights, ours: Weights) -> WeightChange:
    """Compare the weights of two models of one architecture, tensor by tensor in double precision.

    Args:
        theirs: Of the model in question; may have been saved in half precision, whose rounding is no change.
        ours: Of the model that it is compared with.

    Raises:
        ValueError: If the tensors are not the same.
    """
    if theirs.keys() != ours.keys():
        raise ValueError(f"other tensors: {', '.join(sorted(theirs.keys() ^ ours.keys())[:3])}")
    sums: dict[str, list[float]] = {}
    dot = own = 0.0
    for name, tensor in theirs.items():
        mine = _as_stored(ours[name].float(), tensor.float()).double()
        other = tensor.double()
        squares = float((other - mine).square().sum()), float(mine.square().sum())
        values = sums.setdefault(_module(name), [0.0, 0.0, 0, 0])
        for place, value in enumerate((*squares, int(squares[0] > 0), 1)):
            values[place] += value
        dot += float((other * mine).sum())
        own += float(other.square().sum())
    difference, norm, changed, count = (sum(column) for column in zip(*sums.values(), strict=True))
    return WeightChange(
        distance=difference**0.5,
        relative=_share(difference, norm),
        cosine=dot / (own * norm) ** 0.5 if own and norm else 0.0,
        changed=changed / count,
        modules={
            module: ModuleChange(squares**0.5, _share(squares, norms), part / of)
            for module, (squares, norms, part, of) in sums.items()
        },
    )


def refusal(change: WeightChange, to_golds: Sequence[float], between_golds: float | None) -> str | None:
    """Return why a model cannot be a submission, by its weights; None if it can.

    Args:
        change: From the original to it.
        to_golds: Its distance to each gold.
        between_golds: The smallest distance of two golds of different seeds, None if there is only one.
    """
    if change.changed == 0:
        return "the weights are the original's: nothing was unlearned"
    nearest = min(to_golds, default=None)
    if nearest is not None and between_golds is None and nearest < SAME_AS_GOLD * change.distance:
        return "this is the gold model, trained without the forget set, or made from it"
    # The original too can be as near to a gold as another gold is: what was unlearned is nearer to where it started.
    if nearest is not None and between_golds is not None and nearest < min(between_golds, change.distance):
        return (
            f"this is the gold model, or made from it: {nearest:.3g} from it, where golds of two seeds are "
            f"{between_golds:.3g} apart and the original is {change.distance:.3g} away"
        )
    if change.cosine < LEAST_COSINE:
        return f"the weights do not descend from the original (cosine {change.cosine:.2f}): another base"
    return None


def _as_stored(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Return our weights rounded as theirs were when they were saved."""
    for dtype in (torch.bfloat16, torch.float16):
        if torch.equal(theirs, theirs.to(dtype).float()):
            return ours.to(dtype).float()
    return ours


def _share(squares: float, norms: float) -> float:
    return (squares / norms) ** 0.5 if norms else 0.0


def _module(name: str) -> str:
    found = LAYER.match(name)
    return found[1] if found else name.rpartition(".")[0]
