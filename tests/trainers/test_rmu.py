"""RMU: it finds the layers of any architecture and trains what it says."""

import pytest
import torch
from datasets import Dataset
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

from clear_unlearning.batches import IGNORE
from clear_unlearning.likelihood import decoder_layers
from tests.clear_unlearning.architectures import save_architecture
from tests.trainers.conftest import trainer_of, weights
from trainers.base.rows import Rows

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


def texts(first: int, count: int = 4) -> Rows:
    questions = [{"question": f"Who is {first + i}?", "answer": f"Somebody number {first + i}."} for i in range(count)]
    return Rows([Dataset.from_list(questions)], seed=0)


@pytest.mark.parametrize(
    ("name", "ending", "layer", "trained_layers", "moved_layers"),
    [
        ("mini", "mlp.down_proj", 0, None, {0}),
        ("mini", "mlp.down_proj", 1, None, {0, 1}),
        ("mini", "mlp.down_proj", 1, [0], {0}),
        ("mini", "mlp.down_proj", 1, [1], {1}),
        ("Phi", "mlp.fc2", 0, None, {0}),
        ("Phi", "mlp.fc2", 1, [0], {0}),
        ("Idefics3", "mlp.down_proj", 1, [1], {1}),
    ],
)
def test_the_chosen_layers_move_and_all_else_stays_bit_for_bit(
    name, ending, layer, trained_layers, moved_layers, tmp_path, mini_llava
):
    folder = mini_llava if name == "mini" else save_architecture(name, tmp_path / "model")
    sides = {"forget": texts(0), "retain": texts(10, 6)} if name == "Phi" else {}
    settings = {"layer": layer, "trained_layers": trained_layers, "trained_weights": ending}
    trainer = trainer_of("rmu", tmp_path / "run", folder, sides=sides, weight_decay=0.01, **settings)
    before = weights(trainer.model)
    layers = decoder_layers(trainer.model)
    assert len(layers) == 2
    own = {id(weight) for number in moved_layers for weight in layers[number].parameters()}
    chosen = {name for name, weight in trainer.model.named_parameters() if id(weight) in own and f"{ending}." in name}
    trainer.train()
    moved = {name for name, value in weights(trainer.model).items() if not torch.equal(value, before[name])}
    assert moved == chosen and len({name.rsplit(".", 1)[0] for name in moved}) == len(moved_layers)


def test_the_target_is_one_vector_of_the_run(tmp_path, mini_llava):
    one, other = (trainer_of("rmu", tmp_path, mini_llava, steering=3.0).target for _ in range(2))
    assert torch.equal(one, other)
    assert one.norm() == pytest.approx(3.0, abs=1e-5)
    assert (one >= 0).all()


def test_the_target_of_adaptive_rmu_is_as_long_as_the_states(tmp_path, mini_llava):
    trainer = trainer_of("adaptive_rmu", tmp_path, mini_llava, beta=3.0, layer=0)
    direction = trainer.target / 3
    lengths = []
    for batch in trainer.batches("forget"):
        labels = batch["labels"]
        inputs = {name: value for name, value in batch.items() if name not in ("labels", "index")}
        with torch.no_grad():
            states = trainer.model(**inputs, output_hidden_states=True).hidden_states[1]
        lengths += states[labels != IGNORE].norm(dim=-1).tolist()
    for _ in range(2):  # before a resumed run too
        trainer.before_training()
        assert torch.allclose(trainer.target, 3 * sum(lengths) / len(lengths) * direction, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 2}, r"layers must be 0 to 1, not \[2\]"),
        ({"trained_layers": [0, 5]}, r"not \[5\]"),
        ({"layer": 0, "trained_layers": [0, 1]}, r"trained_layers \[1\] are above layer 0, which they do not reach"),
        ({"trained_weights": "c_proj"}, "no module's name ends in 'c_proj'; there are .*mlp.down_proj"),
    ],
)
def test_what_is_not_there_is_named(settings, message, tmp_path, mini_llava):
    with pytest.raises(ValueError, match=message):
        trainer_of("rmu", tmp_path, mini_llava, **settings)
