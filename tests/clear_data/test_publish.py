"""`push` of a built folder to a Hub on 127.0.0.1, and what a user then loads from it."""

import hashlib
import json

import pyarrow.parquet as parquet
import pytest
import yaml

from clear_dataset import CONFIGS, build, load_clear, main
from evaluate_metrics import METRICS
from evaluate_metrics.model_utility.compute import model_utility
from tests.loopback_hub.server import serve

LOAD = """
import json
from datasets import disable_progress_bars, get_dataset_config_names, load_dataset
from clear_data.building.folder import fingerprint_rows
from clear_dataset import load_clear
disable_progress_bars()
first = next(iter(load_dataset("ORG/clear", "real_faces", split="train", streaming=True)))
print(json.dumps({
    "configs": get_dataset_config_names("ORG/clear"),
    "forget05": fingerprint_rows(load_dataset("ORG/clear", "forget05")["train"]),
    "default": len(load_dataset("ORG/clear")["train"]),
    "tagged": fingerprint_rows(load_clear("forget01_perturbed", "ORG/clear", revision="v1")),
    "first": [first["answer"], first["image"].size],
}))
"""
EVALUATE = """
import evaluate, json
log = json.load(open("log.json"))
print(json.dumps([
    evaluate.load("ORG/forget_quality").compute(predictions=[1.0, 2.0, 3.0, 4.0], references=[5.0, 6.0, 7.0, 8.0]),
    evaluate.load("ORG/model_utility").compute(log=log),
]))
"""


def push(hub, folder, *flags, token="hf_keeper"):
    return hub.run("clear_dataset.py", "push", "--repo-id", "ORG/clear", "--folder", folder, *flags, token=token)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small build, pushed as v1: the hub, the folder and what the push said."""
    place = tmp_path_factory.mktemp("published")
    folder = build(output=place / "clear", persons=24)
    with serve(place / "hf_home") as hub:
        done = push(hub, folder, "--tag", "v1")
        assert done.returncode == 0, done.stderr
        yield hub, folder, done.stdout


def test_one_commit_holds_the_folder_digest_by_digest(published):
    hub, folder, said = published
    repo = hub.dataset()
    files = repo.at("v1").files
    local = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("*/*.parquet")}
    assert {path: content for path, content in files.items() if path.endswith(".parquet")} == local
    assert files["dataset_meta.json"] == (folder / "dataset_meta.json").read_bytes()
    assert len(repo.history) == 2
    assert said == f"{hub.url}/datasets/ORG/clear: commit {repo.tags['v1'][:8]}, 23 files sent\n"


def test_a_user_loads_and_streams_the_same_rows(published, tmp_path):
    hub, folder, _ = published
    done = hub.run("-c", LOAD, token=None, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    configs = json.loads((folder / "dataset_meta.json").read_text())["configs"]
    assert found["configs"] == list(CONFIGS)
    assert found["forget05"] == configs["forget05"]["fingerprint"]
    assert found["tagged"] == configs["forget01_perturbed"]["fingerprint"]
    assert found["default"] == configs["full"]["rows"]
    assert found["first"] == [load_clear("real_faces", folder)[0]["answer"], [64, 64]]
    cached = {path.resolve().name for path in (hub.cache / "hub").rglob("*.parquet")}
    assert cached <= {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*/*.parquet")}
    assert cached


def test_check_and_build_read_it_from_the_hub(published, tmp_path):
    hub, folder, _ = published
    done = hub.run("clear_dataset.py", "check", "ORG/clear", "--revision", "v1", token=None)
    assert done.returncode == 0, done.stdout + done.stderr
    done = hub.run("clear_dataset.py", "build", "--corpus", "ORG/clear", "--output", tmp_path / "copy", token=None)
    assert done.returncode == 0, done.stderr
    metas = [json.loads((place / "dataset_meta.json").read_text()) for place in (folder, tmp_path / "copy")]
    assert metas[0]["configs"] == metas[1]["configs"]
    assert metas[0]["fingerprint"] == metas[1]["fingerprint"]
    done = hub.run("clear_dataset.py", "check", "ORG/nothing", token=None)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ORG/nothing is not a folder here, nor does the Hub give it")


def test_the_card_says_what_the_data_are(published):
    hub, folder, _ = published
    _, header, text = hub.dataset().at("v1").files["README.md"].decode().split("---\n", 2)
    front = yaml.safe_load(header)
    assert front["configs"][0]["config_name"] == "default"
    assert front["configs"][0]["default"] is True
    assert (front["license"], front["size_categories"]) == ("apache-2.0", ["1K<n<10K"])
    for info in front["dataset_info"]:
        (file,) = folder.glob(f"{info['config_name']}/*.parquet")
        assert info["splits"][0]["num_examples"] == parquet.read_metadata(file).num_rows
        assert [feature["name"] for feature in info["features"]] == list(CONFIGS[info["config_name"]].features)
    assert [info["config_name"] for info in front["dataset_info"]] == list(CONFIGS)
    parts = ("Configs", "Splits", "How it was made", "Use", "Limits", "Ethics", "Licence", "Citation")
    assert all(f"\n## {part}\n" in text for part in parts)
    assert all(f"\n| `{name}` | " in text for name in CONFIGS)
    assert 'load_dataset("ORG/clear", "forget05", split="train")' in text
    assert "fictitious people are fictitious" in text
    assert "{" not in text.split("## Citation")[0].replace('`{"persons": 24, "photos": 8, "seed": 0}`', "")


def test_the_same_data_make_no_commit_even_if_built_anew(published, tmp_path):
    hub, _, _ = published
    again = build(output=tmp_path / "clear", persons=24)
    done = push(hub, again, "--tag", "v1")
    assert done.stdout == f"{hub.url}/datasets/ORG/clear: nothing changed, no commit\n", done.stderr
    assert len(hub.dataset().history) == 2


def test_a_changed_config_changes_its_files_alone(published, tmp_path):
    hub, folder, _ = published
    repo = hub.dataset()
    before = repo.at("main").files
    other = build(output=tmp_path / "clear", persons=24, seed=1)
    # A folder that differs in one config, as one that was built with other people to retain would.
    (mine,), (theirs,) = folder.glob("retain_perturbed/*"), other.glob("retain_perturbed/*")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in folder.glob("*/*.parquet"):
        target = mixed / path.relative_to(folder)
        target.parent.mkdir()
        if path != mine:
            target.write_bytes(path.read_bytes())
    (mixed / "retain_perturbed" / theirs.name).write_bytes(theirs.read_bytes())
    for name in ("README.md", "dataset_meta.json"):
        text = (folder / name).read_text().replace(mine.name, theirs.name)
        old, new = (json.loads((place / "dataset_meta.json").read_text())["configs"]["retain_perturbed"]["fingerprint"]
                    for place in (folder, other))  # fmt: skip
        (mixed / name).write_text(text.replace(old, new))
    done = push(hub, mixed)
    after = repo.at("main").files
    assert "3 files sent, 1 removed" in done.stdout, done.stderr
    assert len(repo.history) == 3
    assert after.keys() - before.keys() == {f"retain_perturbed/{theirs.name}"}
    assert before.keys() - after.keys() == {f"retain_perturbed/{mine.name}"}
    changed = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    assert changed == {"README.md", "dataset_meta.json"}
    assert repo.at("v1").files == before


def test_who_may_not_push_gets_one_line_and_code_2(published):
    hub, folder, _ = published
    before = hub.dataset().history
    done = push(hub, folder, token="hf_stranger")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: dataset ORG/clear: the token may not do this (You don't have the rights")
    assert done.stderr.count("\n") == 1
    assert hub.dataset().history == before


def test_a_folder_that_is_no_whole_dataset_is_refused(published, tmp_path, capsys):
    _, folder, _ = published
    command = ["push", "--repo-id", "ORG/clear", "--folder"]
    assert main([*command, str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} is not a built dataset (it has no dataset_meta.json); `build` writes one\n"
    )
    for name in ("README.md", "dataset_meta.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    assert main([*command, str(tmp_path)]) == 2
    assert f"error: {tmp_path} lacks the files of default, forget01, " in capsys.readouterr().err
    (tmp_path / "dataset_meta.json").write_text('{"configs": {"full": {}, "photographs": {}}}')
    assert main([*command, str(tmp_path)]) == 2
    assert "holds configs that are in no table: photographs" in capsys.readouterr().err


def test_metrics_are_spaces_that_evaluate_loads(published, tmp_path):
    hub, folder, _ = published
    hub.create("space", "ORG/rouge").commit("old", {"old_helper.py": b"", "notes.md": b"mine"})
    done = push(hub, folder, "--metrics")
    assert done.returncode == 0, done.stderr
    assert [line.split(": ")[0] for line in done.stdout.splitlines()[1:]] == [
        f"{hub.url}/spaces/ORG/{metric}" for metric in sorted(METRICS)
    ]
    for metric in METRICS:
        space = hub.repo("space", f"ORG/{metric}")
        assert space.history[0].title == f"Metric {metric}"
        assert len(space.history) == (3 if metric == "rouge" else 2)
        assert {"app.py", "README.md", "requirements.txt", f"{metric}.py"} <= space.at("main").files.keys()
    assert "old_helper.py" not in hub.repo("space", "ORG/rouge").at("main").files
    assert hub.repo("space", "ORG/rouge").at("main").files["notes.md"] == b"mine"

    fields = {"avg_gt_loss": {"0": 1.0}, "avg_paraphrased_loss": {"0": 1.0}, "average_perturb_loss": {"0": [2.0]},
              "rougeL_recall": {"0": 0.5}}  # fmt: skip
    log = dict.fromkeys(("eval_log.json", "eval_real_world_wo_options.json"), fields)
    (tmp_path / "log.json").write_text(json.dumps(log))
    loaded = hub.run("-c", EVALUATE, token=None, cwd=tmp_path)
    assert loaded.returncode == 0, loaded.stderr
    quality, utility = json.loads(loaded.stdout.splitlines()[-1])
    assert quality["forget_quality"] == pytest.approx(2 / 70)
    assert utility == {"model_utility": pytest.approx(model_utility(log))}
