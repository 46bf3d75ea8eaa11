"""Every metric as a module of `evaluate`: from the built folder, where the repository cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clear_data.metric_folders import copy_metric
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
    "u_lira": ATTACK,
    "u_mia": ATTACK,
    "model_utility": {"log": "log.json"},
    "clear_scores": {"log": "log.json"},
}
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
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    for name in METRICS:
        copy_metric(name, ROOT / "evaluate_metrics", folder / "clear" / name)
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
    from evaluate_metrics.forget_quality.forget_quality import forget_quality
    from evaluate_metrics.model_utility.model_utility import model_utility

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
