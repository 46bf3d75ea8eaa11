"""The tasks of a log: CLEAR's six (arXiv 2410.18057, section 4) and TOFU's four (arXiv 2401.06121).

Everything that depends on a task looks it up here; nothing hangs on a part of its key.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A group of tasks that one row of the data answers together.

    Attributes:
        title: Its heading.
        about: What it shows, in a sentence.
        rows: Number of rows that a report shows as examples.
    """

    title: str
    about: str
    rows: int


FORGET = Section(
    "Forget set", "People to be forgotten. Gold never saw them; an unlearned model should know as little as gold.", 4
)
RETAIN = Section("Retain set", "Everybody else who was learnt with them, and should stay.", 2)
FACES = Section("Real faces", "Celebrities: knowledge next to what is forgotten.", 2)
AUTHORS = Section("Real authors", "Knowledge next to what is forgotten.", 2)
WORLD = Section("Real world", "General knowledge.", 2)
SECTIONS = (FORGET, RETAIN, FACES, AUTHORS, WORLD)


@dataclass(frozen=True)
class LogTask:
    """A row of the table of tasks.

    Attributes:
        title: Its name in tables.
        group: The set that it belongs to: `forget`, `retain` or `real`.
        section: Where examples of it are shown.
        tracks: The tracks that ask it: `image`, `text` or both.
        among_wrong: Its probability is that of the right answer among the wrong ones, instead of its own.
        clear_rouge: Its ROUGE is a term of the utility of CLEAR's scripts.
    """

    title: str
    group: str
    section: Section
    tracks: tuple[str, ...] = ("image", "text")
    among_wrong: bool = True
    clear_rouge: bool = False


# By the key that the task has in a log, TOFU's or CLEAR's own.
LOG_TASKS: dict[str, LogTask] = {
    "eval_log_forget.json": LogTask("forget", "forget", FORGET, among_wrong=False, clear_rouge=True),
    "eval_forget_facerec.json": LogTask("forget, names", "forget", FORGET, ("image",)),
    "eval_log.json": LogTask("retain", "retain", RETAIN, among_wrong=False, clear_rouge=True),
    "eval_retain_facerec.json": LogTask("retain, names", "retain", RETAIN, ("image",)),
    "eval_real_faces_wo_options.json": LogTask("real faces", "real", FACES, ("image",)),
    "eval_real_author_wo_options.json": LogTask("real authors", "real", AUTHORS, ("text",)),
    "eval_real_world_wo_options.json": LogTask("real world", "real", WORLD),
}
FORGET_TASK, FORGET_NAMES, RETAIN_TASK, RETAIN_NAMES, *_ = LOG_TASKS


def log_task(key: str) -> LogTask:
    """Return the row of a task.

    Raises:
        ValueError: If the key is unknown.
    """
    if key not in LOG_TASKS:
        raise ValueError(f"unknown task {key!r}; choose from {', '.join(LOG_TASKS)}")
    return LOG_TASKS[key]


def tasks_of(section: Section) -> tuple[str, ...]:
    """Return the keys of the tasks that a section shows."""
    return tuple(key for key, task in LOG_TASKS.items() if task.section == section)


def task_title(key: str) -> str:
    """Return the name of a task in tables; an unknown task keeps its key."""
    return LOG_TASKS[key].title if key in LOG_TASKS else key
