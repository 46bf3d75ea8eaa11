"""The pages as HTML, without a browser."""

import json

import pytest

from evaluate_metrics import VERSION
from leaderboard_app.app import build_app
from leaderboard_app.intake.submission_checks import take
from leaderboard_app.pages.about import about_text
from leaderboard_app.pages.compare import compare_html, sides_html
from leaderboard_app.pages.details import details_html, first_of_each
from leaderboard_app.pages.plot import plot_html
from leaderboard_app.pages.submit import MEANINGS, status_html
from leaderboard_app.pages.table import COLUMNS, line_of, table_html
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
    store.heartbeat(number, HOSTILE, 60, HOSTILE)
    running = status_html(store, number)
    assert running.count("&lt;script&gt;") > 1 and "<script" not in running and "Now: " in running
    store.finish(
        number, HOSTILE, numbers(0.1, 0.75, notes=[HOSTILE]), log(HOSTILE), {**META, "dataset": {}}, {HOSTILE: HOSTILE}
    )  # fmt: skip
    every = [column.title for column in COLUMNS]
    pages = [table_html(store.rows(), every), plot_html(store.rows(), HOSTILE), details_html(store, number)]
    pages.append(status_html(store, number))
    store.submit(entry(2, repo_id="user1/model", **dict.fromkeys(FIELDS, HOSTILE)))
    pages += [compare_html(store, f"{number},2"), details_html(store, number), sides_html(store)]
    for page in pages:
        assert "&lt;script&gt;" in page
        assert "<script" not in page


def test_two_rows_are_compared_by_numbers_and_answers(store):
    store.add_reference("gold", "mini-image", "forget10", numbers(0.0, 0.7), log("gold"), META)
    for number, share in ((1, 0.3), (2, -0.1)):
        store.submit(entry(number))
        store.claim("w", 60)
        store.finish(number, "w", numbers(number / 10, 0.75, gold_share=share), log(f"Ivo{number}"), META, {})
    store.submit(entry(3, forget="forget05"))
    page = compare_html(store, "1,2")
    row = page[page.index("as a share of the original") :].split("</tr>")[0]
    assert "<td>0.300</td>" in row and "<b>-0.100</b>" in row  # as far from gold below 0 as above
    row = page[page.index("Kolmogorov-Smirnov") :].split("</tr>")[0]
    assert "<b>0.100</b>" in row and "<td>0.200</td>" in row and "0.050 to 0.200" in row
    for said in ("Mara 0", "gold 0", "Ivo1 0", "Ivo2 0"):
        assert said in page
    assert "cannot be compared" in compare_html(store, "1,3") and "cannot be compared" not in page
    store.hide(2, "keeper", "is another's model")
    assert "was hidden by the keepers: is another" in compare_html(store, "1,2")


@pytest.mark.parametrize("wanted", ["", "1", "1,2,3", "x,y", "1,99", "-1,1", "9" * 12 + ",1", ",,,"])
def test_a_wrong_pair_is_answered(store, wanted):
    store.submit(entry(1))
    assert 'class="none"' in compare_html(store, wanted)


def test_each_method_stands_once_with_its_best_row_of_each_base_model(store):
    for base in ("one", "other"):
        add_references(store, base_model=base)
    add_scored(store, 1, 0.3, 0.75, base_model="one", method="npo")
    add_scored(store, 2, 0.2, 0.75, base_model="one", method="NPO")
    add_scored(store, 3, 0.1, 0.75, base_model="other", method="Npo")
    add_scored(store, 4, 0.1, 0.2, base_model="other", method="below the gate")
    page = sides_html(store)
    assert page.count('scope="row"') == 1 and "below the gate" not in page
    assert [part.split('"')[0] for part in page.split("?row=")[1:]] == ["2", "3"]


def test_what_was_scored_before_stays_in_a_rows_history(store):
    add_references(store)
    number = add_scored(store, 1, 0.3, 0.75, gold_share=0.25)
    store.requeue_all("99")
    store.claim("w", 60)
    store.finish(number, "w", numbers(0.2, 0.7), {}, {}, {})
    store.submit(entry(2, user="user1", repo_id="user1/model"))
    page = details_html(store, number)
    assert f"E 0.250, D 0.300, Utility 0.750, metrics of version {VERSION}" in page
    assert "D 0.200, Utility 0.700, metrics of version 99" in page
    assert f"?compare={number},2" in page
    assert store.status(number).reason == ""


def test_a_row_has_bars_and_badges(store):
    def finish(number: int, **more) -> None:
        store.submit(entry(number))
        store.claim("w", 60)
        store.finish(number, "w", numbers(0.2, 0.75, **more), {}, {}, {})

    finish(1, gold_share=-0.3, hidden_gap=0.1, intervals={"gold_share": [-0.5, 0.1]})
    finish(2, hidden_gap=0.3)  # above the interval of D, which ends at 0.4
    first, second = (line_of(row) for row in store.rows(sort="hidden gap").rows)
    assert (first.bars["e"].value, first.bars["e"].low, first.bars["e"].high) == (30, 0, 50)
    assert (first.bars["d"].low, second.bars["d"].low, second.bars["d"].high) == (None, 10, 40)
    assert [badge.kind for badge in first.badges] == ["good", "plain"]
    assert [badge.text for badge in second.badges] == ["✓ verified", "hidden +0.30"]
    assert second.badges[1].kind == "doubt"


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
