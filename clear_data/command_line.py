"""What both command lines share: a parser whose errors are one line, and the words for what a user can mend."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

# Exception class -> what its message is introduced by, and what to do. Named by text, so that nothing is imported.
ADVICE: dict[str, tuple[str, str]] = {
    "huggingface_hub.errors.GatedRepoError": ("", "accept its terms on the Hub, then log in with `hf auth login`"),
    "huggingface_hub.errors.RevisionNotFoundError": ("", "see the branches and tags of the repository on the Hub"),
    "huggingface_hub.errors.RepositoryNotFoundError": (
        "no such repository on the Hub, or the token may not see it", "check the name, and `hf auth whoami`"
    ),
    "huggingface_hub.errors.OfflineModeIsEnabled": ("not in the cache", "unset HF_HUB_OFFLINE to download it"),
    "huggingface_hub.errors.LocalEntryNotFoundError": (
        "not in the cache, and the Hub was not reached", "check the network, and unset HF_HUB_OFFLINE"
    ),
    "huggingface_hub.errors.HfHubHTTPError": ("the Hub refused", "check the name and `hf auth whoami`"),
    "httpx.HTTPError": ("no connection", "check the address and the network, then try again"),
    "jinja2.exceptions.TemplateError": ("the chat template cannot be used", "give another --chat_template"),
    "safetensors.SafetensorError": ("weights cannot be read", "was the file cut off? copy or download it again"),
    "pyarrow.lib.ArrowException": ("a table cannot be read", "was the file cut off? copy or build it again"),
    "torch.OutOfMemoryError": ("out of memory", "use a smaller batch, --dtype bfloat16 or --use_peft true"),
    "builtins.MemoryError": ("out of memory", "use a smaller batch, --dtype bfloat16 or --use_peft true"),
    "builtins.NotADirectoryError": ("a file is where a folder is needed", "name another folder"),
    "builtins.IsADirectoryError": ("a folder is where a file is needed", "name a file"),
    "builtins.OSError": ("", ""),
    "builtins.ValueError": ("", ""),
    "builtins.FloatingPointError": ("", ""),
}  # fmt: skip
ROOMS = ("clear_", "trainers", "evaluate_metrics", "leaderboard_")


def explain(error: BaseException) -> str | None:
    """Return one line that says what was wrong and what to do; None for a defect of ours.

    Args:
        error: Of any library in use.
    """
    text = " ".join(str(error).split())
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    if isinstance(error, ImportError):
        if (error.name or "").startswith(ROOMS):
            return None
        quoted = re.search(r"'([A-Za-z][\w-]*)", text)
        return f"{text.rstrip('.')}; install it, for example with `pip install {quoted[1] if quoted else 'PACKAGE'}`"
    for kind in type(error).__mro__:
        found = ADVICE.get(f"{kind.__module__}.{kind.__qualname__}")
        if found is not None:
            if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
                text = f"{error.filename}: {error.strerror}"
            return "; ".join(part for part in (": ".join(filter(None, (found[0], text))), found[1]) if part) + notes
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, empty if nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Parser(argparse.ArgumentParser):
    """A parser that raises one line, and takes each flag with `_` and with `-`."""

    def error(self, message: str) -> NoReturn:
        """Raise the error.

        Raises:
            ValueError: Always; the command line prints it.
        """
        raise ValueError(f"{message}; see `{self.prog} --help`")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; `--repo-id` is `--repo_id` and the reverse."""
        words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args([self._spelling(word) for word in words], namespace)

    def _spelling(self, word: str) -> str:
        flag, equals, value = word.partition("=")
        spelt = (flag, "--" + flag[2:].replace("-", "_"), "--" + flag[2:].replace("_", "-"))
        known = [one for one in spelt if one in self._option_string_actions] if word.startswith("--") else []
        return known[0] + equals + value if known else word

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse, and name the flag that an unknown one is nearest to."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            hint = nearest(unknown[0], self._option_string_actions) if unknown[0].startswith("-") else ""
            self.error(f"unknown argument {unknown[0]!r}{hint}")
        return found
