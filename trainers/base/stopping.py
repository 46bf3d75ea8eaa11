"""Conditions that end a training before its last step: `forget_loss>4`, `retain_loss>2`, `forget_quality>0.05`."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import TrainerCallback

from .evaluation import ScoreCallback

SIDES = ("forget", "retain")
LOSSES = tuple(f"{side}_loss" for side in SIDES)
FORGET_QUALITY = "forget_quality"  # p against the gold model, on the selection set
NAMES = (*LOSSES, FORGET_QUALITY)

Measure = Callable[[nn.Module], float]  # of a model in training


@dataclass(frozen=True)
class StopWhen:
    """A condition, such as `forget_loss>4`.

    Attributes:
        name: What is measured: a side's loss per answer token in nats, of the global batch of a step, or forget
            quality.
        bound: Training stops as soon as it is above.
    """

    name: str
    bound: float

    @classmethod
    def parse(cls, text: str, names: Collection[str] = NAMES) -> "StopWhen":
        """Read a condition.

        Raises:
            ValueError: If it is not a condition on one of `names`.
        """
        found = re.fullmatch(r"\s*(\w+)\s*>\s*([-+.\deE]+)\s*", text)
        try:
            if found is None or found[1] not in names:
                raise ValueError
            condition = cls(found[1], float(found[2]))
        except ValueError:
            raise ValueError(f"stop_when must be NAME>NUMBER with one of {', '.join(names)}; not {text!r}") from None
        if condition.name == FORGET_QUALITY and not 0 <= condition.bound < 1:
            raise ValueError(f"stop_when: {FORGET_QUALITY} is a p-value and never above {condition.bound:g}")
        return condition


class StopCallback(TrainerCallback):
    """End the training when its condition holds, and log the step.

    The last step is not saved as a checkpoint: a run that is killed before its end takes that step once more, and
    stops again.

    Args:
        condition: When to stop.
        measured: Values of the last step, by name; filled by the trainer.
    """

    def __init__(self, condition: StopWhen, measured: dict[str, float]) -> None:
        self.condition, self.measured = condition, measured
        self.stopped = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Check the condition."""
        value = self.measured.get(self.condition.name)
        if value is not None and value > self.condition.bound:
            self.stopped = control.should_training_stop = True
            control.should_save = False
            record = {"step": state.global_step, "stopped_when": args.stop_when, self.condition.name: value}
            state.log_history.append(record)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Do not save the last step as a checkpoint."""
        if self.stopped:
            control.should_save = False


def stop_callbacks(
    args: Any, sides: Iterable[str], measured: dict[str, float], measures: Mapping[str, Measure]
) -> list[TrainerCallback]:
    """Return the callbacks that end a training early; none without `stop_when`.

    Args:
        args: The method's Config.
        sides: Sides that the method looks at.
        measured: Values of the last step, by name.
        measures: Further measurements, by name.
    """
    if args.stop_when is None:
        return []
    names = [*(f"{side}_loss" for side in sides if side in SIDES), *measures]
    condition = StopWhen.parse(args.stop_when, names)
    stop = StopCallback(condition, measured)
    if condition.name not in measures:
        return [stop]
    measure = measures[condition.name]
    return [ScoreCallback(lambda model: {condition.name: measure(model)}, args.quality_steps, measured), stop]
