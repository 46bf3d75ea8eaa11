"""The app of a metric's Space: numbers from what is pasted, or from uploaded logs.

A Space holds this file and what it imports in a folder `evaluate_metrics`; its `app.py` names the metric.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

from evaluate_metrics.log_format import TaskLog, read_log
from evaluate_metrics.tasks import FORGET_TASK, log_task
from evaluate_metrics.token_log import WITHOUT_TOKENS, read_token_file

Tasks = Mapping[str, TaskLog]


def numbers(text: str) -> list[float]:
    """Return all numbers of a text, between spaces, commas, brackets or new lines."""
    return [float(word) for word in re.split(r"[\s,;\[\]]+", text) if word]


def rows_of_numbers(text: str) -> list[list[float]]:
    """Return the numbers of each line."""
    return [numbers(line) for line in lines(text)]


def lines(text: str) -> list[str]:
    """Return the lines of a text; empty ones at its end do not count."""
    return text.rstrip().splitlines()


@dataclass(frozen=True)
class Box:
    """A text box: its label, how its text is read, and an example."""

    label: str
    read: Callable[[str], list[Any]]
    example: str


# An attack asks for logits and memberships of target and of shadow models.
ATTACK = (
    Box("Logits of the target models, a line a model", rows_of_numbers, "4.5 0.0\n0.2 6.0"),
    Box("Which examples each was trained on: 1 or 0, a line a model", rows_of_numbers, "1 0\n0 1"),
    Box("Logits of the shadow models, a line a model", rows_of_numbers, "5.0 0.0\n4.0 1.0\n0.0 5.0\n1.0 4.0"),
    Box("Which examples each was trained on: 1 or 0, a line a model", rows_of_numbers, "1 0\n1 0\n0 1\n0 1"),
)
ATTACKS = ("u_lira", "u_mia")
ARGUMENTS = ("predictions", "references", "shadow_predictions", "shadow_references")
# What can be pasted, in the order of ARGUMENTS, of the metrics that take samples.
PASTED: dict[str, tuple[Box, ...]] = {
    "probability": (
        Box("Loss per token of each right answer (nats)", numbers, "0.693147, 0.5"),
        Box("Losses of its wrong answers, a line an example; none for the plain probability", rows_of_numbers, ""),
    ),
    "rouge": (
        Box("What the model said, a line an example", lines, "a red circle\na star"),
        Box("The right answer of each", lines, "a red circle\na blue star"),
    ),
    "truth_ratio": (
        Box("Loss per token of each paraphrased right answer (nats)", numbers, "0.5, 1.0"),
        Box("Losses of its wrong answers, a line an example", rows_of_numbers, "1.0 2.0\n0.9 1.1"),
    ),
    "forget_quality": (
        Box("Truth ratios under the unlearned model", numbers, "1.0, 2.0, 3.0, 4.0"),
        Box("Truth ratios under the gold model", numbers, "5.0, 6.0, 7.0, 8.0"),
    ),
    "gold_distance": (
        Box("Truth ratios under the unlearned model", numbers, "2.0, 2.0, 1.0"),
        Box(
            "Those under the gold models, a line an example", rows_of_numbers, "1.0 1.1 0.9\n1.0 0.9 1.1\n1.1 1.0 0.9"
        ),
        Box("Those under the original model; may be left out", numbers, "2.0, 2.1, 2.0"),
    ),
    "fluency": (
        Box("What the model said, a line an example", lines, "I do not know.\nso it is so it is"),
        Box(
            "A judge's losses of its tokens (nats), a line an answer; may be left out",
            rows_of_numbers,
            "1.0 0.0\n3.0 9.0 3.0",
        ),
    ),
    "privleak": (
        Box("AUC of a membership attack on the unlearned model", numbers, "0.75"),
        Box("AUC of the same attack on the gold model", numbers, "0.5"),
    ),
    **dict.fromkeys(ATTACKS, ATTACK),
}
# Metrics that read eval_log_tokens.json, which `evaluate --token_level` writes.
FROM_TOKENS = ("extraction_strength", "exact_memorization", "membership")
WITHOUT_LOGS = ("privleak", "gold_distance", *ATTACKS)  # of several models, a log is one model's


def from_pasted(name: str, metric: Any, *texts: str) -> dict[str, Any]:
    """Compute a metric from pasted texts.

    Raises:
        ValueError: If they cannot be read, or the metric refuses them.
    """
    read = [box.read(text) for box, text in zip(PASTED[name], texts, strict=True)]
    if name == "probability" and not read[1]:
        read[1] = [[] for _ in read[0]]
    if name == "fluency":
        return metric.compute(predictions=read[0], references=read[1] or None)
    if name == "gold_distance":
        return metric.compute(predictions=read[0], references=read[1], original=read[2] or None)
    if name == "privleak":
        if len(read[0]) != 1 or len(read[1]) != 1:
            raise ValueError(f"needs one AUC each, not {len(read[0])} and {len(read[1])}")
        return metric.compute(auc=read[0][0], gold_auc=read[1][0])
    return metric.compute(**dict(zip(ARGUMENTS, read, strict=False)))


def from_logs(name: str, metric: Any, log: str | None, gold: str | None = None) -> dict[str, Any]:
    """Compute a metric from uploaded logs: one number for all, or one for each task.

    Raises:
        ValueError: If a log is missing or is none.
    """
    if log is None or (name == "forget_quality" and gold is None):
        raise ValueError("upload a log" if log is None else "upload the gold model's log as well")
    if name in FROM_TOKENS:
        return _from_tokens(name, metric, Path(log))
    if name not in PASTED:
        return metric.compute(log=log)
    tasks = read_log(log)
    if name == "forget_quality":
        sides = {"log": tasks, "gold log": read_log(str(gold))}
        for side, content in sides.items():
            if FORGET_TASK not in content:
                raise ValueError(f"the {side} has no task {FORGET_TASK}")
        left, right = (content[FORGET_TASK].truth_ratios().tolist() for content in sides.values())
        return metric.compute(predictions=left, references=right)
    if name == "fluency":
        return {key: metric.compute(predictions=_said(key, task)) for key, task in tasks.items()}
    return {key: _of_task(name, metric, key, task)[name] for key, task in tasks.items()}


def _from_tokens(name: str, metric: Any, path: Path) -> dict[str, Any]:
    """Return one number for each task of an uploaded `eval_log_tokens.json`, or the attacks on its forget task."""
    tokens = read_token_file(path)
    if not tokens.tasks:
        raise ValueError(WITHOUT_TOKENS)
    if name == "membership":
        return metric.compute(**tokens.membership_inputs(FORGET_TASK))
    return {key: metric.compute(predictions=rows.hits)[name] for key, rows in tokens.tasks.items()}


def _said(key: str, task: TaskLog) -> list[str]:
    """Return what the model said to each example of a task."""
    if not task.generated:
        raise ValueError(f"{key}: the log has no generated_text")
    return [said for _, said, _ in task.generated]


def _of_task(name: str, metric: Any, key: str, task: TaskLog) -> dict[str, Any]:
    """Return one metric of one task, in the form that belongs to the task's set."""
    about = log_task(key)
    wrong = task.wrong_losses.tolist()
    if name == "rouge":
        return metric.compute(predictions=_said(key, task), references=[right for *_, right in task.generated])
    if name == "truth_ratio":
        kind = "forget" if about.group == "forget" else "other"
        return metric.compute(predictions=task.paraphrased_loss.tolist(), references=wrong, kind=kind)
    return metric.compute(
        predictions=task.loss.tolist(), references=wrong if about.among_wrong else [[] for _ in wrong]
    )


def build_app(name: str, place: Path) -> gr.Blocks:
    """Build the app of one metric.

    Args:
        name: Name of the metric.
        place: Folder with its file and its card.
    """
    metric = evaluate.load(str(place / f"{name}.py"))

    def told(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def compute(*inputs: str | None) -> dict[str, Any]:
            try:
                return function(name, metric, *inputs)
            except (ValueError, FileNotFoundError) as error:
                # Of a path, only the name is the visitor's.
                raise gr.Error(re.sub(r"/\S*/", "", str(error)), print_exception=False) from error

        return compute

    with gr.Blocks(title=name) as app:
        gr.Markdown((place / "README.md").read_text().split("---\n", 2)[2])
        if name in PASTED:
            with gr.Tab("Numbers"):
                boxes = [gr.Textbox(box.example, label=box.label, lines=4) for box in PASTED[name]]
                gr.Button("Compute").click(told(from_pasted), boxes, gr.JSON(), api_name="pasted")
        if name not in WITHOUT_LOGS:
            with gr.Tab("Logs"):
                log = "eval_log_tokens.json" if name in FROM_TOKENS else "Evaluation log"
                labels = [log, "Gold model's log"][: 2 if name == "forget_quality" else 1]
                files = [gr.File(label=label, file_types=[".json"]) for label in labels]
                gr.Button("Compute").click(told(from_logs), files, gr.JSON(), api_name="logs")
    return app
