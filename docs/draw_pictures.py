"""Draw the pictures of the README and of the concepts page, from the folder of a finished demo.

    python docs/draw_pictures.py runs/demo

needs Chromium on the PATH. Writes answers.png, truth-ratios.png and leaderboard.png beside this file.
"""

import argparse
import html
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from scipy.stats import ks_2samp  # noqa: E402

from clear_dataset import load_clear  # noqa: E402
from clear_pipeline.report.answers import marked_words, photo_uri  # noqa: E402
from evaluate_metrics.log_format import read_log  # noqa: E402
from evaluate_metrics.tasks import FORGET_TASK  # noqa: E402
from leaderboard_app.app import build_app, serve  # noqa: E402
from leaderboard_app.store.store import Store  # noqa: E402
from leaderboard_worker.keeper import import_demo  # noqa: E402

PERSON = "Carl Goric"  # one of the forgotten people; the first photo of this person is shown
MODELS = {
    "original": "learned everybody",
    "gold": "never saw this person",
    "npo": "original, made to forget",
    "gradient_ascent": "original, forgot too much",
}
PAGE = """<meta charset="utf-8"><style>
body { margin: 0; padding: 20px; width: 860px; background: #fff; color: #1f2328; font: 16px/1.4 system-ui, sans-serif;
       display: flex; gap: 24px }
img { width: 240px; height: 240px; border-radius: 8px; image-rendering: pixelated }
p { margin: 0 0 12px; font-weight: 600 } dl { margin: 0; display: grid; grid-template-columns: 190px 1fr; gap: 10px }
dt small { display: block; color: #59636e } b { color: #b3261e }
dd { margin: 0; align-self: start; overflow: hidden; display: -webkit-box; -webkit-box-orient: vertical;
     -webkit-line-clamp: 2 }
</style><img src="PHOTO"><div><p>QUESTION</p><dl>ANSWERS</dl></div>"""


def answers_page(demo: Path) -> str:
    """Return a page with a photo, the question about it, and what four models answer; the person's name is marked."""
    logs = {model: read_log(demo / "logs" / model)[FORGET_TASK].generated for model in MODELS}
    rows = load_clear("forget10_perturbed", demo / "data" / "clear")
    row = rows["name"].index(PERSON)
    cells = []
    for model, about in MODELS.items():
        words = marked_words(logs[model][row][1].strip(), PERSON)
        said = "".join(f"<b>{html.escape(text)}</b>" if known else html.escape(text) for text, known in words)
        cells.append(f"<dt>{model}<small>{about}</small></dt><dd>{said}</dd>")
    question = html.escape(logs["original"][row][0].strip())
    return (
        PAGE.replace("PHOTO", photo_uri(rows[row]["image"]))
        .replace("QUESTION", question)
        .replace("ANSWERS", "".join(cells))
    )


def draw_truth_ratios(demo: Path, file: Path) -> None:
    """Draw the distributions of the log truth ratio on the forget set, and D as the largest gap to gold."""
    figure, axes = plt.subplots(figsize=(8, 3.6), dpi=150)
    gold = np.log(read_log(demo / "logs" / "gold")[FORGET_TASK].truth_ratios())
    for model, colour in {"original": "#b3261e", "gold": "#9a6700", "npo": "#1f6feb"}.items():
        values = np.log(read_log(demo / "logs" / model)[FORGET_TASK].truth_ratios())
        gap: Any = ks_2samp(values, gold)
        axes.ecdf(values, color=colour, label=f"{model}: D = {gap.statistic:.2f}")
        if gap.statistic:
            ends = [(sample <= gap.statistic_location).mean() for sample in (values, gold)]
            axes.vlines(gap.statistic_location, *ends, color=colour, linestyle=":", linewidth=2)
    axes.set(xlabel="log R of a row: above 0, the truth is likelier than the wrong answers", ylabel="share of rows")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, bbox_inches="tight")


def main() -> None:
    """Draw all three."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("demo", type=Path, help="folder of a finished demo of seed 0")
    demo = parser.parse_args().demo
    draw_truth_ratios(demo, DOCS / "truth-ratios.png")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 100}, device_scale_factor=2)
        page.set_content(answers_page(demo))
        page.screenshot(path=DOCS / "answers.png", full_page=True)
        store = Store(Path(folder) / "leaderboard.sqlite")
        import_demo(store, demo)
        app = build_app(store)
        _, url, _ = serve(app, prevent_thread_lock=True, quiet=True)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(url, wait_until="domcontentloaded")
        page.get_by_text("gradient_ascent").first.wait_for(timeout=120_000)
        page.wait_for_timeout(2_000)  # until the plot is drawn
        page.screenshot(path=DOCS / "leaderboard.png")
        app.close(verbose=False)
        browser.close()


if __name__ == "__main__":
    main()
