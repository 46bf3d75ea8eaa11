import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Image, List, Value, get_dataset_config_names, load_dataset

import clear_dataset
from clear_data.building.folder import fingerprint_rows
from clear_dataset import CONFIGS, EXTRA_CONFIGS, build, load_clear, main
from tests.programs import run_python

SMALL = {"persons": 24, "photos": 8}
SCRIPT = Path(clear_dataset.__file__)

# The columns of the published dataset, written out here once more.
PHOTOS = {"image": "image", "caption": "text", "name": "text"}
TOFU = {"image": "image", "caption": "text", "question": "text", "answer": "text"}
PERTURBED = {**PHOTOS, "paraphrased_caption": "text", "perturbed_captions": "list", "perturbed_names": "list"}
REAL = {"image": "image", "question": "text", "answer": "text", "options": "list"}
SPLITS = ["forget01", "forget05", "forget10", "retain99", "retain95", "retain90"]
COLUMNS = {
    "default": PHOTOS,
    "full": PHOTOS,
    "full+tofu": TOFU,
    **dict.fromkeys(SPLITS, PHOTOS),
    **dict.fromkeys([f"{split}+tofu" for split in SPLITS], TOFU),
    **dict.fromkeys(["forget01_perturbed", "forget05_perturbed", "forget10_perturbed"], PERTURBED),
    "retain_perturbed": PERTURBED,
    "real_faces": REAL,
    "real_world": REAL,
}
KINDS = {"image": Image(), "text": Value("string"), "list": List(Value("string"))}

# Loads every config as a user does, in the folder that holds the data, whole and streaming.
LOAD_ALL = """
import json, sys
from datasets import disable_progress_bars, get_dataset_config_names, load_dataset
disable_progress_bars()
found = {}
for folder in ("clear", "clear_extra"):
    for config in get_dataset_config_names(folder):
        rows = load_dataset(folder, config)["train"]
        first = next(iter(load_dataset(folder, config, split="train", streaming=True)))
        same = all(first[c] == rows[0][c] for c in rows.column_names if c != "image")
        size = rows[0]["image"].size if rows[0].get("image") else None
        found[f"{folder}/{config}"] = [len(rows), rows.column_names, same, size]
assert len(load_dataset("clear")["train"]) == found["clear/full"][0]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    build(output=folder / "clear", **SMALL)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def meta(folder):
    return json.loads((folder / "dataset_meta.json").read_text())


def test_the_table_has_the_21_configs_of_the_published_dataset():
    assert set(CONFIGS) == set(COLUMNS)
    assert len(CONFIGS) == 21
    assert next(iter(CONFIGS)) == "default"


@pytest.mark.parametrize("config", COLUMNS)
def test_columns_and_features(home, config):
    rows = load_clear(config, home / "clear")
    assert list(rows.features) == list(COLUMNS[config])
    assert {name: KINDS[kind] for name, kind in COLUMNS[config].items()} == dict(rows.features)
    assert rows.features == CONFIGS[config].features
    image = rows[0]["image"]
    assert (image.mode, image.size, image.format) == ("RGB", (64, 64), "PNG")


@pytest.mark.parametrize("config", EXTRA_CONFIGS)
def test_extra_configs_have_the_features_of_their_table(home, config):
    rows = load_clear(config, home / "clear_extra")
    assert rows.features == EXTRA_CONFIGS[config].features
    assert len(rows) == meta(home / "clear_extra")["configs"][config]["rows"] > 0


def test_null_cells_survive_the_file(home):
    rows = load_clear("forget01+tofu", home / "clear")
    kinds = {tuple(value is None for value in row.values()) for row in rows}
    assert kinds == {(False, False, True, True), (True, True, False, False)}


def test_every_config_loads_literally_from_the_parent_folder(home, tmp_path):
    result = run_python("-c", LOAD_ALL, cwd=home, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    expected = {f"clear/{c}": v for c, v in meta(home / "clear")["configs"].items()}
    expected |= {f"clear_extra/{c}": v for c, v in meta(home / "clear_extra")["configs"].items()}
    assert set(found) == set(expected)
    for config, (count, columns, streamed_alike, size) in found.items():
        assert count == expected[config]["rows"]
        assert streamed_alike
        assert size == ([64, 64] if "image" in columns else None)


def test_decoded_rows_have_the_recorded_fingerprint(home):
    about = meta(home / "clear")
    for config in ("forget05_perturbed", "retain99+tofu", "real_world"):
        assert fingerprint_rows(load_clear(config, home / "clear")) == about["configs"][config]["fingerprint"]
    assert about["settings"] == {"persons": 24, "photos": 8, "seed": 0}
    assert (about["schema"], about["corpus"]) == (1, "mini")


def test_streaming_gives_the_same_rows(home):
    rows = load_clear("forget01_perturbed", home / "clear", streaming=True)
    assert fingerprint_rows(rows) == meta(home / "clear")["configs"]["forget01_perturbed"]["fingerprint"]


def test_the_default_config_is_full(home):
    about = meta(home / "clear")["configs"]
    assert about["default"] == about["full"]
    assert get_dataset_config_names(str(home / "clear"))[0] == "default"
    assert len(load_dataset(str(home / "clear"), split="train")) == about["full"]["rows"] == 24 * 8


def test_two_processes_with_other_hash_seeds_make_the_same_rows_and_pixels(home, tmp_path):
    for seed in ("1", "2"):
        command = [sys.executable, SCRIPT, "build", "--output", tmp_path / seed, "--persons", "24", "--seed", "5"]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": seed}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0, result.stderr
    for folder in ("{}", "{}_extra"):
        one, two = (meta(tmp_path / folder.format(seed)) for seed in ("1", "2"))
        assert one == two
        assert one["fingerprint"] != meta(home / folder.format("clear"))["fingerprint"]


def test_a_folder_built_again_with_other_dials_gives_other_rows(tmp_path):
    build(output=tmp_path / "clear", **SMALL)
    before = load_clear("full", tmp_path / "clear")["caption"][:]
    build(output=tmp_path / "clear", **SMALL, seed=1, overwrite=True)
    after = load_clear("full", tmp_path / "clear")["caption"][:]
    assert before != after


def test_build_says_where_the_results_are_and_how_to_load_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["build", "--persons", "24"]) == 0
    out, err = capsys.readouterr()
    assert "clear_extra" in out
    assert 'load_dataset("clear", "forget05", split="train")' in out
    assert str(tmp_path) in out
    assert err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear", "clear_extra"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--persons", "3"], "persons must be 24 to 200, not 3"),
        (["--persons", "-40"], "persons must be 24 to 200, not -40"),
        (["--photos", "7"], "photos must be 8 to 100, not 7"),
        (["--corpus", "celeba"], "unknown corpus 'celeba'; choose from mini"),
        (["--output", "."], "give the name of a new folder"),
        (["--output", "taken"], "taken exists; choose another --output, or --overwrite to replace it"),
        (["--output", "taken", "--overwrite"], "taken is not a built dataset"),
        (["--output", "taken/thesis.tex/clear"], "taken/thesis.tex"),
    ],
)
def test_bad_input_ends_with_one_line_and_leaves_all_as_it_was(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.tex").write_text("years of work")
    assert main(["build", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and message in err
    assert err.count("\n") == 1
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["taken", "taken/thesis.tex"]
    assert (tmp_path / "taken/thesis.tex").read_text() == "years of work"


def test_ctrl_c_leaves_nothing_half_written(tmp_path, monkeypatch):
    def interrupt(config):
        if config == "retain95":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(output=tmp_path / "clear", **SMALL, written=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_config_lists_those_that_there_are(home):
    with pytest.raises(ValueError, match="unknown config 'forget07'; choose from default, full, .*real_world, base"):
        load_clear("forget07", home / "clear")
    with pytest.raises(ValueError, match="has no config 'base'; it has default, forget01, .*retain_perturbed$"):
        load_clear("base", home / "clear")


@pytest.mark.parametrize("source", ["clear", "./runs/clear", "/nowhere/clear", "a/b/c"])
def test_a_missing_folder_is_named(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"^{source} is neither a folder with the data nor a Hub id"):
        load_clear("forget05", source)


def test_a_missing_repository_is_named(tmp_path):
    code = 'from clear_dataset import load_clear; load_clear("forget05", "nobody/clear")'
    result = run_python("-c", code, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)})
    assert result.returncode == 1
    assert "FileNotFoundError: nobody/clear is not a folder here, nor does the Hub give it" in result.stderr
