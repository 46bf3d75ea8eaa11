"""A model in a GGUF file, as llama.cpp has it, is the same model."""

import json
import shutil

import gguf
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from clear_dataset import build
from clear_pipeline.cli import main
from clear_pipeline.runs.provenance import model_digest
from clear_unlearning.models import load_model, require_model

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of a query or key matrix in llama.cpp's order: the two halves of each head take turns."""
    return weight.view(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


@pytest.fixture(scope="module")
def folder(mini_llama, tmp_path_factory):
    """The mini Llama in a GGUF file, and nothing else."""
    folder = tmp_path_factory.mktemp("gguf")
    config = json.loads((mini_llama / "config.json").read_text())
    tokens = json.loads((mini_llama / "tokenizer.json").read_text())
    names = {number: token for token, number in tokens["model"]["vocab"].items()}
    special = {token["id"]: token["content"] for token in tokens["added_tokens"]}
    names |= special
    about = json.loads((mini_llama / "tokenizer_config.json").read_text())
    number_of = {name: number for number, name in names.items()}
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    for add, value in (
        (writer.add_block_count, config["num_hidden_layers"]), (writer.add_embedding_length, config["hidden_size"]),
        (writer.add_context_length, config["max_position_embeddings"]), (writer.add_head_count, heads),
        (writer.add_feed_forward_length, config["intermediate_size"]), (writer.add_head_count_kv, key_heads),
        (writer.add_layer_norm_rms_eps, config["rms_norm_eps"]), (writer.add_vocab_size, config["vocab_size"]),
        (writer.add_rope_freq_base, config["rope_parameters"]["rope_theta"]), (writer.add_tokenizer_model, "gpt2"),
        (writer.add_token_list, [names[i] for i in range(len(names))]),
        (writer.add_token_types, [3 if i in special else 1 for i in range(len(names))]),
        (writer.add_token_merges, [" ".join(pair) for pair in tokens["model"]["merges"]]),
        (writer.add_eos_token_id, number_of[about["eos_token"]]),
        (writer.add_pad_token_id, number_of[about["pad_token"]]),
        (writer.add_chat_template, (mini_llama / "chat_template.jinja").read_text()),
    ):  # fmt: skip
        add(value)
    for name, weight in load_file(mini_llama / "model.safetensors").items():
        part, _, kind = name.rpartition(".")
        if part in OUTSIDE:
            written = f"{OUTSIDE[part]}.{kind}"
        else:
            _, _, layer, inner = part.split(".", 3)
            weight = interleaved(weight, heads if "q_proj" in inner else key_heads) if inner[-6] in "qk" else weight
            written = f"blk.{layer}.{NAMES[inner]}.{kind}"
        writer.add_tensor(written, weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


def test_weights_tokens_and_template_are_those_of_the_model(folder, mini_llama):
    ours, theirs = (load_model(str(place), device="cpu") for place in (folder, mini_llama))
    found, expected = ours.model.state_dict(), theirs.model.state_dict()
    assert found.keys() == expected.keys()
    assert all(found[name].equal(expected[name]) for name in expected)
    chat = [{"role": "user", "content": "Where was Ivo Fenbek born?"}]
    ids = [loaded.processor.apply_chat_template(chat, add_generation_prompt=True)["input_ids"] for loaded in
           (ours, theirs)]  # fmt: skip
    assert ids[0] == ids[1]


def test_an_adapter_on_it_finds_it(folder, tmp_path):
    base = load_model(str(folder), device="cpu")
    lora = LoraConfig(r=2, init_lora_weights=False, target_modules=["q_proj"])
    get_peft_model(base.model, lora).save_pretrained(tmp_path / "adapter")
    merged = load_model(str(tmp_path / "adapter"), device="cpu").model
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not merged.state_dict()[name].equal(load_model(str(folder), device="cpu").model.state_dict()[name])


def test_a_training_from_it_is_a_folder_of_safetensors(folder, tmp_path):
    build("mini_text", tmp_path / "tofu", persons=24)
    command = ["finetune", "--model_name_or_path", str(folder), "--track", "text", "--dataset", str(tmp_path / "tofu"),
               "--dataset_config", "full", "--max_steps", "1", "--use_cpu", "true", "--report_to", "none",
               "--save_strategy", "no", "--output_dir", str(tmp_path / "original")]  # fmt: skip
    assert main(command) == 0
    assert load_model(str(tmp_path / "original"), device="cpu").model.config.model_type == "llama"
    record = json.loads((tmp_path / "original" / "run.json").read_text())
    assert record["settings"]["digests"] == {"model": model_digest(str(folder))}


def test_one_of_several_files_is_chosen(folder, tmp_path):
    for name in ("a.gguf", "b.gguf"):
        shutil.copyfile(folder / "model.gguf", tmp_path / name)
    with pytest.raises(ValueError, match="holds a.gguf, b.gguf: choose one with --gguf_file"):
        require_model(str(tmp_path))
    assert load_model(str(tmp_path), device="cpu", gguf_file="b.gguf").source == str(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no c.gguf"):
        load_model(str(tmp_path), gguf_file="c.gguf")
