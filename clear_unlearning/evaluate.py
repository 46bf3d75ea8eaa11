"""Model and tasks in, log out: losses of right and wrong answers, and what the model says itself.

The log is TOFU's (arXiv 2401.06121) with CLEAR's task keys. Unlike the reference's code, generation sees the image,
every row is scored, and each row's question is the same for the answer, its paraphrase and the wrong answers.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from evaluate_metrics.rouge.compute import rouge_scorer
from evaluate_metrics.tasks import log_task

from .floors import Floor
from .models import LoadedModel
from .processes import Processes, deal
from .scoring.scorer import Scored, Scorer, batches_of, candidates, score_examples
from .tasks import CONTROLS, Example, Task, controlled, task_example

Progress = Callable[[int, int], None]
Place = tuple[str, int]  # task and index of an example
FINISHED_ROWS = "finished_rows-{}.jsonl"  # of each process
SHARED_FROM = 300  # image tokens from which it pays to compute them once for both questions about a picture
IMAGE_COST = 2000  # how many characters of text take a model as long as a picture, roughly


class FinishedRows:
    """What was scored before an interruption: files to which every batch is appended, a JSON object a line.

    A line that was being written when the process was killed is passed over and its batch scored again.

    Args:
        folder: Of the evaluation. Each process has its own file, made with its first batch, and reads those of all.
        process: Which one this is.

    Raises:
        ValueError: If a whole line is damaged; file and line are named.
    """

    def __init__(self, folder: Path, process: int = 0) -> None:
        self.path = folder / FINISHED_ROWS.format(process)
        self._scored: dict[str, dict[int, Scored]] = {}
        for file in sorted(folder.glob(FINISHED_ROWS.format("*"))):
            whole = file.read_bytes().rpartition(b"\n")[0] if file.is_file() else b""
            for number, line in enumerate(whole.splitlines(), 1):
                try:
                    for task, rows in json.loads(line).items():
                        scored = {int(i): Scored(**fields) for i, fields in rows.items()}
                        self._scored.setdefault(task, {}).update(scored)
                except (AttributeError, TypeError, ValueError) as error:
                    raise ValueError(
                        f"{file}, line {number}: damaged ({error}); delete the file to score its rows again"
                    ) from error
            if file == self.path and file.is_file():
                os.truncate(file, len(whole) + bool(whole))

    def of(self, task: str) -> Mapping[int, Scored]:
        """Return what the rows of a task got, by their index."""
        return self._scored.get(task, {})

    def append(self, batch: Mapping[str, Mapping[int, Scored]]) -> None:
        """Write down a batch, by task and index."""
        line = json.dumps({task: {i: asdict(scored) for i, scored in rows.items()} for task, rows in batch.items()})
        with self.path.open("a") as file:
            file.write(line + "\n")

    def delete(self) -> None:
        """Remove the files of all processes."""
        for file in self.path.parent.glob(FINISHED_ROWS.format("*")):
            file.unlink()


def check_evaluation(loaded: LoadedModel, tasks: Sequence[Task], control: str) -> None:
    """Make sure that a model can be asked.

    Raises:
        ValueError: If a task shows images and the model takes none, or the control is unknown.
    """
    if control not in CONTROLS:
        raise ValueError(f"unknown control {control!r}; choose from {', '.join(CONTROLS)}")
    pictures = [task.key for task in tasks if task.images]
    if pictures and not loaded.takes_images:
        raise ValueError(f"{loaded.source} takes no images; tasks {', '.join(pictures)} need a vision-language model")


def score_tasks(
    loaded: LoadedModel,
    tasks: Sequence[Task],
    load: Callable[[str], Dataset],
    forget: str,
    seed: int = 0,
    max_examples: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int = 64,
    control: str = "none",
    floor: Floor | None = None,
    progress: Progress | None = None,
    finished: FinishedRows | None = None,
    processes: Processes | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score a model on tasks.

    Args:
        loaded: The model.
        tasks: Rows of `TASKS`.
        load: Gives the rows of a config by its name.
        forget: Forget set, for example `forget05`.
        seed: Draws the caption question of each row.
        max_examples: Score only the first rows of a task, as the reference does with 300.
        batch_size: Examples at a time.
        max_new_tokens: Limit of the model's own answers.
        control: What is done to the images, see `controlled`: `none`, `blank` or `text`.
        floor: What is done to questions or model at inference.
        progress: Called with the number of examples done and in all.
        finished: Where the scores of finished rows are kept, and those of an interrupted evaluation are found.
        processes: Those among which the batches are dealt out; only this one by default.

    Returns:
        The log, TOFU's task keys and nothing else, and what belongs into its metadata: per task the config and the
        person of each example. Each process returns the whole.

    Raises:
        ValueError: If a task shows images and the model takes none, or the control is unknown.
    """
    check_evaluation(loaded, tasks, control)
    floor = floor or Floor()
    scorer = floor.scorer(loaded, max_new_tokens)
    configs = {task.key: load(task.config.format(forget=forget)) for task in tasks}
    counts = {
        key: len(rows) if max_examples is None else min(max_examples, len(rows)) for key, rows in configs.items()
    }
    asked: dict[str, list[Example]] = {}

    def questions() -> Iterator[dict[Place, Example]]:
        for together in _asked_together(tasks, scorer, configs):
            group: dict[Place, Example] = {}
            for task in together:
                rows = configs[task.key]
                examples = [controlled(task_example(task, rows[i], i, seed), control) for i in range(counts[task.key])]
                asked[task.key] = [replace(example, image=None) for example in examples]
                group |= {(task.key, i): floor.asked(example) for i, example in enumerate(examples)}
            yield group

    before = {task.key: finished.of(task.key) if finished else {} for task in tasks}
    scored = _score_together(
        scorer, questions(), sum(counts.values()), batch_size, before, finished, processes or Processes(), progress
    )
    log, about = {}, {}
    for task in tasks:
        examples = asked[task.key]
        results = [scored[task.key][i] for i in range(len(examples))]
        log[task.key] = task_log(examples, results, normalised=log_task(task.key).group == "real")
        about[task.key] = {
            "config": task.config.format(forget=forget),
            "images": task.images,
            "person": [example.person for example in examples],
        }
    return log, about


def _asked_together(tasks: Sequence[Task], scorer: Scorer, configs: Mapping[str, Dataset]) -> list[list[Task]]:
    """Return the tasks in groups: those about the same pictures are scored together where that is faster."""
    pictured = next((task for task in tasks if task.images and len(configs[task.key])), None)
    if pictured is None:
        return [[task] for task in tasks]
    tokens = scorer.encoder.image_tokens(task_example(pictured, configs[pictured.key][0], 0, seed=0))
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.config if tokens >= SHARED_FROM else task.key, []).append(task)
    return list(groups.values())


def _score_together(
    scorer: Scorer,
    questions: Iterable[Mapping[Place, Example]],
    total: int,
    batch_size: int,
    before: Mapping[str, Mapping[int, Scored]],
    finished: FinishedRows | None,
    processes: Processes,
    progress: Progress | None,
) -> dict[str, dict[int, Scored]]:
    """Score this process's share of the questions, and return what all have, by task and index."""
    new: dict[str, dict[int, Scored]] = {key: {} for key in before}
    done, loads = sum(map(len, before.values())), [0] * processes.count
    processes.gather()  # all have read the files of finished rows: from here on they grow
    if progress:
        progress(done, total)
    for group in questions:
        places = list(group)
        known = {position for position, (key, i) in enumerate(places) if i in before[key]}
        for batch in own_batches(scorer, list(group.values()), batch_size, known, processes, loads):
            by_task: dict[str, dict[int, Scored]] = {}
            for position, result in batch.items():
                key, i = places[position]
                by_task.setdefault(key, {})[i] = result
            if finished:
                finished.append(by_task)
            for key, rows in by_task.items():
                new[key] |= rows
            done_by_all = processes.add(len(batch.keys() - known))
            if progress:
                progress(done + done_by_all, total)
            processes.stop_if_failed()
    scored = {key: dict(rows) for key, rows in before.items()}
    for share in processes.gather(new):
        for key, rows in share.items():
            scored[key] |= rows
    if progress:
        progress(total, total)
    return scored


def own_batches(
    scorer: Scorer,
    examples: Sequence[Example],
    batch_size: int,
    done: Set[int],
    processes: Processes,
    loads: list[int],
) -> Iterator[dict[int, Scored]]:
    """Score this process's share of examples: whole batches, so that the number of processes moves no score."""
    batches = [batch for batch in batches_of(examples, batch_size) if not done >= set(batch)]
    owners = deal([sum(_cost(examples[i]) for i in batch) for batch in batches], loads)
    of_others = {i for batch, owner in zip(batches, owners, strict=True) if owner != processes.index for i in batch}
    return score_examples(scorer, examples, batch_size, done=done | of_others)


def _cost(example: Example) -> int:
    """Return about how long an example takes, in characters of text."""
    texts = sum(map(len, (example.question, *candidates(example))))
    return texts if example.image is None else texts + IMAGE_COST


def task_log(examples: Sequence[Example], scored: Sequence[Scored], normalised: bool) -> dict[str, Any]:
    """Turn scores into the fields of TOFU's log, each keyed by the example's index as a string.

    Losses are sums over an answer's tokens in nats; `avg_` and `average_` divide by their number. The field
    `truth_ratio` is exp(paraphrased loss - mean wrong loss), as in TOFU's files: the inverse of the paper's R.
    """
    rouge = rouge_scorer()
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
