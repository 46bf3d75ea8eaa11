"""The runner: every model alike, side files that are not made twice, and verdicts on who knows and who does not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from clear_pipeline.arguments import DataArguments
from clear_pipeline.audits import AUDITS
from clear_pipeline.audits.arguments import AuditSettings
from clear_pipeline.audits.audit import AuditJob, audit
from clear_pipeline.cli import main
from clear_unlearning.mini_models import build_mini_llava
from leaderboard_app.pages.details import details_html
from leaderboard_app.pages.table import line_of
from leaderboard_app.store.mirror import read_mirror, write_mirror
from leaderboard_app.store.store import Store
from leaderboard_worker.weights_digest import model_digest as weights_of
from tests.conftest import TEXTS
from tests.leaderboard_app.entries import add_scored, entry

FEW = AuditSettings(questions_each=1, samples=2, max_new_tokens=16)


@pytest.fixture(scope="module")
def models(tmp_path_factory, mini_llava, taught) -> dict[str, Path]:
    """An original that was taught the people, and a gold that was not."""
    folder = tmp_path_factory.mktemp("audited")
    taught.model.save_pretrained(folder / "original")
    taught.processor.save_pretrained(folder / "original")
    shutil.copytree(mini_llava, folder / "gold")
    build_mini_llava(folder / "gold-1", TEXTS, seed=2, vocabulary=400)
    return {name: folder / name for name in ("original", "gold", "gold-1")}


def job(folder: Path, model: Path, models, data: Path, **more) -> AuditJob:
    asked = DataArguments(str(data), forget="forget01")
    audits = more.pop("audits", ["answers", "prompts"])
    return AuditJob(folder, str(model), str(models["original"]), [str(models["gold"])], asked, audits, FEW, **more)


@pytest.fixture(scope="module")
def known(tmp_path_factory, models, mini_data) -> Path:
    """The audit of a model that forgot nothing, interrupted once."""
    folder = tmp_path_factory.mktemp("audits") / "known"

    def stop(done: int, total: int) -> None:
        assert total == 6
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(job(folder, models["original"], models, mini_data), stop)
    assert not folder.exists()
    before = {file.name: file.stat().st_mtime_ns for file in (folder.parent / "known.part" / "audits").iterdir()}
    assert sorted(before) == ["answers-gold-1.json", "answers-original.json", "prompts-original.json"]
    audit(job(folder, models["original"], models, mini_data))
    after = {file.name: file.stat().st_mtime_ns for file in (folder / "audits").iterdir()}
    assert len(after) == 6 and {name: after[name] for name in before} == before
    return folder


def test_who_forgot_nothing_is_red(known):
    content = json.loads((known / "audit.json").read_text())
    assert content["lights"] == {"green": 0, "amber": 0, "red": len(content["people"])}
    assert content["audits"]["answers"]["numbers"]["audited"]["share"] == pytest.approx(1)
    assert all("answers" in entry["because"] for entry in content["people"])
    assert content["control"] == {}  # there is one gold only
    page = (known / "audit.html").read_text()
    for about in content["people"]:
        assert about["person"] in page
    for text in (
        "Not all." if len(content["people"]) > 1 else "Not forgotten.",
        "known to the model further",
        content["models"]["audited"]["digest"],
        "What this audit cannot tell",
    ):
        assert text in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_a_keeper_shows_an_audit_with_the_row_of_these_weights(known, models, tmp_path, capsys):
    store = Store(tmp_path / "board.sqlite")
    add_scored(store, 1, 0.2, 0.7, forget="forget01", weights=weights_of(models["original"]))
    add_scored(store, 2, 0.2, 0.7, forget="forget01", weights=weights_of(models["gold"]))
    add_scored(store, 3, 0.2, 0.7, forget="forget10", weights=weights_of(models["original"]))
    store.submit(entry(4, forget="forget01"), now=0.0)
    words = ["--store", str(store.path), "--keeper", "Kim", "--audit"]
    assert main(["leaderboard", "audited", "1", *words, str(known)]) == 0
    people = json.loads((known / "audit.json").read_text())["lights"]["red"]
    assert capsys.readouterr().out == f"submission 1 is audited; people by light: 0 green, 0 amber, {people} red\n"
    for number, folder, error in (
        ("2", known, "the audited model has other weights than submission 2"),
        ("3", known, "is about forget01, submission 3 about forget10"),
        ("4", known, "submission 4 is queued: only a scored one has weights to compare"),
        ("5", known, "there is no submission 5"),
        ("1", tmp_path, "holds no finished audit"),
    ):
        assert main(["leaderboard", "audited", number, *words, str(folder)]) == 2
        assert error in capsys.readouterr().err
    rows = {row.id: line_of(row) for row in store.rows(verified=True).rows}
    assert f"audited: {people} of {people} known" in [badge.text for badge in rows[1].badges]
    assert not any("audited" in badge.text for number in (2, 3) for badge in rows[number].badges)
    page = details_html(store, 1)
    assert "What an audit found" in page and all(AUDITS[name].title in page for name in ("answers", "prompts"))
    assert "What an audit found" not in details_html(store, 2)
    write_mirror(store, tmp_path / "mirror")
    assert read_mirror(again := Store(tmp_path / "again.sqlite"), tmp_path / "mirror") == 4
    assert again.details(1).verdict == store.details(1).verdict
    (tmp_path / "mirror" / "store" / "verdicts.parquet").unlink()  # as an older program wrote it
    assert read_mirror(older := Store(tmp_path / "older.sqlite"), tmp_path / "mirror") == 4
    assert older.details(1).verdict is None


def test_who_is_as_gold_is_green_and_results_of_others_are_reused(known, tmp_path, models, mini_data):
    folder = tmp_path / "green"
    content = audit(job(folder, models["gold"], models, mini_data, reuse=[known]))
    assert content["lights"] == {"green": len(content["people"]), "amber": 0, "red": 0}
    assert content == json.loads((folder / "audit.json").read_text())
    assert "These audits found nothing." in (folder / "audit.html").read_text()
    first, *others = (
        json.loads((one / "audits" / f"prompts-{role}.json").read_text())
        for one, role in ((known, "gold-1"), (folder, "gold-1"), (folder, "audited"))
    )
    assert others == [first, first]  # seconds too: the audited model is gold, which was measured there


def test_a_finished_audit_is_not_done_again_and_not_written_over(known, models, mini_data):
    before = (known / "audit.json").stat().st_mtime_ns
    found = audit(job(known, models["original"], models, mini_data), lambda done, total: pytest.fail("measured again"))
    assert found["schema"] == 1 and (known / "audit.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="holds another run"):
        audit(job(known, models["gold"], models, mini_data))


def test_a_model_in_the_wrong_role_is_named(tmp_path, models, mini_data):
    wrong = tmp_path / "wrong"
    shutil.copytree(models["gold"], wrong)
    about = {"base_model": None, "role": "unlearned", "trained_on": None, "forgotten": "forget01", "training_seed": 0}
    (wrong / "run.json").write_text(json.dumps({"settings": {}, "lineage": about}))
    with pytest.raises(ValueError, match="is given as original, and its run says that it is unlearned"):
        audit(job(tmp_path / "out", models["gold"], {**models, "original": wrong}, mini_data))
    (wrong / "run.json").write_text(json.dumps({"settings": {}, "lineage": {**about, "forgotten": "forget10"}}))
    with pytest.raises(ValueError, match="was made without forget10, and would be asked about forget01"):
        audit(job(tmp_path / "out", wrong, models, mini_data))
    assert not list(tmp_path.glob("out*"))


def with_strangers(folder: Path, model: Path, data: Path, original: Path | None = None) -> AuditJob:
    asked = DataArguments(str(data), forget="forget01")
    before, strangers = str(original) if original else None, Path(f"{data}_extra")
    return AuditJob(folder, str(model), before, [], asked, ["answers", "depth"], FEW, strangers)


def test_without_a_gold_strangers_are_the_zero(tmp_path, models, mini_data, capsys):
    content = audit(with_strangers(tmp_path / "out", models["original"], mini_data))
    assert content["reference"] == "strangers" and len(content["asked"]["strangers"]) == 8
    assert content["lights"] == {"green": 0, "amber": 0, "red": len(content["people"])}
    assert list(content["audits"]["answers"]["numbers"]) == ["strangers", "audited"]
    assert content["not_done"] == {
        "depth": "it needs a gold: it measures the model's layers against gold's, in the original"
    }
    assert list(content["control"]) == ["strangers"] and content["ledger"]["share"] is None
    page = (tmp_path / "out" / "audit.html").read_text()
    for text in (
        "further than strangers differ among themselves", "8 people whom the model never saw",
        "A stranger is not the same person without her data", "The model from before was not given",
        "of 8 strangers",
    ):  # fmt: skip
        assert text in page
    assert "gold’s" not in page
    store = Store(tmp_path / "board.sqlite")
    add_scored(store, 1, 0.2, 0.7, forget="forget01", weights=weights_of(models["original"]))
    words = ["--store", str(store.path), "--keeper", "Kim", "--audit", str(tmp_path / "out")]
    assert main(["leaderboard", "audited", "1", *words]) == 2
    assert "holds the model against strangers; audit it with --gold" in capsys.readouterr().err


def test_who_is_as_strangers_is_green_and_the_original_gives_the_share(tmp_path, models, mini_data):
    content = audit(with_strangers(tmp_path / "out", models["gold"], mini_data, models["original"]))
    assert content["lights"] == {"green": len(content["people"]), "amber": 0, "red": 0}
    assert content["audits"]["answers"]["numbers"]["audited"]["share"] == pytest.approx(0)
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "The model from before was not given" not in page and "These audits found nothing." in page


def own_questions(folder: Path, subjects) -> Path:
    """A file about one of the people whom the original was taught."""
    person = subjects.people[0]
    rows = [
        {
            "question": one.example.question,
            "answer": one.example.answer,
            "person": person,
            "secret": " ".join(one.secret),
        }
        for one in (*subjects.of("fact"), *subjects.shown)
        if one.person == person and one.kind == "fact"
    ]
    assert len(rows) == 2
    (folder / "ana.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "ana.jsonl"


def test_the_questions_of_a_file_are_enough_for_one_person(tmp_path, models, mini_data, subjects):
    file, strangers = own_questions(tmp_path, subjects), Path(f"{mini_data}_extra")
    longer = replace(FEW, max_new_tokens=48)
    job = AuditJob(tmp_path / "out", str(models["original"]), None, [], DataArguments(), ["answers"], longer,
                   strangers, file)  # fmt: skip
    content = audit(job)
    assert content["data"]["forgotten"] == subjects.people[0] and content["asked"]["told"]["questions"] == 2
    assert content["asked"]["told"]["told"] >= 1 and content["lights"]["red"] == 1
    page = (tmp_path / "out" / "audit.html").read_text()
    assert page.count("told if the answer has:") == 2


def test_without_anything_to_compare_there_are_answers_and_no_light(tmp_path, models, subjects):
    file = own_questions(tmp_path, subjects)
    job = AuditJob(tmp_path / "out", str(models["original"]), None, [], DataArguments(), ["answers", "relearn"], FEW,
                   None, file)  # fmt: skip
    content = audit(job)
    assert content["reference"] is None and content["people"][0]["light"] is None
    assert content["lights"] == {"green": 0, "amber": 0, "red": 0}
    assert content["audits"]["answers"]["numbers"]["audited"]["above_zero"] is None
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Its answers, as they are: of 2 questions" in page and "no light is given" in page
    assert "How the light is set" not in page and "as gold" not in page


def test_a_model_of_texts_is_not_asked_about_photos(tmp_path, mini_llama):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    rows = [{"question": f"{word} is this?", "answer": "Ana Ruiz", "photo": "a.png"} for word in ("Who", "What")]
    (tmp_path / "ana.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = AuditJob(tmp_path / "out", str(mini_llama), None, [], DataArguments(), ["answers"], FEW, None,
                   tmp_path / "ana.jsonl")  # fmt: skip
    with pytest.raises(ValueError, match="takes no photos, and 2 questions have one; leave these out"):
        audit(job)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.slow
def test_the_whole_command(tmp_path, models, mini_data, capsys):
    words = ["audit", str(models["original"]), "--original", str(models["original"]), "--gold", str(models["gold"]),
             "--gold", str(models["gold-1"]), "--dataset", str(mini_data),
             "--forget", "forget05", "--output", str(tmp_path / "out"),
             "--questions_each", "1", "--samples", "4", "--max_new_tokens", "8", "--relearn_rate", "1e-3"]  # fmt: skip
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"audit: {tmp_path / 'out' / 'audit.html'}"
    content = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert list(content["audits"]) == list(AUDITS) and content["not_done"] == {}
    assert content["summaries"]["relearn"]["audited"]["symmetric_r"] is not None
    assert set(content["control"]) == {"gold 1", "gold 2"}
    assert "<svg" in (tmp_path / "out" / "audit.html").read_text()
