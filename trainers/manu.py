"""MANU: zero the neurons that the forget rows activate more than the others, without training (arXiv 2502.15910)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from clear_unlearning.likelihood import answer_likelihood, decoder_layers

from .base.gradient_free import GradientFreeConfig, GradientFreeTrainer, linear_of_mlps
from .base.regularisers import largest
from .base.vision import vision_tower

SMALL = 1e-5  # e of the ratio
LAST = 3  # layers that the authors' code changes, of either modality
FIRES = 0.1  # from which an activation counts as one
WEIGHTS = (2.0, 0.0, 2.0, 2.0)  # of mean, frequency, deviation and root mean square: the authors'


@dataclass
class MANUConfig(GradientFreeConfig):
    """Settings of MANU: the authors'."""

    max_steps: int = field(default=1, metadata={"help": "All is done in the first step."})
    share: float = field(default=0.02, metadata={"help": "Share p of the neurons that are zeroed."})
    pooled: bool = field(
        default=False, metadata={"help": "Score over all layers and change the last three: the authors' code."}
    )

    def __post_init__(self) -> None:
        """Check the share."""
        if not 0 < self.share < 1:
            raise ValueError(f"share must be between 0 and 1, not {self.share}")
        super().__post_init__()


class MANUTrainer(GradientFreeTrainer):
    """Zero the share p of the MLPs' neurons with the largest `sum_k w_k (I_k(forget) / (I_k(retain) + e) - 1)`.

    A neuron is an output of a linear module of an MLP, in each layer; `I_k` are mean, frequency, deviation and root
    mean square of its absolute activation over all positions of prompts and answers. The language model's neurons are
    ranked together, and those of the vision tower, unless it is frozen, among themselves.

    With `pooled`, neurons of one number in the modules of one name are scored together over all layers and zeroed in
    the last three. So the authors' code does: its collector keeps all layers under one name.
    """

    args: MANUConfig
    _tag_names = ["clear", "unlearning", "manu"]
    _name = "MANU"

    def changed_modules(self, model: PreTrainedModel, args: Any) -> list[nn.Module]:
        """Return the linear modules of the MLPs that may change, all of them kept by modality and name too."""
        tower = None if args.freeze_vision else vision_tower(model)
        parts = [linear_of_mlps(part) for part in (decoder_layers(model), tower) if part]
        if not all(parts):
            raise ValueError("manu needs linear modules inside modules named `mlp`; a part of the model has none")
        alone = ([[one] for kind in part.values() for one in kind] for part in parts)
        # Of each modality: modules that share a score.
        self.groups = [list(part.values()) for part in parts] if args.pooled else list(alone)
        return [module for group in self.groups for sharing in group for module in sharing[-LAST:]]

    def change(self) -> None:
        """Score the neurons on all rows, and zero those that score highest, once."""
        if self.state.global_step:
            return
        together = [sharing for group in self.groups for sharing in group]
        forget, retain = (iter(self.importances(side, together)) for side in ("forget", "retain"))
        for group in self.groups:
            scores = [score(next(forget), next(retain)) for _ in group]
            lowest = min(float(own.min()) for own in scores)  # `largest` looks at sizes
            for sharing, chosen in zip(group, largest([own - lowest for own in scores], self.args.share), strict=True):
                for weight in (own for module in sharing[-LAST:] for own in (module.weight, module.bias)):
                    if weight is not None:
                        weight[chosen] = 0.0

    def importances(self, side: str, together: Sequence[Sequence[nn.Module]]) -> list[torch.Tensor]:
        """Return the four importances [4, neurons] over the rows of a side, of modules that share a score."""
        modules = [module for sharing in together for module in sharing]
        sums: dict[nn.Module, torch.Tensor] = {}
        counts = dict.fromkeys(modules, 0)
        mask: torch.Tensor = torch.empty(0)

        def add(module: nn.Module, given: Any, output: torch.Tensor) -> None:
            sizes = output[mask] if output.shape[:-1] == mask.shape else output.flatten(0, -2)  # a tower's have none
            sizes = sizes.detach().abs().double()
            own = torch.stack([sizes.sum(0), (sizes > FIRES).sum(0), sizes.square().sum(0)])
            sums[module] = sums[module] + own if module in sums else own
            counts[module] += len(sizes)

        handles = [module.register_forward_hook(add) for module in modules]
        for batch in self.batches(side):
            mask = batch["attention_mask"].bool()
            answer_likelihood(self.model, batch)
        for handle in handles:
            handle.remove()
        silent = [module for module in modules if module not in sums]
        if silent:
            raise ValueError(f"no {side} row goes through {silent[0]}: rows with photos are needed for a vision tower")
        means = {module: sums[module] / counts[module] for module in modules}  # each layer sees as many positions
        return [importances_of(torch.stack([means[one] for one in sharing]).mean(0)) for sharing in together]


def importances_of(means: torch.Tensor) -> torch.Tensor:
    """Return mean, frequency, deviation and root mean square [4, neurons].

    Args:
        means: Of the absolute activation, of its exceeding FIRES, and of its square [3, neurons].
    """
    size, fires, square = means
    return torch.stack([size, fires, (square - size.square()).clamp(min=0).sqrt(), square.sqrt()])


def score(forget: torch.Tensor, retain: torch.Tensor) -> torch.Tensor:
    """Return how much more the forget rows need each neuron [neurons], from the importances of both [4, neurons]."""
    weights = torch.tensor(WEIGHTS, dtype=forget.dtype, device=forget.device)
    return weights @ (forget / (retain + SMALL) - 1)
