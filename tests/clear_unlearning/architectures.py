"""Tiny models of the real classes of transformers, one a row, with their processors: what the engine must hold for.

Weights are random, but not as small as a fresh model's: what it says depends on every token and picture before. Image
processors are those that work without torchvision. Where a processor asks for a video processor, which does not,
a subclass leaves that out: pictures and image tokens are made by the real class.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma3TextConfig,
    GemmaConfig,
    Idefics3Config,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
    MambaConfig,
    MistralConfig,
    PaliGemmaConfig,
    PaliGemmaProcessor,
    Phi3Config,
    PhiConfig,
    PreTrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3Config,
    Qwen3VLConfig,
    Qwen3VLProcessor,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMImageProcessorPil,
)

from clear_unlearning.tasks import Example
from tests.clear_unlearning.tiny_tokenizers import GEMMA, IDEFICS, LLAVA, PALIGEMMA, QWEN, tokenizer
from tests.conftest import picture

WINDOW = 12  # tokens that a sliding layer sees: fewer than a prompt has


class _WithoutVideo:
    """A processor that is made without its video processor."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        return ["image_processor", "tokenizer"]


class StillQwen2VLProcessor(_WithoutVideo, Qwen2VLProcessor):
    pass


class StillQwen25VLProcessor(_WithoutVideo, Qwen2_5_VLProcessor):
    pass


class StillQwen3VLProcessor(_WithoutVideo, Qwen3VLProcessor):
    pass


def text_config(kind: type[PreTrainedConfig], tokens: Any, **more: Any) -> Any:
    """A language model of two layers."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 1024}  # fmt: skip
    ids = {
        "pad_token_id": tokens.pad_token_id,
        "bos_token_id": tokens.bos_token_id,
        "eos_token_id": tokens.eos_token_id,
    }
    return kind(vocab_size=len(tokens), **{**sizes, **ids, **more})


def vision_config(kind: type[PreTrainedConfig], image: int, patch: int, **more: Any) -> Any:
    """A vision tower of two layers."""
    return kind(**{"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
                   "image_size": image, "patch_size": patch, **more})  # fmt: skip


def llava() -> tuple[Any, Any]:
    tokens = tokenizer("llava", LLAVA, image_token="<image>")
    config = LlavaConfig(
        vision_config=vision_config(CLIPVisionConfig, 32, 8),
        text_config=text_config(LlamaConfig, tokens),
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
        vision_feature_layer=-1,
    )
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    more = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return config, LlavaProcessor(pictures, tokens, chat_template=tokens.chat_template, **more)


def llava_next() -> tuple[Any, Any]:
    tokens = tokenizer("llava", LLAVA, image_token="<image>")
    tiles = [[32, 64], [64, 32], [64, 64]]
    config = LlavaNextConfig(
        vision_config=vision_config(CLIPVisionConfig, 32, 8),
        text_config=text_config(MistralConfig, tokens, sliding_window=None),
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=tiles,
        vision_feature_layer=-1,
    )
    pictures = LlavaNextImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_grid_pinpoints=tiles
    )
    more = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return config, LlavaNextProcessor(pictures, tokens, chat_template=tokens.chat_template, **more)


def idefics3(
    kind: type[PreTrainedConfig] = Idefics3Config, pictures: type[Any] = Idefics3ImageProcessorPil
) -> tuple[Any, Any]:
    tokens = tokenizer("idefics", IDEFICS, image_token="<image>")
    config = kind(
        vision_config={"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 8},
        text_config=text_config(LlamaConfig, tokens),
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokens.pad_token_id,
        tie_word_embeddings=False,
    )  # fmt: skip
    images = pictures(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    return config, Idefics3Processor(images, tokens, image_seq_len=4, chat_template=tokens.chat_template)


def smolvlm() -> tuple[Any, Any]:
    """Its own processor needs a video processor and num2words; Idefics3's writes the same prompt for a picture."""
    return idefics3(SmolVLMConfig, SmolVLMImageProcessorPil)


def gemma3(window: int = WINDOW) -> tuple[Any, Any]:
    tokens = tokenizer(
        "gemma", GEMMA, boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    layers = ["sliding_attention", "full_attention"]
    config = Gemma3Config(
        vision_config=vision_config(SiglipVisionConfig, 32, 8),
        text_config=text_config(Gemma3TextConfig, tokens, sliding_window=window, layer_types=layers),
        image_token_index=tokens.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=tokens.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokens.convert_tokens_to_ids("<end_of_image>"),
        mm_tokens_per_image=4,
    )
    pictures = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    return config, Gemma3Processor(pictures, tokens, image_seq_length=4, chat_template=tokens.chat_template)


def paligemma() -> tuple[Any, Any]:
    tokens = tokenizer("llava", PALIGEMMA, image_token="<image>")
    pictures = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    pictures.image_seq_length = 16
    processor = PaliGemmaProcessor(pictures, tokens, chat_template=tokens.chat_template)  # adds <loc0000> and others
    config = PaliGemmaConfig(
        vision_config=vision_config(SiglipVisionConfig, 32, 8, vision_use_head=False, projection_dim=32),
        text_config=text_config(GemmaConfig, tokens),
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    return config, processor


def qwen_vl(kind: type[PreTrainedConfig], processor: type[Any], vision: dict[str, Any], patch: int) -> tuple[Any, Any]:
    tokens = tokenizer("qwen", QWEN, image_token="<|image_pad|>", video_token="<|video_pad|>")
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0}
    sizes = text_config(LlamaConfig, tokens)
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "head_dim", "max_position_embeddings", "pad_token_id", "bos_token_id",
             "eos_token_id")  # fmt: skip
    config = kind(
        vision_config={"patch_size": patch, "spatial_merge_size": 2, "temporal_patch_size": 2, **vision},
        text_config={**{name: getattr(sizes, name) for name in names}, "rope_parameters": rope},
        image_token_id=tokens.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokens.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokens.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokens.convert_tokens_to_ids("<|vision_end|>"),
    )
    pictures = Qwen2VLImageProcessorPil(
        patch_size=patch, size={"shortest_edge": (4 * patch) ** 2, "longest_edge": (8 * patch) ** 2}
    )
    return config, processor(pictures, tokens, chat_template=tokens.chat_template)


def qwen2_vl() -> tuple[Any, Any]:
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2}
    return qwen_vl(Qwen2VLConfig, StillQwen2VLProcessor, vision, 8)


def qwen2_5_vl() -> tuple[Any, Any]:
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
              "window_size": 32, "fullatt_block_indexes": [1]}  # fmt: skip
    return qwen_vl(Qwen2_5_VLConfig, StillQwen25VLProcessor, vision, 8)


def qwen3_vl() -> tuple[Any, Any]:
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
              "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}  # fmt: skip
    return qwen_vl(Qwen3VLConfig, StillQwen3VLProcessor, vision, 8)


def text(kind: type[PreTrainedConfig], words: dict[str, str] = LLAVA, family: str = "text", **more: Any) -> Any:
    def build() -> tuple[Any, Any]:
        tokens = tokenizer(family, words)
        return text_config(kind, tokens, **more), tokens

    return build


@dataclass(frozen=True)
class Architecture:
    """A row of the table.

    Attributes:
        build: Gives config and processor.
        images: Whether it takes images.
        inputs: Where its inputs come from.
        shared: What is shared: a path of `Scorer`; `image` where several questions are about one.
    """

    build: Callable[[], tuple[Any, Any]]
    images: bool = True
    inputs: str = "its processor"
    shared: str = "image"


STILL = "its processor, less the video processor"
ARCHITECTURES = {
    "LLaVA-1.5": Architecture(llava),
    "LLaVA-NeXT": Architecture(llava_next),
    "Idefics3": Architecture(idefics3),
    "SmolVLM": Architecture(smolvlm, inputs="its image processor in Idefics3's processor"),
    "Gemma 3": Architecture(functools.partial(gemma3, window=512)),
    "Gemma 3, prompts longer than its window": Architecture(gemma3, shared="repeated prompt"),
    "PaliGemma": Architecture(paligemma, shared="prompt"),
    "Qwen2-VL": Architecture(qwen2_vl, inputs=STILL),
    "Qwen2.5-VL": Architecture(qwen2_5_vl, inputs=STILL),
    "Qwen3-VL": Architecture(qwen3_vl, inputs=STILL),
    "Llama": Architecture(text(LlamaConfig), False, "its tokenizer"),
    "Mistral": Architecture(text(MistralConfig, sliding_window=WINDOW), False, "its tokenizer", "repeated prompt"),
    "Mistral, prompts within its window": Architecture(
        text(MistralConfig, sliding_window=512), False, "its tokenizer"
    ),
    "Phi": Architecture(text(PhiConfig), False, "its tokenizer"),
    "Phi-3": Architecture(text(Phi3Config, sliding_window=WINDOW), False, "its tokenizer", "repeated prompt"),
    "Qwen2": Architecture(text(Qwen2Config, QWEN, "qwen"), False, "its tokenizer"),
    "Qwen3": Architecture(text(Qwen3Config, QWEN, "qwen"), False, "its tokenizer"),
    "Mamba": Architecture(text(MambaConfig, state_size=4), False, "its tokenizer", shared="plain"),
}


def build_architecture(name: str, seed: int = 0) -> tuple[Any, Any]:
    """Model, in evaluation mode, and processor of a row."""
    row = ARCHITECTURES[name]
    config, processor = row.build()
    torch.manual_seed(seed)
    auto = AutoModelForImageTextToText if row.images else AutoModelForCausalLM
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.15)
    return model, processor


def save_architecture(name: str, folder: Path, seed: int = 0) -> Path:
    """Writes a row as a folder that `load_model` takes."""
    for part in build_architecture(name, seed):
        part.save_pretrained(folder)
    return folder


def questions(images: bool) -> list[Example]:
    """Prompts and answers of mixed lengths and numbers, two questions to each of two pictures, one to another."""
    first, wide = picture(0), picture(1).resize((80, 40), Image.Resampling.BILINEAR)
    pictured = [
        Example("Who is this?", "Mara Torgard", first, "It is Mara Torgard.", ("Ivo Fenbek", "Lena Halrez")),
        Example("What can be seen in this image, and who is smiling?", "a hat", wide, "one hat", ("a red star", "b")),
        Example("What does this image show?", "Mara Torgard is smiling.", first, "Smiling is Mara.", ("a hat",)),
        Example("Who?", "Lena Halrez", wide, "Lena", ("Ivo Fenbek", "b", "Mara Torgard")),
        Example("Is this a circle?", "a blue circle", picture(2), "it is", ("no", "I do not know.")),
    ]
    asked = [
        Example("Where was Mara Torgard born?", "In Riga.", None, "Riga it is.", ("In Oslo.", "In Lima, Peru.")),
        Example("Who?", "Ivo", None, "Ivo F", ("a very long and wrong answer to a short question", "b")),
    ]
    return pictured + asked if images else asked
