"""Write the page of the command line, docs/cli.md, from the parsers themselves.

    python docs/write_cli.py

`make docs` does it, and `tests/test_docs.py` compares the page with what this module makes.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

PAGE = Path(__file__).with_name("cli.md")
sys.path.insert(0, str(PAGE.parents[1]))

import clear_dataset  # noqa: E402
from clear_data.command_line import Parser  # noqa: E402
from clear_pipeline.cli import COMMANDS  # noqa: E402
from trainers import METHODS  # noqa: E402

HEAD = """# The command line

All commands with their flags, as `--help` prints them. This page is written by `python docs/write_cli.py`.

- `finetune`, `unlearn` and `evaluate` also take every flag of TRL and transformers that has an effect: `--help all`
  lists them. `--config FILE` reads flags from a YAML file; a flag on the command line wins over the file.
- Flags are taken with `_` and with `-`. A misspelt command, flag, method or folder is named with the nearest valid
  one.
- Results go to stdout, progress to stderr. The exit code is 0; 1 where `check` found something; 2 for an error that
  you can mend, with one line that says how; 130 after Ctrl+C.
- An interrupted command resumes when the same command is run again.
"""


def page() -> str:
    """Return the page."""
    data = parser_of(clear_dataset.main)
    parts = [HEAD, f"\n## The data: `python {data.prog}`\n", *tables(data)]
    for name, (module, _) in COMMANDS.items():
        parser = parser_of(getattr(import_module(module), name.replace("-", "_")))
        parts += [f"\n## `{parser.prog}`\n", f"\n{' '.join((parser.description or '').split())}\n", *tables(parser)]
    return "".join(parts)


def parser_of(command: Callable[[Sequence[str]], object]) -> argparse.ArgumentParser:
    """Return the parser that a command prints the help of."""
    seen: list[Parser] = []

    def keep(parser: Parser) -> None:
        seen.append(parser)
        raise SystemExit

    with patch.object(Parser, "print_help", keep):
        try:
            command(["--help"])
        except SystemExit:
            return seen[0]
    raise RuntimeError(f"{command.__name__} --help printed no help")


def tables(parser: argparse.ArgumentParser, depth: str = "###") -> Iterator[str]:
    """Return the tables of a parser, one a titled group of flags, and those of its subcommands."""
    titled: dict[str, list[argparse.Action]] = {}
    for group in parser._action_groups:
        own = group.title not in ("positional arguments", "options")
        title = f"\n{str(group.title).rstrip('.')}{f' ({group.description})' if group.description else ''}:\n"
        titled.setdefault(title if own else "", []).extend(group._group_actions)
    for title, arguments in titled.items():
        rows = [f"| `{spelling(one)}` | {meaning(one)} |\n" for one in arguments if is_argument(one)]
        if rows:
            yield from (title, "\n| argument | meaning |\n|---|---|\n", *rows)
    for one in parser._actions:
        if isinstance(one, argparse._SubParsersAction):
            about = {choice.dest: str(choice.help) for choice in one._choices_actions}
            for name, child in one.choices.items():
                yield f"\n{depth} `{child.prog}`\n\n{about[name][:1].upper()}{about[name][1:]}.\n"
                yield from tables(child, depth + "#")


def is_argument(action: argparse.Action) -> bool:
    """Return whether an action is neither `--help` nor a choice of subcommands."""
    return not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)


def spelling(argument: argparse.Action) -> str:
    """Return an argument as it is typed."""
    value = "" if argument.nargs == 0 else str(argument.metavar or argument.dest.upper())
    if argument.choices and not argument.metavar:
        value = ",".join(map(str, argument.choices))
    return " ".join(filter(None, (*argument.option_strings[:1], value)))


def meaning(argument: argparse.Action) -> str:
    """Return what an argument says of itself, for a cell of a table."""
    text = (argument.help or "") % vars(argument) + ("; required" if argument.required else "")
    text = text.replace("|", "\\|").replace("<", "&lt;").removeprefix("; ")
    return text.replace(f"One of {', '.join(METHODS)}", "One of [the methods](methods.md)")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")  # noqa: T201
