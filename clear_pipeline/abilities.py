"""General abilities: what unlearning cost outside of the benchmark, as tasks of lm-eval see it (mmlu, mmmu_val, ...).

The model answers the same samples as its original and gold, so that the differences are paired. Adapters are merged
first. None of it enters a ranking. The tasks are run by lm-eval (`pip install 'clear-unlearning[utility]'`).
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.models.hf_vlms import HFMultimodalLM
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from clear_data.command_line import nearest
from clear_unlearning.models import LoadedModel, load_model, require_model
from evaluate_metrics.paired_tasks import MODEL, compared

from .runs.provenance import check_role, model_digest, place_digest
from .runs.run_folder import Run, side_result, write_json

SIDE_FILES = "answers"  # folder of what each model answered to each task, within the run


@dataclass(frozen=True)
class HowAsked:
    """How the tasks are asked: the names are those of lm-eval.

    Attributes:
        limit: First samples of each task, or of each subtask of a group; None for all.
        num_fewshot: Solved examples before each question; None for the task's own number.
        apply_chat_template: Put the questions into the model's chat template.
        batch_size: Requests at a time.
        dtype: Precision of the weights.
    """

    limit: int | None = None
    num_fewshot: int | None = None
    apply_chat_template: bool = False
    batch_size: int = 8
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, bound in (("limit", 1), ("num_fewshot", 0), ("batch_size", 1)):
            value = getattr(self, name)
            if value is not None and value < bound:
                raise ValueError(f"{name} must be {bound} or more, not {value}")


@dataclass(frozen=True)
class AbilitiesJob:
    """Tasks for a model, and for its original and gold beside it.

    Attributes:
        folder: Run folder of the results.
        models: Place of each model by role: `model`, and perhaps `original` and `gold`.
        tasks: Names of lm-eval: tasks, groups or tags.
        how: How they are asked.
        include_path: Folder with further tasks (YAML), as lm-eval takes it.
        reuse: Folders of other such runs: what the same models answered there is taken.
        overwrite: Replace a result that was made with other settings.
    """

    folder: Path
    models: Mapping[str, str]
    tasks: Sequence[str]
    how: HowAsked = HowAsked()
    include_path: Path | None = None
    reuse: Sequence[Path] = ()
    overwrite: bool = False


def abilities(job: AbilitiesJob, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Ask every model every task, and write the scores with their paired differences.

    Args:
        job: What is asked of whom.
        progress: Called with the number of tasks done and in all, over all models.

    Returns:
        What `abilities.json` holds.

    Raises:
        FileNotFoundError, ValueError: If a model or a task does not exist, or they do not belong together.
    """
    for role, place in job.models.items():
        require_model(place)
        if role != MODEL:
            check_role(place, role, role)
    digests = {role: model_digest(place) for role, place in job.models.items()}
    asked = {**asdict(job.how), "lm_eval": version("lm_eval")}
    if job.include_path:
        asked["include_path"] = place_digest(job.include_path)
    settings = {"recipe": "abilities", **job.models, "tasks": list(job.tasks), "asked": asked, "digests": digests}
    run = Run(job.folder, settings, job.overwrite)
    if run.finished:
        return json.loads((job.folder / "abilities.json").read_text())
    manager = task_manager(job.include_path)
    check_tasks(job.tasks, manager, job.include_path)
    run.start()
    with run.side_files(SIDE_FILES) as folder:
        answers = _answers(job, manager, folder, digests, asked, progress)
        content = {
            "schema": 1,
            "models": {role: {"place": job.models[role], "digest": digests[role]} for role in job.models},
            "asked": asked,
            "tasks": {name: row for task in job.tasks for name, row in compared(answers[task]).items()},
        }
        write_json(run.part / "abilities.json", content)
        run.finish()
    return content


@cache
def task_manager(include_path: Path | None) -> TaskManager:
    """Return lm-eval's index of tasks; it reads thousands of files once."""
    return TaskManager(include_path=str(include_path) if include_path else None)


def check_tasks(tasks: Sequence[str], manager: TaskManager, include_path: Path | None = None) -> None:
    """Make sure that lm-eval knows the tasks.

    Raises:
        ValueError: If it does not; the message names the nearest, those of `include_path`, and how to list all.
    """
    known = manager.all_tasks
    for task in tasks:
        if task not in known:
            own = TaskManager(include_path=str(include_path), include_defaults=False).all_tasks if include_path else []
            here = f"; {include_path} has {', '.join(own) or 'no tasks'}" if include_path else ""
            hint = nearest(task, known)
            raise ValueError(
                f"lm-eval has no task {task!r}{hint}{here}; `lm-eval ls tasks` lists all {len(known)}, such as mmlu, "
                "hellaswag, and mmmu_val for models that take images"
            )


class _Pictured(HFMultimodalLM):
    """A vision-language model in memory, with the processor that was loaded with it."""

    def _create_tokenizer(self, pretrained: Any, tokenizer: Any, *_: Any, **__: Any) -> None:
        self.processor, self.tokenizer = tokenizer, tokenizer.tokenizer


def wrapped(loaded: LoadedModel, batch_size: int) -> HFLM:
    """Return a loaded model as lm-eval takes it."""
    kind = _Pictured if loaded.takes_images else HFLM
    log = logging.getLogger(HFLM.__module__)
    before = log.level
    log.setLevel(logging.ERROR)  # it warns that the model is in memory, which is meant
    try:
        return kind(pretrained=loaded.model, tokenizer=loaded.processor, batch_size=batch_size)  # type: ignore[arg-type]
    finally:
        log.setLevel(before)


def answers_to(task: str, model: HFLM, how: HowAsked, manager: TaskManager) -> dict[str, Any]:
    """Let lm-eval ask a model the samples of a task.

    Args:
        task: Name of a task, group or tag.
        model: The model.
        how: How they are asked.
        manager: Index of tasks.

    Returns:
        `results` (task -> `metric,filter` -> score), `groups` (group -> its subtasks), `by_size` (group -> metrics in
        which each sample counts the same, not each subtask), `higher_is_better` (task -> metric), and `samples` (task
        -> one dict for each sample and filter: `doc_id`, `target_hash`, `filter` and metrics; lm-eval's `doc_hash`
        differs from run to run where a sample has a picture).

    Raises:
        ValueError: If lm-eval cannot ask this model this task.
    """
    loaded = manager.load([task])
    groups = loaded.get("groups", {})
    parts = {child for group in groups.values() for child in group.child_names}
    ask: Any = lm_eval.simple_evaluate  # its decorator hides what it takes
    whole = [one for name, one in {**loaded["tasks"], **groups}.items() if name not in parts]
    try:
        found = ask(
            model=model, tasks=whole, limit=how.limit, num_fewshot=how.num_fewshot, task_manager=manager,
            apply_chat_template=how.apply_chat_template, bootstrap_iters=0,
        )  # fmt: skip
    except NotImplementedError as error:
        raise ValueError(
            f"lm-eval cannot ask this model the task {task!r}: {' '.join(map(str, error.args))}"
        ) from None
    scores = {
        name: {key: float(value) for key, value in row.items() if "," in key and isinstance(value, (int, float))}
        for name, row in found["results"].items()
    }
    samples = {
        name: [
            {"doc_id": one["doc_id"], "target_hash": one["target_hash"], "filter": one["filter"]}
            | {metric: float(one[metric]) for metric in one["metrics"] if isinstance(one[metric], (int, float))}
            for one in rows
        ]
        for name, rows in found["samples"].items()
    }
    by_size = {
        name: [one.metric for one in group.aggregate_metric_list or () if one.weight_by_size]
        for name, group in groups.items()
    }
    return {"results": scores, "groups": found["group_subtasks"], "by_size": by_size,
            "higher_is_better": found["higher_is_better"], "samples": samples}  # fmt: skip


def _answers(
    job: AbilitiesJob,
    manager: TaskManager,
    folder: Path,
    digests: Mapping[str, str],
    asked: Mapping[str, Any],
    progress: Callable[[int, int], None] | None,
) -> dict[str, dict[str, Any]]:
    """Ask what is not in a side file yet; return all by task and role. One model is in memory at a time."""
    found: dict[str, dict[str, Any]] = {task: {} for task in job.tasks}
    done, total = 0, len(job.models) * len(job.tasks)
    folders = [other / SIDE_FILES for other in job.reuse]
    for role, place in job.models.items():
        opened = cache(partial(_opened, place, job.how))
        for task in job.tasks:
            about = {"task": task, "model": digests[role], "asked": {**asked, "batch_size": None}}
            ask = partial(_asked, task, opened, job.how, manager)
            found[task][role] = side_result(folder / f"{task}-{role}.json", task, about, folders, ask)
            done += 1
            if progress:
                progress(done, total)
    return found


def _opened(place: str, how: HowAsked) -> HFLM:
    return wrapped(load_model(place, dtype=how.dtype), how.batch_size)


def _asked(task: str, opened: Callable[[], HFLM], how: HowAsked, manager: TaskManager) -> dict[str, Any]:
    return answers_to(task, opened(), how, manager)
