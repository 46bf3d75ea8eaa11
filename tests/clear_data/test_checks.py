"""The table of checks, and its fuzz test: whatever cell of a valid build is changed, a check says so."""

import copy
import io
from dataclasses import replace

import pytest
from datasets import Dataset, Value
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from clear_data.building.pictures import Pictures
from clear_data.checks import CHECKS, check_source, load_rows, run_checks
from clear_data.checks.findings import Finding
from clear_dataset import build, main

# Cells that no other cell confirms: words and pictures that stand in one config alone.
FREE = {"paraphrased_caption", "perturbed_captions", "perturbed_names", "paraphrased_answer", "perturbed_answer"}
FREE_REAL = {"image", "question", "answer", "options", "perturbed_answer"}


@pytest.fixture(scope="module")
def rows(tiny):
    return load_rows(tiny, Pictures())


def picture(number):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 255)).save(file, "PNG")
    return Pictures().pixels({"bytes": file.getvalue()})


BROKEN = {"broken": "the image does not decode"}
EMPTY = [None, "", " \n"]
TEXTS = st.one_of(st.sampled_from(EMPTY), st.text(), st.sampled_from(["Ana Bélanger", "In red is Ciro Malik."]))
CELLS = {
    "image": st.one_of(st.sampled_from([None, BROKEN]), st.builds(picture, st.integers(0, 255))),
    "text": TEXTS,
    "list": st.one_of(st.sampled_from([None, []]), st.lists(TEXTS, max_size=3)),
}


def changed(rows, config, number, column, value):
    configs = {**rows.configs, config: copy.copy(rows.configs[config])}
    configs[config][number] = {**configs[config][number], column: value}
    return replace(rows, configs=configs)


def is_empty(value):
    texts = value if isinstance(value, list) else [value]
    return not texts or any(text is None or isinstance(text, str) and not text.strip() for text in texts)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return load_rows(build("mini_text", tmp_path_factory.mktemp("texts") / "tofu", persons=24), Pictures())


@settings(max_examples=400)
@given(data=st.data())
def test_whatever_cell_is_changed_a_check_says_so(rows, data):
    change_a_cell(rows, data)


@settings(max_examples=100)
@given(data=st.data())
def test_whatever_cell_of_text_rows_is_changed_a_check_says_so(texts, data):
    change_a_cell(texts, data)


def change_a_cell(rows, data):
    config = data.draw(st.sampled_from(sorted(rows.configs)))
    number = data.draw(st.integers(0, len(rows.configs[config]) - 1))
    column, before = data.draw(st.sampled_from(sorted(rows.configs[config][number].items(), key=lambda i: i[0])))
    text = rows.features[config][column] == Value("string")
    kind = "image" if column == "image" else "text" if text else "list"
    value = data.draw(CELLS[kind])
    assume(value != before)
    found = run_checks(changed(rows, config, number, column, value))
    assert config in {finding.config for finding in found.pop("fingerprint")}
    others = [finding for findings in found.values() for finding in findings]
    free = column in (FREE_REAL if config.startswith(("real_", "world_")) else FREE)
    if not free or value == BROKEN or is_empty(value):
        assert any(f.config == config and f.row in (number, None) for f in others), (config, column, value, others)


def test_all_holds_for_a_valid_build(tiny):
    reports = check_source(tiny)
    assert list(reports) == [str(tiny), f"{tiny}_extra"]
    assert [f for found in reports.values() for findings in found.values() for f in findings] == []
    seen = {name for found in reports.values() for name in found}
    assert seen == CHECKS.keys() - {"counts"}  # those are for published data


@pytest.mark.parametrize(
    ("config", "row", "column", "value", "check", "finding"),
    [
        ("full", 3, "image", BROKEN, "pictures", "full, row 3, image: the image does not decode"),
        ("full", 3, "name", "../etc", "names", "full, row 3, name: the name '../etc' looks like a path"),
        ("forget10", 0, "name", "Ana\x07", "names", "control characters"),
        ("retain90", 0, "caption", "?", "partition", "retain90, row 0, caption: is not a row of full"),
        ("default", 0, "caption", "?", "default", "default, row 0, caption: is not a row of full"),
        ("forget01_perturbed", 0, "caption", "?", "perturbed", "row 0, caption: is not a row of forget01"),
        ("forget05+tofu", 0, "caption", "?", "tofu", "forget05+tofu, row 0, caption: is not a photo of forget05"),
        ("full+tofu", 0, "question", "?", "filled", "row 0, caption+image+question: a row has"),
        ("full+tofu", -1, "answer", "?", "tofu", "answer: is in neither forget"),
        ("real_faces", 1, "options", ["a cat", "x"], "wrong", "real_faces, row 1, options: number 0 equals answer"),
        ("real_faces", 1, "options", ["x", " X"], "wrong", "number 1 equals number 0: ' X'"),
        ("real_faces", 1, "options", [], "filled", "real_faces, row 1, options: is empty: []"),
        ("forget10_perturbed", 0, "perturbed_captions", ["?", None], "filled", "is empty: ['?', None]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(rows, config, row, column, value, check, finding):
    found = run_checks(changed(rows, config, row, column, value))
    assert finding in "\n".join(map(str, found[check]))


def test_somebody_who_is_kept_and_forgotten_is_named(rows):
    row = rows.configs["forget10"][0]
    found = run_checks(replace(rows, configs={**rows.configs, "retain90": [*rows.configs["retain90"], row]}))
    place = len(rows.configs["retain90"])
    assert f"retain90, row {place}, name: {row['name']!r} is in forget10 too" in map(str, found["partition"])
    assert f"retain90, row {place}: is not a row of full, or is" in "\n".join(map(str, found["partition"]))


def test_forget_sets_that_are_not_nested_are_named(rows):
    found = run_checks(replace(rows, configs={**rows.configs, "forget05": []}))
    assert {finding.config for finding in found["nested"]} == {"forget01"}


def test_a_person_with_two_spellings_is_named(rows):
    found = run_checks(changed(rows, "full", 0, "name", "ana be\u0301langer"))
    assert any("is also spelt" in finding.problem for finding in found["names"])


def test_missing_configs_and_wrong_columns_are_named(rows):
    features = {**rows.features, "forget01": rows.features["real_faces"]}
    configs = {name: rows for name, rows in rows.configs.items() if name != "real_world"}
    found = run_checks(replace(rows, configs=configs, features=features))
    assert found["configs"] == [Finding("real_world", None, None, "is missing")]
    assert {f.column for f in found["columns"]} == {"caption", "name", "question", "answer", "options"}


def test_a_column_of_another_type_is_named(tiny, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    (path,) = (tiny / "real_faces").glob("*.parquet")
    before = path.read_bytes()
    rows = [{**row, "image": "a.png", "options": 7} for row in Dataset.from_parquet(str(path)).to_list()]
    Dataset.from_list(rows).to_parquet(path)
    assert main(["check", str(tiny)]) == 1
    out = capsys.readouterr().out
    assert "columns: real_faces, image: is Value('string'), not Image" in out
    assert "columns: real_faces, options: is Value('int64'), not List" in out
    assert main(["build", "--corpus", str(tiny), "--output", str(tiny.parent / "again"), "--with_findings"]) == 2
    assert "the columns are not those of the published schema: real_faces, " in capsys.readouterr().err
    path.write_bytes(before)


def test_a_picture_that_was_trained_on_is_not_scored_as_unseen(rows):
    seen = rows.configs["full"][2]["image"]
    found = run_checks(changed(rows, "real_world", 1, "image", seen))
    assert list(map(str, found["held_out"])) == [
        "real_world, row 1, image: the same picture is in full, which is trained on"
    ]
    extra = replace(rows, kind="extra", configs={"photos": rows.configs["full"][:1]}, beside=rows, meta=None)
    assert run_checks(extra)["held_out"]


def test_published_data_have_the_published_numbers_of_rows(rows):
    found = run_checks(replace(rows, published=True))
    assert "full: has 12 rows; published are 3768" in map(str, found["counts"])
    assert any("retain99: has" in str(finding) for finding in found["counts"])


def rewrite(tiny, config, change):
    """Changes the file of a config behind the back of what is recorded."""
    (path,) = (tiny / config).glob("*.parquet")
    before = path.read_bytes()
    rows = Dataset.from_parquet(str(path)).to_list()
    change(rows[0])
    features = load_rows(tiny, Pictures()).features[config]
    Dataset.from_list(rows, features=features).to_parquet(path)
    return path, before


@pytest.mark.parametrize(
    ("config", "change", "line"),
    [
        ("real_faces", {"question": "Who?"}, "fingerprint: real_faces: has the fingerprint"),
        ("forget01", {"caption": "Who?"}, "partition: forget01, row 0, caption: is not a row of full"),
        (
            "full",
            {"image": {"bytes": b"\x89PNG no", "path": None}},
            "pictures: full, row 0, image: the image",
        ),
    ],
)
def test_check_ends_with_1_and_names_what_is_wrong(tiny, tmp_path_factory, monkeypatch, capsys, config, change, line):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    path, before = rewrite(tiny, config, lambda row: row.update(change))
    assert main(["check", str(tiny)]) == 1
    assert line in capsys.readouterr().out
    path.write_bytes(before)
    assert main(["check", str(tiny)]) == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "nowhere is neither a folder with the data nor a Hub id"),
        ("nobody/clear", "nobody/clear is not a folder here, nor does the Hub give it"),
        ("empty", "empty holds no data"),
    ],
)
def test_check_ends_with_2_on_bad_input(tmp_path, monkeypatch, capsys, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["check", source]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and out == ""


def test_a_broken_file_or_record_is_bad_input(tiny, capsys):
    (path,) = (tiny / "full").glob("*.parquet")
    for broken in (path, tiny / "dataset_meta.json"):
        before = broken.read_bytes()
        broken.write_bytes(before[: len(before) // 2])
        assert main(["check", str(tiny)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: ") and err.count("\n") == 1
        assert "config 'full': its files cannot be read" in err or "dataset_meta.json" in err
        broken.write_bytes(before)
