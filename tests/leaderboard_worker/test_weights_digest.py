"""One digest for one model, whatever its files look like, and others for others."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from leaderboard_worker.weights_digest import model_digest, tensors_digest

DICE = np.random.default_rng(0)
WEIGHTS = {
    "model.embed_tokens.weight": DICE.standard_normal((6, 4)).astype(np.float16),
    "model.layers.0.up_proj.weight": DICE.standard_normal((5, 4)).astype(np.float16),
}
EMBEDDING, UP = WEIGHTS


def digest(folder, *files: dict[str, np.ndarray], settings=None, **metadata: str) -> str:
    paths = []
    for number, tensors in enumerate(files):
        paths.append(folder / f"{number}.safetensors")
        paths[-1].write_bytes(save(tensors, metadata))
    return tensors_digest(paths, settings)


SAME = {
    "a word in its metadata": lambda f: digest(f, WEIGHTS, note="mine"),
    "two files": lambda f: digest(f, {EMBEDDING: WEIGHTS[EMBEDDING]}, {UP: WEIGHTS[UP]}),
    "another order": lambda f: digest(f, dict(reversed(WEIGHTS.items()))),
    "double the bytes": lambda f: digest(f, {name: w.astype(np.float32) for name, w in WEIGHTS.items()}),
    "names of another version": lambda f: digest(
        f, {name.replace("model.", "model.language_model."): w for name, w in WEIGHTS.items()}
    ),
    "the tied embedding twice": lambda f: digest(f, {**WEIGHTS, "lm_head.weight": WEIGHTS[EMBEDDING].copy()}),
}
OTHER = {
    "one number": lambda f: digest(f, {**WEIGHTS, UP: WEIGHTS[UP] + np.float16(0.01)}),
    "another shape": lambda f: digest(f, {**WEIGHTS, UP: WEIGHTS[UP].reshape(4, 5)}),
    "another name": lambda f: digest(f, {EMBEDDING: WEIGHTS[EMBEDDING], UP.replace("0", "1"): WEIGHTS[UP]}),
    "another scale of an adapter": lambda f: digest(f, WEIGHTS, settings={"lora_alpha": 4}),
    "an output of its own": lambda f: digest(f, {**WEIGHTS, "lm_head.weight": WEIGHTS[EMBEDDING] * 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_weights_have_the_same_digest(name, tmp_path):
    assert SAME[name](tmp_path) == digest(tmp_path, WEIGHTS)


@pytest.mark.parametrize("name", OTHER)
def test_other_weights_have_another(name, tmp_path):
    assert OTHER[name](tmp_path) != digest(tmp_path, WEIGHTS)


def test_half_precision_of_either_kind_is_read(tmp_path):
    values = np.array([1.0, -2.5, 0.0, -0.0, 3.140625], np.float32)
    raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"a": {"dtype": "BF16", "shape": [5], "data_offsets": [0, 10]}}).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + raw)
    assert tensors_digest([path]) == digest(tmp_path, {"a": values})


def test_an_adapter_is_told_by_its_scales_too(tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(save({"a.lora_A.weight": np.ones((2, 2), np.float32)}))
    found = set()
    for alpha in (4, 8):
        settings = {"lora_alpha": alpha, "alpha_pattern": {}, "use_rslora": False, "r": 2}
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
        found.add(model_digest(tmp_path))
    assert len(found) == 2
