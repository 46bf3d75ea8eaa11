"""The trainer that RMU and adaptive RMU share: a layer's states of forget answers go to a random direction."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftConfig
from torch import nn
from transformers import PreTrainedModel

from clear_unlearning.batches import IGNORE, Batch
from clear_unlearning.likelihood import answer_likelihood, decoder_layers, outputs_of

from .terms import Sides, Terms, Totals
from .trainer import Quantity, UnlearningConfig, UnlearningTrainer


@dataclass
class SteeringConfig(UnlearningConfig):
    """Settings of both; the length of the target is each method's own."""

    learning_rate: float = field(default=5e-5, metadata={"help": "Peak learning rate."})
    per_device_train_batch_size: int = field(default=4, metadata={"help": "Rows of each side in a step."})
    layer: int | None = field(
        default=None,
        metadata={"help": "Steered decoder layer l, from 0; by default 7, or a third of the depth if less."},
    )
    retain_weight: float = field(default=100.0, metadata={"help": "Weight a of the retain term."})
    trained_layers: list[int] | None = field(default=None, metadata={"help": "Trained layers; l-2 to l by default."})
    trained_weights: str = field(
        default="mlp.down_proj", metadata={"help": "End of the names of the trained modules in these layers."}
    )


class SteeringTrainer(UnlearningTrainer):
    """Minimise `MSE(h_l(x_f), target) + a MSE(h_l(x_r), h0_l(x_r))` over the answer tokens.

    The target's direction u has entries drawn from [0, 1) and length 1, one for the run. Under LoRA the adapter is on
    the trained modules.
    """

    def choose_weights(self, model: PreTrainedModel, args: Any, peft_config: PeftConfig | None) -> Any:
        """Train only the chosen modules of a few layers."""
        layers = decoder_layers(model)
        number = min(7, len(layers) // 3) if args.layer is None else args.layer
        trained = [n for n in (number - 2, number - 1, number) if n >= 0]
        trained = trained if args.trained_layers is None else args.trained_layers
        wrong = sorted({n for n in (number, *trained) if not 0 <= n < len(layers)})
        if wrong:
            raise ValueError(f"layers must be 0 to {len(layers) - 1}, not {wrong}")
        above = sorted({n for n in trained if n > number})
        if above:
            raise ValueError(f"trained_layers {above} are above layer {number}, which they do not reach")
        self.layer = layers[number]
        named = [pair for n in trained for pair in layers[n].named_modules()]
        modules = {module for name, module in named if name.endswith(args.trained_weights)}
        if not modules:
            there = ", ".join(sorted({name for name, _ in named if name}))
            raise ValueError(f"no module's name ends in {args.trained_weights!r}; there are {there}")
        generator = torch.Generator().manual_seed(args.seed)
        direction = torch.rand(model.config.get_text_config().hidden_size, generator=generator)
        self.target = self.length(args) * direction / direction.norm()
        if peft_config is not None:
            peft_config = copy.copy(peft_config)
            targets = [name for name, module in model.named_modules() if module in modules]
            peft_config.target_modules = targets  # type: ignore[attr-defined]
            return peft_config
        model.requires_grad_(False)
        for module in modules:
            module.requires_grad_(True)
        return None

    def length(self, args: Any) -> float:
        """Return the length of the target, before training; each method's own."""
        raise ValueError(f"{type(self).__name__} defines no length of the target")

    def references(self) -> dict[str, Quantity]:
        """Return the states of the retain answers."""
        return {"retain": self.states}

    def states(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Return what the steered layer puts out at the answer tokens [answer tokens, width]."""
        with outputs_of(self.layer) as outputs:
            answer_likelihood(model, batch)
        return outputs[0][batch["labels"] != IGNORE].float()

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the distance of the forget states from the target, of the retain states from the original's."""
        with outputs_of(self.layer) as outputs:
            self.likelihoods(model, batch)
        if len(outputs) == 1:  # all sides in one pass
            outputs = outputs[0].split([len(side["labels"]) for side in batch.values()])
        states = {
            name: output[:, : side["labels"].shape[1]][side["labels"] != IGNORE].float()
            for output, (name, side) in zip(outputs, batch.items(), strict=True)
        }
        goals = {
            "forget": self.target.to(states["forget"].device),
            "retain": self.reference(model, batch, "retain"),
        }
        terms = {
            side: (states[side] - goal).square().mean(-1).sum() / totals[side].tokens for side, goal in goals.items()
        }
        return {"forget": terms["forget"], "retain": self.args.retain_weight * terms["retain"]}
