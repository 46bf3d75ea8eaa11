"""The pages as HTML, without a browser."""

import json

import pytest

from leaderboard_app.app import build_app
from leaderboard_app.intake.submission_checks import take
from leaderboard_app.pages.about import about_text
from leaderboard_app.pages.details import details_html, first_of_each
from leaderboard_app.pages.plot import plot_html
from leaderboard_app.pages.submit import MEANINGS, status_html
from leaderboard_app.pages.table import COLUMNS, table_html
from leaderboard_app.store.ranking import RULE
from leaderboard_app.store.store import STATES
from tests.leaderboard_app.entries import add_references, add_scored, entry, numbers

HOSTILE = "<script>alert(1)</script>"
FIELDS = ("method", "data_used", "contact", "licence", "base_model", "seeds")


def log(answer: str) -> dict:
    texts = {str(i): ["Who is this?", f"{answer} {i}", f"Mara {i}"] for i in range(6)}
    return {"eval_log_forget.json": {"generated_text": texts}}


META = {
    "tasks": {"eval_log_forget.json": {"config": "forget10_perturbed", "images": True, "person": list("aabbcd")}},
    "dataset": {"fingerprint": "f00"},
}


def test_users_text_is_escaped_in_every_page(store):
    add_references(store, base_model=HOSTILE)
    number = store.submit(entry(1, **dict.fromkeys(FIELDS, HOSTILE)))
    store.claim(HOSTILE, 60)
    store.finish(
        number, HOSTILE, numbers(0.1, 0.7, notes=[HOSTILE]), log(HOSTILE), {**META, "dataset": {}}, {HOSTILE: HOSTILE}
    )  # fmt: skip
    every = [column.title for column in COLUMNS]
    pages = [table_html(store.rows(), every), plot_html(store.rows(), HOSTILE), details_html(store, number)]
    pages.append(status_html(store, number))
    for page in pages:
        assert "&lt;script&gt;" in page
        assert "<script" not in page


def test_a_paper_is_no_link(store):
    number = store.submit(entry(1, paper="javascript:alert(1)"))
    assert "javascript:alert(1)" in details_html(store, number)
    assert 'href="javascript' not in details_html(store, number)


def test_details_set_the_submission_beside_gold_original_and_its_submitters_numbers(store):
    for kind, utility in (("original", 0.8), ("gold", 0.7)):
        store.add_reference(kind, "mini-image", "forget10", numbers(0.5, utility), log(kind), META)
    store.add_photos("f00", {("forget10_perturbed", 0): b"\x89PNG photo"})
    number = store.submit(entry(1, self_reported={"model_utility": 0.9}))
    store.claim("w", 60)
    store.finish(number, "w", numbers(0.1, 0.75, hidden_gap=0.05), log("Ivo"), META, {"torch": "2.13"})
    page = details_html(store, number)
    row = page[page.index("Utility") :].split("</tr>")[0]
    assert all(part in row for part in ("0.750", "0.700", "0.800", "0.900", "+0.150"))
    assert all(part in page for part in ("Hidden gap", "0.050 to 0.200", "&#34;torch&#34;: &#34;2.13&#34;"))
    assert "data:image/png;base64,iVBORyBwaG90bw==" in page.replace("\n", "") or "data:image/png;base64," in page
    for said in ("Mara 0", "original 0", "gold 0", "Ivo 0"):
        assert said in page


def test_examples_are_spread_over_the_persons():
    assert first_of_each(6, ["a", "a", "b", "b", "c", None]) == [0, 2, 4, 5]
    assert first_of_each(2, []) == [0, 1]


@pytest.mark.parametrize("wanted", ["", "x", "-1", "99", "9" * 12, "1e3", None])
def test_a_wrong_number_is_answered(store, wanted):
    assert 'class="none"' in details_html(store, wanted)
    assert 'class="none"' in status_html(store, wanted)


def test_a_hidden_row_shows_its_reason_alone(store):
    number = add_scored(store, 1, 0.1, 0.7, method="copied")
    store.hide(number, "keeper", "is another's model")
    assert "hidden by the keepers: is another&#39;s model" in details_html(store, number)
    assert "copied" not in details_html(store, number)


def test_every_state_has_a_meaning():
    assert set(MEANINGS) == set(STATES)


def test_the_rules_stand_on_the_page():
    assert RULE in about_text()
    assert all(f"**{column.title}**" in about_text() for column in COLUMNS)


def test_the_plot_marks_gold_original_and_the_gate(store):
    assert "nothing to draw" in plot_html(store.rows(), "x")
    add_references(store, original=0.8)
    add_scored(store, 1, 0.2, 0.75)
    add_scored(store, 2, 0.2, 0.3)
    page = plot_html(store.rows(), "mini-image, forget10")
    for part in ("mark gold", "mark original", "mark ranked", "mark below", "gate 0.72"):
        assert page.count(part) == 1


def test_nothing_is_taken_where_no_base_models_are_known(store):
    with pytest.raises(ValueError, match="takes no submissions"):
        take(store, None, {}, "token")
    config = json.dumps(build_app(store).get_config_file(), default=str)
    assert "This leaderboard takes no submissions" in config
