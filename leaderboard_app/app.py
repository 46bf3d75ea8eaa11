"""The page of the leaderboard: table, plot, details, faces, submitting, status, about. Gradio, no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from .api.api import add_api, add_worker_api
from .intake.submission import FORGET_SETS, MODALITIES
from .intake.submission_checks import Check
from .pages.about import about_text
from .pages.details import details_html
from .pages.plot import plot_html
from .pages.submit import status_html, status_tab, submit_tab
from .pages.table import COLUMNS, DEFAULT, faces_html, table_html
from .store.board import SORTS
from .store.ranking import RULE
from .store.store import Store

ALL = "all"
CSS = (Path(__file__).parent / "pages" / "style.css").read_text(encoding="utf-8")
PLOTTED = 300  # models in a plot


def build_app(
    store: Store, check: Check | None = None, bases: Sequence[str] | None = None, secret: str | None = None
) -> gr.Blocks:
    """Build the page.

    Args:
        store: The store.
        check: Says who submits and what is wrong with it; without it nothing can be submitted here.
        bases: Base models that may be submitted for; by default those that the store knows.
        secret: Lets workers on other machines at the queue; without it there is no such endpoint.
    """
    known = sorted({base for base, _ in store.groups()} | set(bases or ()))
    with gr.Blocks(title="CLEAR leaderboard", analytics_enabled=False, fill_width=True) as app:
        gr.HTML(f"<style>{CSS}</style><h1>CLEAR: unlearning, re-scored</h1>", elem_id="title")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Leaderboard", id="leaderboard"):
                controls, outputs = _table(store, known)
            with gr.Tab("Plot", id="plot") as plot_tab:
                plotted = _plot(store, plot_tab)
            with gr.Tab("Details", id="details"):
                details = gr.HTML(elem_id="details-page")
            with gr.Tab("Faces", id="faces", visible=store.faces() is not None) as faces_tab:
                faces = gr.HTML(elem_id="faces", elem_classes="faces")
            with gr.Tab("Submit", id="submit"):
                submit_tab(store, check, list(bases or known))
            with gr.Tab("Status", id="status"):
                number, status = status_tab(store)
            with gr.Tab("About", id="about"):
                gr.Markdown(about_text())

        def opened(request: gr.Request, *values: Any) -> tuple[Any, ...]:
            """Return what a visit opens: `?row=3` the details of a row, `?status=3` the status of a submission."""
            asked = {name: str(request.query_params.get(name) or "")[:12] for name in ("row", "status")}
            seen = store.faces()
            chosen = next((tab for name, tab in (("row", "details"), ("status", "status")) if asked[name]), None)
            return (
                *_shown(store, *values),
                details_html(store, asked["row"]),
                asked["status"],
                status_html(store, asked["status"]),
                gr.Tabs(selected=chosen) if chosen else gr.skip(),
                _updated(list(_groups(store))),
                faces_html(seen),
                gr.Tab(visible=seen is not None),
            )

        shown = [*outputs, details, number, status, tabs, plotted, faces, faces_tab]
        app.load(opened, controls, shown, queue=False, api_visibility="private")
        add_api(store, check)
        if secret:
            add_worker_api(store, secret)
    return app


def serve(app: gr.Blocks, **options: Any) -> tuple[Any, str, str]:
    """Start the page; the options are those of gradio's `launch`. Fonts are the visitor's own: nothing is fetched."""
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return app.launch(theme=theme, ssr_mode=False, footer_links=["api"], **options)


def _table(store: Store, bases: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Return the tab with the table: what chooses its rows, and what shows them."""
    with gr.Row():
        search = gr.Textbox(label="Search", placeholder="method, user, repository…", max_length=100, elem_id="search")
        forget = _choice("Forget set", FORGET_SETS, "forget")
        base = _choice("Base model", bases, "base")
        modality = _choice("Modality", MODALITIES, "modality")
    with gr.Row():
        sort = gr.Dropdown(list(SORTS), value="rank", label="Sort by", elem_id="sort", min_width=150)
        turned = gr.Checkbox(label="Reversed", elem_id="turned", min_width=130)
        verified = gr.Checkbox(value=True, label="Verified only", elem_id="verified", min_width=130)
    with gr.Accordion("Columns", open=False):
        titles = gr.CheckboxGroup(
            [column.title for column in COLUMNS], value=list(DEFAULT), show_label=False, elem_id="columns"
        )
    table = gr.HTML(elem_id="table")
    with gr.Row(elem_id="pages"):
        before = gr.Button("← Before", size="sm", min_width=90, elem_id="before")
        place = gr.HTML(min_width=120, elem_id="place")
        after = gr.Button("Next →", size="sm", min_width=90, elem_id="after")
    page = gr.State(1)
    gr.Markdown(RULE, elem_id="rule")
    chosen = [search, forget, base, modality, verified, sort, turned, titles]
    outputs = [table, place, page]

    def first(*values: Any) -> tuple[Any, ...]:
        return _shown(store, *values)

    def turn(step: int) -> Any:
        def turned_to(page: int, *values: Any) -> tuple[Any, ...]:
            return _shown(store, *values, page=page + step)

        return turned_to

    # One listener for all of them, so that two answers under way never overtake each other.
    changes = [control.input for control in chosen[1:]]
    gr.on(
        [search.submit, search.blur, *changes], first, chosen, outputs, trigger_mode="always_last", queue=False,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip
    for button, step in ((before, -1), (after, 1)):
        button.click(
            turn(step), [page, *chosen], outputs, queue=False, show_progress="hidden", api_visibility="private"
        )
    return chosen, outputs


def _shown(
    store: Store,
    search: str,
    forget: str,
    base: str,
    modality: str,
    verified: bool,
    sort: str,
    turned: bool,
    titles: list[str],
    page: int = 1,
) -> tuple[str, str, int]:
    """Return the table, where in it we are, and the number of the page."""
    board = store.rows(
        search=search.strip(), forget=_of(forget), base_model=_of(base), modality=_of(modality), verified=verified,
        sort=sort, descending=turned, page=page,
    )  # fmt: skip
    where = f"<p>page {board.page} of {board.pages}: {board.total} rows</p>"
    return table_html(board, titles), where, board.page


def _plot(store: Store, tab: gr.Tab) -> gr.Dropdown:
    """Return the tab with the plot, drawn when it is opened."""
    chosen = gr.Dropdown([], label="Base model and forget set", elem_id="plotted", allow_custom_value=True)
    verified = gr.Checkbox(value=True, label="Verified only")
    plot = gr.HTML(elem_id="plot")

    def draw(name: str | None, verified: bool) -> str:
        base, forget = _groups(store).get(name or "", ("", ""))
        board = store.rows(base_model=base, forget=forget, verified=verified, page_size=PLOTTED if base else 0)
        return plot_html(board, name or "")

    for event in (tab.select, chosen.input, verified.input):
        event(draw, [chosen, verified], plot, queue=False, api_visibility="private")
    return chosen


def _groups(store: Store) -> dict[str, tuple[str, str]]:
    """Return base model and forget set by the name under which they are drawn."""
    return {f"{base}, {forget}": (base, forget) for base, forget in store.groups()}


def _updated(names: list[str]) -> Any:
    """Return the choices as they are today."""
    return gr.Dropdown(choices=names, value=names[0] if names else None)


def _choice(label: str, values: Sequence[str], name: str) -> gr.Dropdown:
    return gr.Dropdown([ALL, *values], value=ALL, label=label, elem_id=name)


def _of(chosen: str) -> str:
    return "" if chosen == ALL else chosen
