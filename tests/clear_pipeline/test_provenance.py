import json

import pytest

from clear_pipeline.runs.provenance import DEFAULT_SEED, lineage


def model_run(folder, **settings) -> str:
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"settings": settings, "seconds": 1.0}))
    return str(folder)


@pytest.fixture
def models(tmp_path):
    base = model_run(tmp_path / "base", recipe="base", track="image", seed=3)
    original = model_run(
        tmp_path / "original", recipe="finetune", model=base, dataset_config="full+tofu", settings={"seed": 3}
    )
    gold = model_run(tmp_path / "gold", recipe="finetune", model=base, dataset_config="retain90+tofu", settings={})
    npo = model_run(
        tmp_path / "npo", recipe="unlearn", model=original, forget="forget10", method="npo", settings={"seed": 5}
    )
    llava = model_run(
        tmp_path / "llava", recipe="finetune", model="llava-hf/llava-1.5-7b-hf", dataset_config="full", settings={}
    )
    return {"base": base, "original": original, "gold": gold, "npo": npo, "llava": llava}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("base", ("mini-image", None, None, None)),
        ("original", ("mini-image", "original", "full+tofu", 3)),
        ("gold", ("mini-image", "gold", "retain90+tofu", DEFAULT_SEED)),
        ("npo", ("mini-image", "unlearned", "forget10", 5)),
        ("llava", ("llava-hf/llava-1.5-7b-hf", "original", "full", DEFAULT_SEED)),
    ],
)
def test_a_model_knows_what_it_was_made_from(models, model, expected):
    assert tuple(lineage(models[model]).values()) == expected


def test_a_model_without_a_run_is_its_own_base(tmp_path):
    assert lineage("ORG/npo") == {"base_model": "ORG/npo", "role": None, "trained_on": None, "training_seed": None}
