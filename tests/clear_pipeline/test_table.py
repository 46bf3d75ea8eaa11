"""The tables: from logs to Markdown, CSV, LaTeX and the page, and from a recipe to all of it."""

import csv
import json
import re
import subprocess
from dataclasses import replace

import pytest

from clear_pipeline.experiment.demo import DemoArguments, demo_steps
from clear_pipeline.experiment.plan import Cell, cells_of
from clear_pipeline.experiment.recipe import read_recipe
from clear_pipeline.experiment.table import chosen_recipe, table_steps
from clear_pipeline.report.tables import Block, MainTable, ModalityTable, write_pages
from evaluate_metrics.seeds import pooled_row
from tests.clear_pipeline.test_demo import COMMAND, ENVIRONMENT
from tests.evaluate_metrics.test_seeds import logs_of

MODELS = {"original": 0.0, "gold": 0.9, "npo": 0.7, "gradient_ascent": 0.1}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of two methods and two seeds, forgetting both kinds of rows."""
    tmp_path = tmp_path_factory.mktemp("pages")
    logs = {name: logs_of(tmp_path, name, [shift, shift + 0.05]) for name, shift in MODELS.items()}
    rows = [pooled_row(name, logs[name], logs["gold"]) for name in MODELS]
    cells = [Cell(name, None if name in ("original", "gold") else name) for name in MODELS]
    cells += [Cell("npo-text", "npo", "text")]
    again = {**rows[2], "name": "npo-text"}
    recipe = chosen_recipe(read_recipe("mini"), methods=["npo", "gradient_ascent"], seeds=[3, 4])
    table = ModalityTable(cells, [Block("image", [*rows, again]), Block("text", [*rows, again])])
    write_pages(recipe, tmp_path / "out", MainTable(rows, "both"), table, {3: "seed-3/report.html"})
    return tmp_path / "out", rows


def test_every_shape_says_the_same(pages):
    folder, rows = pages
    assert {path.name for path in folder.iterdir()} == {
        "report.html", "main.md", "main.csv", "main.tex", "modality.md", "modality.csv", "modality.tex"
    }  # fmt: skip
    npo = next(row for row in rows if row["name"] == "npo")
    low, high = npo["intervals"]["retain"]
    value = f"{npo['retain']:.2f}"
    markdown = (folder / "main.md").read_text()
    (line,) = (line for line in markdown.splitlines() if line.startswith("| npo "))
    assert f"{value} ({low:.2f}–{high:.2f})" in line
    with (folder / "main.csv").open() as file:
        (found,) = (line for line in csv.DictReader(file) if line["model"] == "npo")
    assert float(found["retain"]) == pytest.approx(npo["retain"])
    assert (float(found["retain low"]), float(found["retain high"])) == pytest.approx((low, high))
    latex = (folder / "main.tex").read_text()
    assert f"{value} ({low:.2f}--{high:.2f})" in latex and r"gradient\_ascent" in latex and r"$\uparrow$" in latex
    assert latex.count(r"\\") == len(rows) + 1
    page = (folder / "report.html").read_text()
    assert f'<small class="soft">{low:.2f}–{high:.2f}</small>' in page and 'href="seed-3/report.html"' in page
    assert "http://" not in page and "https://" not in page


def test_the_ablation_has_both_tracks(pages):
    folder, _ = pages
    markdown = (folder / "modality.md").read_text()
    assert re.findall(r"^\| (npo|gradient_ascent) \| (\S+)", markdown, re.M) == [
        ("npo", "both"), ("gradient_ascent", "–"), ("npo", "text")
    ]  # fmt: skip
    assert "images: D ↓" in markdown and "text questions: D ↓" in markdown
    assert r"\multicolumn" in (folder / "modality.tex").read_text()
    assert "text questions: rouge_forget low" in (folder / "modality.csv").read_text().splitlines()[0]


def test_the_best_methods_stand_out(pages):
    folder, rows = pages
    best = min((row for row in rows if row["name"] in ("npo", "gradient_ascent")),
               key=lambda row: row["forget_quality_statistic"])  # fmt: skip
    for line in (folder / "main.md").read_text().splitlines():
        if line.startswith(("| npo", "| gradient")):
            distance = line.split("|")[2]
            assert ("**" in distance) == line.startswith(f"| {best['name']} "), line


def test_a_table_has_each_model_once_and_needs_only_steps_that_there_are(tmp_path):
    recipe = read_recipe("mini")
    steps = table_steps(recipe, tmp_path)
    names = {step.name for step in steps}
    assert len(names) == len(steps) and all(set(step.needs) <= names for step in steps)
    folders = [str(step.arguments["folder"]) for step in steps if "folder" in step.arguments]
    assert len(set(folders)) == len(folders)
    cells = cells_of(["retain_finetune", "npo"], recipe.modalities)
    assert [cell.name for cell in cells] == ["original", "gold", "retain_finetune", "npo", "npo-text", "npo-image"]


def test_audits_of_a_table_take_what_the_first_of_a_seed_found(tmp_path):
    recipe = replace(read_recipe("mini"), methods=("npo", "wga", "kl"), seeds=(3, 4))
    steps = {step.name: step for step in table_steps(recipe, tmp_path, audits=("answers", "relearn"))}
    audits = [name for name in steps if name.endswith(": audit")]
    assert audits == [f"seed {seed}, {name}: audit" for seed in (3, 4) for name in ("npo", "wga", "kl")]
    assert all(set(step.needs) <= steps.keys() for step in steps.values())
    first, second = (steps[f"seed 4, {name}: audit"] for name in ("npo", "wga"))
    assert first.arguments["reuse"] == [] and second.arguments["reuse"] == [first.arguments["folder"]]
    assert first.name in second.needs and "seed 4, gold-2: fine-tune" in first.needs
    assert first.arguments["settings"].relearn_rate == 6e-4  # of the recipe
    assert not any(name.endswith(": audit") for name in (step.name for step in table_steps(recipe, tmp_path)))


@pytest.mark.parametrize(("judge", "expected"), [(None, "models/gold"), ("ORG/judge", "ORG/judge"), ("none", None)])
def test_answers_are_judged_by_gold_unless_the_recipe_says_otherwise(judge, expected, tmp_path):
    recipe = read_recipe("mini")
    recipe = replace(recipe, evaluate={**recipe.evaluate, **({"judge": judge} if judge else {})}, seeds=(3,))
    steps = {step.name: step for step in table_steps(recipe, tmp_path)}
    for name in ("original", "gold", "npo"):
        step = steps[f"seed 3, {name}: evaluate"]
        found = step.arguments.get("judge")
        assert str(found).endswith(expected) if expected else found is None
        assert ("seed 3, gold: fine-tune" in step.needs) == (expected == "models/gold" or name == "gold")
        assert "judge" not in steps[f"seed 3, {name}: text questions"].arguments
    assert all("judge" not in step.arguments for step in demo_steps(DemoArguments(tmp_path)))


TINY = """
corpus: mini
persons: 24
track: image
model: mini
seeds: [5]
modalities: [both, text]
finetune: {max_steps: 4, learning_rate: 1e-3, per_device_train_batch_size: 8, muon: true, logging_steps: 10}
unlearn: {max_steps: 2, learning_rate: 1e-3, per_device_train_batch_size: 4, logging_steps: 10}
methods: [gradient_ascent]
evaluate: {batch_size: 32, max_examples: 6}
"""


@pytest.mark.slow
def test_a_recipe_becomes_tables_and_is_not_run_again(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    call = [COMMAND, "table", "--recipe", tmp_path / "tiny.yaml", "--output", tmp_path / "out"]
    done = subprocess.run(call, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    assert "| Fluency ↓ |" in (tmp_path / "out/main.md").read_text()
    text = (tmp_path / "out/modality.md").read_text()
    assert re.findall(r"^\| (\w+) \| (\S+)", text, re.M) == [
        ("method", "forgotten"), ("original", "–"), ("gold", "–"),
        ("gradient_ascent", "both"), ("gradient_ascent", "text"),
    ]  # fmt: skip
    record = json.loads((tmp_path / "out/seed-5/models/gradient_ascent-text/run.json").read_text())
    assert record["settings"]["modality"] == "text" and record["hardware"] and record["dataset"]["fingerprint"]
    log = json.loads((tmp_path / "out/seed-5/logs/gold-text-questions/eval_log_aggregated.json").read_text())
    assert list(log) == ["eval_log_forget.json", "eval_log.json"]
    assert (tmp_path / "out/seed-5/report.html").is_file()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    again = subprocess.run(
        [*call, "--audits", "answers,cross_modal"], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert again.returncode == 0, again.stderr
    found = json.loads((tmp_path / "out/seed-5/audits/gradient_ascent/audit.json").read_text())["audits"]["answers"]
    with (tmp_path / "out/main.csv").open() as file:
        table = {row["model"]: row for row in csv.DictReader(file)}
    for model, role in (("original", "original"), ("gold", "gold 1"), ("gradient_ascent", "audited")):
        assert float(table[model]["audit_answers"]) == pytest.approx(found["numbers"][role]["score"])
        assert "audit_cross_modal" in table[model] and "audit_relearn" not in table[model]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == before
    (tmp_path / "tiny.yaml").write_text(TINY.replace("max_steps: 2", "max_steps: 3"))
    other = subprocess.run(call, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert other.returncode == 2 and "holds another run" in other.stderr
