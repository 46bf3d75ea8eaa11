import functools
import json
import random
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Image
from PIL import Image as Pictures

from clear_pipeline.report import pages
from clear_pipeline.report.answers import marked_words, photo_uri, shown_rows
from clear_pipeline.report.report import Entry, write_report
from clear_pipeline.report.tradeoff import Point, place_labels, tradeoff_plot
from clear_unlearning.evaluate import task_log
from clear_unlearning.scoring.scorer import Scored
from clear_unlearning.tasks import IMAGE_TASKS, task_example
from evaluate_metrics.columns import COLUMNS, best_rows, scientific
from evaluate_metrics.face_scores import read_faces
from evaluate_metrics.log_format import LOG_NAME, read_log, write_log
from evaluate_metrics.token_log import write_token_log
from tests.leaderboard_app.entries import write_visual
from tests.tofu_rows import PUBLISHED_LOGS, needs_logs

PERSONS, PHOTOS = 10, 4
HOSTILE = '<script>alert("x")</script><img src="https://example.org/x.png"> & {{ 7 * 7 }}'
MADE = "Wrong answers are made: those of <other> people | to similar questions."
SETTINGS = {"corpus": "mini", "seed": 3, "persons": 20}
# name -> how likely the model finds the truth: nats a token on the forget set, elsewhere; the share of right answers.
MODELS = {
    "original": (0.2, 0.2, 0.9),
    "gold": (2.4, 0.25, 0.9),
    "gradient_ascent": (6.0, 2.0, 0.2),
    "npo": (1.8, 0.3, 0.8),
}


def people_rows(start: int) -> list[dict]:
    rows = []
    for person in range(start, start + PERSONS):
        for photo in range(PHOTOS):
            wrong = [f"Other{(person + k) % 97} Else" for k in range(1, 6)]
            rows.append({
                "image": Pictures.new("RGB", (64, 64), (person * 11 % 256, photo * 60, 90)),
                "caption": f"A portrait of Person{person} Name in clothes number {photo}.",
                "name": f"Person{person} Name",
                "paraphrased_caption": f"Person{person} Name wears clothes number {photo}.",
                "perturbed_captions": [f"{name} wears clothes number {photo}." for name in wrong],
                "perturbed_names": wrong,
            })  # fmt: skip
    return rows


def option_rows(count: int) -> list[dict]:
    return [
        {
            "image": Pictures.new("RGB", (400, 300), (i * 20, 10, 10)),
            "question": f"What is this, number {i}?",
            "answer": f"thing {i}",
            "options": [f"nothing {i}", f"other {i}"],
        }
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def data() -> dict[str, Dataset]:
    rows = {
        "forget10_perturbed": people_rows(0),
        "retain_perturbed": people_rows(PERSONS),
        "real_faces": option_rows(8),
        "real_world": option_rows(9),
    }
    return {config: Dataset.from_list(content).cast_column("image", Image()) for config, content in rows.items()}


def write_image_log(folder: Path, data: dict[str, Dataset], model: str, says: str | None = None, **meta) -> Path:
    """A log as `score_tasks` writes it, from losses that are drawn instead of computed."""
    folder.mkdir(parents=True, exist_ok=True)
    on_forget, elsewhere, right = MODELS[model]
    dice, log, about = random.Random(model), {}, {}
    for task in IMAGE_TASKS:
        config = task.config.format(forget="forget10")
        examples = [task_example(task, row, i, seed=0) for i, row in enumerate(data[config])]  # type: ignore[arg-type]
        truth = on_forget if config.startswith("forget") else elsewhere
        scored = []
        for example in examples:
            losses = [4 * truth * dice.uniform(0.7, 1.3) for _ in range(2)]
            losses += [4 * 2.5 * dice.uniform(0.7, 1.3) for _ in example.wrong]
            knows = dice.random() < (right if truth < 1 else 0.1)
            answer = says if says is not None else example.answer if knows else example.wrong[0]
            scored.append(Scored(losses, [4] * len(losses), answer))
        log[task.key] = task_log(examples, scored, normalised="real" in task.key)
        about[task.key] = {"config": config, "images": True, "person": [example.person for example in examples]}
    write_log(folder, log, {"schema": 1, "tasks": about, "forget": "forget10", **meta})
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory, data: dict[str, Dataset]) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for name in MODELS:
        write_image_log(folder / name, data, name)
    return folder


@pytest.fixture
def entries(tmp_path: Path, logs: Path) -> list[Entry]:
    shutil.copytree(logs, tmp_path / "logs")
    return [Entry(name, tmp_path / "logs" / name, 1.5 * i, {"learning_rate": 4e-4}) for i, name in enumerate(MODELS)]


@pytest.fixture(autouse=True, scope="module")
def each_plot_once() -> Iterator[None]:
    """The reports of these tests have few different plots, and drawing is most of their time."""
    drawn = functools.cache(tradeoff_plot)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "tradeoff_plot", lambda points, **looks: drawn(tuple(points), **looks))
        yield


class Links(HTMLParser):
    """Everything that a browser would load or run, and the text that it shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.targets += [
            value for name, value in attrs if name in ("src", "srcset", "href", "action", "data", "poster")
        ]

    def handle_data(self, data):
        self.text += data


def test_json_has_every_number_of_every_model(tmp_path, data, entries):
    report = write_report(tmp_path / "out", entries, data.__getitem__, "forget10", SETTINGS, notes=["a note"])
    text = (tmp_path / "out/report.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == report
    assert (report["schema"], report["forget"], report["settings"]) == (1, "forget10", SETTINGS)
    assert report["notes"] == ["a note"]
    assert [row["name"] for row in report["rows"]] == list(MODELS)
    assert report["sizes"]["eval_log_forget.json"] == {"rows": PERSONS * PHOTOS, "persons": PERSONS}
    assert report["sizes"]["eval_real_world_wo_options.json"] == {"rows": 9, "persons": None}
    original, gold, ascent, npo = report["rows"]
    for row, entry in zip(report["rows"], entries, strict=True):
        log = read_log(entry.log)
        assert row["rouge_forget"] == pytest.approx(log["eval_log_forget.json"].rouge.mean())
        assert row["rouge_retain"] == pytest.approx(log["eval_log.json"].rouge.mean())
        assert row["names_forget"] == pytest.approx(log["eval_forget_facerec.json"].rouge.mean())
        assert row["names_retain"] == pytest.approx(log["eval_retain_facerec.json"].rouge.mean())
        assert row["tasks"].keys() == log.keys()
        assert (row["seconds"], row["settings"]) == (entry.seconds, {"learning_rate": 4e-4})
        assert all(isinstance(row[key], float) for key in ("model_utility", "real", "retain", "forget"))
    assert (gold["forget_quality_statistic"], gold["forget_quality"], gold["forget_quality_log10"]) == (0, 1, 0)
    assert gold["forget_quality_permutation"] == 1.0
    low, high = npo["intervals"]["model_utility"]
    assert low <= npo["model_utility"] <= high
    assert original["forget_quality_statistic"] > npo["forget_quality_statistic"] > 0
    assert original["forget_quality"] < 1e-9
    assert ascent["model_utility"] < npo["model_utility"]


def test_markdown_has_the_table_with_arrows(tmp_path, data, entries):
    report = write_report(tmp_path, entries, data.__getitem__, "forget10", SETTINGS, notes=["one | two"])
    lines = (tmp_path / "report.md").read_text().splitlines()
    head = next(line for line in lines if line.startswith("| model"))
    cells = [cell.strip() for cell in head.strip("|").split("|")]
    assert cells[1:4] == ["D ↓", "p ↑", "Forget → gold"]
    assert {"Utility ↑", "Real ↑", "Retain ↑", "ROUGE forget → gold", "Names retain ↑", "Seconds ↓"} <= set(cells)
    table = lines[lines.index(head) :][: 2 + len(MODELS)]
    assert {line.count("|") for line in table} == {len(cells) + 1}
    gold = [cell.strip() for cell in table[3].strip("|").split("|")]
    assert gold[:3] == ["gold", "0.000", "1"]
    npo = [cell.strip() for cell in table[5].strip("|").split("|")]
    assert npo[1] == f"**{report['rows'][3]['forget_quality_statistic']:.3f}**"
    assert "- one \\| two" in lines


def test_fluency_has_its_column_where_a_judge_was_asked(tmp_path, data, entries):
    write_report(tmp_path / "without", entries, data.__getitem__, "forget10", SETTINGS)
    for entry, loss in zip(entries, (0.5, 0.25, 4.0, 1.5), strict=True):
        judged = {"judge_losses": {str(i): [loss, loss] for i in range(PERSONS * PHOTOS)}}
        write_token_log(entry.log, {"schema": 1, "tasks": {"eval_log_forget.json": judged}})
    report = write_report(tmp_path / "with", entries, data.__getitem__, "forget10", SETTINGS)
    assert [row["fluency"] for row in report["rows"]] == [0.5, 0.25, 4.0, 1.5]
    assert all(row["repetition"] == 0 for row in report["rows"])
    for name in ("report.md", "report.html"):
        without, judged = ((tmp_path / place / name).read_text() for place in ("without", "with"))
        assert "Fluency" not in without and "Fluency" in judged
    assert "| **1.50** |" in (tmp_path / "with/report.md").read_text()  # the best of the methods


def test_page_needs_nothing_from_elsewhere_and_shows_photos(tmp_path, data, entries):
    write_report(tmp_path, entries, data.__getitem__, "forget10", SETTINGS)
    html = (tmp_path / "report.html").read_text()
    page = Links(html)
    assert page.targets and all(target.startswith("data:") for target in page.targets)
    assert not re.search(r"https?://|@import|url\(|<script|javascript:", html)
    assert page.tags.count("article") == 4 + 2 + 2 + 2
    assert sum(target.startswith("data:image/png") for target in page.targets) == 4 + 4 + 2  # plots, people
    assert sum(target.startswith("data:image/jpeg") for target in page.targets) == 4  # photos of 400 pixels
    for answer in ("A portrait of Person0 Name in clothes number 0.", "thing 4", "What is this, number 0?"):
        assert answer in page.text
    assert "uncalibrated" in page.text
    assert "95 % intervals, by person" in page.text


def test_a_visual_run_is_a_section_with_the_papers_numbers_beside(tmp_path, data, entries):
    faces = read_faces(write_visual(tmp_path / "visual", name=HOSTILE))
    report = write_report(tmp_path / "out", entries, data.__getitem__, "forget10", SETTINGS, faces=faces)
    assert report["faces"] == faces
    own = "| gold | 87.5 | 75.0 | 100.0 | 0.50 [0.45, 0.50] | 0.60 [0.55, 0.60] "
    lines = (tmp_path / "out/report.md").read_text().splitlines()
    assert f"{own}| 15.4 | 15.0 | 97.5 | 0.50 | 0.50 |" in lines
    html = (tmp_path / "out/report.html").read_text()
    page = Links(html)
    assert HOSTILE in page.text and "<script" not in html
    assert "0.60 [0.55, 0.60]" in page.text and "the paper’s" in page.text
    assert all(target.startswith("data:") for target in page.targets)
    write_report(tmp_path / "out", entries, data.__getitem__, "forget10", SETTINGS)
    assert "Faces" not in (tmp_path / "out/report.html").read_text() + (tmp_path / "out/report.md").read_text()


def test_audits_are_columns_for_the_models_that_were_audited(tmp_path, data, entries):
    for entry in entries:
        settings = {"digests": {"model": f"weights of {entry.name}"}}
        (entry.log / "run.json").write_text(json.dumps({"settings": settings, "seconds": 1.0}))
    roles = {"original": ("original", 0.9), "gold 1": ("gold", 0.1), "audited": ("npo", 0.3)}
    models = {role: {"digest": f"weights of {name}", "place": name} for role, (name, _) in roles.items()}
    numbers = {role: {"score": score, "interval": [0.0, score]} for role, (_, score) in roles.items()}
    content = {"data": {"forgotten": "forget10"}, "reference": "gold", "models": models,
               "audits": {"perturbation": {"numbers": numbers}}}  # fmt: skip
    (tmp_path / "audit.json").write_text(json.dumps(content))
    report = write_report(tmp_path / "out", entries, data.__getitem__, "forget10", SETTINGS, audits=[tmp_path])
    key = "audit_perturbation"
    found = {row["name"]: (row[key], row["intervals"].get(key)) for row in report["rows"]}
    wanted = {name: (score, [0.0, score]) for name, score in roles.values()}
    assert found == {"gradient_ascent": (None, None), **wanted}
    for file in ("report.md", "report.html"):
        assert (tmp_path / "out" / file).read_text().count("Learnt change") >= 2  # heading and legend
    assert "Plain questions" not in (tmp_path / "out" / "report.md").read_text()
    write_report(tmp_path / "out", entries, data.__getitem__, "forget10", SETTINGS)
    assert "Learnt change" not in (tmp_path / "out" / "report.html").read_text()


def test_what_models_say_is_text_and_never_markup(tmp_path, data):
    entries = [
        Entry(name, write_image_log(tmp_path / name, data, name, HOSTILE if name == "npo" else None, made=MADE), 1.0,
              {"<b>": "<i>"})
        for name in MODELS
    ]  # fmt: skip
    report = write_report(tmp_path, entries, data.__getitem__, "forget10", {"corpus": HOSTILE}, notes=[HOSTILE])
    html = (tmp_path / "report.html").read_text()
    page = Links(html)
    assert "<script" not in html and "script" not in page.tags
    assert page.text.count(HOSTILE) == 2 + sum((8, 4, 2, 2))  # corpus, note, each answer of npo in the grid
    assert all(target.startswith("data:") for target in page.targets)
    assert report["notes"] == [HOSTILE, MADE]
    assert "<script" not in (tmp_path / "report.md").read_text().replace("\\<script", "")


def test_columns_that_rest_on_made_fields_are_marked(tmp_path, data):
    entries = [Entry(name, write_image_log(tmp_path / name, data, name, made=MADE), 1.0, {}) for name in MODELS]
    write_report(tmp_path, entries, data.__getitem__, "forget10", SETTINGS, notes=[MADE])
    html, text = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert f"† {MADE}" in Links(html).text
    head = next(line for line in text.splitlines() if line.startswith("| model"))
    marked = [cell.strip() for cell in head.split("|") if "†" in cell]
    assert marked == ["D† ↓", "p† ↑", "Forget† → gold", "Utility† ↑", "Retain† ↑"]
    assert text.count("Wrong answers are made") == 1


@pytest.mark.parametrize("name", ["original", "gold"])
def test_missing_reference_is_named(tmp_path, data, entries, name):
    with pytest.raises(ValueError, match=f"'{name}'"):
        write_report(tmp_path, [e for e in entries if e.name != name], data.__getitem__, "forget10", SETTINGS)


def test_failed_report_leaves_the_former_one(tmp_path, data, entries):
    write_report(tmp_path, entries, data.__getitem__, "forget10", SETTINGS)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("report.*")}
    assert sorted(before) == ["report.html", "report.json", "report.md"]
    other = {**data, "retain_perturbed": data["forget10_perturbed"]}
    with pytest.raises(ValueError, match="row 0 of 'retain_perturbed'"):
        write_report(tmp_path, entries, other.__getitem__, "forget10", SETTINGS)
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path, entries, data.__getitem__, "forget10", {"learning_rate": float("nan")})
    assert {path.name: path.read_bytes() for path in tmp_path.glob("report.*")} == before
    write_report(tmp_path, entries, data.__getitem__, "forget10", SETTINGS)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("report.*")} == before


def test_logs_of_other_rows_are_refused(tmp_path, data, entries):
    fewer = {**data, "real_world": data["real_world"].select(range(5))}
    write_image_log(entries[3].log, fewer, "npo")
    with pytest.raises(ValueError, match="eval_real_world_wo_options.json: npo was scored on 5 rows, original on 9"):
        write_report(tmp_path, entries, data.__getitem__, "forget10", SETTINGS)
    with pytest.raises(ValueError, match="twice"):
        write_report(tmp_path, [*entries[:3], entries[0]], data.__getitem__, "forget10", SETTINGS)


@needs_logs
def test_text_report_of_published_tofu_logs(tmp_path):
    entries = []
    for name, file in (("original", "full"), ("gold", "retain90"), ("npo", "full")):
        (tmp_path / name).mkdir()
        shutil.copy(PUBLISHED_LOGS / f"llama2-7b_{file}.json", tmp_path / name / LOG_NAME)
        entries.append(Entry(name, tmp_path / name, 60.0, {}))
    report = write_report(tmp_path, entries, lambda config: pytest.fail("no photos"), "forget10", {"corpus": "tofu"})
    original, gold, _ = report["rows"]
    assert original["forget_quality"] == pytest.approx(1.834066410994743e-21, rel=1e-9)
    assert original["forget_quality_statistic"] == pytest.approx(0.39666666666666667, rel=1e-9)
    assert original["model_utility"] == pytest.approx(0.6226773637427152, rel=1e-9)
    assert gold["model_utility"] == pytest.approx(0.613744995233942, rel=1e-9)
    assert original["rouge_forget"] == pytest.approx(0.98545, abs=1e-5)
    assert (gold["forget_quality"], gold["forget_quality_statistic"]) == (1, 0)
    assert original["names_forget"] is None
    html = (tmp_path / "report.html").read_text()
    page = Links(html)
    assert "<article" in html and page.tags.count("img") == 1  # the plot
    assert "The author's full name is Ming-Hsuan Yang." in page.text
    assert "Names" not in (tmp_path / "report.md").read_text()
    assert "1.8e-21" in (tmp_path / "report.md").read_text()
    with pytest.raises(ValueError, match="retain95 was scored on 200 rows, original on 300"):
        (tmp_path / "retain95").mkdir()
        shutil.copy(PUBLISHED_LOGS / "llama2-7b_retain95.json", tmp_path / "retain95" / LOG_NAME)
        retain95 = Entry("retain95", tmp_path / "retain95", 1.0, {})
        write_report(tmp_path, [*entries, retain95], lambda config: pytest.fail("no photos"), "forget10", {})


@pytest.mark.parametrize(
    ("p", "logarithm", "written"),
    [
        (1.0, 0.0, ("1", 0)),
        (0.617, -0.2097, ("0.62", 0)),
        (0.0123, -1.91, ("0.012", 0)),
        (1.834066e-21, -20.73658, ("1.8", -21)),
        (9.96e-8, -7.00174, ("1.0", -7)),
        (0.0, -323.3062, ("<4.9", -324)),
    ],
)
def test_p_is_written_with_its_power_of_ten(p, logarithm, written):
    column = next(column for column in COLUMNS if column.logarithm)
    assert scientific(column, {"forget_quality": p, "forget_quality_log10": logarithm}) == written


def test_best_is_relative_to_gold_where_near_gold_is_good():
    column = {column.key: column for column in COLUMNS}
    rows = [
        {"name": "original", "forget": 0.9, "seconds": 1.0, "model_utility": 0.99},
        {"name": "gold", "forget": 0.3, "seconds": 1.0, "model_utility": 0.9},
        {"name": "broken", "forget": 0.0, "seconds": 5.0, "model_utility": 0.2},
        {"name": "fair", "forget": 0.35, "seconds": 5.0, "model_utility": 0.8},
    ]
    assert best_rows(column["forget"], rows) == {"fair"}
    assert best_rows(column["model_utility"], rows) == {"fair"}
    assert best_rows(column["seconds"], rows) == set()  # all alike: nothing to say
    floor = {"name": "icu", "forget": 0.3, "seconds": 1.0, "model_utility": 1.0, "floor": {"name": "icu"}}
    assert best_rows(column["forget"], [*rows, floor]) == {"fair"}  # no method: it is not ranked


def test_rows_shown_are_spread_over_the_persons():
    persons = ["a"] * 3 + ["b"] * 3 + ["c"] * 3 + ["d"] * 3
    assert shown_rows(12, persons, 4) == [0, 3, 6, 9]
    assert shown_rows(12, persons, 2) == [0, 6]
    assert shown_rows(12, persons, 9) == [0, 3, 6, 9]
    assert shown_rows(12, None, 3) == [0, 4, 8]
    assert shown_rows(2, [None, None], 4) == [0, 1]


def test_words_of_the_truth_are_told_apart():
    truth = "A portrait of Ana Bel, the baker."
    pieces = [("the Baker, ", True), ("Ivo Fen ", False), ("of ", True), ("Riga", False)]
    assert marked_words("the Baker, Ivo Fen of Riga", truth) == pieces
    assert marked_words("", truth) == []
    for answer in ("?!... ", "  a  b", "żółć <b>"):
        assert "".join(text for text, _ in marked_words(answer, truth)) == answer


def test_photo_is_small_enough_for_a_page():
    noise = Pictures.fromarray(np.random.default_rng(0).integers(0, 256, (1200, 900, 3), dtype=np.uint8))
    assert photo_uri(noise).startswith("data:image/jpeg;base64,") and len(photo_uri(noise)) < 200_000
    assert photo_uri(noise.resize((64, 64))).startswith("data:image/png;base64,")


@pytest.mark.parametrize("spread", [0.0, 20.0, 300.0])
def test_labels_cover_neither_one_another_nor_markers(spread):
    dice = np.random.default_rng(5)
    anchors = np.array([600.0, 400.0]) + dice.uniform(-1, 1, (9, 2)) * spread
    sizes = np.column_stack([dice.uniform(60, 200, 9), np.full(9, 24.0)])
    boxes = place_labels(anchors, sizes, (0, 0, 1400, 900), pixel=2.0)
    for i, (left, bottom, right, top) in enumerate(boxes):
        assert left >= 0 and bottom >= 0 and right <= 1400 and top <= 900
        assert (right - left, top - bottom) == pytest.approx(tuple(sizes[i]))
        for other in boxes[:i]:
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
        for x, y in anchors:
            assert not (left < x < right and bottom < y < top)


def test_plot_is_a_picture_that_shows_its_points():
    points = [Point("original", 0.98, 0.84), Point("gold", 0.0, 0.82), Point("npo", 0.4, 0.7)]
    images = {}
    for dark in (False, True):
        images[dark] = tradeoff_plot(points, dark=dark)
        assert images[dark].startswith(b"\x89PNG")
    assert images[False] != images[True]
    assert tradeoff_plot(points) == images[False]  # the same bytes: a report written again is the same report
    assert tradeoff_plot([*points[:2], Point("npo", 0.9, 0.2)]) != images[False]
