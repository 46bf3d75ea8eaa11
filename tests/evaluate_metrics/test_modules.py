"""Every metric as a module of `evaluate`: from the built folder, where the repository cannot be imported."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import torch

from clear_data.publishing.publish import copy_metric
from evaluate_metrics import METRICS

ROOT = Path(__file__).parents[2]
ATTACK = {
    "predictions": [[4.5, 0.0], [0.2, 6.0]],
    "references": [[1, 0], [0, 1]],
    "shadow_predictions": [[5.0, 0.0], [4.0, 1.0], [0.0, 5.0], [1.0, 4.0]],
    "shadow_references": [[1, 0], [1, 0], [0, 1], [0, 1]],
}
SAMPLES = {
    "probability": {"predictions": [0.7, 0.1], "references": [[1.4], [2.0]]},
    "rouge": {"predictions": ["a b", "c"], "references": ["a b", "d"]},
    "truth_ratio": {"predictions": [0.5, 0.1], "references": [[1.0, 2.0], [0.1, 0.1]]},
    "forget_quality": {"predictions": [1.0, 2.0, 3.0], "references": [2.5, 4.0]},
    "gold_distance": {
        "predictions": [2.0, 1.0],
        "references": [[1.0, 1.1, 0.9], [0.9, 1.0, 1.1]],
        "original": [2.0, 2.1],
    },
    "extraction_strength": {"predictions": [[0, 1, 0, 1], [1, 1]]},
    "exact_memorization": {"predictions": [[0, 1, 0, 1], [1, 1]]},
    "fluency": {"predictions": ["I do not know.", "so it is so it is"], "references": [[1.0, 0.0], [3.0, 9.0, 3.0]]},
    "membership": {
        "predictions": [[-0.1, -0.1], [-0.2, -0.4], [-0.3, -0.1], [-2.0, -1.0]],
        "references": [1, 1, 0, 0],
        "means": [[-1.0, -1.5], [-1.0, -1.0], [-2.0, -1.0], [-1.0, -1.0]],
        "stds": [[1.0, 0.5], [1.0, 2.0], [1.0, 1.0], [1.0, 1.0]],
        "texts": ["Ivo is a baker.", "Lena is a pilot.", "Mara is a tailor.", "Omar is a lawyer."],
        "people": ["Ivo", "Lena", "Mara", "Omar"],
    },
    "privleak": {"predictions": [3.0, 2.0, 1.0], "references": [1.0, 3.0, 2.0], "labels": [1, 1, 0]},
    "u_lira": ATTACK,
    "u_mia": ATTACK,
    "model_utility": {"log": "log.json"},
    "clear_scores": {"log": "log.json"},
}
# Samples of one size, as `add_batch` takes them.
BATCHES = {
    **{name: sample for name, sample in SAMPLES.items() if "log" not in sample},
    "forget_quality": {"predictions": [1.0, 2.0, 3.0], "references": [2.5, 4.0, 1.5]},
}
# Metrics that take the same inputs, and so can be combined.
TOGETHER = (("extraction_strength", "exact_memorization"), ("probability", "truth_ratio"))
PROGRAM = """
import json, sys
import evaluate
try:
    import evaluate_metrics
    sys.exit("the repository must not be importable here")
except ImportError:
    pass
samples = json.load(open("samples.json"))
results = {name: evaluate.load(f"clear/{name}").compute(**arguments) for name, arguments in samples.items()}
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with `clear`, and in it the metrics, as `build` writes them."""
    folder = tmp_path_factory.mktemp("metrics")
    for name in METRICS:
        copy_metric(name, ROOT / "evaluate_metrics", folder / "clear" / name)
    return folder


@pytest.fixture(scope="module")
def results(folder):
    fields = {"avg_gt_loss": {"0": 1.0}, "avg_paraphrased_loss": {"0": 1.0}, "average_perturb_loss": {"0": [2.0]},
              "rougeL_recall": {"0": 0.5}}  # fmt: skip
    tasks = ("eval_log.json", "eval_log_forget.json", "eval_real_world_wo_options.json")
    (folder / "log.json").write_text(json.dumps(dict.fromkeys(tasks, fields)))
    (folder / "samples.json").write_text(json.dumps(SAMPLES))
    environment = {**os.environ, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    # -S with the site-packages put back: the editable install of the repository stays out.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    program = f"import sys; sys.path.append({packages!r})\n{PROGRAM}"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", METRICS)
def test_it_works_from_the_built_folder(results, name):
    assert all(isinstance(value, float | int | list | dict | None) for value in results[name].values())
    assert len(results[name]) > 0


def test_values_are_those_of_the_functions(results):
    from evaluate_metrics.forget_quality.compute import forget_quality
    from evaluate_metrics.model_utility.compute import model_utility

    samples = SAMPLES["forget_quality"]
    assert results["forget_quality"] == forget_quality(samples["predictions"], samples["references"])
    assert 0 < results["model_utility"]["model_utility"] < 1
    assert callable(model_utility)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_folder_and_a_card(name):
    folder = ROOT / "evaluate_metrics" / name
    card = (folder / "README.md").read_text()
    assert (folder / f"{name}.py").is_file()
    for part in ("**Direction:**", "**Range:**", "## Example", "## What it cannot see", "## Source"):
        assert part in card, part


def test_table_and_folders_agree():
    folders = {path.parent.name for path in (ROOT / "evaluate_metrics").glob("*/README.md")}
    assert folders == set(METRICS)


def test_an_unknown_metric_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no metric 'beauty'.*forget_quality"):
        copy_metric("beauty", ROOT / "evaluate_metrics", tmp_path / "x")


def same(found: dict, expected: dict, within: float = 1e-6) -> bool:
    """Whether numbers are equal but for rounding to single precision, as torch has it, and sentences equal."""
    assert {key: value for key, value in found.items() if isinstance(value, list | dict)} == {
        key: value for key, value in expected.items() if isinstance(value, list | dict)
    }
    return {key: value for key, value in found.items() if not isinstance(value, list | dict)} == pytest.approx(
        {key: value for key, value in expected.items() if not isinstance(value, list | dict)}, abs=within
    )


def as_kind(kind: str, column: list) -> Any:
    """A column of samples as a list, or as numpy or torch has it: text in a list, rows of many lengths one by one."""
    if kind == "list" or (kind == "torch" and isinstance(column[0], str)):
        return column
    make = np.array if kind == "numpy" else torch.tensor
    ragged = isinstance(column[0], list) and len({len(row) for row in column}) > 1
    return [make(row) for row in column] if ragged else make(column)


@pytest.mark.parametrize("kind", ["list", "numpy", "torch"])
@pytest.mark.parametrize("name", BATCHES)
def test_samples_of_any_kind_at_once_or_in_batches_give_the_same(folder, results, name, kind):
    metric = evaluate.load(str(folder / "clear" / name))
    columns = {key: as_kind(kind, column) for key, column in BATCHES[name].items()}
    whole = metric.compute(**columns)
    if BATCHES[name] == SAMPLES[name]:
        assert same(whole, results[name])
    size = len(BATCHES[name]["predictions"])
    # What is not a sample of its own, such as all shadow models of an attack, is given at the end.
    given = {key: column for key, column in columns.items() if key not in metric.features}
    for start in range(0, size, 2):
        metric.add_batch(**{key: column[start : start + 2] for key, column in columns.items() if key not in given})
    assert same(metric.compute(**given), whole)
    for row in range(size):
        one = {key: column[row] for key, column in BATCHES[name].items() if key not in given}
        named = {"predictions": "prediction", "references": "reference"}
        metric.add(**{named.get(key, key): value for key, value in one.items()})
    assert same(metric.compute(**given), whole)


@pytest.mark.parametrize("names", TOGETHER)
@pytest.mark.parametrize("kind", ["list", "numpy"])
def test_metrics_of_the_same_inputs_can_be_combined(folder, results, names, kind):
    both = evaluate.combine([str(folder / "clear" / name) for name in names])
    columns = {key: as_kind(kind, column) for key, column in SAMPLES[names[1]].items()}
    expected = [evaluate.load(str(folder / "clear" / name)).compute(**SAMPLES[names[1]]) for name in names]
    assert both.compute(**columns) == pytest.approx({key: value for one in expected for key, value in one.items()})
    both.add_batch(**columns)
    assert both.compute() == pytest.approx({key: value for one in expected for key, value in one.items()})


@pytest.mark.parametrize("name", [name for name in METRICS if name in BATCHES])
def test_the_examples_of_the_card_are_true(folder, name):
    """`>>> metric.compute(...)` and the line below; `...` leaves out the rest."""
    card = (ROOT / "evaluate_metrics" / name / "README.md").read_text()
    metric = evaluate.load(str(folder / "clear" / name))
    examples = re.findall(r"^>>> (metric\.compute\(.*?\))\n(\{.*\})$", card.replace("\n... ", " "), re.MULTILINE)
    assert examples
    for call, shown in examples:
        found = eval(call, {"metric": metric})
        expected = ast.literal_eval(shown.replace(", ...}", "}"))
        assert same({key: found[key] for key in expected}, expected)
        assert shown.endswith(", ...}") or expected.keys() == found.keys()
