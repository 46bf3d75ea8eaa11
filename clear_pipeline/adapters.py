"""LoRA as the command line asks for it: the adapter that a training puts on a model."""

from typing import Any

from peft import LoraConfig, PeftConfig
from torch import nn
from transformers import PreTrainedModel
from trl import ModelConfig


def lora_settings(model: ModelConfig) -> dict[str, Any] | None:
    """Rank and scale of the LoRA adapter, None where the weights themselves are trained."""
    if not model.use_peft:
        return None
    return {"r": model.lora_r, "alpha": model.lora_alpha, "dropout": model.lora_dropout}


def peft_config(model: ModelConfig, network: PreTrainedModel) -> PeftConfig | None:
    """LoRA on all linear layers of the language model, as the paper has it, unless other targets are named."""
    if not model.use_peft:
        return None
    targets = model.lora_target_modules
    if targets is None:
        decoder = network.get_decoder()
        inside = {id(module) for module in decoder.modules() if isinstance(module, nn.Linear)}
        targets = [name for name, module in network.named_modules() if id(module) in inside]
    return LoraConfig(
        r=model.lora_r, lora_alpha=model.lora_alpha, lora_dropout=model.lora_dropout, target_modules=targets
    )
