"""The loops that `evaluate_speed.py` sets side by side: ours, a plain one, the reference's, and the bare model."""

import resource
import sys
import time
import types
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from clear_unlearning.batches import Encoder
from clear_unlearning.evaluate import own_batches
from clear_unlearning.models import load_model
from clear_unlearning.processes import Processes
from clear_unlearning.scoring.scorer import Scorer, batches_of, candidates
from clear_unlearning.tasks import NAME_QUESTION, Example

ROWS = "rows"  # the config that holds the images
PEER_BATCH = 8  # of the reference's config/mm/eval.yaml; a quarter of it for paraphrases and wrong answers
PEER_TASKS = (
    ("eval_log_forget", "column", "caption", "paraphrased_caption", "perturbed_captions"),
    ("eval_forget_facerec", "random_faces", "name", "name", "perturbed_names"),
)


@dataclass(frozen=True)
class Settings:
    """What all loops are given."""

    model: str
    rows: str
    peer: str
    threads: int
    dtype: str
    batch: int
    plain_batches: tuple[int, ...]
    new_tokens: int


@dataclass
class Turn:
    """What a loop took and found: seconds, and of each example, captions first, its losses per token and its text."""

    seconds: float
    cpu: float
    losses: list[list[float]]
    texts: list[str]
    tokens: int = 0
    note: str = ""
    peak: float = 0.0  # GB


def examples_of(rows: Dataset) -> list[Example]:
    """Return the caption question of every row, then the name question."""
    images = [row["image"].convert("RGB") for row in rows]  # type: ignore[index]
    captions = [
        Example(row["question"], row["caption"], image, row["paraphrased_caption"], tuple(row["perturbed_captions"]))  # type: ignore[index]
        for row, image in zip(rows, images, strict=True)
    ]
    names = [
        Example(NAME_QUESTION, row["name"], image, row["name"], tuple(row["perturbed_names"]))  # type: ignore[index]
        for row, image in zip(rows, images, strict=True)
    ]
    return [*captions, *names]


class Loop:
    """One contestant in its process: the model, the rows, and how they are scored."""

    def __init__(self, name: str, settings: Settings) -> None:
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.processes = Processes()
        self.loaded = load_model(settings.model, dtype=settings.dtype, device="cpu")
        self.encoder = Encoder(self.loaded.processor)
        self.scorer = Scorer(self.loaded.model, self.encoder, settings.new_tokens)  # type: ignore[arg-type]
        self.examples = examples_of(Dataset.from_parquet(f"{settings.rows}/{ROWS}.parquet"))  # type: ignore[arg-type]
        self.run = {"ours": self.ours, "two": self.ours, "plain": self.plain, "peer": self.peer, "raw": self.raw}[name]
        self.best = 0
        if name in ("ours", "two"):
            first = batches_of(self.examples, settings.batch)[0]
            self.scorer([self.examples[i] for i in first])  # checks the fast path, once a run of thousands of rows
        elif name == "plain":
            self.best = min(settings.plain_batches, key=self._seconds_each)
        elif name == "peer":
            self.their = peer_module(Path(settings.peer), self.loaded)

    def turn(self) -> Turn:
        """Score everything once."""
        self.processes.gather()
        start, cpu = time.perf_counter(), time.process_time()
        result = self.run()
        cpus = self.processes.gather(time.process_time() - cpu)
        result.seconds, result.cpu = time.perf_counter() - start, sum(cpus)
        result.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        return result

    def ours(self) -> Turn:
        """Return what `evaluate` does with its batches."""
        loads = [0] * self.processes.count
        found = {}
        for batch in own_batches(self.scorer, self.examples, self.settings.batch, set(), self.processes, loads):
            found |= batch
        return self._turn(found, f"batches of {self.settings.batch}")

    @torch.inference_mode()
    def plain(self) -> Turn:
        """Return one full pass an answer, logits only at its tokens, and `generate` with its cache."""
        found = {}
        for indices in batches_of(self.examples, self.best):
            scored = self.scorer.plain([self.examples[i] for i in indices])
            found |= dict(zip(indices, scored, strict=True))
        return self._turn(found, f"batches of {self.best}, the best of {self.settings.plain_batches}")

    @torch.inference_mode()
    def _seconds_each(self, batch: int) -> float:
        start = time.perf_counter()
        self.scorer.plain(self.examples[:batch])
        return (time.perf_counter() - start) / min(batch, len(self.examples))

    def peer(self) -> Turn:
        """Return the reference's `get_all_evals`, task by task."""
        losses: list[list[float]] = []
        texts: list[str] = []
        collate = partial(self.their.mm_data_collator_preprocessor, processor=self.loaded.processor, max_length=4096,
                          return_indices=True)  # fmt: skip
        generation = types.SimpleNamespace(max_new_tokens=self.settings.new_tokens)
        for task, strategy, *columns in PEER_TASKS:
            collators = (partial(collate, return_answers=True), collate, collate)
            sizes = (PEER_BATCH, PEER_BATCH // 4, PEER_BATCH // 4)
            loaders = [
                self.their.get_dataloader(strategy, "question", column, self.settings.rows, ROWS, size, None, collator)
                for column, size, collator in zip(columns, sizes, collators, strict=True)
            ]
            log = self.their.get_all_evals(
                types.SimpleNamespace(generation=generation), self.loaded.model, self.loaded.processor, task, *loaders
            )
            for i, wrong in log["average_perturb_loss"].items():
                losses.append([log["avg_gt_loss"][i], log["avg_paraphrased_loss"][i], *wrong])
                texts.append(log["generated_text"][i][1].strip())
        return Turn(0, 0, losses, texts, note=f"batches of {PEER_BATCH}; generates blindly")

    @torch.inference_mode()
    def raw(self) -> Turn:
        """Return image, both questions, all answers and as many tokens as are generated: each token once."""
        half = len(self.examples) // 2
        sequences, keep = [], []
        prompts, _ = self.encoder.encode_prompts(self.examples)
        image_id = self.loaded.model.config.image_token_id  # type: ignore[union-attr]
        for i in range(half):
            ids: list[int] = []
            marks: list[int] = []
            for j in (i, i + half):
                example, prompt = self.examples[j], prompts[j]
                own = prompt if j == i else prompt[len(prompt) - prompt[::-1].index(image_id) :]
                tails = [self.encoder.answer_ids(example.question, True, text) for text in candidates(example)]
                answers = [*[token for tail in tails for token in tail], *[5] * self.settings.new_tokens]
                ids += [*own, *answers]
                marks += [*[0] * len(own), *[1] * len(answers)]
            sequences.append(ids)
            keep.append(marks)
        for start in range(0, half, self.settings.batch):
            part = slice(start, start + self.settings.batch)
            _, extra = self.encoder.encode_prompts(self.examples[:half][part])
            self.loaded.model(
                input_ids=self.encoder.pad(sequences[part], self.encoder.pad_id),
                attention_mask=self.encoder.pad([[1] * len(row) for row in sequences[part]], 0),
                logits_to_keep=self.encoder.pad(keep[part], 0).bool(), use_cache=False, **extra,
            )  # fmt: skip
        return Turn(0, 0, [], [], tokens=sum(map(len, sequences)))

    def _turn(self, found: dict[int, Any], note: str) -> Turn:
        merged = {i: scored for share in self.processes.gather(found) for i, scored in share.items()}
        scored = [merged[i] for i in range(len(self.examples))]
        losses = [[a / b for a, b in zip(one.losses, one.tokens, strict=True)] for one in scored]
        return Turn(0, 0, losses, [one.generated for one in scored], note=note)


def peer_module(checkout: Path, loaded: Any) -> Any:
    """Load the reference's `mm/eval.py` with the repairs that the head of this file tells of."""
    if not (checkout / "mm/eval.py").is_file():
        raise FileNotFoundError(f"{checkout}/mm/eval.py is missing: --peer is not a checkout of multimodal_unlearning")
    empty = {"hydra": {"main": lambda **_: lambda function: function}, "natsort": {"natsorted": sorted}}
    for name, content in empty.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    sys.path[:0] = [str(checkout / "mm"), str(checkout)]
    import dataset  # type: ignore[import-not-found]
    import eval as module  # type: ignore[import-not-found]

    convert = dataset.convert_mm_data_to_model_format

    def with_all_image_tokens(processor: Any, sample: Any) -> tuple[str, int]:
        text, prompt = convert(processor, sample)
        return text, prompt + (loaded.model.config.image_seq_length - 1 if sample.get("image") is not None else 0)

    def with_pictures(_: Any, positional: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = named.get("pixel_values")
        if pixels is not None and pixels.ndim == 2:
            side = loaded.model.config.vision_config.image_size
            named["pixel_values"] = pixels.view(len(pixels), 3, side, side)
        return positional, named

    dataset.convert_mm_data_to_model_format = with_all_image_tokens
    loaded.model.register_forward_pre_hook(with_pictures, with_kwargs=True)
    tokenizer = loaded.processor.tokenizer
    tokenizer.padding_side, tokenizer.batch_encode_plus = "left", tokenizer.__call__
    return module
