import json
import shutil

import pytest

from clear_pipeline.runs.provenance import DEFAULT_SEED, lineage, model_digest, next_lineage


def model_run(folder, **settings) -> str:
    folder.mkdir()
    record = {"settings": settings, "seconds": 1.0, "lineage": next_lineage(settings)}
    (folder / "run.json").write_text(json.dumps(record))
    return str(folder)


@pytest.fixture
def models(tmp_path):
    base = model_run(tmp_path / "base", recipe="base", track="image", seed=3)
    original = model_run(
        tmp_path / "original", recipe="finetune", model=base, dataset_config="full+tofu", settings={"seed": 3}
    )
    gold = model_run(tmp_path / "gold", recipe="finetune", model=base, dataset_config="retain90+tofu", settings={})
    named = model_run(
        tmp_path / "named", recipe="finetune", model=base, dataset_config="full+tofu", forget="people Ivo", settings={}
    )
    npo = model_run(
        tmp_path / "npo", recipe="unlearn", model=original, forget="forget10", method="npo", settings={"seed": 5}
    )
    llava = model_run(
        tmp_path / "llava", recipe="finetune", model="llava-hf/llava-1.5-7b-hf", dataset_config="full", settings={}
    )
    return {"base": base, "original": original, "gold": gold, "named": named, "npo": npo, "llava": llava}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("base", ("mini-image", None, None, None, None)),
        ("original", ("mini-image", "original", "full+tofu", None, 3)),
        ("gold", ("mini-image", "gold", "retain90+tofu", "forget10", DEFAULT_SEED)),
        ("npo", ("mini-image", "unlearned", "forget10", "forget10", 5)),
        ("named", ("mini-image", "gold", "full+tofu", "people Ivo", DEFAULT_SEED)),
        ("llava", ("llava-hf/llava-1.5-7b-hf", "original", "full", None, DEFAULT_SEED)),
    ],
)
def test_a_model_knows_what_it_was_made_from(models, model, expected):
    assert tuple(lineage(models[model]).values()) == expected


def test_a_model_without_a_run_is_its_own_base(tmp_path):
    assert lineage("ORG/npo") == {
        "base_model": "ORG/npo", "role": None, "trained_on": None, "forgotten": None, "training_seed": None
    }  # fmt: skip


def test_lineage_survives_a_move(models, tmp_path):
    moved = shutil.move(models["npo"], tmp_path / "elsewhere")
    shutil.rmtree(models["original"])
    assert lineage(str(moved))["base_model"] == "mini-image" and lineage(str(moved))["role"] == "unlearned"


def test_a_model_is_known_by_its_content(tmp_path, mini_llava):
    copy = shutil.copytree(mini_llava, tmp_path / "copy")
    (copy / "run.json").write_text("{}")
    digest = model_digest(str(mini_llava))
    assert model_digest(str(copy)) == digest
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"):
        other = shutil.copytree(mini_llava, tmp_path / name)
        content = (other / name).read_bytes()
        (other / name).write_bytes(content.replace(b"128", b"129", 1) if b"128" in content else content + b" ")
        assert model_digest(str(other)) != digest, name


def test_an_adapter_is_known_with_its_base_wherever_that_is(tmp_path):
    def adapter(name: str, weights: bytes) -> str:
        base, folder = tmp_path / f"base-{name}", tmp_path / name
        for place in (base, folder):
            place.mkdir()
        (base / "config.json").write_text("{}")
        (base / "model.safetensors").write_bytes(weights)
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base), "r": 2}))
        return model_digest(str(folder))

    assert adapter("one", b"w") == adapter("two", b"w") != adapter("three", b"v")
