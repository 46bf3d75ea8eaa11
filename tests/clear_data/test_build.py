"""Building from people of one's own and from datasets in the published schema."""

import json

import pytest
from datasets import Dataset, load_dataset

from clear_data.configs import CONFIGS, RETAIN_OF
from clear_data.splits import FORGET_PEOPLE
from clear_dataset import build, load_clear, main
from tests.clear_data.raw_folder import PEOPLE, read_lines, write_lines


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def meta(folder):
    return json.loads((folder / "dataset_meta.json").read_text())


def names(config, folder):
    return set(load_clear(config, folder)["name"])


def test_raw_files_become_the_21_configs(tiny):
    assert list(meta(tiny)["configs"]) == list(CONFIGS)
    assert meta(tiny)["settings"] == {
        "raw": "photos",
        "tofu": None,
        "real": None,
        "forget_percent": [10, 30, 50],
        "seed": 0,
    }
    assert (meta(tiny)["forget"], meta(tiny)["notes"]) == ("drawn by seed 0", [])
    for forget, size in (("forget01", 1), ("forget05", 2), ("forget10", 3)):
        assert len(names(forget, tiny)) == size
        assert names(forget, tiny) | names(RETAIN_OF[forget], tiny) == set(PEOPLE)
        texts = [row["question"] for row in load_clear(f"{forget}+tofu", tiny) if row["question"]]
        assert len(texts) == 2 * size
        assert list(load_clear(f"{forget}_text", f"{tiny}_extra")["question"]) == texts
    assert load_clear("full", tiny)[0]["image"].format == "PNG"
    assert load_clear("real_faces", tiny)[0]["image"].format == "BMP"
    row = load_clear("retain_perturbed", tiny)[0]
    assert row["name"] not in row["perturbed_names"] and len(row["perturbed_captions"]) == 3


def test_published_people_get_their_published_splits(raw, tmp_path):
    rows = read_lines(raw / "people.jsonl")
    people = [*FORGET_PEOPLE["forget10"], "Zoe Neu"]
    for number, name in enumerate(people[6:]):
        rows.append({"name": name, "photos": [dict(rows[0]["photos"][0], file=f"copy{number}.png")]})
        (raw / f"copy{number}.png").write_bytes((raw / "0.png").read_bytes())
    for row, name in zip(rows, people[:6], strict=False):
        row["name"] = name.upper()
        for photo in row["photos"]:
            photo["perturbed_names"] = ["Some One"]
    (raw / "qa.jsonl").unlink()
    write_lines(raw / "people.jsonl", rows)
    folder = build("raw", tmp_path / "clear", raw=raw)
    assert meta(folder)["forget"] == "the published lists"
    for split, expected in FORGET_PEOPLE.items():
        assert {name.upper() for name in names(split, folder)} == {name.upper() for name in expected}
    assert not (tmp_path / "clear_extra").exists()
    (note,) = meta(folder)["notes"]
    assert note.startswith("no text rows about 21 of 21 people: ")


def test_rows_that_do_not_pass_the_checks_are_refused_unless_told_otherwise(raw, tmp_path, capsys):
    rows = read_lines(raw / "people.jsonl")
    rows[0]["photos"][0]["perturbed_names"][1] = PEOPLE[0].lower()
    write_lines(raw / "people.jsonl", rows)
    arguments = ["build", "--corpus", "raw", "--raw", str(raw), "--output", str(tmp_path / "clear")]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "the checks found 1 faults, so nothing was written" in err
    assert "perturbed, row 0, perturbed_names: number 1 equals name: 'ana bélanger' (--with_findings" in err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    assert main([*arguments, "--with_findings"]) == 0
    assert "perturbed_names: number 1 equals name" in meta(tmp_path / "clear")["findings"][0]
    assert "note: " in capsys.readouterr().out


def test_people_without_real_sets_take_them_from_elsewhere(raw, tiny, tmp_path, capsys):
    for name, files in (("real_faces", (12, 13)), ("real_world", (14, 15))):
        (raw / f"{name}.jsonl").unlink()
        for number in files:
            (raw / f"{number}.bmp").unlink()
    arguments = ["build", "--corpus", "raw", "--raw", str(raw), "--output", str(tmp_path / "clear")]
    assert main(arguments) == 2
    assert (
        "real_faces.jsonl is missing: add it, or take real_faces and real_world from --real" in capsys.readouterr().err
    )
    assert main([*arguments, "--real", str(tiny)]) == 0
    for name in ("real_faces", "real_world"):
        assert meta(tmp_path / "clear")["configs"][name] == meta(tiny)["configs"][name]


def test_a_dataset_in_the_published_schema_is_written_again_row_by_row(tiny, tmp_path):
    folder = build(str(tiny), tmp_path / "clear")
    assert meta(folder)["configs"] == meta(tiny)["configs"]
    assert meta(folder)["settings"] == {"source": "clear"}
    assert (meta(folder)["corpus"], meta(folder)["forget"]) == ("raw", "drawn by seed 0")
    assert meta(tmp_path / "clear_extra")["configs"] == meta(tiny.parent / "clear_extra")["configs"]


def published_layout(tiny, folder, rows_of):
    """The dataset as `push_to_hub` writes it: other order of columns, no record beside it."""
    entries = []
    for name, config in CONFIGS.items():
        rows = Dataset.from_list(rows_of(name, load_clear(name, tiny).to_list()), features=config.features)
        rows = rows.select_columns(sorted(rows.column_names))
        (folder / name).mkdir(parents=True)
        rows.to_parquet(folder / name / "train-00000-of-00001.parquet")
        entries.append(f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*\n")
    (folder / "README.md").write_text(f"---\nconfigs:\n{''.join(entries)}---\n")
    return folder


def test_the_order_of_columns_of_the_published_dataset_does_not_matter(tiny, tmp_path):
    source = published_layout(tiny, tmp_path / "source", lambda name, rows: rows)
    assert load_dataset(str(source), "full", split="train").column_names == ["caption", "image", "name"]
    folder = build(str(source), tmp_path / "clear")
    assert meta(folder)["configs"] == meta(tiny)["configs"]
    assert meta(folder)["corpus"] == "other"
    assert load_clear("full", folder).column_names == ["image", "caption", "name"]


def test_overlapping_lists_are_refused(tiny, tmp_path, capsys):
    first = load_clear("forget10", tiny)[0]["name"]

    def overlap(name, rows):
        return [*rows, {**rows[0], "name": first}] if name == "retain90" else rows

    source = published_layout(tiny, tmp_path / "source", overlap)
    assert main(["build", "--corpus", str(source), "--output", str(tmp_path / "clear")]) == 2
    assert f"retain90, row 6, name: {first!r} is in forget10 too" in capsys.readouterr().err
    assert main(["check", str(source)]) == 1


def test_a_source_that_lacks_configs_is_named(tiny, tmp_path, capsys):
    assert main(["build", "--corpus", f"{tiny}_extra", "--output", str(tmp_path / "clear")]) == 2
    err = capsys.readouterr().err
    assert "clear_extra lacks the configs default, full, full+tofu" in err and err.count("\n") == 1


def test_what_was_beside_an_older_build_goes_with_it(raw, tmp_path):
    build("raw", tmp_path / "clear", raw=raw)
    assert (tmp_path / "clear_extra").exists()
    (raw / "qa.jsonl").unlink()
    build("raw", tmp_path / "clear", raw=raw, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear", "photos"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "raw"], "the corpus raw needs --raw: a folder of photos with people.jsonl"),
        (["--corpus", "raw", "--raw", "nowhere"], "nowhere/people.jsonl is missing"),
        (
            ["--corpus", "raw", "--raw", "r", "--photos", "9"],
            "--photos is not used by corpus 'raw'",
        ),
        (["--corpus", "tofu"], "the corpus tofu needs --tofu"),
        (["--corpus", "tofu", "--tofu", "empty"], "empty holds no TOFU rows"),
        (["--corpus", "nobody/clear"], "nobody/clear is not a folder here, nor does the Hub give it"),
        (["--corpus", "celeba"], "choose from mini, mini_text, raw, tofu, a folder or a Hub id"),
    ],
)
def test_arguments_that_do_not_fit_are_named(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["build", *arguments]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
