"""Docs and tables say the same."""

import inspect
import re
import runpy
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from trl import ModelConfig

from clear_pipeline.audits import AUDITS
from clear_pipeline.cli import COMMANDS
from clear_unlearning import __version__
from evaluate_metrics import METRICS
from trainers import METHODS
from trainers.visual import VISUAL_METHODS

ROOT = Path(__file__).parents[1]


def first_column(page: str) -> list[str]:
    """What stands in backticks in the first column of a page's tables."""
    return re.findall(r"^\| `([^`]+)` \|", (ROOT / page).read_text(), re.MULTILINE)


def test_every_method_has_one_row_in_a_family():
    assert sorted(first_column("docs/methods.md")) == sorted(METHODS)


def test_the_base_class_of_each_method_is_what_the_docs_say():
    text = (ROOT / "docs/methods.md").read_text()
    found = re.findall(r"^\| (\w+) \| `(\w+)` \| .+ \|$", text, re.MULTILINE)
    assert dict(found) == {name: trainer.__bases__[0].__name__ for name, (trainer, _) in METHODS.items()}


def test_visual_methods_have_their_rows_in_order():
    assert first_column("docs/visual.md") == list(VISUAL_METHODS)


def test_metrics_have_their_rows_in_order():
    assert first_column("docs/metrics.md") == list(METRICS)


def test_audits_have_their_rows_in_order():
    assert first_column("docs/audits.md") == list(AUDITS)


def test_the_page_of_the_command_line_is_what_the_parsers_say():
    page = runpy.run_path(str(ROOT / "docs/write_cli.py"))["page"]()
    for command in COMMANDS:
        assert f"\n## `clear-unlearning {command}`\n" in page
    assert (ROOT / "docs/cli.md").read_text() == page, "run `python docs/write_cli.py`"


def commands_of(page: Path) -> list[list[str]]:
    """The words of each command of a page, without the comment behind it."""
    text = page.read_text().replace("\\\n", " ")
    found = re.findall(r"^ *((?:clear-unlearning|python clear_dataset\.py) .+)$", text, re.MULTILINE)
    return [shlex.split(command, comments=True) for command in found]


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_commands_in_the_pages_have_flags_and_files_that_exist():
    sections = re.split(r"^##+ `(.+)`$", (ROOT / "docs/cli.md").read_text(), flags=re.MULTILINE)[1:]
    flags = {
        name: set(re.findall(r"^\| `--(\w[\w-]*)", text, re.MULTILINE))
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }
    configs = [ModelConfig, *(config for _, config in METHODS.values())]
    inherited = {field.name for config in configs for field in fields(config)}
    seen = []
    for page in PAGES:
        for words in commands_of(page):
            words = words[1:] if words[0] == "python" else words
            name = " ".join(words[:3]) if " ".join(words[:3]) in flags else " ".join(words[:2])
            known = flags[name] | (inherited if name.split()[1] in ("finetune", "unlearn", "evaluate") else set())
            wrong = [
                word for word in words if word.startswith("--") and word[2:].replace("-", "_")
                not in {flag.replace("-", "_") for flag in known}
            ]  # fmt: skip
            files = [word.partition(":")[0] for word in words if word.startswith(("recipes/", "examples/"))]
            wrong += [file for file in files if not (ROOT / file).exists()]
            assert not wrong, (page.name, words)
            seen.append(name)
    assert len(seen) > 80 and set(seen) > {f"clear-unlearning {command}" for command in ("unlearn", "table", "worker")}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    assert links and [link for link in links if not (ROOT / link).exists()] == []


def test_every_page_is_in_the_navigation_once():
    nav = yaml.safe_load((ROOT / "properdocs.yml").read_text())["nav"]
    listed = [page for group in nav for pages in group.values() for entry in pages for page in entry.values()]
    assert sorted(listed) == sorted(file.name for file in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_file_is_lean(method):
    lines = (ROOT / "trainers" / f"{method}.py").read_text().splitlines()
    assert len(lines) <= 120


@pytest.mark.parametrize("method", VISUAL_METHODS)
def test_a_visual_method_file_is_lean(method):
    lines = Path(inspect.getsourcefile(VISUAL_METHODS[method][0]) or "").read_text().splitlines()
    assert len(lines) <= 120


def test_makefile_verbs_stand_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for verb in ("make demo", "make test", "make test-slow", "make check", "make docs", "make app"):
        assert verb in text


def test_the_version_is_said_once_more_where_people_look():
    assert f"\n## {__version__} (" in (ROOT / "CHANGELOG.md").read_text()
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
