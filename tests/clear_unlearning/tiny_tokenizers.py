"""Byte-level tokenizers with the special tokens and the chat template of a family of models."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = ["Mara Torgard, a baker, is smiling in a red shirt.", "Who is this? I do not know.", "a blue circle"] * 3
# What each family writes around a question and an answer.
TEMPLATE = (
    "{start}{% for message in messages %}{% if message['role'] == 'user' %}{user}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{image}{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{turn}{% else %}{assistant}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{{ message['content'][0]['text'] }}"
    "{% endif %}{end}{% endif %}{% endfor %}{% if add_generation_prompt %}{prompt}{% endif %}"
)
LLAVA = {"start": "", "user": "USER: ", "image": "<image>", "turn": " ", "assistant": "ASSISTANT: ", "end": "</s>"}
PALIGEMMA = {"start": "", "user": "", "image": "<image>", "turn": "", "assistant": "", "end": "</s>"}
GEMMA = {"start": "<s>", "user": "<start_of_turn>user\n", "image": "<start_of_image>", "turn": "<end_of_turn>\n",
         "assistant": "<start_of_turn>model\n", "end": "<end_of_turn>\n"}  # fmt: skip
IDEFICS = {"start": "<s>", "user": "User:", "image": "<image>", "turn": "<end_of_utterance>\n",
           "assistant": "Assistant: ", "end": "<end_of_utterance>\n"}  # fmt: skip
QWEN = {"start": "", "user": "<|im_start|>user\n", "image": "<|vision_start|><|image_pad|><|vision_end|>",
        "turn": "<|im_end|>\n", "assistant": "<|im_start|>assistant\n", "end": "<|im_end|>\n"}  # fmt: skip
SPECIAL = {
    "llava": ["<image>"],
    "gemma": ["<start_of_image>", "<image_soft_token>", "<end_of_image>", "<start_of_turn>", "<end_of_turn>"],
    "idefics": ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>",
                *(f"<row_{i + 1}_col_{j + 1}>" for i in range(3) for j in range(3))],
    "qwen": ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"],
    "text": [],
}  # fmt: skip


def tokenizer(family: str, words: dict[str, str], **named: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE with the special tokens of a family and its chat template."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bpe.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<pad>", "<s>", "</s>", *SPECIAL[family]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    template = TEMPLATE
    prompt = words["assistant"].rstrip(" ")  # a space belongs to the word behind it
    for name, text in {**words, "prompt": prompt}.items():
        template = template.replace(f"{{{name}}}", text)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=named,
        chat_template=template,
    )
