"""The base of every method of the visual track, on transformers' Trainer: two-sided batches and the original's output.

A method is a `Config` with CLEAR's values (arXiv 2410.18057) and a `Trainer` whose `losses` returns the terms of a
batch of photos to forget and a batch to retain; means are over the rows of a side.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from trainers.base.batching import TellEpoch
from trainers.base.terms import Terms, add_up, check_finite, check_sides, token_kl

from .face_model import FaceModel, FaceOutput, Faces, margin_logits, right_log_probs

Side = dict[str, torch.Tensor]  # pixel_values [rows, 3, height, width], labels [rows], index [rows]
Sides = dict[str, Side]
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass
class VisualConfig(TrainingArguments):
    """Settings that every method has, on top of transformers'."""

    learning_rate: float = field(default=0.01, metadata={"help": "Peak learning rate of SGD."})
    momentum: float = field(default=0.9, metadata={"help": "Momentum of SGD."})
    weight_decay: float = field(default=5e-5, metadata={"help": "L2 penalty of SGD."})
    num_train_epochs: float = field(default=5, metadata={"help": "Passes over the photos that drive the epoch."})
    per_device_train_batch_size: int = field(default=256, metadata={"help": "Photos of each side in a step."})
    lr_scheduler_type: str = field(default="constant", metadata={"help": "How the learning rate changes."})
    forget_repeat: int = field(default=1, metadata={"help": "How often an epoch passes over the photos to forget."})
    freeze_batch_norm: bool = field(default=False, metadata={"help": "Leave the running means as they are."})
    paced: bool = field(
        default=False, metadata={"help": "Warm up to .525 of the learning rate, then go from all of it to one half."}
    )
    report_to: None | str | list[str] = field(default="none", metadata={"help": "Where losses are sent."})
    save_strategy: str = field(default="no", metadata={"help": "A training is short: it is done again, not resumed."})

    def __post_init__(self) -> None:
        """Check the ranges, and keep the columns of the batches."""
        self.remove_unused_columns = False
        self.dataloader_pin_memory = self.dataloader_pin_memory and torch.accelerator.is_available()
        if self.learning_rate <= 0 or self.forget_repeat < 1:
            raise ValueError(
                f"learning_rate must be above 0 and forget_repeat 1 or more, not {self.learning_rate} and "
                f"{self.forget_repeat}"
            )
        super().__post_init__()


class FaceCollator:
    """Make batches: rows of the first side, and for each a row of the other sides, drawn anew in each epoch."""

    def __init__(self, sides: Mapping[str, Faces], labels: Mapping[str, np.ndarray], seed: int) -> None:
        self.sides, self.labels, self.seed, self.epoch = sides, labels, seed, 0
        self.first = next(iter(sides))

    def __call__(self, numbers: list[int]) -> Sides:
        """Return the photos and labels of each side."""
        return {side: self.side(side, self._places(side, numbers)) for side in self.sides}

    def _places(self, side: str, numbers: list[int]) -> np.ndarray:
        count = len(self.sides[side])
        places = np.asarray(numbers) % count
        if side == self.first:
            return places
        return np.random.default_rng([self.seed, self.epoch, count]).permutation(count)[places]

    def side(self, side: str, places: np.ndarray) -> Side:
        """Return the batch of one side."""
        return {
            "pixel_values": self.sides[side].tensor(places.tolist()),
            "labels": torch.from_numpy(self.labels[side][places]),
            "index": torch.from_numpy(places),
        }


class VisualTrainer(Trainer):
    """Base of the methods.

    Args:
        model: The model to start from: the original, or the pretrained one with new people.
        args: The method's Config.
        sides: Photos to forget and to retain, by the names in `needs`.
        callbacks: As in transformers.

    Raises:
        ValueError: If a side is missing, a person is on both sides, or the model does not know a person.
    """

    needs: ClassVar[tuple[str, ...]] = ("forget", "retain")  # the first drives the epoch
    references: ClassVar[tuple[str, ...]] = ()  # sides whose output before unlearning the loss needs
    args: Any
    model: Any

    def __init__(
        self,
        model: FaceModel,
        args: VisualConfig,
        sides: Mapping[str, Faces],
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        check_sides(type(self), sides, self.needs, "photos")
        check_apart(sides)
        sides = self.prepare({name: sides[name] for name in self.needs})
        labels = {name: labels_of(faces, model.config.people) for name, faces in sides.items()}
        self.collator = FaceCollator(sides, labels, args.seed)
        first = next(iter(sides))
        count = len(sides[first]) * (args.forget_repeat if first == "forget" else 1)
        super().__init__(
            model=model,
            args=args,
            train_dataset=range(count),  # type: ignore[arg-type]
            data_collator=self.collator,
            callbacks=[*(callbacks or []), TellEpoch(self.collator)],
        )
        self.model_accepts_loss_kwargs = False  # the mean over accumulation steps is the Trainer's
        self.sides = sides
        self._before = {name: self.model.look(sides[name]) for name in self.references}

    def prepare(self, sides: dict[str, Faces]) -> dict[str, Faces]:
        """Return the sides of a batch; the first drives the epoch."""
        return sides

    def losses(self, model: nn.Module, batch: Sides) -> Terms:
        """Return the terms of the method's loss, by name; the trainer adds them up."""
        raise ValueError(f"{type(self).__name__} defines no losses")

    def batches(self, side: str, size: int = 64) -> Iterator[Sides]:
        """Yield all photos of a side, in order, with their labels."""
        for start in range(0, len(self.sides[side]), size):
            places = np.arange(start, min(start + size, len(self.sides[side])))
            yield {side: self._prepare_inputs(self.collator.side(side, places))}  # type: ignore[dict-item]

    def before(self, batch: Sides, side: str) -> FaceOutput:
        """Return the output for a side of the batch before unlearning."""
        kept, index = self._before[side], batch[side]["index"]
        return FaceOutput(kept.embedding[index], kept.cosines[index])

    def output(self, model: nn.Module, batch: Sides, side: str) -> FaceOutput:
        """Return the output for a side of the batch."""
        return model(batch[side]["pixel_values"])

    def log_probs(self, output: FaceOutput, labels: torch.Tensor) -> torch.Tensor:
        """Return the log-probability of the right person on each photo in nats [rows]."""
        return right_log_probs(self._logits(output, labels), labels)

    def margin_loss(self, output: FaceOutput, labels: torch.Tensor) -> torch.Tensor:
        """Return AM-Softmax, mean over the rows."""
        return -self.log_probs(output, labels).mean()

    def margin_term(self, model: nn.Module, batch: Sides, side: str) -> torch.Tensor:
        """Return AM-Softmax on a side of the batch, mean over the rows."""
        return self.margin_loss(self.output(model, batch, side), batch[side]["labels"])

    def kl(self, batch: Sides, side: str, now: FaceOutput) -> torch.Tensor:
        """Return `KL(p0 || p)` over the classes on a side of the batch, mean over the rows."""
        labels = batch[side]["labels"]
        return token_kl(self._logits(self.before(batch, side), labels), self._logits(now, labels)).mean()

    def _logits(self, output: FaceOutput, labels: torch.Tensor) -> torch.Tensor:
        return margin_logits(output.cosines, labels, self.model.config.scale, self.model.config.margin)

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Add up the terms of `losses`.

        Raises:
            FloatingPointError: If a term is NaN or infinite: training has diverged.
        """
        if self.args.freeze_batch_norm:
            for module in model.modules():
                if isinstance(module, BATCH_NORMS):
                    module.eval()
        terms = self.losses(model, inputs)
        values = {name: float(term.detach()) for name, term in terms.items()}
        advice = f"a lower learning rate than {self.args.learning_rate} may help"
        check_finite(values, self.state.global_step, lambda: advice)
        loss = add_up(terms)
        return (loss, {}) if return_outputs else loss

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return SGD with momentum."""
        if self.optimizer is None:
            weights = [weight for weight in (model or self.model).parameters() if weight.requires_grad]
            settings = {"momentum": self.args.momentum, "weight_decay": self.args.weight_decay}
            self.optimizer = torch.optim.SGD(weights, lr=self.args.learning_rate, **settings)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """Return the schedule of the reference's training if asked for, otherwise transformers'."""
        if self.args.paced and self.lr_scheduler is None:
            warmup = self.args.get_warmup_steps(num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer,  # type: ignore[arg-type]
                lambda step: pace(step, num_training_steps, warmup),
            )
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0, not counted: batches have two sides."""
        return 0


def pace(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate: in effect the reference warms up to .0105, then falls from .02 to .01 by cosine."""
    if step < warmup:
        return 0.525 * (step + 1) / warmup
    return 0.75 + 0.25 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def labels_of(faces: Faces, people: list[str]) -> np.ndarray:
    """Return the class of each photo.

    Raises:
        ValueError: If the model does not know a person.
    """
    number = {person: label for label, person in enumerate(people)}
    unknown = sorted(set(faces.people) - number.keys())
    if unknown:
        raise ValueError(f"the model has no class for {', '.join(unknown)}")
    return np.array([number[person] for person in faces.people])


def check_apart(sides: Mapping[str, Faces]) -> None:
    """Check that each person is on one side only.

    Raises:
        ValueError: If a person is on two sides.
    """
    seen: dict[str, str] = {}
    for side, faces in sides.items():
        for person in sorted(set(faces.people)):
            if person in seen:
                raise ValueError(f"{person} is in both {seen[person]} and {side}")
            seen[person] = side
