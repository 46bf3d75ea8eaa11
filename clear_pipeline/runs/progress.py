"""The progress of one long command on stderr: a bar in a terminal, elsewhere a line a minute."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm.auto import tqdm

MINUTE = 60.0  # seconds between two lines


class ShownProgress:
    """Show how far a command is; it begins with the first call, so that its rate has no part of loading a model.

    Args:
        unit: What is counted.
        shown: False in all processes but the first.
    """

    def __init__(self, unit: str, shown: bool = True) -> None:
        self.unit, self.shown, self.notes = unit, shown, ""
        self._bar: Any = None
        self._said, self._last = 0.0, -1

    def __call__(self, done: int, total: int) -> None:
        """Show the number done and in all."""
        if self._bar is None:
            self._bar = tqdm(
                initial=done, total=total, unit=self.unit, disable=not (self.shown and sys.stderr.isatty())
            )
            self._began, self._first = time.monotonic(), done
        self._bar.total = total
        self._bar.update(done - self._bar.n)
        now = time.monotonic()
        if self.shown and self._bar.disable and (now - self._said >= MINUTE or done == total != self._last):
            self._said, self._last = now, done
            gone, new = now - self._began, done - self._first
            left = f", {tqdm.format_interval(gone / new * (total - done))} left" if new and done < total else ""
            sys.stderr.write(f"{self.unit} {done}/{total}{self.notes}{left}\n")
            sys.stderr.flush()

    def note(self, values: Mapping[str, Any]) -> None:
        """Show the last values of a training beside the number of steps."""
        found = {name: value for name, value in values.items() if name.endswith("loss") and isinstance(value, float)}
        self.notes = "".join(f", {name} {value:.4g}" for name, value in found.items())
        if self._bar is not None:
            self._bar.set_postfix_str(self.notes.removeprefix(", "))

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
