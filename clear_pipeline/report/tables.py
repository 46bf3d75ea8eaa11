"""The tables on paper: Markdown, CSV, LaTeX, and one page with both and the trade-off."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from clear_pipeline.experiment.plan import Cell
from clear_pipeline.experiment.recipe import Recipe
from clear_pipeline.runs.run_folder import write_files
from evaluate_metrics.columns import ABLATION, ABSENT, MAIN, Column, best_rows, columns_of, plain

from .audit_columns import audit_columns
from .pages import READING, as_source, render
from .tradeoff import Point, tradeoff_plot

Row = Mapping[str, Any]
ASKED = {"image": "images", "text": "text questions"}
LATEX = {"↑": "$\\uparrow$", "↓": "$\\downarrow$", "→": "$\\rightarrow$", ABSENT: "--", "–": "--"}


@dataclass(frozen=True)
class MainTable:
    """All models, on the tasks of the recipe's track.

    Attributes:
        rows: Pooled rows.
        modality: Which rows were forgotten.
    """

    rows: Sequence[Row]
    modality: str


@dataclass(frozen=True)
class Block:
    """What the models were asked on a track, and their pooled rows."""

    track: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class ModalityTable:
    """All models by the rows that were forgotten, on the tasks of several tracks."""

    cells: Sequence[Cell]
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Grid:
    """A table ready to be written.

    Attributes:
        stubs: What each row begins with.
        stub_titles: Headings of these.
        columns: Of each column its group, column and rows.
    """

    stubs: Sequence[Sequence[str]]
    stub_titles: Sequence[str]
    columns: Sequence[tuple[str, Column, Sequence[Row]]]


def main_grid(table: MainTable) -> Grid:
    """Return the main table: model, then the numbers that any model has."""
    return Grid(
        [[row["name"]] for row in table.rows],
        ["model"],
        [("", column, table.rows) for column in (*columns_of(MAIN, table.rows), *audit_columns(table.rows))],
    )


def modality_grid(table: ModalityTable) -> Grid:
    """Return the ablation: method and what was forgotten, then the numbers of each track."""
    several = Counter(cell.method or cell.name for cell in table.cells)
    names = [cell.method or cell.name for cell in table.cells]
    stubs = [
        [name, cell.modality if several[name] > 1 else ABSENT] for name, cell in zip(names, table.cells, strict=True)
    ]
    columns = [
        (ASKED[block.track], column, block.rows)
        for block in table.blocks
        for column in columns_of(ABLATION, block.rows)
    ]
    return Grid(stubs, ["method", "forgotten rows"], columns)


def cell(column: Column, row: Row) -> str:
    """Return a number with its interval."""
    ends = row["intervals"].get(column.key)
    value = plain(column, row)
    return value if ends is None or value == ABSENT else f"{value} ({ends[0]:.2f}–{ends[1]:.2f})"


def cells(grid: Grid) -> tuple[list[list[str]], list[list[bool]]]:
    """Return what stands in a table, line by line, and which of it is the best of its column."""
    best = [best_rows(column, rows) for _, column, rows in grid.columns]
    lines = [[cell(column, rows[i]) for _, column, rows in grid.columns] for i in range(len(grid.stubs))]
    marks = [[rows[i]["name"] in b for (_, _, rows), b in zip(grid.columns, best, strict=True)]
             for i in range(len(grid.stubs))]  # fmt: skip
    return lines, marks


def titles(grid: Grid) -> list[str]:
    """Return the columns' headings in one line."""
    return [f"{group + ': ' if group else ''}{column.heading} {column.arrow}" for group, column, _ in grid.columns]


def markdown(grid: Grid) -> str:
    """Return it as Markdown."""
    lines, marks = cells(grid)
    head = [*grid.stub_titles, *titles(grid)]
    rules = ["---"] * len(grid.stub_titles) + ["---:"] * len(grid.columns)
    body = [
        [*stubs, *(f"**{text}**" if best else text for text, best in zip(line, mark, strict=True))]
        for stubs, line, mark in zip(grid.stubs, lines, marks, strict=True)
    ]  # fmt: skip
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rules, *body])


def comma_separated(grid: Grid) -> str:
    """Return it as CSV: each number, and the ends of its interval, in columns of their own."""
    table: dict[str, list[Any]] = {
        title: [stubs[i] for stubs in grid.stubs] for i, title in enumerate(grid.stub_titles)
    }
    for group, column, rows in grid.columns:
        name = f"{group + ': ' if group else ''}{column.key}"
        table[name] = [row[column.key] for row in rows]
        if any(column.key in row["intervals"] for row in rows):
            for i, end in enumerate(("low", "high")):
                table[f"{name} {end}"] = [row["intervals"].get(column.key, (None, None))[i] for row in rows]
    return pandas.DataFrame(table).to_csv(index=False)


def latex(grid: Grid, caption: str) -> str:
    """Return it as LaTeX, for the package booktabs."""
    lines, marks = cells(grid)
    heads = [("", title) for title in grid.stub_titles]
    heads += [(group, f"{column.heading} {column.arrow}") for group, column, _ in grid.columns]
    grouped = any(group for group, _ in heads)
    columns = pandas.MultiIndex.from_tuples(heads) if grouped else pandas.Index([head for _, head in heads])
    body = [[*stubs, *line] for stubs, line in zip(grid.stubs, lines, strict=True)]
    bold = [[*[""] * len(grid.stub_titles), *("textbf:--rwrap" * best for best in mark)] for mark in marks]
    style = pandas.DataFrame(body, columns=columns).style
    style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    style.apply(lambda frame: pandas.DataFrame(bold, frame.index, frame.columns), axis=None)
    shape = "l" * len(grid.stub_titles) + "r" * len(grid.columns)
    text = style.to_latex(hrules=True, column_format=shape, caption=caption, multicol_align="c")
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    return text


def notes(recipe: Recipe) -> list[str]:
    """Return what a reader of the tables must know."""
    several = len(recipe.seeds) > 1
    over = "seeds and, within each, people" if several else "people; they speak of other people, not of other seeds"
    return [
        f"Recipe {recipe.name}, forget set {recipe.forget}, {'seeds' if several else 'seed'} "
        f"{', '.join(map(str, recipe.seeds))}; model {recipe.model}.",
        f"In brackets: 95 % intervals by resampling {over}." + (" p: geometric mean." if several else ""),
        "↑ higher is better, ↓ lower is better, → gold: best near the gold model. Bold: best of the methods.",
        READING,
    ]


def write_pages(
    recipe: Recipe, output: Path, main: MainTable, modality: ModalityTable | None, reports: Mapping[int, str]
) -> None:
    """Write main.* and modality.* as Markdown, CSV and LaTeX, and report.html with both.

    Args:
        recipe: What was run.
        output: Folder to write into; what was there stays until all is ready.
        main: All models.
        modality: The ablation, None for one modality.
        reports: Page of each seed, beside this one.
    """
    grids = {"main": main_grid(main)}
    captions = {"main": f"Unlearning {recipe.forget} ({recipe.name})"}
    if modality is not None:
        grids["modality"] = modality_grid(modality)
        captions["modality"] = f"What is forgotten when text rows, photos or both are to be forgotten ({recipe.name})"
    pages = {"report.html": page(recipe, main, grids, captions, reports)}
    for name, grid in grids.items():
        about = "".join(f"\n{note}\n" for note in notes(recipe))
        pages[f"{name}.md"] = f"# {captions[name]}\n\n{markdown(grid)}{about}"
        pages[f"{name}.csv"] = comma_separated(grid)
        pages[f"{name}.tex"] = latex(grid, captions[name])
    write_files(output, pages)


def page(
    recipe: Recipe, main: MainTable, grids: Mapping[str, Grid], captions: Mapping[str, str], reports: Mapping[int, str]
) -> str:
    """Return the page: both tables and the trade-off, with style and pictures inside."""
    points = [Point(row["name"], row["forget_quality_statistic"], row["model_utility"]) for row in main.rows]
    plots = {ground: as_source(tradeoff_plot(points, dark=ground == "dark")) for ground in ("light", "dark")}
    tables = []
    for name, grid in grids.items():
        lines, marks = cells(grid)
        body = [
            (stubs, [(*text.partition(" (")[::2], best) for text, best in zip(line, mark, strict=True)])
            for stubs, line, mark in zip(grid.stubs, lines, marks, strict=True)
        ]
        groups: list[list[Any]] = []
        for group, _column, _rows in grid.columns:
            if not groups or groups[-1][0] != group:
                groups.append([group, 0])
            groups[-1][1] += 1
        tables.append({"title": captions[name], "grid": grid, "groups": groups, "body": body})
    return render(
        "table.html.jinja",
        recipe=recipe,
        notes=notes(recipe),
        tables=tables,
        points=points,
        plots=plots,
        reports=reports,
    )
