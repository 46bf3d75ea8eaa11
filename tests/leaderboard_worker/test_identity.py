"""Whether gold models are recognised in any clothes, and honest methods never, near as real models are.

`demo_losses.npz` holds the losses of 2,240 answers to hidden questions [models, answers], in half precision, of models
that `clear-unlearning demo` trained from one pretrained base: `demo0` with all methods (--seed 0), `demo1` with those
of the demo (--seed 1), three golds each, and `cheat`, what was made from demo0's golds. They were scored by
`evaluate_hidden`. The cheats of the last tests are made here, of the model of the tests.
"""

import json
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from clear_unlearning.models import load_model
from leaderboard_worker.hidden_items import evaluate_hidden, hidden_rows
from leaderboard_worker.identity import FEWEST, identity, losses
from tests.leaderboard_app.submitted import build_data

GOLDS = ("gold", "gold-1", "gold-2")
Weights = dict[str, torch.Tensor]


def read_losses() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("demo_losses.npz")) as stored:
        return dict(zip(stored["names"].tolist(), stored["losses"].astype(float), strict=True))


LOSSES = read_losses()
HONEST = [name for name in LOSSES if "cheat" not in name and name.partition("/")[2] not in GOLDS]
# A half, or less, of a gold; only its vision tower, or only one of its layers.
TOO_LITTLE = {"mix0.3", "mix0.4", "lm0gold", "visiongold"}
CHEATS = [name for name in LOSSES if "cheat" in name and name.partition("/")[2] not in TOO_LITTLE]


def compare(name: str, golds: tuple[str, ...] = GOLDS, demo: str = "demo0"):
    return identity(LOSSES[name], [LOSSES[f"{demo}/{gold}"] for gold in golds], LOSSES[f"{demo}/original"])


def test_the_tables_of_models_are_whole():
    assert len(HONEST) == 24 + 4 + 2 and len(CHEATS) == 15 and len(LOSSES["demo0/npo"]) == 2240


@pytest.mark.parametrize("name", HONEST)
def test_no_honest_method_is_taken_for_a_gold(name):
    demo = name.partition("/")[0]
    for golds in (GOLDS, *permutations(GOLDS, 2), *((gold,) for gold in GOLDS)):
        found = compare(name, golds, demo)
        assert found.refusal is None, (golds, found)
    assert max(compare(name, demo=demo).shares) < 0.3  # the bounds are .51 and .57: far from them


@pytest.mark.parametrize("demo", ["demo0", "demo1"])
@pytest.mark.parametrize("gold", GOLDS)
def test_who_trains_anew_without_the_forgotten_is_not_taken_for_a_gold(gold, demo):
    """One more seed is an honest model too; the threshold comes from the golds that are left."""
    others = tuple(name for name in GOLDS if name != gold)
    assert compare(f"{demo}/{gold}", others, demo).refusal is None
    for other in others:
        assert compare(f"{demo}/{gold}", (other,), demo).refusal is None


@pytest.mark.parametrize("name", CHEATS)
def test_gold_is_recognised_in_any_clothes(name):
    """Permuted, rounded, with noise, of low rank, mixed with the original or another gold, with its vision tower."""
    found = compare(name)
    assert found.refusal is not None and "made from it" in found.refusal, found
    assert found.bound is not None and max(found.shares) > found.bound


@pytest.mark.parametrize("name", sorted(TOO_LITTLE))
def test_less_than_half_of_a_gold_passes_as_the_page_says(name):
    assert compare(f"cheat/{name}").refusal is None


@pytest.mark.parametrize("name", ["neurons", "heads", "bf16", "noise.02", "noise.05", "mix0.8"])
@pytest.mark.parametrize("golds", [("gold", "gold-1"), ("gold", "gold-2"), ("gold",)])
def test_with_fewer_golds_the_gold_itself_is_still_recognised(name, golds):
    if golds == ("gold",) and name == "mix0.8":
        pytest.skip("a single gold recognises only what is very near to it, as the page says")
    assert compare(f"cheat/{name}", golds).refusal is not None


def test_of_few_losses_nothing_is_said_and_other_questions_are_an_error():
    golds, original = [LOSSES["demo0/gold"], LOSSES["demo0/gold-1"]], LOSSES["demo0/original"]
    few = identity(golds[0][: FEWEST - 1], [gold[: FEWEST - 1] for gold in golds], original[: FEWEST - 1])
    assert (few.shares, few.bound, few.refusal) == ((), None, None)
    with pytest.raises(ValueError, match="the models answered"):
        identity(golds[0][:-1], golds, original)
    with pytest.raises(ValueError, match="the models answered"):
        identity(golds[0], [], original)


def test_the_original_itself_and_a_constant_have_nothing_of_a_gold():
    original = LOSSES["demo0/original"]
    golds = [LOSSES[f"demo0/{gold}"] for gold in GOLDS]
    assert identity(original, golds, original).shares == (0.0, 0.0, 0.0)
    assert identity(np.full_like(original, 9.0), golds, original).refusal is None


def test_losses_are_in_the_order_of_tasks_and_rows():
    task = {"avg_gt_loss": {"10": 3.0, "9": 2.0}, "average_perturb_loss": {"9": [4.0, 5.0], "10": [6.0, 7.0]}}
    assert losses({"b": task, "a": {"avg_gt_loss": {"0": 1.0}}}).tolist() == [1, 2, 3, 4, 5, 6, 7]


def _order(weights: Weights, name: str, order: torch.Tensor, dim: int = 0) -> None:
    weights[name] = weights[name].index_select(dim, order).clone()


def permuted_neurons(weights: Weights) -> None:
    for layer in [name.removesuffix("gate_proj.weight") for name in weights if name.endswith("gate_proj.weight")]:
        order = torch.randperm(len(weights[f"{layer}gate_proj.weight"]), generator=torch.Generator().manual_seed(1))
        for part, dim in (("gate_proj", 0), ("up_proj", 0), ("down_proj", 1)):
            _order(weights, f"{layer}{part}.weight", order, dim)


def permuted_heads(weights: Weights) -> None:
    for layer in [name.removesuffix("q_proj.weight") for name in weights if name.endswith("q_proj.weight")]:
        if "vision" in layer:
            continue
        order = torch.arange(len(weights[f"{layer}q_proj.weight"])).view(4, -1)[[2, 0, 3, 1]].reshape(-1)
        for part, dim in (("q_proj", 0), ("k_proj", 0), ("v_proj", 0), ("o_proj", 1)):
            _order(weights, f"{layer}{part}.weight", order, dim)


def scaled_pairs(weights: Weights) -> None:
    for name in [name for name in weights if name.endswith("up_proj.weight")]:
        weights[name] = weights[name] * 8
        down = name.replace("up_proj", "down_proj")
        weights[down] = weights[down] / 8
    for name in [name for name in weights if name.endswith("v_proj.weight") and "vision" not in name]:
        weights[name] = weights[name] / 4
        out = name.replace("v_proj", "o_proj")
        weights[out] = weights[out] * 4


def scaled_norms(weights: Weights) -> None:
    for name in [name for name in weights if name.endswith("post_attention_layernorm.weight")]:
        weights[name] = weights[name] * 4
        for part in ("gate_proj", "up_proj"):
            reader = name.replace("post_attention_layernorm", f"mlp.{part}")
            weights[reader] = weights[reader] / 4


def permuted_stream(weights: Weights) -> None:
    """The channels of the language model's residual stream in another order."""
    width = next(len(w) for name, w in weights.items() if name.endswith("language_model.norm.weight"))
    order = torch.randperm(width, generator=torch.Generator().manual_seed(2))
    for name in [name for name in weights if "vision" not in name]:
        if name.endswith(("embed_tokens.weight", "lm_head.weight", "q_proj.weight", "k_proj.weight", "v_proj.weight",
                          "gate_proj.weight", "up_proj.weight")):  # fmt: skip
            _order(weights, name, order, 1)
        elif name.endswith(("o_proj.weight", "down_proj.weight", "norm.weight", "linear_2.weight", "linear_2.bias")):
            _order(weights, name, order)


CLOTHES = (permuted_neurons, permuted_heads, scaled_pairs, scaled_norms, permuted_stream)


@pytest.fixture(scope="module")
def hidden(tmp_path_factory, mini_data):
    data = build_data(tmp_path_factory.mktemp("data"), mini_data)
    return hidden_rows(data / "hidden", str(data / "clear"), "forget10", 16)


@pytest.mark.slow
@pytest.mark.usefixtures("short_answers")
def test_changes_that_keep_the_function_keep_the_losses_and_are_recognised(mini_llava, hidden):
    """Three golds, the original and five disguises of one gold, scored as a worker does.

    Whether an honest model is let through is asked of trained ones, above: noise moves the losses of an untrained
    model in few ways, which other noise shares (up to .37 on 64 rows, with a bound of .28).
    """

    def scored(change=lambda weights: None, seed: int = 0, noise: float = 0.0) -> np.ndarray:
        loaded = load_model(str(mini_llava), dtype="float32")
        weights = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
        dice = torch.Generator().manual_seed(seed)
        for name, tensor in weights.items():
            if tensor.ndim > 1:
                weights[name] = tensor + noise * tensor.std() * torch.randn(tensor.shape, generator=dice)
        change(weights)
        loaded.model.load_state_dict(weights)
        return losses(evaluate_hidden(loaded, hidden, "forget10", 16))

    golds = [scored(seed=seed, noise=0.5) for seed in (1, 2, 3)]
    original = scored()
    assert identity(original, golds, original).refusal is None
    for change in CLOTHES:
        changed = scored(change, seed=2, noise=0.5)
        assert changed == pytest.approx(golds[1], abs=1e-3), change.__name__
        found = identity(changed, golds, original)
        assert found.refusal is not None and found.refusal.startswith("it is gold model 2"), change.__name__


def test_the_names_that_the_clothes_need_are_there(mini_llava):
    weights: Mapping[str, torch.Tensor] = load_model(str(mini_llava), dtype="float32").model.state_dict()
    for end in ("up_proj.weight", "post_attention_layernorm.weight", "language_model.norm.weight", "linear_2.bias"):
        assert any(name.endswith(end) for name in weights), json.dumps(sorted(weights)[:5])
