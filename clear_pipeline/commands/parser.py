"""The flags of finetune, unlearn and evaluate: short help and checks without torch, then TRL's parser."""

import os
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, get_args

from clear_data.command_line import Parser, nearest

# Flags of TRL and transformers that most runs need; `--help all` lists all of them.
MODEL_FLAGS = {
    "--model_name_or_path": "Folder or Hub id of the model.",
    "--model_revision": "Branch, tag or commit of a Hub model; also --revision.",
    "--dtype": "Precision of the weights: float32 (default), bfloat16, auto.",
    "--gguf_file": "GGUF file of the model, if it holds several; its weights are de-quantised.",
    "--chat_template": "Jinja file, for a model that comes without a chat template.",
}
TRAINING_FLAGS = {
    "--output_dir": "Folder of the result.",
    "--learning_rate": "Peak learning rate.",
    "--num_train_epochs": "Passes over the rows that drive the epoch.",
    "--per_device_train_batch_size": "Rows of each side in a step.",
    "--use_peft": "Train a LoRA adapter (true); --lora_r, --lora_alpha, --lora_target_modules.",
    "--seed": "Seed of the batches.",
}


def wants_help(argv: Sequence[str]) -> str | None:
    """Return `short` for `--help`, `all` for `--help all`, None without it."""
    for number, word in enumerate(argv):
        if word in ("-h", "--help"):
            return "all" if argv[number + 1 : number + 2] == ["all"] else "short"
    return None


def show_help(command: str, about: str, own: Sequence[type], more: dict[str, dict[str, str]]) -> None:
    """Print the short help of a command.

    Args:
        command: Name of the command.
        about: One sentence.
        own: Dataclasses of our own flags.
        more: Title of a group -> flag -> help.
    """
    parser = Parser(
        f"clear-unlearning {command}", description=about, usage=f"clear-unlearning {command} [--config FILE] FLAGS",
        epilog="All flags, those of TRL and transformers too: --help all. A flag wins over the YAML file of --config.",
    )  # fmt: skip
    for kind in own:
        group = parser.add_argument_group(str(kind.__doc__).rstrip("."))
        for one in fields(kind):
            default = "" if one.default in (None, "", MISSING) else f" ({one.default})"
            group.add_argument(f"--{one.name}", metavar="X", help=one.metadata["help"].replace("%", "%%") + default)
    for title, flags in more.items():
        group = parser.add_argument_group(title)
        for flag, text in flags.items():
            group.add_argument(flag, metavar="X", help=text.replace("%", "%%"))
    parser.print_help()


def given_values(argv: Sequence[str]) -> dict[str, str]:
    """Return the flags on the command line and in the YAML file of `--config`, without knowing all flags.

    Raises:
        FileNotFoundError, ValueError: If the file does not exist, or is not a mapping.
    """
    given: dict[str, Any] = {}
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for flag, value in zip(words, [*words[1:], ""], strict=False):
        if flag.startswith("--"):
            given[flag[2:].replace("-", "_")] = "true" if value.startswith("--") or not value else value
    if "config" in given:
        path = Path(given["config"])
        if not path.is_file():
            raise FileNotFoundError(f"--config: no file {path}")
        import yaml

        try:
            content = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is not YAML: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} must be a mapping of flags to values, not {type(content).__name__}")
        given = {**content, **given}
    return given


def check_early(argv: Sequence[str], kinds: Sequence[type], output: str) -> None:
    """Check what needs no torch: our own flags, the places that are named, and that there is an output.

    Then say that the model is being loaded, since that and the libraries take a while.

    Args:
        argv: Arguments of the command.
        kinds: Dataclasses of our own flags, which check their values when they are made.
        output: Flag of the output folder, without dashes.

    Raises:
        ValueError, FileNotFoundError: If a value is not valid, or a folder does not exist.
    """
    given = given_values(argv)
    for kind in kinds:
        kind(**{one.name: _value(one, given[one.name]) for one in fields(kind) if one.name in given})
    if not given.get(output):
        raise ValueError(f"name an output folder: --{output} FOLDER")
    if not given.get("model_name_or_path"):
        raise ValueError("name a model: --model_name_or_path FOLDER_OR_HUB_ID")
    check_place("model", str(given["model_name_or_path"]))
    check_place("dataset", str(given.get("dataset", "clear")))
    if os.environ.get("RANK", "0") == "0":
        sys.stderr.write(f"loading {given['model_name_or_path']}\n")


def check_place(what: str, place: str) -> None:
    """Check that a local path exists; a Hub id is looked up later.

    Raises:
        FileNotFoundError: If a path does not exist; the message names the nearest folder.
    """
    path = Path(place)
    looks_local = place.startswith((".", "/", "~")) or (what == "dataset" and "/" not in place)
    beside = [folder.name for folder in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(str(path), (str(path.parent / name) for name in beside))
    mistyped = near and path.parent != Path()  # runs/orignal; ORG/model may also be on the Hub
    if path.exists() or not (looks_local or mistyped):
        return
    build = "; `python clear_dataset.py build --corpus mini` makes one" if what == "dataset" and not near else ""
    raise FileNotFoundError(f"{what} {place!r}: no such folder{near}{build}")


def _value(one: Any, text: Any) -> Any:
    """Convert the text of a flag to the type of its field."""
    kinds = set(get_args(one.type)) or {one.type}
    if not isinstance(text, str) or kinds & {str}:
        return text
    if bool in kinds:
        return text.lower() in ("true", "1", "yes")
    try:
        return int(text) if int in kinds else float(text)
    except ValueError:
        raise ValueError(f"--{one.name} must be a number, not {text!r}") from None


def parse(command: str, classes: Sequence[type], argv: Sequence[str]) -> tuple[Any, ...]:
    """Parse all flags with TRL's parser; `--help all` prints them and exits.

    Raises:
        ValueError: If a flag or a key of the file is unknown, or a value is not valid.
    """
    from trl import TrlParser

    from trainers.base.config import EVALUATED, SCORED

    class OneLine(TrlParser):
        def error(self, message: str) -> NoReturn:
            raise ValueError(f"{message}; see `{self.prog} --help`")

    parser = OneLine(tuple(classes), prog=f"clear-unlearning {command}")  # type: ignore[arg-type]
    if wants_help(argv) == "all":
        parser.print_help()
        sys.exit(0)
    known = {flag[2:].replace("-", "_") for flag in parser._option_string_actions} | {"config"}
    for name in given_values(argv):
        if name not in known:
            raise ValueError(f"unknown flag --{name}{nearest(name, known)}")
        if name in EVALUATED:
            raise ValueError(f"--{name} is not supported: {SCORED}")
    return parser.parse_args_and_config(list(argv))
