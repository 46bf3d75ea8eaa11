"""The flags that are inherited from TRL: each is honoured, or refused by name."""

from dataclasses import fields

import pytest
from peft import get_peft_model
from trl import ModelConfig

from clear_pipeline.model_arguments import ADAPTER, QUANTISED, ModelArguments, load, peft_config
from clear_unlearning.models import load_model
from trainers.base.vision import vision_tower

OTHER = {  # a value that is not the default
    "lora_r": 3, "lora_alpha": 7, "lora_dropout": 0.5, "lora_target_modules": ["q_proj", "v_proj"], "use_rslora": True,
    "lora_target_parameters": ["weight"], "lora_modules_to_save": ["lm_head"], "lora_task_type": "SEQ_CLS",
    "use_dora": True, "load_in_8bit": True, "load_in_4bit": True, "bnb_4bit_quant_type": "fp4",
    "use_bnb_nested_quant": True, "bnb_4bit_quant_storage": "uint8",
}  # fmt: skip
LOADED = {"model_name_or_path", "model_revision", "dtype", "attn_implementation"}  # by `load`, see test_models
IN_PEFT = {
    "lora_r": "r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "lora_target_modules": "target_modules",
    "lora_target_parameters": "target_parameters", "lora_modules_to_save": "modules_to_save",
    "use_rslora": "use_rslora", "use_dora": "use_dora",
}  # fmt: skip
REFUSED = {*QUANTISED, "lora_task_type"}


def test_every_flag_of_trl_is_in_this_table():
    assert {one.name for one in fields(ModelConfig)} == LOADED | {"use_peft"} | IN_PEFT.keys() | REFUSED


def test_the_task_of_an_adapter_is_refused():
    with pytest.raises(ValueError, match="--lora_task_type is not supported"):
        ModelArguments(use_peft=True, lora_task_type="SEQ_CLS")


@pytest.mark.parametrize("name", QUANTISED)
def test_quantisation_is_refused_by_name(name, mini_llava):
    with pytest.raises(ValueError, match=f"--{name} is not supported: .*use --dtype bfloat16"):
        ModelArguments(**{name: OTHER[name]})
    with pytest.raises(ValueError, match=f"--{name} is not supported"):  # a program may give TRL's class
        load(ModelConfig(model_name_or_path=str(mini_llava), **{name: OTHER[name]}))


@pytest.mark.parametrize("name", ADAPTER)
def test_a_flag_of_the_adapter_requires_an_adapter(name):
    with pytest.raises(ValueError, match=f"--{name} requires --use_peft true"):
        ModelArguments(**{name: OTHER[name]})


@pytest.mark.parametrize("name", IN_PEFT)
def test_a_flag_of_the_adapter_is_honoured(name, mini_llava):
    network = load_model(str(mini_llava), device="cpu").model
    config = peft_config(ModelArguments(use_peft=True, **{name: OTHER[name]}), network)  # type: ignore[arg-type]
    found = getattr(config, IN_PEFT[name])
    assert (sorted(found) if isinstance(found, set) else found) == OTHER[name]


@pytest.mark.parametrize("targets", [None, ["q_proj", "v_proj"], ["all-linear"]])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_vision_tower_stays_frozen_whatever_is_named(mini_llava, targets, frozen):
    network = load_model(str(mini_llava), device="cpu").model
    tower = vision_tower(network)  # type: ignore[arg-type]
    named = "all-linear" if targets == ["all-linear"] else targets
    arguments = ModelArguments(use_peft=True, lora_target_modules=named)  # type: ignore[arg-type]
    model = get_peft_model(network, peft_config(arguments, network, frozen))  # type: ignore[arg-type]
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    in_tower = [name for name, weight in tower.named_parameters() if weight.requires_grad]  # type: ignore[union-attr]
    assert trained and bool(in_tower) == (not frozen and targets is not None)
