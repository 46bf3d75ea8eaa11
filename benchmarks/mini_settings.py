"""How the demo's unlearning settings were chosen: a grid on a seed that is not shown, scored on the selection set.

    clear-unlearning demo --seed 7 --output runs/seed7
    python benchmarks/mini_settings.py runs/seed7

Photos of the selection set show the same people, and no model was trained on them. All numbers are computed as in the
report, with these photos in the place of the forget and retain rows that the report shows. Since then
`clear-unlearning table --tune` searches an equal grid for every method; this is the finer one of the first four.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from trl import ModelConfig

from clear_pipeline.arguments import DataArguments
from clear_pipeline.experiment.presets import MINI
from clear_pipeline.report.terminal import report_table
from clear_pipeline.runs.executor import Step, run_steps
from clear_pipeline.runs.run_folder import write_json
from clear_pipeline.selection import selection_rows
from clear_pipeline.train import Progress, UnlearnJob, unlearn
from clear_unlearning.evaluate import evaluate_model
from clear_unlearning.models import load_model
from clear_unlearning.tasks import IMAGE_TASKS
from evaluate_metrics.scores import score_log
from trainers import METHODS

GRID: dict[str, dict[str, list[Any]]] = {
    "retain_finetune": {"learning_rate": [2e-4, 4e-4], "num_train_epochs": [1, 2]},
    "gradient_ascent": {"learning_rate": [1e-4, 2e-4, 5e-4], "num_train_epochs": [3, 5]},
    "gradient_difference": {"learning_rate": [2e-4, 4e-4, 6e-4], "num_train_epochs": [5, 8]},
    "npo": {
        "learning_rate": [7e-4, 1e-3],
        "num_train_epochs": [10, 12, 16],
        "beta": [0.1, 0.15],
        "retain_weight": [4.0],
    },
}
ROUGE = {"rouge_forget": "eval_log_forget.json", "rouge_retain": "eval_log.json"}


def try_settings(folder: Path, target: Path, method: str | None, settings: dict[str, Any], progress: Progress) -> None:
    """Unlearns with settings and scores on the selection set; without a method, scores a model of the demo."""
    if (target / "selection.json").is_file():
        return
    dials = json.loads((folder / "demo.json").read_text())
    data = DataArguments(dataset=str(folder / "data" / MINI.folder), track=MINI.track, forget=dials["forget"])
    if method:
        original = ModelConfig(model_name_or_path=str(folder / "models" / "original"))
        training = METHODS[method][1](output_dir=str(target), **{**MINI.unlearn, **settings, "seed": dials["seed"]})
        unlearn(UnlearnJob(target, method, original, data, training), progress)
    model = target if method else folder / "models" / target.name
    log, _ = evaluate_model(
        load_model(str(model)), IMAGE_TASKS, selection_rows(data, f"{data.dataset}{MINI.extra_suffix}"), data.forget,
        batch_size=32, progress=progress,
    )  # fmt: skip
    target.mkdir(parents=True, exist_ok=True)
    write_json(target / "selection.json", log)


def main() -> None:
    """Runs the grid and prints its table; what was done before is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a finished demo on the mini corpus")
    parser.add_argument("--methods", default=",".join(GRID), help="names with commas (%(default)s)")
    options = parser.parse_args()
    place: Path = options.folder / "settings"
    tries: dict[str, tuple[str | None, dict[str, Any]]] = {"original": (None, {}), "gold": (None, {})}
    for method in options.methods.split(","):
        for values in product(*GRID[method].values()):
            settings = dict(zip(GRID[method], values, strict=True))
            tries[f"{method} {' '.join(f'{v:g}' for v in values)}"] = (method, settings)
    steps = [
        Step(name, try_settings, {"folder": options.folder, "target": place / name.replace(" ", "_"), "method": method,
                                  "settings": settings})
        for name, (method, settings) in tries.items()
    ]  # fmt: skip
    console = Console(width=100)
    run_steps(steps, console)
    gold = json.loads((place / "gold" / "selection.json").read_text())
    rows = []
    for name in tries:
        scores = score_log(json.loads((place / name.replace(" ", "_") / "selection.json").read_text()), gold)
        rouge = {side: scores["tasks"][key]["rouge"] for side, key in ROUGE.items()}
        rows.append({"name": name, **scores, **rouge})
    console.print(report_table({"forget": "selection set", "rows": rows}))


if __name__ == "__main__":
    main()
