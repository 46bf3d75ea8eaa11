"""RMU: it finds the layers of any architecture and trains what it says."""

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from tests.trainers.conftest import trainer_of
from trainers.layers import decoder_layers

SIZE = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
MODELS = {
    "GPT2Block": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=3, n_head=2)),
    "GPTNeoXLayer": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZE, intermediate_size=16)),
    "OPTDecoderLayer": lambda: OPTForCausalLM(OPTConfig(**SIZE, ffn_dim=16, word_embed_proj_dim=16)),
    "Gemma2DecoderLayer": lambda: Gemma2ForCausalLM(
        Gemma2Config(**SIZE, intermediate_size=16, num_key_value_heads=2, head_dim=8)
    ),
    "MixtralDecoderLayer": lambda: MixtralForCausalLM(
        MixtralConfig(**SIZE, intermediate_size=16, num_key_value_heads=2, num_local_experts=3)
    ),
}


@pytest.mark.parametrize("layer", MODELS)
def test_the_layers_are_found(layer):
    layers = decoder_layers(MODELS[layer]())
    assert [type(module).__name__ for module in layers] == [layer] * 3


def trained(trainer) -> set[str]:
    return {name for name, weight in trainer.model.named_parameters() if weight.requires_grad}


def test_only_the_chosen_modules_are_trained(tmp_path, mini_llava):
    (name,) = trained(trainer_of("rmu", tmp_path, mini_llava))
    assert name.endswith("language_model.layers.0.mlp.down_proj.weight")
    chosen = {"layer": 1, "trained_layers": [0, 1], "trained_weights": "up_proj"}
    assert {name.split("layers.")[1] for name in trained(trainer_of("rmu", tmp_path, mini_llava, **chosen))} == {
        "0.mlp.up_proj.weight",
        "1.mlp.up_proj.weight",
    }
    adapted = trained(trainer_of("rmu", tmp_path, mini_llava, lora=True, layer=1))
    assert {name.split("layers.")[1].split(".lora")[0] for name in adapted} == {"0.mlp.down_proj", "1.mlp.down_proj"}


def test_the_target_is_one_vector_of_the_run(tmp_path, mini_llava):
    one, other = (trainer_of("rmu", tmp_path, mini_llava, steering=3.0).target for _ in range(2))
    assert torch.equal(one, other)
    assert one.norm() == pytest.approx(3.0, abs=1e-5)
    assert (one >= 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 2}, r"layers must be 0 to 1, not \[2\]"),
        ({"trained_layers": [0, 5]}, r"not \[5\]"),
        ({"trained_weights": "c_proj"}, "no module's name ends in 'c_proj'; there are .*mlp.down_proj"),
    ],
)
def test_what_is_not_there_is_named(settings, message, tmp_path, mini_llava):
    with pytest.raises(ValueError, match=message):
        trainer_of("rmu", tmp_path, mini_llava, **settings)
