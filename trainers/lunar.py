"""LUNAR: give the forget prompts the state that unanswerable questions have, by one weight (arXiv 2502.07218)."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftConfig
from torch import nn
from transformers import PreTrainedModel

from clear_unlearning.batches import IGNORE, Batch, to_device
from clear_unlearning.likelihood import answer_likelihood, decoder_layers, outputs_of
from clear_unlearning.tasks import Example

from .base.gradient_free import inputs_of
from .base.rows import load_lines
from .base.steering import SteeringConfig, SteeringTrainer
from .base.terms import Sides, Terms, Totals
from .base.trainer import Quantity

QUESTIONS = "unanswerable.txt"


@dataclass
class LUNARConfig(SteeringConfig):
    """Settings of LUNAR: the authors' for a model of 32 layers."""

    learning_rate: float = field(default=0.01, metadata={"help": "Learning rate of the first epoch."})
    lr_scheduler_type: str = field(default="constant", metadata={"help": "constant falls by a tenth in each epoch."})
    num_train_epochs: float = field(default=20, metadata={"help": "Passes over the forget rows."})
    per_device_train_batch_size: int = field(default=64, metadata={"help": "Rows of each side in a step."})
    layer: int | None = field(default=None, metadata={"help": "Layer l, from 0; by default 22 of 32 of the depth."})
    steering: float = field(default=2.0, metadata={"help": "Factor c of the direction."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})
    unanswerable: str | None = field(default=None, metadata={"help": "Text file, a question a line, not our own."})


class LUNARTrainer(SteeringTrainer):
    """Minimise `MSE(W x_f, W0 x_f + c d) + a MSE(W x_r, W0 x_r)` by W, down_proj of layer l, over the prompts.

    d is the mean state behind layer l of unanswerable questions less that of the forget prompts, at the last position.
    Each row's prompt weighs the same. The authors regress over the tokens of all rows together, and take d from
    harmful questions by default, which need a model that refuses them; unanswerable ones are their other choice.
    """

    args: LUNARConfig
    _tag_names = ["clear", "unlearning", "lunar"]
    _name = "LUNAR"

    def choose_weights(self, model: PreTrainedModel, args: Any, peft_config: PeftConfig | None) -> Any:
        """Train down_proj of one layer."""
        chosen, depth = copy.copy(args), len(decoder_layers(model))
        chosen.layer = depth * 22 // 32 if args.layer is None else args.layer
        chosen.trained_layers = [chosen.layer]
        return super().choose_weights(model, chosen, peft_config)

    def length(self, args: Any) -> float:
        """Return 1: the target is not known before the original has read the prompts."""
        return 1.0

    def references(self) -> dict[str, Quantity]:
        """Return nothing: what W0 makes of an input follows from W0."""
        return {}

    @torch.no_grad()
    def before_training(self) -> None:
        """Keep W0, and measure the direction."""
        self.find_projection()
        self.model.eval()
        questions = load_lines(self.args.unanswerable, QUESTIONS, "question")
        examples = [Example(question, "I do not know.") for question in questions]
        unanswerable = to_device(self.data_collator.encoder.batch(examples), self.args.device)
        forget = torch.cat([self.last_states(batch) for batch in self.batches("forget")])
        self.target = self.args.steering * (self.last_states(unanswerable).mean(0) - forget.mean(0))

    def find_projection(self) -> None:
        """Find down_proj of the layer, perhaps with an adapter on it, and keep its weights."""
        named = self.layer.named_modules()
        self.projection = next(module for name, module in named if name.endswith(self.args.trained_weights))
        base: Any = getattr(self.projection, "base_layer", self.projection)
        self.before = [None if part is None else part.detach().clone() for part in (base.weight, base.bias)]

    def last_states(self, batch: Batch) -> torch.Tensor:
        """Return the states behind the layer at the last position of each prompt [rows, width]."""
        with outputs_of(self.layer) as outputs:
            answer_likelihood(self.model, batch)
        last = prompts_of(batch).sum(1) - 1
        return outputs[0][torch.arange(len(last)), last].float()

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the distance of what down_proj makes of each side's prompts from its target, a mean a row."""
        with outputs_of(self.projection) as outputs, inputs_of([self.projection]) as (inputs,):
            self.likelihoods(model, batch)
        if len(outputs) == 1:  # all sides in one pass
            sizes = [len(side["labels"]) for side in batch.values()]
            outputs, inputs = outputs[0].split(sizes), inputs[0].split(sizes)
        terms = {}
        for (name, side), output, given in zip(batch.items(), outputs, inputs, strict=True):
            mask = prompts_of(side)
            given, output = (states[:, : mask.shape[1]] for states in (given, output))
            change = (output - nn.functional.linear(given, *self.before)).float()  # type: ignore[arg-type]
            away = change - self.target.to(change.device) if name == "forget" else change
            rows = (away.square().mean(-1) * mask).sum(1) / mask.sum(1).clamp(min=1)
            terms[name] = rows.sum() / totals[name].rows
        return {"forget": terms["forget"], "retain": self.args.retain_weight * terms["retain"]}

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the authors' schedule for a constant learning rate."""
        if self.lr_scheduler is None and self.args.lr_scheduler_type == "constant":
            steps = max(1.0, num_training_steps / self.args.num_train_epochs)  # of an epoch
            falling = torch.optim.lr_scheduler.LambdaLR
            self.lr_scheduler = falling(optimizer or self.optimizer, lambda step: 0.9 ** int(step / steps))
        return super().create_scheduler(num_training_steps, optimizer)


def prompts_of(batch: Batch) -> torch.Tensor:
    """Return which positions belong to a prompt [rows, positions]; none of a row that only fills a batch."""
    answers = batch["labels"] != IGNORE
    return (answers.cumsum(1) == 0) & answers.any(1, keepdim=True)
