"""When a training ends before its last step: `forget_loss>4`, `retain_loss>2`."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

SIDES = ("forget", "retain")
LOSSES = tuple(f"{side}_loss" for side in SIDES)


@dataclass(frozen=True)
class StopWhen:
    """A condition, such as `forget_loss>4`.

    Attributes:
        name: What is measured: a side's loss per answer token in nats, of the global batch of a step.
        bound: Training stops as soon as it is above.
    """

    name: str
    bound: float

    @classmethod
    def parse(cls, text: str, names: Collection[str] = LOSSES) -> "StopWhen":
        """Reads a condition.

        Raises:
            ValueError: If it is none.
        """
        found = re.fullmatch(r"\s*(\w+)\s*>\s*([-+.\deE]+)\s*", text)
        try:
            if found is None or found[1] not in names:
                raise ValueError
            return cls(found[1], float(found[2]))
        except ValueError:
            raise ValueError(f"stop_when must be NAME>NUMBER with one of {', '.join(names)}; not {text!r}") from None


class StopCallback(TrainerCallback):
    """Ends the training when its condition holds, and writes down at which step.

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
        """Looks at the step."""
        value = self.measured.get(self.condition.name)
        if value is not None and value > self.condition.bound:
            self.stopped = control.should_training_stop = True
            control.should_save = False
            record = {"step": state.global_step, "stopped_when": args.stop_when, self.condition.name: value}
            state.log_history.append(record)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keeps the stop out of the checkpoints."""
        if self.stopped:
            control.should_save = False


def stop_callbacks(text: str | None, sides: Iterable[str], measured: dict[str, float]) -> list[TrainerCallback]:
    """What ends a training early: nothing, or a condition on one of the sides that its method looks at."""
    if text is None:
        return []
    return [StopCallback(StopWhen.parse(text, [f"{side}_loss" for side in sides if side in SIDES]), measured)]
