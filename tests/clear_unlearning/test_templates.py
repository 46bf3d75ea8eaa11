"""The answer tokens of every chat template that TRL ships, by tokenizers of several kinds."""

import datetime
import re
from pathlib import Path

import pytest
import trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CLIPImageProcessor, LlavaProcessor, PreTrainedTokenizerFast

from clear_unlearning.batches import PROMPT_DATE, Encoder, fixed_dates

FOLDER = Path(trl.__file__).parent / "chat_templates"
TEMPLATES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.jinja"))}
SPECIAL = r"<[|｜][^<>|｜\s'\"{}]+[|｜]>|</?s>|<(?:start|end)_of_\w+>|<\w+_TOKEN>|<\|?\w+\|?>"
THOUGHTS = ("<think>", "</think>", "<|think|>", "<image>")  # no special tokens where they are used
# Also words that stand in templates, and an answer with a space at its ends.
ANSWERS = ("Paris.", "think", "assistant", "user", "final", "In Riga, on 26 Jul 2024.", " Oslo ")
# Templates that read the parts of a message, as a processor gives them.
OF_PARTS = ("idefics3", "smolvlm", "llava_next")
# Template -> the token that ends an answer, where it is not the tokenizer's EOS.
ENDS = {
    "cohere2": "<|END_RESPONSE|>", "cohere": "<|END_OF_TURN_TOKEN|>", "deepseek": "<｜end▁of▁sentence｜>",
    "diffusion_gemma": "<turn|>", "gemma4": "<turn|>", "gemma": "<end_of_turn>", "glm4moe_training": "<|user|>",
    "gptoss": "<|return|>", "idefics3": "<end_of_utterance>", "smolvlm": "<end_of_utterance>", "lfm2": "<|im_end|>",
    "llama3": "<|eot_id|>", "muse_glimmer": "<|eot|>", "nemotron": "<|im_end|>", "phi3": "<|end|>",
    "qwen": "<|im_end|>",
}  # fmt: skip
# What a template writes between the turn of the assistant and an answer belongs to the prompt.
PROMPTS = {
    "qwen3": "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "qwen3_instruct_2507": "<|im_start|>assistant\n",
    "qwen3_5_think": "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "gptoss": "<|start|>assistant<|channel|>final<|message|>",
    "deepseek_r1_distill": "<｜Assistant｜>",
    "nemotron_3_nano": "<|im_start|>assistant\n<think></think>",
    "glm4moe": "<|assistant|>\n<think></think>\n",
}


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer, {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}


def metaspace():
    """As SentencePiece's: a space is a letter."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return tokenizer, trainers.UnigramTrainer, {"unk_token": "<unk>"}


KINDS = {"byte level": byte_level, "metaspace": metaspace}


def tokenizer_of(template: str, kind: str = "byte level") -> PreTrainedTokenizerFast:
    """A tokenizer with the special tokens of a template."""
    special = sorted(set(re.findall(SPECIAL, template)) - set(THOUGHTS))
    tokenizer, trainer, more = KINDS[kind]()
    names = list(dict.fromkeys(["<pad>", "<s>", "</s>", "<unk>", "<image>", *special]))
    texts = [*ANSWERS, "Where was Mara born?", template[:2000], "".join(map(chr, range(32, 127)))]
    tokenizer.train_from_iterator(
        texts, trainer(vocab_size=900, special_tokens=names, show_progress=False, **more)
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        chat_template=template,
    )  # fmt: skip


def encoder_of(name: str, kind: str = "byte level") -> Encoder:
    tokenizer = tokenizer_of(TEMPLATES[name], kind)
    if not name.startswith(OF_PARTS):
        return Encoder(tokenizer)
    images = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    return Encoder(LlavaProcessor(images, tokenizer, patch_size=14, chat_template=TEMPLATES[name]))


def end_of(name: str) -> str:
    return next((ENDS[start] for start in sorted(ENDS, key=len, reverse=True) if name.startswith(start)), "</s>")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_tokens_of_an_answer_are_its_own_and_one_end(name, kind):
    encoder = encoder_of(name, kind)
    for answer in ANSWERS:
        ids = encoder.answer_ids("Where was Mara born?", False, answer)
        assert encoder.tokenizer.decode(list(ids[:-1])).strip() == answer.strip()
        assert encoder.tokenizer.convert_ids_to_tokens([ids[-1]]) == [end_of(name)]


@pytest.mark.parametrize("name", PROMPTS)
def test_an_empty_think_block_belongs_to_the_prompt(name):
    assert encoder_of(name)._prompt_text("Where?", False).endswith(PROMPTS[name])


@pytest.mark.parametrize("name", [name for name, text in TEMPLATES.items() if "strftime_now" in text])
def test_no_prompt_depends_on_the_day(name):
    prompt, today = encoder_of(name)._prompt_text("Where?", False), datetime.date.today()
    forms = ("%d %b %Y", "%Y-%m-%d")
    assert any(PROMPT_DATE.strftime(form) in prompt for form in forms)
    assert not any(today.strftime(form) in prompt for form in forms)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "writes an answer 0 times; it must write it once"),
        ("{% for m in messages %}{{ m['content'] }}{{ m['content'] }}{% endfor %}", "writes an answer 2 times"),
        ("{% for m in messages %}{{ m['content'] | upper }}</s>{% endfor %}", "does not write the answer 'Paris.' as"),
        ("{% for m in messages %}{{ m['content'].text.x }}{% endfor %}", "cannot be used for only text"),
        ("{{ strftime_now(form) }}", "asks for today's date in a form that is not a text"),
        ("{{ raise_exception('no users here') }}", "cannot be used for only text: no users here"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(template, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Encoder(tokenizer_of(template)).answer_ids("Where?", False, "Paris.")


def test_both_quotes_of_a_date_are_read():
    assert fixed_dates("""{{ strftime_now('%Y') }}{{ strftime_now( "%d %b" ) }}""") == "{{ '2024' }}{{ '26 Jul' }}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["qwen2_5", "gemma", "llama3"])
def test_a_tokenizer_that_appends_its_end_does_not_end_the_prompt(name, kind):
    encoder = Encoder(tokenizer_of(TEMPLATES[name], kind))
    expected = encoder.answer_ids("Where?", False, "Paris.")
    ending = encoder.tokenizer
    names = [(token, ending.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    ending.backend_tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=names)
    assert ending("Where?").input_ids[-1] == ending.eos_token_id
    encoder = Encoder(ending)
    prompt = encoder._text_prompt(encoder._prompt_text("Where?", False))
    assert prompt[-1] != ending.eos_token_id
    assert encoder.answer_ids("Where?", False, "Paris.") == expected
