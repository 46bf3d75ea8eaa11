"""Quantisation: the levels of NF4, rounding by hand, and bitsandbytes and torchao where they are."""

import pytest
import torch
from torch import nn

from clear_pipeline.audits.quantise import ROUNDINGS, int8, measure, nf4, nf4_levels, quantised

# arXiv 2305.14314, appendix E.
PUBLISHED = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip


def test_levels_are_the_published_ones():
    assert nf4_levels().tolist() == pytest.approx(PUBLISHED, abs=1e-6)


def test_nf4_by_hand():
    weight = torch.zeros(1, 64)
    weight[0, :5] = torch.tensor([2.0, -2.0, 1.0, 0.07, -0.6])  # over 2: 1, -1, .5, .035, -.3
    expected = [2.0, -2.0, 2 * PUBLISHED[12], 0.0, 2 * PUBLISHED[4]]
    assert nf4(weight)[0, :5].tolist() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(nf4(weight)[0, 5:], torch.zeros(59))


def test_each_block_has_its_own_scale_and_the_last_may_be_short():
    weight = torch.cat([torch.full((64,), 0.5), torch.full((10,), 8.0)]).reshape(2, 37)
    assert torch.equal(nf4(weight), weight)


def test_int8_by_hand():
    weight = torch.tensor([[127.0, 1.4, -0.6], [1.27, 0.014, 0.0]])
    assert int8(weight).tolist() == [pytest.approx([127.0, 1.0, -1.0]), pytest.approx([1.27, 0.01, 0.0])]


def test_double_quantisation_moves_the_scales_only_a_little():
    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    single, double = nf4(weight), nf4(weight, double=True)
    assert not torch.equal(single, double)
    assert (single - double).abs().max() < 0.02 and ((single != 0) == (double != 0)).all()


def test_the_output_layer_and_the_model_itself_are_left(loaded):
    rounded = quantised(loaded.model, nf4)
    linear = {name: module for name, module in loaded.model.named_modules() if isinstance(module, nn.Linear)}
    changed = {name for name, module in rounded.named_modules()
               if isinstance(module, nn.Linear) and not torch.equal(module.weight, linear[name].weight)}  # fmt: skip
    assert linear.keys() - changed == {"lm_head"} and len(changed) > 20
    assert torch.equal(rounded.get_input_embeddings().weight, loaded.model.get_input_embeddings().weight)


def test_what_is_known_is_asked_again(context, taught):
    found = measure(taught, context)
    assert list(found.scores) == ["as it is", *ROUNDINGS] == list(found.counted)
    as_it_is, rounded = found.by_person("as it is"), found.by_person("int8")
    assert rounded == pytest.approx(as_it_is, abs=0.34)  # int8 hardly moves a weight


def test_bitsandbytes_rounds_as_we_do():
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    weight = torch.randn(32, 128, generator=torch.Generator().manual_seed(1))
    packed, state = bitsandbytes.functional.quantize_nf4(weight, blocksize=64)
    theirs = bitsandbytes.functional.dequantize_nf4(packed, state)
    assert torch.allclose(nf4(weight), theirs, atol=1e-5)


def test_torchao_rounds_at_most_a_step_away():
    torchao = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    layer = nn.Linear(128, 32, bias=False)
    weight = layer.weight.detach().clone()
    torchao.quantize_(layer, torchao.Int8WeightOnlyConfig())
    theirs = layer.weight.dequantize()  # type: ignore[operator]
    step = weight.abs().amax(1, keepdim=True) / 127  # torchao's is that over 127.5
    assert ((int8(weight) - theirs).abs() <= 1.01 * step).all()
