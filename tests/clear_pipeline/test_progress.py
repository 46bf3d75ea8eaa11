"""What a long command says where there is no terminal."""

import pytest

from clear_pipeline.runs import progress
from clear_pipeline.runs.progress import ShownProgress


@pytest.fixture
def said(monkeypatch, capsys):
    """What stderr has, on a clock that is read every 25 seconds."""
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    return lambda: capsys.readouterr().err


def test_a_log_file_gets_a_line_a_minute_and_a_last_one(said):
    shown = ShownProgress("step")
    for step in range(1, 11):
        if step == 4:
            shown.note({"loss": 1.23456, "retain_loss": 0.5, "epoch": 1.0, "eval_loss": None})
        shown(step, 10)
    shown(10, 10)
    shown.close()
    assert said().splitlines() == [
        "step 3/10, 04:22 left",
        "step 6/10, loss 1.235, retain_loss 0.5, 02:00 left",
        "step 9/10, loss 1.235, retain_loss 0.5, 00:28 left",
        "step 10/10, loss 1.235, retain_loss 0.5",
    ]


def test_only_one_process_speaks(said):
    ShownProgress("row", shown=False)(5, 5)
    assert not said()
