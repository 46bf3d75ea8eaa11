"""Hidden items: of the same people, with other photos, captions and questions, drawn from a secret."""

from hashlib import sha256

import pytest

from clear_data.corpora.hidden import CAPTIONS, NAME_QUESTIONS, QUESTIONS, hidden_rows
from clear_data.corpora.mini import Dials, mini_rows
from clear_dataset import load_clear, main

DIALS = Dials(persons=24, photos=8, seed=5)
SECRET = "a secret of many characters"


@pytest.fixture(scope="module")
def rows():
    return list(hidden_rows(DIALS, SECRET))


def test_people_are_the_public_ones_and_nothing_else_is(rows):
    configs, extra = mini_rows(DIALS)
    public = configs["full"]
    assert {row["name"] for row in rows} == {row["name"] for row in public}
    seen = {sha256(row["image"].tobytes()).digest() for table in (configs, extra) for name in table
            for row in table[name] if row.get("image") is not None}  # fmt: skip
    assert not seen & {sha256(row["image"].tobytes()).digest() for row in rows}
    said = {text for row in public for text in (row["caption"], row["paraphrased_caption"])}
    assert not said & {text for row in rows for text in (row["caption"], row["paraphrased_caption"])}
    assert {row["question"] for row in rows} <= set(QUESTIONS)
    assert {row["name_question"] for row in rows} <= set(NAME_QUESTIONS)
    jobs = {row["name"]: row["caption"] for row in public}
    for row in rows:
        assert row["caption"] != row["paraphrased_caption"]
        assert row["name"] in row["caption"] and row["name"] in jobs
        assert not any(row["name"] in wrong for wrong in row["perturbed_captions"])
    assert len(CAPTIONS) == 3


def test_the_secret_draws_them(rows):
    again, other = (list(hidden_rows(DIALS, secret)) for secret in (SECRET, SECRET + "!"))
    assert [row["caption"] for row in again] == [row["caption"] for row in rows]
    assert [row["caption"] for row in other] != [row["caption"] for row in rows]


def test_the_command_writes_the_config_and_not_the_secret(tmp_path, mini_data, capsys):
    (tmp_path / "secret").write_text(SECRET)
    arguments = ["hidden", str(mini_data), "--secret_file", str(tmp_path / "secret")]
    assert main([*arguments, "--output", str(tmp_path / "hidden")]) == 0
    assert "96 items" in capsys.readouterr().out
    assert load_clear("hidden", tmp_path / "hidden").num_rows == 96
    assert not any(SECRET.encode() in file.read_bytes() for file in (tmp_path / "hidden").rglob("*") if file.is_file())
    assert main([*arguments, "--output", str(tmp_path / "hidden")]) == 2
    (tmp_path / "secret").write_text("short")
    assert main([*arguments, "--output", str(tmp_path / "other")]) == 2
    assert "at least 16" in capsys.readouterr().err
    assert main(["hidden", str(tmp_path / "hidden"), "--secret_file", str(tmp_path / "secret")]) == 2
    assert "not a built mini dataset" in capsys.readouterr().err
