"""The page as a visitor sees it, in a headless Chromium."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from leaderboard_app.app import build_app
from leaderboard_app.intake.submission import Submission
from leaderboard_app.store.store import Store
from tests.leaderboard_app.browser import CHROMIUM, browser, served
from tests.leaderboard_app.entries import add_references, add_scored, entry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
]
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}<b>"
TEXTS = (
    "#title p", "#yours", "#tabs button.selected", "#filters fieldset > span", "#filters label.selected span",
    "#filters label:not(.selected) span", "#table .ranked td", "#table .below .utility", "#table .below a",
    "#table small", "#table .badge.good", "#table [aria-sort] button", "#table .gold td", "#tabs .hint",
    "#tabs figcaption", "#place p",
)  # fmt: skip
# Contrast of the first element of each selector with the background behind it, by WCAG's formula.
CONTRASTS = """selectors => {
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => parts(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor, alpha = parts(color)[3];
      if (alpha === undefined || alpha > 0.5) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return Object.fromEntries(selectors.map(selector => {
    const element = document.querySelector(selector);
    const [high, low] = [getComputedStyle(element).color, behind(element)].map(light).sort((a, b) => b - a);
    return [selector, (high + 0.05) / (low + 0.05)];
  }));
}"""


def check(said: dict[str, Any], token: str) -> tuple[Submission | None, list[str]]:
    """Knows one token, and one model that is not there."""
    if said["repo_id"] == "mara/missing":
        return None, [f"there is no {said['repo_id']}", "<script>alert(4)</script>"]
    fields = {name: said[name] for name in ("repo_id", "kind", "base_model", "method", "forget", "modality")}
    return entry(900, user="mara", commit=said["revision"], statement=bool(said["statement"]), **fields), []


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("store") / "leaderboard.sqlite")
    add_references(store)
    for number in range(1, 61):
        add_scored(
            store, number, number / 100, 0.6 + number / 300, method=HOSTILE if number == 60 else f"method {number}",
            modality="image" if number % 2 else "text", paper="javascript:alert(5)",
        )  # fmt: skip
    return store


@pytest.fixture(scope="module")
def url(store) -> Iterator[str]:
    with served(build_app(store, check)) as place:
        yield place


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(context, url) -> Iterator[Any]:
    """A new tab of the browser; whatever opens a dialog or is an error there fails the test."""
    page, wrong = context.new_page(), []
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#table tbody tr")
    yield page
    page.close()
    assert wrong == []


def methods(page: Any) -> list[str]:
    return page.locator("#table tbody .method > a").all_inner_texts()


def choose(page: Any, name: str, value: str) -> None:
    page.locator(f"#{name}").get_by_label(value, exact=True).check()


def search(page: Any, text: str) -> None:
    page.get_by_label("Search").fill(text)


def tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def until(page: Any, selector: str, text: str) -> None:
    page.locator(selector).filter(has_text=re.compile(text)).wait_for()


def test_the_table_pages_filters_searches_and_sorts(page):
    gate = [f"method {n}" for n in range(36, 60)]
    assert page.locator("#table tbody .method").all_inner_texts()[:2] == ["original", "gold"]
    assert page.locator("#table tr.ranked").count() == 25
    assert page.locator("#table tr.below").count() == 25
    assert methods(page)[:24] == gate
    page.locator("#after").click()
    until(page, "#place", "page 2 of 2: 60 rows")
    assert page.locator("#table tbody tr").count() == 12
    choose(page, "modality", "image")
    until(page, "#place", "page 1 of 1: 30 rows")
    search(page, "method 4")
    page.get_by_label("Search").press("Enter")
    until(page, "#place", "1: 5 rows")
    assert methods(page) == ["method 41", "method 43", "method 45", "method 47", "method 49"]
    assert page.locator("#plot circle").count() == 5


def test_heads_sort_by_mouse_and_keyboard(page):
    """The head keeps the focus, and says how the rows are sorted."""
    head = page.get_by_role("columnheader", name="Utility")
    assert page.get_by_role("columnheader", name="Rank").get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    until(page, "#table tbody tr:nth-child(3)", "img src")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("#table [aria-sort]").count() == 1
    page.keyboard.press("Enter")
    until(page, "#table tbody tr:nth-child(3)", "method 1\\b")
    assert head.get_attribute("aria-sort") == "ascending"
    page.get_by_role("columnheader", name="Method").get_by_role("button").click()
    until(page, "#table tbody tr:nth-child(4)", "method 1\\b")


def test_a_slow_answer_never_replaces_a_later_one(store, context):
    class Slow(Store):
        def rows(self, **chosen: Any) -> Any:
            time.sleep(2 if not chosen.get("descending", True) and chosen["search"] else 0)
            return super().rows(**chosen)

    with served(build_app(Slow(store.path), check)) as place:
        page = context.new_page()
        page.goto(place)
        page.wait_for_selector("#table tbody tr")
        search(page, "method 4")
        page.get_by_role("columnheader", name="Rank").get_by_role(
            "button"
        ).click()  # the search box loses the focus: two questions at once
        until(page, "#place", "1: 11 rows")
        until(page, "#table tbody tr:nth-child(3)", "method 49")
        page.wait_for_timeout(3000)
        assert methods(page)[0] == "method 49"
        page.close()


def test_columns_can_be_chosen(page):
    assert "Submitter" not in page.locator("#table thead").inner_text()
    page.get_by_role("button", name="Columns").click()
    page.locator("#columns").get_by_label("Submitter").check()
    until(page, "#table thead", "Submitter")


def test_the_plot_shows_gold_original_gate_and_leads_to_details(page):
    assert page.locator("#plot .gold, #plot .original, #plot .gate").count() == 3
    assert page.locator("#plot circle").count() == 60
    page.locator("#plot a", has_text="method 36").first.click()
    page.wait_for_url("**/?row=36")
    until(page, "#details-page h2", "method 36")


def test_a_deep_link_opens_the_details_and_text_of_users_does_nothing(page, url):
    page.goto(f"{url}?row=60")
    until(page, "#details-page h2", "img src=x")
    assert HOSTILE in page.locator("#details-page h2").inner_text()
    assert page.locator("#details-page img, #table img").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0
    page.goto(f"{url}?row=%3Cscript%3E")
    until(page, "#details-page", "There is no submission <script>")


def test_two_rows_are_chosen_and_compared(page):
    """A row stays chosen when another page of the table is shown."""
    page.get_by_role("checkbox", name="compare method 36,").check()
    assert page.get_by_role("link", name="Choose a second row").is_visible()
    page.locator("#after").click()
    until(page, "#place", "page 2 of 2: 60 rows")
    assert page.locator("#table .pick:checked").count() == 0
    page.get_by_role("checkbox", name="compare method 30,").check()
    page.get_by_role("link", name="Compare the two chosen rows").click()
    page.wait_for_url("**/?compare=36,30")
    until(page, "#compare-page h2", r"method 36 \(36\) and method 30 \(30\)")


def test_methods_stand_side_by_side(page):
    tab(page, "Side by side")
    until(page, "#sides tbody tr:nth-child(1)", "method 36")
    assert page.locator("#sides tbody tr").count() == 25


def test_submit_is_in_sight(page):
    page.get_by_role("button", name="Submit yours").click()
    page.locator("#field-repo_id").wait_for()


def test_it_can_be_read_by_everyone(page, url):
    """All controls have names, and text has a contrast of at least 4.5 (WCAG AA), on a light and on a dark page."""
    nameless = r"- (button|checkbox|radio|textbox|link|img|table|columnheader|rowheader)( \[.*\])?:?$"
    assert re.findall(nameless, page.locator("#tabs").aria_snapshot(), re.MULTILINE) == []
    behind = {}
    for name, scheme, query in (("light", "light", ""), ("dark", "dark", ""), ("asked", "light", "?__theme=dark")):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{url}{query}")
        page.wait_for_selector("#table tbody tr")
        seen = page.evaluate(CONTRASTS, TEXTS)
        assert min(seen.values()) >= 4.5, (name, seen)
        behind[name] = page.locator("#table .ranked .rank").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert behind["light"] != behind["dark"] == behind["asked"]


def test_it_fits_a_telephone(page):
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    box = page.locator("#table tbody .method").nth(2).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 420


def test_names_and_controls_can_be_read_on_a_telephone(page, url):
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(url)
    page.locator("#verified").wait_for()
    cut = "[...document.querySelectorAll('#verified, #filters label')].map(box => box.scrollWidth - box.clientWidth)"
    assert max(page.evaluate(cut)) <= 0
    page.goto(f"{url}?row=36")
    name = page.locator("#details-page td.method", has_text="Utility")
    name.wait_for()
    assert name.bounding_box()["width"] >= 60 and name.bounding_box()["height"] <= 60
