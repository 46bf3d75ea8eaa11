"""What a model is asked: CLEAR's six tasks and TOFU's four, one table (arXiv 2410.18057, section 4; arXiv 2401.06121).

A task takes the rows of one config and turns each into an `Example`: what the model sees and is asked, the right
answer, its paraphrase and the wrong answers. Rows of training configs become examples by `training_example`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

# Nine ways to ask for a caption. One is drawn per row from its index and a seed, so that two runs, and the gold and
# the unlearned model, see the same question.
CAPTION_QUESTIONS = (
    "What does this image show?",
    "Describe this picture.",
    "Please write a caption for this photo.",
    "What can be seen in the photograph?",
    "Tell me what is in this image.",
    "Give a short description of the picture.",
    "How would you describe this photo?",
    "Summarise what the image shows.",
    "What is going on in this picture?",
)
NAME_QUESTION = "The name of the person on the image is "


@dataclass(frozen=True)
class Example:
    """One question to a model, with what may be answered.

    Attributes:
        question: The user's text.
        answer: The right answer.
        image: What the model looks at, or None for a text question.
        paraphrase: The right answer in other words; the answer itself on the real sets.
        wrong: Wrong answers.
        person: Whom the example is about, if the row says so; intervals are clustered by it.
        where: The task and row that it was made from, for messages.
    """

    question: str
    answer: str
    image: Image.Image | None = None
    paraphrase: str = ""
    wrong: tuple[str, ...] = ()
    person: str | None = None
    where: str = "an example"


def candidates(example: Example) -> tuple[str, ...]:
    """Return the answers that are scored: the right one, its paraphrase, the wrong ones."""
    return (example.answer, example.paraphrase, *example.wrong)


@dataclass(frozen=True)
class Task:
    """A row of the table of tasks.

    Attributes:
        key: The task's key in the log, TOFU's or CLEAR's own.
        config: Config of the dataset; `{forget}` stands for the forget set that is evaluated.
        answer: Column of the right answer.
        paraphrase: Column of its paraphrase.
        wrong: Column of the wrong answers.
        question: Column of the question, or None where every row gets `fixed_question` or a caption question.
        fixed_question: The same question for every row.
        images: The question is about the row's image.
    """

    key: str
    config: str
    answer: str
    paraphrase: str
    wrong: str
    question: str | None = None
    fixed_question: str | None = None
    images: bool = True


_CAPTION: dict[str, Any] = {"answer": "caption", "paraphrase": "paraphrased_caption", "wrong": "perturbed_captions"}
_NAME: dict[str, Any] = {
    "answer": "name",
    "paraphrase": "name",
    "wrong": "perturbed_names",
    "fixed_question": NAME_QUESTION,
}
_OPTIONS: dict[str, Any] = {"answer": "answer", "paraphrase": "answer", "wrong": "options", "question": "question"}
_TEXT: dict[str, Any] = {
    "answer": "answer",
    "paraphrase": "paraphrased_answer",
    "wrong": "perturbed_answer",
    "question": "question",
    "images": False,
}

IMAGE_TASKS = (
    Task(key="eval_log_forget.json", config="{forget}_perturbed", **_CAPTION),
    Task(key="eval_forget_facerec.json", config="{forget}_perturbed", **_NAME),
    Task(key="eval_log.json", config="retain_perturbed", **_CAPTION),
    Task(key="eval_retain_facerec.json", config="retain_perturbed", **_NAME),
    Task(key="eval_real_faces_wo_options.json", config="real_faces", **_OPTIONS),
    Task(key="eval_real_world_wo_options.json", config="real_world", **_OPTIONS),
)
TEXT_TASKS = (
    Task(key="eval_log_forget.json", config="{forget}_perturbed", **_TEXT),
    Task(key="eval_log.json", config="retain_perturbed", **_TEXT),
    Task(key="eval_real_author_wo_options.json", config="real_authors_perturbed", **{**_TEXT, "paraphrase": "answer"}),
    Task(key="eval_real_world_wo_options.json", config="world_facts_perturbed", **{**_TEXT, "paraphrase": "answer"}),
)
TASKS = {"image": IMAGE_TASKS, "text": TEXT_TASKS}
# Text questions about the people of a dataset with photos: configs that stand beside it. It has none on the real sets.
QUESTION_TASKS = tuple(replace(task, config=task.config.replace("_perturbed", "_text")) for task in TEXT_TASKS[:2])


CONTROLS = ("none", "blank", "text")
FLOORS = ("none", "icu", "eco")  # what a method must beat: `floors.py`


def controlled(example: Example, control: str) -> Example:
    """Return what a model is asked when it shall be seen what can be answered without looking.

    Args:
        example: A question, with or without an image.
        control: `none` leaves it; `blank` puts a grey picture of the same size instead of the image; `text` drops
            the image.
    """
    if example.image is None or control == "none":
        return example
    return replace(example, image=Image.new("RGB", example.image.size, "grey") if control == "blank" else None)


def caption_question(index: int, seed: int) -> str:
    """Return the caption question of row `index` in an evaluation: the same on every machine for the same seed."""
    return random.Random(f"{seed}/{index}").choice(CAPTION_QUESTIONS)


def task_example(task: Task, row: Mapping[str, Any], index: int, seed: int) -> Example:
    """Turn a row of an evaluation config into an example.

    Raises:
        ValueError: If the answer is empty or the row has no wrong answers.
    """
    if task.question is not None:
        question = row[task.question]
    else:
        question = task.fixed_question or caption_question(index, seed)
    where = f"{task.key}, row {index}"
    if not row[task.answer] or not row[task.wrong]:
        raise ValueError(f"{where}: `{task.answer}` and `{task.wrong}` must not be empty")
    return Example(
        question=question,
        answer=row[task.answer],
        image=row["image"].convert("RGB") if task.images else None,
        paraphrase=row[task.paraphrase],
        wrong=tuple(row[task.wrong]),
        person=row.get("name"),
        where=where,
    )


def training_example(row: Mapping[str, Any], index: int, seed: int) -> Example:
    """Turn a row of a training config into an example: its own question, or a caption question for a caption.

    Raises:
        ValueError: If the row has neither an answer nor a caption.
    """
    image = row.get("image")
    if row.get("answer"):
        question, answer = row["question"], row["answer"]
    elif row.get("caption"):
        question, answer = caption_question(index, seed), row["caption"]
    else:
        raise ValueError(f"row {index} has neither `answer` nor `caption`; columns: {sorted(row)}")
    image = image.convert("RGB") if image else None
    return Example(question=question, answer=answer, image=image, person=row.get("name"), where=f"row {index}")
