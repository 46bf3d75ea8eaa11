"""The models of the mini benchmark: real classes of transformers, made from config, small enough for one CPU thread.

LLaVA (arXiv 2304.08485) for images and text: 16 image tokens from a CLIP tower over 64 px, a Llama of two layers,
0.9 million weights. A Llama for the text track. The tokenizer is a byte-level BPE trained on the corpus.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

IMAGE_SIZE = 64  # pixels
PATCH = 16  # pixels
WIDTH, LAYERS, HEADS = 128, 2, 4
VISION_WIDTH, VISION_LAYERS = 96, 2

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    " ASSISTANT:"
    "{% else %} "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{{ eos_token }}{% endif %}{% endfor %}"
)


def build_tokenizer(texts: Iterable[str], vocabulary: int = 1000) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "<s>", "</s>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The words of the chat template are on every row: they must not be spelled out.
    tokenizer.train_from_iterator((f"USER: {text} ASSISTANT: {text}" for text in texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
        chat_template=CHAT_TEMPLATE,
        model_max_length=512,
    )


def _text_config(tokenizer: Any, width: int, layers: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )


def build_mini_llava(folder: Path, texts: Iterable[str], seed: int = 0, vocabulary: int = 1000) -> None:
    """Write an untrained LLaVA with its processor: the base model of the mini benchmark.

    Args:
        folder: Where the model goes, as `save_pretrained` writes it.
        texts: What the tokenizer is trained on.
        seed: Seed of the random weights.
        vocabulary: Number of tokens.
    """
    tokenizer = build_tokenizer(texts, vocabulary)
    vision = CLIPVisionConfig(
        hidden_size=VISION_WIDTH,
        intermediate_size=4 * VISION_WIDTH,
        num_hidden_layers=VISION_LAYERS,
        num_attention_heads=VISION_WIDTH // 32,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        projection_dim=VISION_WIDTH,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=_text_config(tokenizer, WIDTH, LAYERS),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),  # type: ignore[call-arg]
        image_seq_length=(IMAGE_SIZE // PATCH) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
        image_token="<image>",
    )
    processor.save_pretrained(folder)


def build_mini_llama(
    folder: Path, texts: Iterable[str], seed: int = 0, vocabulary: int = 4000, width: int = 192, layers: int = 2
) -> None:
    """Write an untrained Llama with its tokenizer: the base model of the text track on real rows."""
    tokenizer = build_tokenizer(texts, vocabulary)
    torch.manual_seed(seed)
    LlamaForCausalLM(_text_config(tokenizer, width, layers)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
