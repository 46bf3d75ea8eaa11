"""The paper's tables from one recipe: original, gold and all methods over seeds and modalities (arXiv 2410.18057).

Each seed has its folder, laid out as the demo's; what is finished is skipped. The tables are made only of logs.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from clear_data.building.folder import read_meta
from clear_dataset import load_clear
from clear_pipeline.arguments import MINI_MODEL, DataArguments
from clear_pipeline.audits.arguments import AuditSettings
from clear_pipeline.audits.audit import AuditJob, audit
from clear_pipeline.audits.roles import AUDITED, ORIGINAL, gold_roles
from clear_pipeline.forget_request import questions_about
from clear_pipeline.report.audit_columns import pool_audits
from clear_pipeline.report.report import Entry, write_report
from clear_pipeline.report.tables import Block, MainTable, ModalityTable, Row, write_pages
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import read_run
from clear_pipeline.runs.step import Step
from clear_pipeline.train import Progress
from evaluate_metrics.seeds import pooled_row
from trainers import METHODS, is_own

from .plan import BASES, Cell, cells_of, data_of, gold_seeds, log_folder, seed_steps
from .recipe import GOLD, Recipe, check_recipe

AUDITS_FOLDER = "audits"  # within the folder of a seed


def chosen_recipe(
    recipe: Recipe,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    modalities: Sequence[str] | None = None,
    tofu_dir: Path | None = None,
) -> Recipe:
    """Return a part of a recipe.

    Raises:
        ValueError: If it has no such method, or a choice is not valid.
    """
    unknown = [method for method in methods or () if method not in recipe.methods and not is_own(method)]
    if unknown:
        hint, names = METHODS.hint(unknown[0]), ", ".join(recipe.methods)
        raise ValueError(f"recipe {recipe.name} has no method {unknown[0]!r}; {hint}it has {names}")
    part = replace(
        recipe,
        methods=tuple(methods or recipe.methods),
        seeds=tuple(seeds or recipe.seeds),
        modalities=tuple(modalities or recipe.modalities),
        tofu_dir=tofu_dir or recipe.tofu_dir,
        tune=None if seeds else recipe.tune and recipe.tune.only(methods),
    )
    check_recipe(part)
    return part


def seed_folder(output: Path, seed: int) -> Path:
    """Return where the runs of a seed are."""
    return output / f"seed-{seed}"


def table_steps(recipe: Recipe, output: Path, bases: Path | None = None, audits: Sequence[str] = ()) -> list[Step]:
    """Return all steps of the tables."""
    steps = []
    for seed in recipe.seeds:
        folder, prefix = seed_folder(output, seed), f"seed {seed}, "
        shared = bases or output.parent / BASES
        steps += seed_steps(recipe, folder, seed, recipe.modalities, recipe.tracks, prefix, shared)
        if audits:
            steps += audit_steps(recipe, folder, seed, audits, prefix)
    return steps


def audit_steps(recipe: Recipe, folder: Path, seed: int, audits: Sequence[str], prefix: str) -> list[Step]:
    """Return the steps that audit the models of the main table.

    The first one audits the original and the golds as well; the others take from it what it found of these.
    """
    models, golds = folder / "models", list(gold_seeds(recipe, seed))
    call = {
        "original": models / "original",
        "golds": [models / gold for gold in golds],
        "data": data_of(recipe, folder),
    }
    call |= {"audits": audits, "settings": recipe.audit}
    steps: list[Step] = []
    for cell in audited_cells(recipe):
        needs = [f"{prefix}{cell.name}: unlearn", *(f"{prefix}{gold}: fine-tune" for gold in golds)]
        needs += [step.name for step in steps[:1]]
        reuse = [step.arguments["folder"] for step in steps[:1]]
        own = {"folder": folder / AUDITS_FOLDER / cell.name, "model": models / cell.name, "reuse": reuse}
        steps.append(Step(f"{prefix}{cell.name}: audit", audit_step, {**call, **own}, needs))
    return steps


def audit_step(
    folder: Path,
    model: Path,
    original: Path,
    golds: Sequence[Path],
    data: DataArguments,
    audits: Sequence[str],
    settings: AuditSettings,
    reuse: Sequence[Path],
    progress: Progress,
) -> None:
    """Audit a model beside the original and the golds of its seed."""
    others = list(map(str, golds))
    job = AuditJob(folder, str(model), str(original), others, data, audits, settings, reuse=reuse)
    audit(job, progress)


def audited_cells(recipe: Recipe) -> list[Cell]:
    """Return the unlearned models of the main table."""
    cells = cells_of(recipe.methods, recipe.modalities)
    return [cell for cell in cells if cell.method is not None and cell.modality == recipe.modalities[0]]


def workers_for(recipe: Recipe) -> int | None:
    """Return how many runs fit at a time: one on an accelerator; on the processor what `run_steps` finds."""
    return 1 if recipe.model != MINI_MODEL or torch.accelerator.is_available() else None


def run_table(
    recipe: Recipe,
    output: Path,
    console: Console,
    bases: Path | None = None,
    audits: Sequence[str] = (),
    **options: Any,
) -> dict[str, Sequence[Row]]:
    """Run what is missing and write the tables.

    Args:
        recipe: What is run.
        output: Folder of the runs and the tables.
        console: Where progress is shown.
        bases: Folder of the pretrained bases; `bases` beside `output` by default.
        audits: Rows of AUDITS, which become columns of the main table.
        options: Of `run_steps`: `workers`.

    Returns:
        The rows of the main table and of the modalities', as `write_tables`.

    Raises:
        ValueError: If the folder holds another run, or TOFU's texts are not there.
    """
    recipe.check_texts()
    if options.get("workers") is None:
        options["workers"] = workers_for(recipe)
    run_steps(table_steps(recipe, output, bases, audits), console, **options)
    return write_tables(recipe, output, audits)


def write_tables(recipe: Recipe, output: Path, audits: Sequence[str] = ()) -> dict[str, Sequence[Row]]:
    """Write the tables of finished runs, and of each seed the report with what the models say.

    Returns:
        The rows of `main`, and with several modalities those of `modality`.
    """
    first = recipe.modalities[0]
    cells = cells_of(recipe.methods, recipe.modalities)
    main_cells = [cell for cell in cells if cell.method is None or cell.modality == first]
    rows = {track: {cell.name: _row(recipe, output, cell, track) for cell in cells} for track in recipe.tracks}
    if audits:
        _add_audits(recipe, output, rows[recipe.track])
    main = MainTable([rows[recipe.track][cell.name] for cell in main_cells], first)
    modality = None
    if len(recipe.modalities) > 1:
        blocks = [Block(track, [rows[track][cell.name] for cell in cells]) for track in recipe.tracks]
        modality = ModalityTable(cells, blocks)
    for seed in recipe.seeds:
        _write_seed_report(recipe, output, seed, main_cells)
    reports = {seed: f"{seed_folder(Path(), seed)}/report.html" for seed in recipe.seeds}
    write_pages(recipe, output, main, modality, reports)
    blocks = modality.blocks if modality is not None else []
    return {"main": main.rows, "modality": [row for block in blocks for row in block.rows]}


def _row(recipe: Recipe, output: Path, cell: Cell, track: str) -> dict[str, Any]:
    places = [seed_folder(output, seed) for seed in recipe.seeds]
    logs, originals, *golds = (
        [log_folder(place, name, recipe, track) for place in places]
        for name in (cell.name, "original", *gold_seeds(recipe, 0))
    )
    more = list(zip(*golds[1:], strict=True)) if track == recipe.track else []
    return pooled_row(cell.name, logs, golds[0], more, originals)


def _add_audits(recipe: Recipe, output: Path, rows: dict[str, dict[str, Any]]) -> None:
    """Add what the audits found to the rows of the main table, by name."""
    names = [cell.name for cell in audited_cells(recipe)]
    beside = {"original": ORIGINAL, GOLD: gold_roles(1)[0]}  # found in every audit of the seed
    places = [seed_folder(output, seed) / AUDITS_FOLDER for seed in recipe.seeds]
    for name, role in {**beside, **dict.fromkeys(names, AUDITED)}.items():
        pool_audits(rows[name], [place / (names[0] if name in beside else name) for place in places], role)


def _write_seed_report(recipe: Recipe, output: Path, seed: int, cells: Sequence[Cell]) -> None:
    folder = seed_folder(output, seed)
    entries = []
    for cell in cells:
        record = read_run(folder / "models" / cell.name)
        if record is None:
            raise FileNotFoundError(f"{folder / 'models' / cell.name} is missing")
        log = log_folder(folder, cell.name, recipe, recipe.track)
        entries.append(Entry(cell.name, log, record["seconds"], record["settings"]["settings"]))
    data = data_of(recipe, folder)
    made = (read_meta(Path(data.dataset)) or {}).get("made")
    dials = {"recipe": recipe.name, "model": recipe.model, "forget": data.forgotten(), "seed": seed}
    notes = [made] if made else []
    golds = [log_folder(folder, name, recipe, recipe.track) for name in gold_seeds(recipe, seed)]
    write_report(
        folder,
        entries,
        questions_about(data, lambda config: load_clear(config, data.dataset)),
        data.forgotten(),
        dials,
        notes,
        more_golds=golds[1:],
    )
