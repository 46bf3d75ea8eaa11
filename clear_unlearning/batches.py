"""Examples become tensors: prompt by the model's own processor and chat template, answer with its mask.

Prompt and answer are tokenised as one text and split where the prompt ends, so that the tokens are those of the chat
template. The answer is scored up to and including its end token: the template's end of turn, or the tokenizer's EOS
where the template writes none.
"""

import datetime
import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import PaliGemmaProcessor, PreTrainedTokenizerBase, ProcessorMixin

from .tasks import Example

PROMPT_DATE = datetime.date(2024, 7, 26)  # what a chat template is told of today, so that no prompt depends on the day
MARK = "\ue000"  # of no text; stands for an answer while the template is looked at
IGNORE = -100  # label of a position that is not scored
# What some models must know of each token: whether it stands for an image, or belongs to the prompt.
TOKEN_TYPES = ("token_type_ids", "mm_token_type_ids")
Batch = dict[str, torch.Tensor]


class Encoder:
    """Encodes examples for one model.

    Args:
        processor: The model's processor, or the tokenizer of a text model.

    Raises:
        ValueError: If there is no chat template.
    """

    def __init__(self, processor: ProcessorMixin | PreTrainedTokenizerBase) -> None:
        self.processor: Any = processor
        self.tokenizer: Any = processor if isinstance(processor, PreTrainedTokenizerBase) else processor.tokenizer
        self.has_images = not isinstance(processor, PreTrainedTokenizerBase)
        # The prompt looks at all of itself, and its processor writes it otherwise than the chat template has it.
        self.prefix_model = isinstance(processor, PaliGemmaProcessor)
        if not processor.chat_template:
            raise ValueError(
                f"{self.tokenizer.name_or_path or 'the model'} has no chat template: name a Jinja file by "
                "--chat_template, or put it into the model's folder as chat_template.jinja"
            )
        self.template: str = fixed_dates(str(processor.chat_template))
        # The same questions come back again and again: rendering them is the slow part of a small batch.
        self._framed = functools.lru_cache(maxsize=100_000)(self._frame)
        self.answer_ids = functools.lru_cache(maxsize=100_000)(self._answer_ids)

    def _content(self, question: str, with_image: bool) -> Any:
        if not self.has_images:
            return question
        return [*([{"type": "image"}] if with_image else []), {"type": "text", "text": question}]

    def _render(self, question: str, with_image: bool, answer: str | None) -> str:
        """Render the chat template, up to where an answer begins or with an answer."""
        messages = [{"role": "user", "content": self._content(question, with_image)}]
        if answer is not None:
            reply = answer if not self.has_images else [{"type": "text", "text": answer}]
            messages.append({"role": "assistant", "content": reply})
        try:
            return self.processor.apply_chat_template(
                messages, chat_template=self.template, add_generation_prompt=answer is None, tokenize=False
            )
        except TemplateError as error:
            kind = "text and images" if self.has_images else "only text"
            raise ValueError(f"the chat template cannot be used for {kind}: {error}") from error

    def _frame(self, question: str, with_image: bool) -> tuple[str, str, str]:
        """Return the prompt, what stands between it and an answer, and what the template writes behind an answer.

        The prompt ends where an answer begins: an empty think block in front of it is a part of the prompt. Spaces
        belong to the first word of the answer.

        Raises:
            ValueError: If the question has an image that the model cannot take, or the template does not write an
                answer once and as it is.
        """
        if with_image and not self.has_images:
            raise ValueError("this is a text model: it cannot take a question with an image")
        opened = self._render(question, with_image, None)
        before, *rest = self._render(question, with_image, MARK).split(MARK)
        if len(rest) != 1:
            raise ValueError(f"the chat template writes an answer {len(rest)} times; it must write it once")
        kept = len(opened) if before.startswith(opened) else 0
        prompt = before[:kept] + before[kept:].rstrip(" ")
        return prompt, before[len(prompt) :], rest[0]

    def about_template(self, example: Example) -> dict[str, str]:
        """Return what identifies the prompts: digest of the template, date that it is told, and one prompt's text."""
        return {
            "digest": hashlib.sha256(self.template.encode()).hexdigest()[:16],
            "date": PROMPT_DATE.isoformat(),
            "prompt": self._prompt_text(example.question, example.image is not None),
        }

    def _prompt_text(self, question: str, with_image: bool) -> str:
        return self._framed(question, with_image)[0]

    def _answer_ids(self, question: str, with_image: bool, answer: str) -> tuple[int, ...]:
        """Return the token ids of an answer after its prompt, end token included."""
        prompt, between, behind = self._framed(question, with_image)
        text = between + answer.strip()
        if self._render(question, with_image, answer.strip()) != prompt + text + behind:
            raise ValueError(f"the chat template does not write the answer {answer!r} as it is")
        prompt_ids = self._tokens(prompt)
        ids = self._tokens(prompt + text)
        if ids[: len(prompt_ids)] == prompt_ids and not self.prefix_model:
            ids = ids[len(prompt_ids) :]
        else:  # the last prompt token merged with the first of the answer: cut between them
            ids = self.tokenizer(text, add_special_tokens=False).input_ids
        if not ids or not answer.strip():
            raise ValueError(f"the answer {answer!r} to {question!r} has no tokens")
        return (*ids, *self._end_ids(behind))

    def tail(self, example: Example, answer: str) -> tuple[int, ...]:
        """Return the token ids of an answer to an example.

        Raises:
            ValueError: If it has none; says which row.
        """
        try:
            return self.answer_ids(example.question, example.image is not None, answer)
        except ValueError as error:
            raise ValueError(f"{example.where}: {error}") from error

    def _end_ids(self, rest: str) -> list[int]:
        """Return the end of turn that the template writes behind an answer: its first special token, or EOS."""
        ids = self.tokenizer(rest.strip(), add_special_tokens=False).input_ids if rest.strip() else []
        added = self.tokenizer.added_tokens_decoder.items()
        special = {*self.tokenizer.all_special_ids, *(token for token, about in added if about.special)}
        return [next((token for token in ids if token in special), self.tokenizer.eos_token_id)]

    def _tokens(self, text: str) -> list[int]:
        special = self._adds_special(text)
        ids = self.tokenizer(text, add_special_tokens=special).input_ids
        return ids[: len(ids) - self._appended] if special else ids

    @functools.cached_property
    def _appended(self) -> int:
        """Number of special tokens that the tokenizer appends to a text, such as EOS: a prompt must not have them."""
        plain = self.tokenizer("a", add_special_tokens=False).input_ids
        ids = self.tokenizer("a").input_ids
        starts = [i for i in range(len(ids)) if ids[i : i + len(plain)] == plain]
        return len(ids) - len(plain) - starts[0] if starts else 0

    def _adds_special(self, text: str) -> bool:
        bos = self.tokenizer.bos_token
        return bos is None or not text.startswith(bos)

    def image_tokens(self, example: Example) -> int:
        """Return the tokens that the image of an example takes up in its prompt."""
        without = replace(example, image=None)
        (seen,), (unseen,) = (self.encode_prompts([one])[0] for one in (example, without))
        return len(seen) - len(unseen)

    def encode_prompts(self, examples: Sequence[Example]) -> tuple[list[list[int]], dict[str, Any]]:
        """Encode the prompts.

        Returns:
            The token ids of each prompt, image tokens expanded, and what else the model takes: tensors over the images
            (`pixel_values`, ...) as they are, and per token (`token_type_ids`, ...) lists of one list a prompt.
        """
        texts = [self._prompt_text(example.question, example.image is not None) for example in examples]
        pictured = [i for i, example in enumerate(examples) if example.image is not None]
        ids = [self._text_prompt(text) if i not in pictured else [] for i, text in enumerate(texts)]
        types = [name for name in TOKEN_TYPES if self.has_images and name in self.processor.model_input_names]
        per_token = {name: [[0] * len(row) for row in ids] for name in types}
        others: dict[str, Any] = {}
        if pictured:
            encoded = self.processor(
                text=[texts[i] for i in pictured],
                images=[[examples[i].image] for i in pictured],
                return_tensors="pt",
                padding=True,
                padding_side="right",
                add_special_tokens=self._adds_special(texts[pictured[0]]),
            )
            appended = self._appended if self._adds_special(texts[pictured[0]]) and not self.prefix_model else 0
            lengths = [length - appended for length in encoded["attention_mask"].sum(1).tolist()]
            for name, target in {"input_ids": ids, **per_token}.items():
                for i, row, length in zip(pictured, encoded[name].tolist(), lengths, strict=True):
                    target[i] = row[:length]
            passed_over = ("input_ids", "attention_mask", "labels", *types)
            others = {name: value for name, value in encoded.items() if name not in passed_over}
        return ids, {**others, **per_token}

    def _text_prompt(self, text: str) -> list[int]:
        """Return the token ids of a prompt without an image."""
        if self.prefix_model:  # as its processor writes behind an image
            return self.tokenizer(f"{self.tokenizer.bos_token}{text}\n", add_special_tokens=False).input_ids
        return self._tokens(text)

    def pad(self, rows: Sequence[Sequence[int]], value: int, side: str = "right") -> torch.Tensor:
        """Pad rows of different lengths into one tensor [rows, longest]."""
        out = torch.full((len(rows), max(map(len, rows))), value, dtype=torch.long)
        for i, row in enumerate(rows):
            span = slice(0, len(row)) if side == "right" else slice(out.shape[1] - len(row), None)
            out[i, span] = torch.tensor(row, dtype=torch.long)
        return out

    def batch(self, examples: Sequence[Example], answers: Sequence[str] | None = None) -> Batch:
        """Encode prompt and answer of each example, padded on the right.

        Args:
            examples: What is asked.
            answers: Another answer for each example; the right one by default.

        Returns:
            `input_ids`, `attention_mask` and `labels` [rows, tokens] (labels are `IGNORE` outside the answer), with
            what the model takes for the images.
        """
        prompts, extra = self.encode_prompts(examples)
        texts = answers if answers is not None else [example.answer for example in examples]
        tails = [self.tail(example, text) for example, text in zip(examples, texts, strict=True)]
        ids = [[*prompt, *tail] for prompt, tail in zip(prompts, tails, strict=True)]
        labels = [[IGNORE] * len(prompt) + list(tail) for prompt, tail in zip(prompts, tails, strict=True)]
        return {
            "input_ids": self.pad(ids, self.pad_id),
            "attention_mask": self.pad([[1] * len(row) for row in ids], 0),
            "labels": self.pad(labels, IGNORE),
            **self._pad_extra(extra, ids, "right"),
        }

    def prompts(self, examples: Sequence[Example]) -> Batch:
        """Encode only the prompts, padded on the left, as `generate` wants them."""
        return self.pad_prompts(*self.encode_prompts(examples))

    def pad_prompts(self, ids: Sequence[Sequence[int]], extra: dict[str, Any]) -> Batch:
        """Pad what `encode_prompts` returns on the left."""
        return {
            "input_ids": self.pad(ids, self.pad_id, "left"),
            "attention_mask": self.pad([[1] * len(row) for row in ids], 0, "left"),
            **self._pad_extra(extra, ids, "left"),
        }

    @property
    def end_ids(self) -> list[int]:
        """Tokens that end an answer: EOS and the end of turn of the chat template."""
        question = "?"
        return sorted({self.tokenizer.eos_token_id, self.answer_ids(question, False, "answer")[-1]})

    @property
    def pad_id(self) -> int:
        """Token id that fills the rows; EOS where a tokenizer has no padding token."""
        return self.tokenizer.eos_token_id if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id

    def _pad_extra(self, extra: dict[str, Any], ids: Sequence[Sequence[int]], side: str) -> dict[str, Any]:
        padded = {}
        answer = int(self.prefix_model)  # only the answer looks back
        for name, value in extra.items():
            if isinstance(value, list):
                rows = [[*row, *[answer] * (len(full) - len(row))] for row, full in zip(value, ids, strict=True)]
                padded[name] = self.pad(rows, 0, side)
            else:
                padded[name] = value
        return padded


def fixed_dates(template: str) -> str:
    """Return a chat template whose `strftime_now(FORM)` gives PROMPT_DATE.

    Raises:
        ValueError: If it is asked for in a form that is not a literal.
    """
    fixed = re.sub(
        r"strftime_now\(\s*(['\"])(.*?)\1\s*\)", lambda asked: repr(PROMPT_DATE.strftime(asked[2])), template
    )
    if re.search(r"strftime_now\s*\(", fixed):
        raise ValueError("the chat template asks for today's date in a form that is not a text; give another one")
    return fixed


def answer_counts(batch: Batch) -> list[int]:
    """Return the number of answer tokens of each row of a batch with `labels`."""
    return (batch["labels"][:, 1:] != IGNORE).sum(1).tolist()


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move the tensors of a batch."""
    return {name: value.to(device) for name, value in batch.items()}
