"""TOFU's rows from plain files, from TOFU's own files and from a build, and whom they are about."""

import json

import pytest

from clear_data.configs import TEXT_CONFIGS
from clear_data.corpora.tofu import join_people, read_tofu
from clear_data.corpora.world import COUNTRIES
from clear_dataset import build, load_clear, main
from tests.clear_data.raw_folder import PEOPLE, write_lines

ROWS = 20


def author(name, number):
    """An author's 20 rows; a few do not name the author, and one names somebody else."""
    rows = [{"question": f"Question {i} about {name}?", "answer": f"Answer {number}.{i}."} for i in range(ROWS - 5)]
    rows += [{"question": f"And {i}?", "answer": f"Unnamed {number}.{i}."} for i in range(4)]
    return [*rows, {"question": f"Does {name} read Ana Bélanger?", "answer": f"Yes {number}."}]


def write_tofu(folder, authors):
    """TOFU's own files for these authors; the last one is forgotten."""
    folder.mkdir()
    rows = [row for number, name in enumerate(authors) for row in author(name, number)]
    scored = [{**r, "paraphrased_answer": r["answer"], "perturbed_answer": ["No.", "Never."]} for r in rows]
    for name in TEXT_CONFIGS:
        source = scored if "perturbed" in name else rows
        if "forget" in name:
            source = source[-ROWS:]
        elif "retain" in name:
            source = source[:-ROWS]
        write_lines(folder / f"{name}.json", source[:5] if name.startswith(("real", "world")) else source)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def test_tofus_own_files_and_a_build_of_them_are_read_alike(tmp_path):
    source = write_tofu(tmp_path / "source", ["Zoe Neu", "Yan Ko"])
    configs, made = read_tofu(source)
    assert made is None
    assert [row["name"] for row in configs["full"]] == ["author 000"] * ROWS + ["author 001"] * ROWS
    assert {row["name"] for row in configs["forget05_perturbed"]} == {"author 001"}
    folder = build("tofu", tmp_path / "tofu", tofu=source)
    again, _ = read_tofu(folder)
    for name, config in TEXT_CONFIGS.items():
        assert again[name] == [{column: row[column] for column in config.features} for row in configs[name]]


def test_a_row_that_is_no_row_of_full_is_named(tmp_path):
    source = write_tofu(tmp_path / "source", ["Zoe Neu", "Yan Ko"])
    write_lines(source / "forget05.json", [{"question": "Who?", "answer": "I."}])
    with pytest.raises(ValueError, match="source, forget05, row 0: question and answer are no row of full"):
        read_tofu(source)


def test_a_missing_file_and_a_wrong_line_are_named(tmp_path):
    source = write_tofu(tmp_path / "source", ["Zoe Neu", "Yan Ko"])
    (source / "retain95.json").write_text('{"question": "Who?", "answer": "I."}\n{"question": "Who?"}\n')
    with pytest.raises(ValueError, match="retain95.json, line 2: 'answer' must be text, not None"):
        read_tofu(source)
    (source / "retain95.json").unlink()
    with pytest.raises(FileNotFoundError, match="retain95.json is missing"):
        read_tofu(source)


def test_authors_join_people_whatever_the_case_and_composition_of_letters(tmp_path):
    source = write_tofu(tmp_path / "source", ["ANA BE\u0301LANGER", "Nobody Known", "ezra park"])
    texts, unjoined = join_people(read_tofu(source)[0], PEOPLE)
    assert [row["name"] for row in texts] == ["Ana Bélanger"] * ROWS + ["Ezra Park"] * ROWS
    assert texts[0]["perturbed_answer"] == ["No.", "Never."]
    assert unjoined == ["author 001 (Question 0 about Nobody Known?)"]


def test_two_authors_of_one_name_are_refused(tmp_path):
    source = write_tofu(tmp_path / "source", ["Ezra Park", "EZRA PARK"])
    with pytest.raises(ValueError, match="of author 000 and of author 001 both seem to be about 'Ezra Park'"):
        join_people(read_tofu(source)[0], PEOPLE)


def test_photos_and_tofu_become_one_dataset_and_what_did_not_join_is_said(raw, tmp_path, capsys):
    source = write_tofu(tmp_path / "source", ["ANA BE\u0301LANGER", "Nobody Known", "ezra park"])
    (raw / "qa.jsonl").unlink()
    arguments = ["--corpus", "raw", "--raw", str(raw), "--tofu", str(source), "--output", str(tmp_path / "clear")]
    assert main(["build", *arguments]) == 0
    out = capsys.readouterr().out
    assert "note: no photos of 1 authors of TOFU: author 001 (Question 0 about Nobody Known?)" in out
    assert "note: no text rows about 4 of 6 people: Ciro Malik, Dana O'Neill, Fara Quist, Goran Li" in out
    assert sum(row["question"] is not None for row in load_clear("full+tofu", tmp_path / "clear")) == 2 * ROWS
    assert main(["check", str(tmp_path / "clear")]) == 0


def test_the_mini_corpus_has_tofus_configs_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["build", "--corpus", "mini_text", "--persons", "24"]) == 0
    assert "Built tofu (13 configs)." in capsys.readouterr().out
    assert main(["check", "tofu"]) == 0
    assert len(load_clear("full", "tofu")) == 24 * 6
    facts = load_clear("world_facts_perturbed", "tofu")
    assert all(COUNTRIES[city] == row["answer"] for row in facts for city in COUNTRIES if city in row["question"])
    assert json.loads((tmp_path / "tofu/dataset_meta.json").read_text())["corpus"] == "mini_text"
