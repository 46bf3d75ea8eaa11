"""What a model makes of examples: the loss of every answer that may be given, and the answer that it gives itself.

The fast paths compute each prompt once (`shared_prompt.py`), all its answers side by side (`packed_answers.py`), and
the image of several questions once (`shared_image.py`). Whether that holds for an architecture is checked on the model
itself, on the first examples of every run with and without images; where it does not, the next plainer path is taken
and the reason is logged.
"""

import copy
import logging
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import PreTrainedModel

from clear_unlearning.batches import Batch, Encoder, to_device
from clear_unlearning.likelihood import AnswerLikelihood, answer_likelihood
from clear_unlearning.tasks import Example, candidates

from .packed_answers import check_packing, give_room, packed_losses
from .shared_image import check_sharing, cut_prompts, image_cache, same_picture
from .shared_prompt import CannotShare, PromptCache, greedy, prompt_cache, repeated_losses

logger = logging.getLogger(__name__)

CHECKED = 3  # examples on which the fast path is compared with the plain one
# Nats per token: what rounding may do to a loss computed in another order.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass
class Scored:
    """What a model makes of one example.

    Attributes:
        losses: Negative log-probability in nats, summed over tokens, of the answer, its paraphrase and each wrong one.
        tokens: Number of tokens of each.
        generated: The model's own answer by greedy decoding.
    """

    losses: list[float]
    tokens: list[int]
    generated: str


class Scorer:
    """Scores batches of examples, all with or all without images.

    Args:
        model: In evaluation mode.
        encoder: Of the same model.
        max_new_tokens: Limit of the model's own answers.
    """

    def __init__(self, model: PreTrainedModel, encoder: Encoder, max_new_tokens: int = 64) -> None:
        self.model, self.encoder, self.max_new_tokens = model, encoder, max_new_tokens
        # From the fastest to the plainest, each by what is shared.
        self.paths = {
            "image": self.by_image,
            "prompt": self.by_prompt,
            "repeated prompt": self.by_repeated_prompt,
            "plain": self.plain,
        }
        self.path: dict[str, str] = {}  # the path of batches of each kind, known from the first
        self.reasons: dict[str, str] = {}  # why not what would be faster

    def plain(self, examples: Sequence[Example]) -> list[Scored]:
        """Return one full pass an answer, and `generate`."""
        prompts = self._prompts(examples)
        answers = [text for example in examples for text in candidates(example)]
        repeated = [example for example in examples for _ in candidates(example)]
        likelihood = self.likelihood(repeated, self._here(self.encoder.batch(repeated, answers)))
        generated = self.generate(examples, prompts)
        return self._scored(examples, -likelihood.sums(), likelihood.counts(), generated)

    def likelihood(self, examples: Sequence[Example], batch: Batch) -> AnswerLikelihood:
        """Return the log-probabilities of the answers of a batch, a row an example, from one full pass."""
        return answer_likelihood(self.model, batch)

    def generate(self, examples: Sequence[Example], prompts: Batch) -> torch.Tensor:
        """Return the model's own answers to prompts that are padded on the left [rows, new tokens]."""
        output: torch.Tensor = self.model.generate(  # type: ignore[assignment]
            **prompts,
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            pad_token_id=self.encoder.pad_id,
            eos_token_id=self.encoder.end_ids,
        )
        return output[:, prompts["input_ids"].shape[1] :]

    def by_prompt(self, examples: Sequence[Example]) -> list[Scored]:
        """Score everything from one pass over the prompts."""
        return self._packed(prompt_cache(self.model, self._prompts(examples)), examples)

    def by_repeated_prompt(self, examples: Sequence[Example]) -> list[Scored]:
        """Score everything from one pass over the prompts, their keys and values repeated for every answer."""
        prompt = prompt_cache(self.model, self._prompts(examples))
        generated = self._greedy(replace(prompt, cache=copy.deepcopy(prompt.cache)))
        losses, counts = repeated_losses(self.model, prompt, self._answers(examples), self.encoder)
        return self._scored(examples, losses, counts, generated)

    def by_image(self, examples: Sequence[Example]) -> list[Scored]:
        """Score everything from one pass over the images, and from there over the questions about each."""
        shared = cut_prompts(self.encoder, examples)
        check_sharing(self.model, self.encoder, shared, self._check_context(examples, shared.lengths))
        return self._packed(image_cache(self.model, self.encoder, shared, self.model.device), examples)

    @torch.inference_mode()
    def __call__(self, examples: Sequence[Example]) -> list[Scored]:
        """Score by the fastest path that holds for this model.

        Raises:
            ValueError: If an answer has no tokens or a prompt and its answer are longer than the model's context.
            FloatingPointError: If the model gives NaN or infinite losses.
        """
        groups = same_picture(examples)
        kind = "text" if examples[0].image is None else "images" if len(groups) == len(examples) else "same images"
        if kind not in self.path:
            self._choose(kind, "image" if kind == "same images" else "prompt", examples)
        while True:
            try:
                return self.paths[self.path[kind]](examples)
            except CannotShare as error:
                self._note(kind, self.path[kind], str(error))
                self._choose(kind, self._plainer(self.path[kind]), examples)

    def _choose(self, kind: str, name: str, examples: Sequence[Example]) -> None:
        """Find the fastest path, from one on, that makes of the first examples what the plain one makes of them."""
        together = max(same_picture(examples), key=len)[:2]  # if any are about one picture, two that are
        others = [i for i in range(len(examples)) if i not in together]
        examples = [examples[i] for i in (*together, *others)][:CHECKED]
        plain = self.plain(examples)  # first: what it raises is not a matter of the path
        while name != "plain" and (difference := self._difference(name, examples, plain)):
            self._note(kind, name, difference)
            name = self._plainer(name)
        self.path[kind] = name

    def _plainer(self, name: str) -> str:
        names = list(self.paths)
        return names[names.index(name) + 1]

    def _note(self, kind: str, name: str, reason: str) -> None:
        self.reasons[kind] = reason
        logger.warning("%s (%s) is not scored by way of the %s: %s", type(self.model).__name__, kind, name, reason)

    def _difference(self, name: str, examples: Sequence[Example], plain: Sequence[Scored]) -> str | None:
        """Say what a path makes otherwise, None if nothing."""
        try:
            fast = self.paths[name](examples)
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError) as error:
            if isinstance(error, RuntimeError) and should_reduce_batch_size(error):
                raise
            return str(error) if isinstance(error, CannotShare) else f"{type(error).__name__}: {error}"
        difference = max(
            abs(a - b) / count
            for one, other in zip(fast, plain, strict=True)
            for a, b, count in zip(one.losses, other.losses, one.tokens, strict=True)
        )
        if not difference <= TOLERANCE.get(self.model.dtype, 1e-4):
            return f"it moves losses by {difference:.1e} nats a token"
        exact = self.model.dtype in (torch.float32, torch.float64)  # rounding may turn the greedy choice otherwise
        if exact and [one.generated for one in fast] != [one.generated for one in plain]:
            return "it generates other answers"
        return None

    def _check_context(self, examples: Sequence[Example], lengths: Sequence[int]) -> int:
        """Make sure that prompts and their answers fit, and return how many tokens follow the prompts at most."""
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        room = self.max_new_tokens
        for example, length in zip(examples, lengths, strict=True):
            answers = max(len(self.encoder.tail(example, text)) for text in candidates(example))
            room = max(room, answers)
            if context is not None and length + max(answers, self.max_new_tokens) > context:
                raise ValueError(
                    f"{example.where} ({example.question!r}): a prompt of {length} tokens, answers of {answers} and "
                    f"{self.max_new_tokens} new tokens do not fit into the model's context of {context}"
                )
        return room

    def _prompts(self, examples: Sequence[Example]) -> Batch:
        prompts = self.encoder.prompts(examples)
        self._check_context(examples, prompts["attention_mask"].sum(1).tolist())
        return self._here(prompts)

    def _here(self, batch: Batch) -> Batch:
        return to_device(batch, self.model.device)

    def _answers(self, examples: Sequence[Example]) -> list[list[Sequence[int]]]:
        return [[self.encoder.tail(example, text) for text in candidates(example)] for example in examples]

    def _greedy(self, prompt: PromptCache) -> torch.Tensor:
        return greedy(self.model, prompt, self.encoder.end_ids, self.max_new_tokens, self.encoder.pad_id)

    def _packed(self, prompt: PromptCache, examples: Sequence[Example]) -> list[Scored]:
        answers = self._answers(examples)
        room = max(self.max_new_tokens, *(sum(map(len, own)) for own in answers))
        check_packing(self.model, prompt, room)
        give_room(prompt.cache, room)
        losses, counts = packed_losses(self.model, prompt, answers, self.encoder)
        return self._scored(examples, losses, counts, self._greedy(prompt))

    def _scored(
        self, examples: Sequence[Example], losses: torch.Tensor, counts: torch.Tensor, generated: torch.Tensor
    ) -> list[Scored]:
        texts = self.encoder.tokenizer.batch_decode(generated, skip_special_tokens=True)
        sizes = [len(candidates(example)) for example in examples]
        scored = []
        for example, own, count, text in zip(examples, losses.split(sizes), counts.split(sizes), texts, strict=True):
            if not own.isfinite().all():
                raise FloatingPointError(
                    f"{example.where} ({example.question!r}): the model gives NaN or infinite losses {own.tolist()}"
                )
            scored.append(Scored(own.tolist(), count.tolist(), text.strip()))
        return scored


def batches_of(examples: Sequence[Example], batch_size: int) -> list[list[int]]:
    """Return the batches in which examples are scored, by their indices.

    Examples with images and without are apart, those about one picture together, and otherwise such of similar length.
    """

    def length(group: Sequence[int]) -> tuple[bool, int]:
        longest = max(len(examples[i].question + examples[i].answer) for i in group)
        return examples[group[0]].image is None, longest

    batches: list[list[int]] = []
    for group in sorted(same_picture(examples), key=length):
        for part in (group[k : k + batch_size] for k in range(0, len(group), batch_size)):
            last = batches[-1] if batches else []
            apart = not last or (examples[last[0]].image is None) != (examples[part[0]].image is None)
            if apart or len(last) + len(part) > batch_size:
                batches.append([])
            batches[-1].extend(part)
    return batches


def score_examples(
    scorer: Scorer, examples: Sequence[Example], batch_size: int = 16, done: Container[int] = ()
) -> Iterator[dict[int, Scored]]:
    """Score examples in batches of similar length.

    A batch for which the memory does not suffice is halved, and so are all that follow.

    Args:
        scorer: Of the model.
        examples: Any mix of questions with and without images.
        batch_size: Examples at a time; each brings all its answers.
        done: Indices of examples that were scored before. The batches are the same with and without them, so that
            what is scored now does not depend on an interruption; those of which everything is done are left out.

    Yields:
        What the model makes of the examples of a batch, by their index.

    Raises:
        RuntimeError: If the memory does not suffice for a single example.
    """
    waiting = batches_of(examples, batch_size)
    waiting = [indices for indices in waiting if any(i not in done for i in indices)]
    most = batch_size
    while waiting:
        indices = waiting.pop(0)
        if len(indices) > most:
            waiting[:0] = [indices[:most], indices[most:]]
            continue
        try:
            scored = scorer([examples[i] for i in indices])
        except RuntimeError as error:
            if not should_reduce_batch_size(error) or len(indices) == 1:
                raise
            most = len(indices) // 2
            logger.warning("out of memory with %d examples at a time: going on with %d", len(indices), most)
            waiting.insert(0, indices)
            continue
        yield dict(zip(indices, scored, strict=True))
