"""Model and tasks in, log out: losses of right and wrong answers, and what the model says itself.

The log is TOFU's (arXiv 2401.06121) with CLEAR's task keys. Unlike the reference's code, generation sees the image,
every row is scored, and each row's question is the same for the answer, its paraphrase and the wrong answers.
"""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from rouge_score.rouge_scorer import RougeScorer

from .batches import Encoder
from .models import LoadedModel
from .scoring import Scored, Scorer, score_together
from .tasks import CONTROLS, Example, Task, controlled, task_example

Progress = Callable[[int, int], None]
SHARED_FROM = 300  # image tokens from which it pays to compute them once for both questions about a picture
REAL_SETS = "real"  # part of the key of tasks whose log also holds the normalised loss


class FinishedRows:
    """What was scored before an interruption: a file to which every batch is appended, a JSON object a line.

    A line that was being written when the process was killed is passed over and its batch scored again.

    Args:
        path: The file; made with the first batch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scored: dict[str, dict[int, Scored]] = {}
        whole = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""
        for line in whole.splitlines():
            content = json.loads(line)
            scored = {int(i): Scored(**fields) for i, fields in content["scored"].items()}
            self._scored.setdefault(content["task"], {}).update(scored)
        if path.is_file():
            os.truncate(path, len(whole) + bool(whole))

    def of(self, task: str) -> Mapping[int, Scored]:
        """What the rows of a task got, by their index."""
        return self._scored.get(task, {})

    def append(self, task: str, batch: Mapping[int, Scored]) -> None:
        """Writes down a batch."""
        line = json.dumps({"task": task, "scored": {str(i): asdict(scored) for i, scored in batch.items()}})
        with self.path.open("a") as file:
            file.write(line + "\n")


def check_evaluation(loaded: LoadedModel, tasks: Sequence[Task], control: str) -> None:
    """Makes sure that a model can be asked.

    Raises:
        ValueError: If a task shows images and the model takes none, or the control is unknown.
    """
    if control not in CONTROLS:
        raise ValueError(f"unknown control {control!r}; choose from {', '.join(CONTROLS)}")
    pictures = [task.key for task in tasks if task.images]
    if pictures and not loaded.takes_images:
        raise ValueError(f"{loaded.source} takes no images; tasks {', '.join(pictures)} need a vision-language model")


def evaluate_model(
    loaded: LoadedModel,
    tasks: Sequence[Task],
    load: Callable[[str], Dataset],
    forget: str,
    seed: int = 0,
    max_examples: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int = 64,
    control: str = "none",
    progress: Progress | None = None,
    finished: FinishedRows | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores a model on tasks.

    Args:
        loaded: The model.
        tasks: Rows of `TASKS`.
        load: Gives the rows of a config by its name.
        forget: Forget set, for example `forget05`.
        seed: Draws the caption question of each row.
        max_examples: Score the first rows of a task alone, as the reference does with 300.
        batch_size: Examples at a time.
        max_new_tokens: Limit of the model's own answers.
        control: What is done to the images, see `controlled`: `none`, `blank` or `text`.
        progress: Called with the number of examples done and in all.
        finished: Where the scores of finished rows are kept, and those of an interrupted evaluation are found.

    Returns:
        The log, TOFU's task keys and nothing else, and what belongs into its metadata: per task the config and the
        person of each example.

    Raises:
        ValueError: If a task shows images and the model takes none, or the control is unknown.
    """
    check_evaluation(loaded, tasks, control)
    scorer = Scorer(loaded.model, Encoder(loaded.processor), max_new_tokens)  # type: ignore[arg-type]
    configs = {task.key: load(task.config.format(forget=forget)) for task in tasks}
    counts = {
        key: len(rows) if max_examples is None else min(max_examples, len(rows)) for key, rows in configs.items()
    }
    done = sum(len(finished.of(task.key)) for task in tasks) if finished else 0
    scored = {task.key: dict(finished.of(task.key)) if finished else {} for task in tasks}
    asked: dict[str, list[Example]] = {}
    for group in _asked_together(tasks, scorer, configs):
        new = {
            task.key: [
                controlled(task_example(task, configs[task.key][i], i, seed), control) for i in range(counts[task.key])
            ]
            for task in group
        }
        for parts in score_together(scorer, new, batch_size, scored):
            for key, part in parts.items():
                if finished:
                    finished.append(key, part)
                done += len(part.keys() - scored[key].keys())
                scored[key] |= part
            if progress:
                progress(done, sum(counts.values()))
        asked |= {key: [replace(example, image=None) for example in rows] for key, rows in new.items()}
    log, about = {}, {}
    for task in tasks:
        examples = asked[task.key]
        about[task.key] = {
            "config": task.config.format(forget=forget),
            "images": task.images,
            "person": [example.person for example in examples],
        }
        results = [scored[task.key][i] for i in range(len(examples))]
        log[task.key] = task_log(examples, results, normalised=REAL_SETS in task.key)
    return log, about


def _asked_together(tasks: Sequence[Task], scorer: Scorer, configs: Mapping[str, Dataset]) -> list[list[Task]]:
    """The tasks in the groups in which they are scored: those about the same pictures together, where that pays."""
    pictured = next((task for task in tasks if task.images and len(configs[task.key])), None)
    if pictured is None:
        return [[task] for task in tasks]
    tokens = scorer.encoder.image_tokens(task_example(pictured, configs[pictured.key][0], 0, seed=0))
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.config if tokens >= SHARED_FROM else task.key, []).append(task)
    return list(groups.values())


def task_log(examples: Sequence[Example], scored: Sequence[Scored], normalised: bool) -> dict[str, Any]:
    """Turns scores into the fields of TOFU's log, each keyed by the example's index as a string.

    Losses are sums over an answer's tokens in nats; `avg_` and `average_` divide by their number. The field
    `truth_ratio` is exp(paraphrased loss - mean wrong loss), as in TOFU's files: the inverse of the paper's R.
    """
    rouge = RougeScorer(["rouge1", "rougeL"], use_stemmer=True)
    fields: dict[str, dict[str, Any]] = {}

    def put(name: str, index: int, value: Any) -> None:
        fields.setdefault(name, {})[str(index)] = value

    for index, (example, result) in enumerate(zip(examples, scored, strict=True)):
        average = [loss / count for loss, count in zip(result.losses, result.tokens, strict=True)]
        if not all(map(math.isfinite, average)):
            raise ValueError(
                f"example {index} ({example.question!r}): the model gives NaN or infinite losses {average}"
            )
        recall = rouge.score(example.answer, result.generated)
        put("avg_gt_loss", index, average[0])
        put("gt_loss", index, result.losses[0])
        put("num_token_gt", index, result.tokens[0])
        put("generated_text", index, [example.question, result.generated, example.answer])
        put("rouge1_recall", index, recall["rouge1"].recall)
        put("rougeL_recall", index, recall["rougeL"].recall)
        put("avg_paraphrased_loss", index, average[1])
        put("paraphrased_loss", index, result.losses[1])
        put("num_token_paraphrased", index, result.tokens[1])
        put("average_perturb_loss", index, average[2:])
        put("perturb_loss", index, result.losses[2:])
        put("num_token_perturb", index, result.tokens[2:])
        put("truth_ratio", index, math.exp(min(700.0, average[1] - sum(average[2:]) / len(average[2:]))))
        if normalised:
            right, wrong = math.exp(-average[0]), sum(math.exp(-loss) for loss in average[2:])
            put(
                "normalized_gt_loss",
                index,
                -math.log(max(right / (right + wrong), 1e-300)) if right + wrong else 700.0,
            )
    return fields
