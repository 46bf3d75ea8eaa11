"""The page of the leaderboard: table and plot, details, faces, submitting, status, about. Gradio, no torch."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from .api.api import add_api, add_worker_api
from .api.request_gate import RequestGate
from .intake.submission import FORGET_SETS, MODALITIES
from .intake.submission_checks import Check
from .pages import render
from .pages.about import about_text
from .pages.compare import compare_html, sides_html
from .pages.details import details_html
from .pages.plot import plots_html
from .pages.submit import status_html, status_tab, submit_tab
from .pages.table import COLUMNS, DEFAULT, faces_html, table_html
from .store.ranking import RULE
from .store.store import Store

ALL = "all"
CSS, SCRIPT = (
    (Path(__file__).parent / "pages" / name).read_text(encoding="utf-8") for name in ("style.css", "page.js")
)
OPENED = {"row": "details", "compare": "compare", "status": "status"}  # part of a URL -> tab
PLOTS, PLOTTED = 6, 100  # how many plots are drawn, and how many rows in all of them
KEPT = 128  # so many tables and plots are kept
# A click on a head of the table says how to sort; what is here is not shown.
SORT_SCRIPT = """
document.addEventListener("click", (event) => {
  const head = event.target.closest("#table [data-sort]");
  if (head) { props.value = head.dataset.sort; trigger("input"); }
});
"""


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
        with gr.Row(elem_id="top"):
            gr.HTML(f"<style>{CSS}</style>{render('intro.html.jinja')}", elem_id="title")
            yours = gr.Button("Submit yours", variant="primary", size="md", scale=0, min_width=140, elem_id="yours")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Leaderboard", id="leaderboard"):
                controls, outputs = _table(store, known)
            with gr.Tab("Details", id="details"):
                details = gr.HTML(elem_id="details-page")
            with gr.Tab("Compare", id="compare"):
                compared = gr.HTML(elem_id="compare-page")
            with gr.Tab("Side by side", id="sides") as sides_tab:
                sides = gr.HTML(elem_id="sides")
            with gr.Tab("Faces", id="faces", visible=store.faces() is not None) as faces_tab:
                faces = gr.HTML(elem_id="faces", elem_classes="faces")
            with gr.Tab("Submit", id="submit"):
                submit_tab(store, check, list(bases or known))
            with gr.Tab("Status", id="status"):
                number, status = status_tab(store)
            with gr.Tab("About", id="about"):
                gr.Markdown(about_text())

        def opened(request: gr.Request, *values: Any) -> tuple[Any, ...]:
            """Return what a visit opens, for example `?row=3` the details of a row."""
            asked = {name: str(request.query_params.get(name) or "")[:25] for name in OPENED}
            seen = store.faces()
            chosen = next((tab for name, tab in OPENED.items() if asked[name]), None)
            return (
                *_shown(store, *values),
                details_html(store, asked["row"]),
                compare_html(store, asked["compare"]),
                asked["status"],
                status_html(store, asked["status"]),
                gr.Tabs(selected=chosen) if chosen else gr.skip(),
                faces_html(seen),
                gr.Tab(visible=seen is not None),
            )

        shown = [*outputs, details, compared, number, status, tabs, faces, faces_tab]
        yours.click(lambda: gr.Tabs(selected="submit"), None, tabs, queue=False, api_visibility="private")
        sides_tab.select(lambda: sides_html(store), None, sides, queue=False, api_visibility="private")
        app.load(opened, controls, shown, queue=False, api_visibility="private")
        add_api(store, check)
        if secret:
            add_worker_api(store, secret)
    return app


def serve(app: gr.Blocks, secret: str | None = None, **options: Any) -> tuple[Any, str, str]:
    """Start the page. Fonts are the visitor's own: nothing is fetched.

    Args:
        app: What `build_app` returned.
        secret: The workers', as given to `build_app`.
        options: Those of gradio's `launch`.
    """
    theme = gr.themes.Default(
        primary_hue="sky", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    ).set(**dict.fromkeys(("button_primary_background_fill", "button_primary_background_fill_dark"), "#22648c"))
    gate = {"middleware": [Middleware(RequestGate, secret=secret)]}
    return app.launch(theme=theme, ssr_mode=False, footer_links=["api"], app_kwargs=gate, **options)


def _table(store: Store, bases: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Return the tab with table and plot: what chooses its rows, and what shows them."""
    base_now, forget_now = _first_shown(store)
    with gr.Row(elem_id="filters"):
        search = gr.Textbox(
            label="Search", placeholder="method, user, repository…", max_length=100, elem_id="search",
            show_label=False, container=False,
        )  # fmt: skip
        base = _chips("Base model", bases, "base", base_now)
        forget = _chips("Forget set", FORGET_SETS, "forget", forget_now)
        modality = _chips("Modality", MODALITIES, "modality", ALL)
        verified = gr.Checkbox(value=True, label="Verified only", container=False, min_width=130, elem_id="verified")
    with gr.Row(elem_id="stage"):
        with gr.Column(scale=7, min_width=340):
            table = gr.HTML(elem_id="table", js_on_load=SCRIPT)
            with gr.Row(elem_id="pages"):
                before = gr.Button("← Before", size="sm", min_width=90, elem_id="before")
                place = gr.HTML(min_width=120, elem_id="place")
                after = gr.Button("Next →", size="sm", min_width=90, elem_id="after")
        with gr.Column(scale=3, min_width=320):
            plot = gr.HTML(elem_id="plot")
    with gr.Accordion("Columns", open=False):
        titles = gr.CheckboxGroup(
            [column.title for column in COLUMNS], value=list(DEFAULT), show_label=False, elem_id="columns"
        )
    gr.HTML(f"<p>{RULE}</p>", elem_id="rule")
    sort = gr.HTML("rank", visible="hidden", js_on_load=SORT_SCRIPT)
    page = gr.State(1)
    chosen = [search, forget, base, modality, verified, sort, titles]
    outputs = [table, plot, place, page]

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


def _shown(store: Store, search: str, *chosen: Any, page: int = 1) -> tuple[str, str, str, int]:
    """Return the table, the plot, where in the table we are, and the number of the page."""
    *filters, titles = chosen
    return _drawn(store, store.last_change(), search.strip(), *filters, tuple(titles), page)


@lru_cache(KEPT)
def _drawn(
    store: Store,
    last_change: int,
    search: str,
    forget: str,
    base: str,
    modality: str,
    verified: bool,
    sort: str,
    titles: tuple[str, ...],
    page: int,
) -> tuple[str, str, str, int]:
    """Draw what is shown; again only when the store has changed, since many visitors ask for the same."""
    name, turned = sort.removeprefix("-"), sort.startswith("-")
    rows = partial(store.rows, search=search, modality=_of(modality), verified=verified)
    board = rows(base_model=_of(base), forget=_of(forget), sort=name, descending=turned, page=page)
    where = f"<p>page {board.page} of {board.pages}: {board.total} rows</p>"
    groups = [group for group in store.groups() if base in (ALL, group[0]) and forget in (ALL, group[1])]
    size = PLOTTED // max(1, min(PLOTS, len(groups)))
    boards = {", ".join(group): rows(base_model=group[0], forget=group[1], page_size=size) for group in groups[:PLOTS]}
    plots = plots_html(boards, max(0, len(groups) - PLOTS))
    return table_html(board, titles, name, turned), plots, where, board.page


def _first_shown(store: Store) -> tuple[str, str]:
    """Return base model and forget set with the most rows: ranks are within these."""
    rows = {group: store.rows(base_model=group[0], forget=group[1], page_size=1).total for group in store.groups()}
    return max(rows, key=rows.__getitem__, default=(ALL, ALL))


def _chips(label: str, values: Sequence[str], name: str, value: str) -> gr.Radio:
    """Return a choice of one value; a base model goes by its name without its owner, where that is enough."""
    short = [one.rpartition("/")[2] for one in values]
    shown = [(short[i] if short.count(short[i]) == 1 else one, one) for i, one in enumerate(values)]
    return gr.Radio([(ALL, ALL), *shown], value=value, label=label, elem_id=name, elem_classes="chips", min_width=100)


def _of(chosen: str) -> str:
    return "" if chosen == ALL else chosen
