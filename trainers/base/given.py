"""What a program gives a trainer: a model or its place, rows in the formats of TRL, settings or none, an adapter."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from datasets import Dataset, Features, Image, List, concatenate_datasets
from peft import LoraConfig, PeftConfig
from torch import nn

from clear_unlearning.models import load_model, load_processor

from .rows import Rows
from .vision import vision_tower


def given_model(model: Any, processor: Any) -> tuple[Any, Any]:
    """Return a model, loaded if its folder or Hub id was given, and its processor, its own if none was given."""
    if isinstance(model, str | Path):
        loaded = load_model(str(model))
        return loaded.model, processor or loaded.processor
    return model, processor or load_processor(model)


def given_args(trainer: type, args: Any, model: Any) -> Any:
    """Return the settings; if None, the trainer's defaults in a folder named for model and method, as TRL names it.

    Raises:
        TypeError: If they are of another method or library.
    """
    hints = get_type_hints(trainer)
    config = hints["args"]
    if hints["args"] is Any and args is not None:  # a class of one's own that does not say which
        return args
    if args is None:
        name = Path(model if isinstance(model, str | Path) else model.name_or_path).name
        return config(output_dir=f"{name}-{trainer.__name__.removesuffix('Trainer')}")
    if not isinstance(args, config):
        raise TypeError(f"args of {trainer.__name__} must be a {config.__name__}, not a {type(args).__name__}")
    return args


def given_adapter(config: PeftConfig | None, model: Any, freeze_vision: bool) -> PeftConfig | None:
    """Return an adapter for a model. LoRA without targets is put on all linear layers of the language model.

    Args:
        config: The adapter; None to train the weights themselves.
        model: The model.
        freeze_vision: Keep LoRA off the vision tower, whatever targets are named.
    """
    if not isinstance(config, LoraConfig):
        return config
    adapter: Any = copy.copy(config)
    adapter.task_type = None  # the model's own forward pass: images are passed on as they are
    if adapter.target_modules is None:
        inside = {id(module) for module in model.get_decoder().modules() if isinstance(module, nn.Linear)}
        adapter.target_modules = {name for name, module in model.named_modules() if id(module) in inside}
    tower = vision_tower(model)
    if freeze_vision and tower is not None:
        parts = {id(module) for module in tower.modules()}
        adapter.exclude_modules = [name for name, module in model.named_modules() if id(module) in parts]
    return adapter


def given_sides(forget: Any, retain: Any, names: Sequence[str], seed: int) -> dict[str, Rows]:
    """Turn what a program gives a trainer into rows by side.

    Args:
        forget: Rows to forget, see `given_rows`; or a mapping of several sides, as a DatasetDict.
        retain: Rows to retain, None if there are none or they are in the mapping.
        names: Sides that the method uses.
        seed: Of the caption questions.

    Raises:
        ValueError: If a side is unknown or given twice, or a row cannot be used.
    """
    given = dict(forget) if isinstance(forget, Mapping) else {"forget": forget}
    if retain is not None and given.get("retain") is not None:
        raise ValueError("retain rows are given twice: in train_dataset and as retain_dataset")
    given = {
        side: rows for side, rows in {**given, "retain": retain or given.get("retain")}.items() if rows is not None
    }
    unknown = [side for side in given if side not in ("forget", "retain", *names)]
    if unknown:
        raise ValueError(f"train_dataset has rows for {unknown[0]!r}; sides are {', '.join(names)}")
    return {side: given_rows(side, rows, seed) for side, rows in given.items() if side in names}


def given_rows(side: str, given: Any, seed: int) -> Rows:
    """Turn a Dataset or a list of dicts into rows.

    Args:
        side: What to call it in an error.
        given: With the columns `question` and `answer`, or `caption`, or as in TRL `prompt` and `completion`, or
            `messages` (one of the user, one of the assistant); beside them `image`, or `images` with at most one.
        seed: Of the caption questions.

    Raises:
        ValueError: If the columns are others, or a row has no answer; side, row and column are named.
    """
    if isinstance(given, Rows):
        return given
    if not isinstance(given, Dataset):
        given = [given] if isinstance(given, str) else list(given)
        wrong = [f"row {index} is {row!r:.40}" for index, row in enumerate(given) if not isinstance(row, Mapping)]
        if wrong or not given:
            what = wrong[0] if wrong else "there are none"
            raise ValueError(f"{side} rows: give a Dataset (load_clear loads one) or a list of dicts; {what}")
        given = Dataset.from_list([dict(row) for row in given])
    columns = given.column_names
    if "images" in columns:
        stored = given.select_columns(["images"]).cast_column("images", List(Image(decode=False)))["images"]
        photo = {"image": [photos[0] if photos else None for photos in stored]}
        given = _instead(given, ["images"], Dataset.from_dict(photo, features=Features({"image": Image()})))
    if "messages" in columns or {"prompt", "completion"} <= set(columns):
        texts = given.select_columns([name for name in columns if name in ("messages", "prompt", "completion")])
        pairs = [_question_and_answer(side, index, dict(row)) for index, row in enumerate(texts)]
        asked = Dataset.from_dict({"question": [pair[0] for pair in pairs], "answer": [pair[1] for pair in pairs]})
        given = _instead(given, texts.column_names, asked)
    columns = given.column_names
    needed = [name for name in (("question", "answer"), ("caption",)) if set(name) <= set(columns)]
    if not needed:
        raise ValueError(
            f"{side} rows: the columns are {', '.join(columns) or 'none'}; give question and answer, caption, prompt "
            "and completion, or messages"
        )
    row: Any
    for index, row in enumerate(given.select_columns([name for names in needed for name in names])):
        empty = [[name for name in names if not isinstance(row[name], str) or not row[name]] for names in needed]
        if all(empty):
            raise ValueError(f"{side} rows, row {index}: `{empty[0][0]}` is empty or not a text")
    return Rows([given], seed)


def _instead(rows: Dataset, columns: Sequence[str], others: Dataset) -> Dataset:
    """Return rows with other columns in place of some."""
    rest = [name for name in rows.column_names if name not in columns]
    return concatenate_datasets([rows.select_columns(rest), others], axis=1) if rest else others


def _question_and_answer(side: str, index: int, row: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a row of TRL's formats asks and answers.

    Raises:
        ValueError: If there is anything but a turn of the user and one of the assistant.
    """
    turns = row.get("messages")
    if turns is None and isinstance(row["prompt"], str):
        return row["prompt"], row["completion"]
    turns = turns if turns is not None else [*row["prompt"], *row["completion"]]
    if [turn["role"] for turn in turns] != ["user", "assistant"]:
        roles = ", ".join(str(turn["role"]) for turn in turns)
        raise ValueError(f"{side} rows, row {index}: one turn of user and one of assistant are needed, not {roles}")
    said = [turn["content"] for turn in turns]
    texts = [words if isinstance(words, str) else "".join(part.get("text") or "" for part in words) for words in said]
    return texts[0], texts[1]
