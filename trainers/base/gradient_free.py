"""The base of methods without a gradient: the rows of a step are read, then a rule changes the weights."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from clear_unlearning.likelihood import decoder_layers

from .rows import Draw, Rows, rows_themselves
from .terms import Sides, Terms, Totals, add_up, token_mean
from .trainer import UnlearningConfig, UnlearningTrainer

OF_GRADIENTS = ("optimizer_wrapper", "salun", "muon", "l1")  # settings that would do nothing


@dataclass
class GradientFreeConfig(UnlearningConfig):
    """Settings of a method without a gradient; the learning rate and the optimizer do nothing."""

    num_train_epochs: float = field(default=1, metadata={"help": "Passes over the forget rows."})

    def __post_init__(self) -> None:
        """Check that nothing is wanted of a gradient."""
        for name in OF_GRADIENTS:
            if getattr(self, name):
                raise ValueError(f"{name} acts on gradients, and this method has none: leave it out")
        super().__post_init__()


class GradientFreeTrainer(UnlearningTrainer):
    """Read the forget rows of a step, then change the weights by a rule; `-L_f` is what the log shows of it."""

    takes_adapter: ClassVar[bool] = False

    def choose_weights(self, model: PreTrainedModel, args: Any, peft_config: Any) -> Any:
        """Train the weights that the rule changes; an adapter would leave them as they are.

        Raises:
            ValueError: If there is an adapter, or no such weight.
        """
        if peft_config is not None or isinstance(model, PeftModel):
            raise ValueError(f"{type(self).__name__} changes the model's own weights: give it no adapter (use_peft)")
        model.requires_grad_(False)
        for module in self.changed_modules(model, args):
            module.requires_grad_(True)

    def changed_modules(self, model: PreTrainedModel, args: Any) -> list[nn.Module]:
        """Return the modules whose weights the rule changes."""
        raise ValueError(f"{type(self).__name__} names no modules")

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return the forget rows; those to retain are read as a whole."""
        return {"forget": rows_themselves(sides["forget"])}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return what should fall, though no gradient is taken of it."""
        return {"forget": -token_mean(self.likelihoods(model, batch)["forget"], totals["forget"])}

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Read a batch, and change the weights after the last one of a step."""
        model.eval()
        self.model.training = True  # of the log alone: its parts drop nothing out
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad():
            with self.compute_loss_context_manager():
                loss = self.read(model, inputs, num_items_in_batch)
            if self.accelerator.sync_gradients:
                self.change()
        return loss * self.accelerator.num_processes

    def read(self, model: nn.Module, batch: Sides, totals: Any) -> torch.Tensor:
        """Read a batch and return the loss; a method may keep what it needs of it."""
        return add_up(self.terms(model, batch, totals)).detach()

    def change(self) -> None:
        """Change the weights at the end of a step; each method's own."""
        raise ValueError(f"{type(self).__name__} defines no rule")


def modules_ending(model: PreTrainedModel, name: str, first: int, last: int) -> list[Any]:
    """Return a module of each decoder layer from `first` to `last`, by the end of its name.

    Raises:
        ValueError: If there is no such layer, or no such module in one.
    """
    layers = decoder_layers(model)
    if not 0 <= first <= last < len(layers):
        raise ValueError(
            f"layers must be from 0 to {len(layers) - 1}, the first before the last: not {first} to {last}"
        )
    found = []
    for layer in layers[first : last + 1]:
        named = [(own, module) for own, module in layer.named_modules() if own.endswith(name)]
        if len(named) != 1:
            there = ", ".join(own for own, _ in layer.named_modules() if own)
            raise ValueError(f"{len(named)} modules of a layer end in {name!r}; 1 is needed of {there}")
        found.append(named[0][1])
    return found


def linear_of_mlps(layers: nn.Module) -> dict[str, list[nn.Linear]]:
    """Return the linear modules inside modules named `mlp`, by the end of their name, in the order of the layers."""
    found: dict[str, list[nn.Linear]] = {}
    for name, module in layers.named_modules():
        if isinstance(module, nn.Linear) and ".mlp." in f".{name}.":
            found.setdefault(name.rpartition(".")[2], []).append(module)
    return found


@contextmanager
def inputs_of(modules: Sequence[nn.Module]) -> Iterator[list[list[torch.Tensor]]]:
    """Collect what enters some modules, by module."""
    found: list[list[torch.Tensor]] = [[] for _ in modules]

    def keeper(own: list[torch.Tensor]) -> Callable[[nn.Module, Any], None]:
        return lambda module, given: own.append(given[0].detach())

    handles = [module.register_forward_pre_hook(keeper(own)) for module, own in zip(modules, found, strict=True)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
