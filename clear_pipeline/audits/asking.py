"""Ask a model: its most probable answers, or answers that are drawn, to questions with and without a photo.

The prompts run once; all answers to them go on from there. `Asker` checks on its first questions that the model says
so what `generate` lets it say, and takes `generate` where it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from clear_unlearning.batches import TOKEN_TYPES, Batch, Encoder, to_device
from clear_unlearning.models import LoadedModel
from clear_unlearning.scoring.scorer import batches_of
from clear_unlearning.scoring.shared_prompt import continued, most_probable, prompt_cache
from clear_unlearning.tasks import Example

CHECKED = 2  # questions with photos, and without, on which the fast path is compared with `generate`


@dataclass
class Asker:
    """Asks one model.

    Attributes:
        loaded: The model.
        max_new_tokens: Limit of an answer.
        batch_size: Answers that are written at a time.
    """

    loaded: LoadedModel
    max_new_tokens: int = 32
    batch_size: int = 16
    encoder: Encoder = field(init=False)
    _fast: dict[bool, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the encoder of the model."""
        self.encoder = Encoder(self.loaded.processor)

    @property
    def model(self) -> Any:
        """The network."""
        return self.loaded.model

    def answers(self, examples: Sequence[Example], begin: str = "") -> list[str]:
        """Return the most probable answer to each question.

        Args:
            examples: What is asked.
            begin: Words that are put into the model's mouth: the answer goes on behind them.
        """
        return [one[0] for one in self._ask(examples, 1, begin, None)]

    def drawn(self, examples: Sequence[Example], samples: int, seed: int) -> list[list[str]]:
        """Return answers to each question, drawn at temperature 1 from the whole vocabulary.

        Args:
            examples: What is asked.
            samples: Answers to each.
            seed: Of the draws.
        """
        dice = torch.Generator(self.model.device).manual_seed(seed)
        return self._ask(examples, samples, "", dice)

    @torch.inference_mode()
    def _ask(
        self, examples: Sequence[Example], samples: int, begin: str, dice: torch.Generator | None
    ) -> list[list[str]]:
        texts: dict[int, list[str]] = {}
        for batch in batches_of(examples, max(1, self.batch_size * 16 // samples) if samples > 1 else self.batch_size):
            chosen = [examples[i] for i in batch]
            prompts = to_device(self._prompts(chosen, begin), self.model.device)
            if self._is_fast(chosen[0].image is not None, prompts):
                tokens = self._continued(prompts, samples, dice)
            else:
                tokens = self._generated(prompts, samples, dice)
            said = [text.strip() for text in self.encoder.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
            texts |= {i: said[k * samples : (k + 1) * samples] for k, i in enumerate(batch)}
        return [texts[i] for i in range(len(examples))]

    def _prompts(self, examples: Sequence[Example], begin: str) -> Batch:
        ids, extra = self.encoder.encode_prompts(examples)
        if begin:
            heads = [self.encoder.answer_ids(one.question, one.image is not None, begin)[:-1] for one in examples]
            ids = [[*row, *head] for row, head in zip(ids, heads, strict=True)]
            for name in TOKEN_TYPES:  # what is said stands for no image
                if name in extra:
                    extra[name] = [[*row, *[0] * len(head)] for row, head in zip(extra[name], heads, strict=True)]
        return self.encoder.pad_prompts(ids, extra)

    def _continued(self, prompts: Batch, samples: int, dice: torch.Generator | None) -> torch.Tensor:
        prompt = prompt_cache(self.model, prompts)
        if samples > 1:
            prompt.cache.batch_repeat_interleave(samples)
            first, mask, following = (
                value.repeat_interleave(samples, 0) for value in (prompt.first, prompt.mask, prompt.next)
            )
            prompt = type(prompt)(prompt.cache, first, mask, following)
        choose = most_probable if dice is None else lambda logits: drawn_tokens(logits, dice)
        return continued(self.model, prompt, self.encoder.end_ids, self.max_new_tokens, self.encoder.pad_id, choose)

    def _generated(self, prompts: Batch, samples: int, dice: torch.Generator | None) -> torch.Tensor:
        drawing: dict[str, Any] = {"do_sample": False}
        if dice is not None:
            torch.manual_seed(int(torch.randint(2**31, (), generator=dice, device=dice.device)))
            drawing = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
        output = self.model.generate(
            **prompts, **drawing, num_return_sequences=samples, max_new_tokens=self.max_new_tokens,
            pad_token_id=self.encoder.pad_id, eos_token_id=self.encoder.end_ids,
        )  # fmt: skip
        return output[:, prompts["input_ids"].shape[1] :]

    def _is_fast(self, pictured: bool, prompts: Batch) -> bool:
        """Return whether the answers may go on from prompts that ran once; checked on the first batch of a kind."""
        if pictured not in self._fast:
            try:
                fast = self._continued(prompts, 1, None)[:CHECKED]
            except (TypeError, ValueError, AttributeError, IndexError, KeyError):
                self._fast[pictured] = False
            else:
                slow = self._generated(prompts, 1, None)[:CHECKED]
                decode = self.encoder.tokenizer.batch_decode
                said = [decode(tokens, skip_special_tokens=True) for tokens in (fast, slow)]
                self._fast[pictured] = said[0] == said[1]
        return self._fast[pictured]


def drawn_tokens(logits: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    """Draw a token of each row at temperature 1.

    Args:
        logits: [rows, vocabulary].
        dice: Of the draws.
    """
    return torch.multinomial(logits.float().softmax(-1), 1, generator=dice)[:, 0]
