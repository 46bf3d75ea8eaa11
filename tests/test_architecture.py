"""The rooms of the house stand on one another one way, and every file can be read in one sitting."""

import ast
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# room -> the rooms, or the single modules of a room, that it may import
MAY_IMPORT: dict[str, set[str]] = {
    "clear_data": set(),
    "clear_dataset": {"clear_data"},
    "evaluate_metrics": set(),
    "clear_unlearning": {
        "clear_dataset",
        "evaluate_metrics.log_format",
        "evaluate_metrics.rouge.compute",
        "evaluate_metrics.tasks",
    },
    "trainers": {"clear_dataset", "clear_unlearning"},
    "clear_pipeline": {
        "clear_data",
        "clear_dataset",
        "clear_unlearning",
        "evaluate_metrics",
        "trainers",
    },
    "leaderboard_app": {"evaluate_metrics"},
    "leaderboard_worker": {
        "clear_data",
        "clear_dataset",
        "clear_pipeline",
        "clear_unlearning",
        "evaluate_metrics",
        "leaderboard_app",
    },
}
# The public names, from several rooms and imported on first use: this file stands above the rooms, not in one of them.
FRONT_DOOR = "clear_unlearning/__init__.py"
WITHOUT_TORCH = {"evaluate_metrics", "leaderboard_app"}
TORCH_STACK = {"accelerate", "peft", "torch", "torchvision", "transformers", "trl"}


# Modules and packages at the top level, whether the table knows them or not.
ROOMS = sorted(
    {file.stem for file in ROOT.glob("*.py")} | {file.parent.name for file in ROOT.glob("[!.]*/__init__.py")}
)


def files_of(room: str) -> list[Path]:
    module = ROOT / f"{room}.py"
    return [module] if module.exists() else sorted((ROOT / room).rglob("*.py"))


def names_imported(source: str, package: str) -> Iterator[str]:
    """Dotted names of all imports, wherever they stand: `from .b import c` in package a gives a.b.c."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                module = [*above, *([node.module] if node.module else [])]
                yield from (".".join([*module, alias.name]) for alias in node.names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def imports_of(room: str) -> Iterator[tuple[str, str]]:
    """(file, dotted name) of every import in a room."""
    for file in files_of(room):
        place = file.relative_to(ROOT)
        for name in names_imported(file.read_text(encoding="utf-8"), ".".join(place.parent.parts)):
            yield str(place), name


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def test_every_room_is_in_the_table_and_in_the_wheel():
    assert set(ROOMS) <= MAY_IMPORT.keys()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert sorted(name.removesuffix(".py") for name in shipped) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_the_rooms_below(room: str):
    allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{file} imports {name}"
        for file, name in imports_of(room)
        if file != FRONT_DOOR
        if name.partition(".")[0] in MAY_IMPORT and not any(within(name, module) for module in allowed)
    ]
    assert wrong == []


def test_the_front_door_stands_above_the_rooms():
    import clear_unlearning

    named = {name for file, name in imports_of("clear_unlearning") if file == FRONT_DOOR}
    rooms = {name.partition(".")[0] for name in named} & MAY_IMPORT.keys()
    assert rooms == {"clear_dataset", "clear_pipeline", "evaluate_metrics", "trainers"}
    public = {f"clear_unlearning.{name}" for name in clear_unlearning.__all__}
    assert [f"{file} imports {name}" for room in ROOMS for file, name in imports_of(room) if name in public] == []


@pytest.mark.parametrize("room", sorted(WITHOUT_TORCH & set(ROOMS)))
def test_numbers_are_made_without_torch(room: str):
    assert [f"{file} imports {name}" for file, name in imports_of(room) if name.partition(".")[0] in TORCH_STACK] == []


def module_of(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def test_no_file_imports_itself_by_way_of_others():
    """Imports inside functions count too."""
    found = [pair for room in ROOMS for pair in imports_of(room)]
    modules = {module_of(str(file.relative_to(ROOT))) for room in ROOMS for file in files_of(room)}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for file, name in found:
        target = name if name in modules else name.rpartition(".")[0]
        if target in modules and target != module_of(file):
            graph[module_of(file)].add(target)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these files import one another: {' -> '.join(error.args[1])}")


def test_a_method_imports_no_other_method():
    from trainers import METHODS  # here, so that a broken room fails this test alone
    from trainers.visual import VISUAL_METHODS

    pairs = [*METHODS.values(), *VISUAL_METHODS.values()]
    methods = {trainer.__module__ for trainer, _ in pairs}
    files = {f"{method.replace('.', '/')}.py" for method in methods}
    wrong = [
        f"{file} imports {name}"
        for file, name in imports_of("trainers")
        if file in files and any(within(name, method) for method in methods)
    ]
    assert files <= {file for file, _ in imports_of("trainers")}
    assert wrong == []


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / room).is_dir()])
def test_room_says_that_it_is_typed(room: str):
    assert (ROOT / room / "py.typed").is_file()


@pytest.mark.parametrize("room", ROOMS)
def test_files_are_named_for_a_concept_and_short(room: str):
    vague = [str(file) for file in files_of(room) if file.stem in {"utils", "helpers", "common", "misc"}]
    long = [str(file) for file in files_of(room) if len(file.read_text(encoding="utf-8").splitlines()) > 300]
    assert (vague, long) == ([], [])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import trainers.base as base", ["trainers.base"]),
        ("from evaluate_metrics import log_format, rouge", ["evaluate_metrics.log_format", "evaluate_metrics.rouge"]),
        ("from .base import UnlearningTrainer", ["trainers.visual.base.UnlearningTrainer"]),
        ("from . import base", ["trainers.visual.base"]),
        ("from ..base import UnlearningTrainer", ["trainers.base.UnlearningTrainer"]),
        ("def late():\n    from torch import nn", ["torch.nn"]),
        ("importlib.import_module('trainers')", ["trainers"]),
    ],
)
def test_reader_of_imports_sees_every_form(source: str, names: list[str]):
    assert list(names_imported(source, "trainers.visual")) == names


def test_one_module_of_a_room_may_be_allowed_without_the_room():
    assert within("evaluate_metrics.log_format.read_log", "evaluate_metrics.log_format")
    assert not within("evaluate_metrics.log_format_extra", "evaluate_metrics.log_format")
    assert not within("evaluate_metrics", "evaluate_metrics.log_format")
