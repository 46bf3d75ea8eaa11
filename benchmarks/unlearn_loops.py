"""The training loops that `unlearn_step.py` sets side by side: ours, the reference's and open-unlearning's losses.

Each is a `Trainer` with the same arguments, over the same rows, encoded by the same code.
"""

import resource
import statistics
import sys
import tempfile
import time
import types
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peer_code import read_code
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import LoadedModel, load_model
from trainers import METHODS
from trainers.base.batching import SideCollator
from trainers.base.likelihoods import ReferenceCache
from trainers.base.rows import Draw, Rows, load_refusals, partner_rows, refused_rows, rows_themselves

THEIR_NAMES = {  # of the losses in the reference's `MMTrainerForgetting`
    "gradient_difference": "grad_diff_forget_ce_retain_ce",
    "kl": "kl",
    "npo": "npo",
    "dpo": "dpo",
    "scrub": "scrub",
}
WITH_LOGITS = ("kl", "scrub")  # what they need of the original are logits, of the others log-probabilities


@dataclass(frozen=True)
class Settings:
    """What a loop is given.

    Attributes:
        loop: `ours`, `bare` (ours without a reference), `reference`, `reference+` (with a retain term) or `open`.
        method: A name of METHODS.
        rows: `image` or `text`.
        folder: Holds the model and the rows.
        checkout: Of the other project.
        batch: Rows of each side in a step.
        warm: Steps that are not counted.
        steps: Steps that are.
        threads: Of PyTorch.
        cached: GB of vision features that ours keeps.
    """

    loop: str
    method: str
    rows: str
    folder: str
    checkout: str
    batch: int
    warm: int
    steps: int
    threads: int
    cached: float


@dataclass
class Cost:
    """Of a step, the median, in seconds; `beforehand` are CPU seconds for what the original says of a step's rows."""

    wall: float = 0.0
    cpu: float = 0.0
    beforehand: float = 0.0
    imports: float = 0.0  # MB in memory before the model is loaded
    peak: float = 0.0  # MB
    error: str = ""


class Clock(TrainerCallback):
    """Notes when training begins and when each step ends."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Note the time."""
        self.marks.append((time.perf_counter(), time.process_time()))

    on_step_end = on_train_begin

    def medians(self, warm: int, parts: int) -> tuple[float, float]:
        """Return wall and CPU seconds of a step that the trainer takes in `parts`."""
        marks = self.marks[:: max(parts, 1)][warm:]
        wall, cpu = ([b[i] - a[i] for a, b in pairwise(marks)] for i in (0, 1))
        return statistics.median(wall), statistics.median(cpu)


def measure(settings: Settings) -> Cost:
    """Train a few steps in this process, which must be a fresh one."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    cost, clock = Cost(imports=_peak()), Clock()
    try:
        with tempfile.TemporaryDirectory() as output:
            if settings.loop in ("ours", "bare"):
                trainer = our_trainer(settings, output, cost)
            else:
                trainer = their_trainer(settings, output)
            trainer.add_callback(clock)
            trainer.remove_callback(PrinterCallback)
            trainer.train()
    except Exception as error:  # a row of the table, not the end of it
        cost.error = f"{type(error).__name__}: {error}".splitlines()[0]
        return cost
    parts = 2 if settings.method == "scrub" and settings.loop in ("ours", "bare") else 1  # by turns, one side each
    cost.wall, cost.cpu = clock.medians(settings.warm, parts)
    cost.peak = _peak()
    return cost


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def read_rows(settings: Settings) -> dict[str, Rows]:
    """Return the rows of both sides."""
    files = {side: f"{settings.folder}/{settings.rows}-{side}.parquet" for side in ("forget", "retain")}
    return {side: Rows([Dataset.from_parquet(file)], seed=0) for side, file in files.items()}  # type: ignore[list-item]


def arguments_of(settings: Settings, output: str) -> dict[str, Any]:
    """Return what all trainers are told."""
    return {"output_dir": output, "use_cpu": True, "learning_rate": 1e-5, "lr_scheduler_type": "constant",
            "warmup_steps": 0, "weight_decay": 0.01, "save_strategy": "no", "logging_strategy": "no", "seed": 0,
            "disable_tqdm": True, "report_to": "none"}  # fmt: skip


def our_trainer(settings: Settings, output: str, cost: Cost) -> Trainer:
    """Return ours; an epoch is one step, or one of each side for SCRUB."""
    loaded, rows = load_model(f"{settings.folder}/model", device="cpu"), read_rows(settings)
    trainer_class, config_class = METHODS[settings.method]
    epochs = settings.warm + settings.steps
    more: dict[str, Any] = {"msteps": epochs} if settings.method == "scrub" else {}
    args = config_class(**arguments_of(settings, output), per_device_train_batch_size=settings.batch,
                        num_train_epochs=epochs, cached_features=settings.cached, **more)  # fmt: skip
    if settings.loop == "bare":
        own = {"references": lambda _: {}, "reference": _itself(settings.method)}
        trainer_class = type("Bare", (trainer_class,), own)
    fill, seconds = ReferenceCache.fill, []

    def timed(cache: ReferenceCache, *given: Any) -> None:
        batch = Encoder(loaded.processor).batch([rows["forget"][0]])
        with torch.no_grad():
            answer_likelihood(loaded.model, batch)  # warms up
        start = time.process_time()
        fill(cache, *given)
        seconds.append((time.process_time() - start) / len(cache._file_of))

    ReferenceCache.fill = timed  # type: ignore[method-assign, assignment]
    trainer: Any = trainer_class(model=loaded.model, args=args, sides=rows, processing_class=loaded.processor)  # type: ignore[arg-type]
    cost.beforehand = sum(seconds) * settings.batch * len(trainer.references())
    return trainer


def _itself(method: str) -> Any:
    """Return a method of a trainer that takes the model in training for the original."""

    def reference(trainer: Any, model: Any, batch: Any, side: str) -> torch.Tensor:
        now = trainer._seen[side]
        return (now.logits if method in WITH_LOGITS else now.log_probs).detach()

    return reference


def their_trainer(settings: Settings, output: str) -> Trainer:
    """Return the trainer of the reference or of open-unlearning, with a second model where the loss needs one."""
    loaded = load_model(f"{settings.folder}/model", device="cpu")
    model: Any = loaded.model
    model.get_encoder(modality="image").requires_grad_(False)
    second: Any = None
    if settings.method != "gradient_difference":
        second = load_model(f"{settings.folder}/model", device="cpu").model.eval()
    args = TrainingArguments(**arguments_of(settings, output), per_device_train_batch_size=1, num_train_epochs=1,
                             remove_unused_columns=False, dataloader_pin_memory=False)  # fmt: skip
    given: dict[str, Any] = {
        "model": model,
        "args": args,
        "train_dataset": list(range(settings.warm + settings.steps)),
        "data_collator": their_batches(settings, loaded),
    }
    if settings.loop == "open":
        names = ("compute_kl_divergence", "compute_batch_nll", "compute_dpo_loss")
        utils = types.SimpleNamespace(**read_code(Path(settings.checkout, "src/trainer/utils.py"), *names))
        return OpenTrainer(utils, second, settings.method, **given)
    model.config.image_token_index = model.config.image_token_id
    # Their loop writes the model's device, which a bare model of transformers does not allow.
    model.__class__ = type(type(model).__name__, (type(model),), {"device": torch.device("cpu")})
    names = [THEIR_NAMES[settings.method], *(["retain_ft"] if settings.loop == "reference+" else [])]
    return reference_class(Path(settings.checkout), names)(
        **given,
        forget_loss=names[0],
        teacher_model=second,
        loss_beta=1.0,
        l1_lambda=0,
        l0_lambda=0,
        l_norm_from="zero",
    )


def their_batches(settings: Settings, loaded: LoadedModel) -> Any:
    """Return a collator that makes of a step's number the rows that our trainer has in that step."""
    rows = read_rows(settings)
    forget, retain = rows["forget"], rows["retain"]
    partner = rows_themselves(retain) if settings.method == "scrub" else partner_rows(retain, 0)
    draws: dict[str, Draw] = {"forget": rows_themselves(forget), "retain": partner}
    if settings.method == "dpo":
        draws["idk"] = refused_rows(rows_themselves(forget), *load_refusals(), 0)
    collator = SideCollator(Encoder(loaded.processor), draws)

    def collate(numbers: list[int]) -> Any:
        collator.epoch = numbers[0]
        sides = collator([{"index": index} for index in range(len(forget))])
        return {
            side: {name: value for name, value in batch.items() if name != "index"} for side, batch in sides.items()
        }

    return collate


def reference_class(checkout: Path, names: list[str]) -> Any:
    """Load the reference's `MMTrainerForgetting`; the loss is the sum of those of its losses that are named."""
    if not (checkout / "mm" / "trainer.py").is_file():
        raise FileNotFoundError(
            f"{checkout}/mm/trainer.py is missing: --peer is not a checkout of multimodal_unlearning"
        )
    unused = ("deepspeed", "wandb")
    sys.modules.update({name: types.ModuleType(name) for name in unused})
    sys.path.insert(0, str(checkout))
    from mm.trainer import MMTrainerForgetting  # type: ignore[import-not-found]

    for name in unused:
        del sys.modules[name]

    class Theirs(MMTrainerForgetting):
        def compute_loss(self, model: Any, inputs: Any, *rest: Any, **others: Any) -> Any:
            losses = []
            for name in names:
                self.loss_type = name
                losses.append(super().compute_loss(model, inputs))
            return sum(losses)

    return Theirs


class OpenTrainer(Trainer):
    """Adds up open-unlearning's loss functions as its GradDiff, NPO and DPO do, with their weights at 1."""

    def __init__(self, utils: Any, second: Any, method: str, **given: Any) -> None:
        super().__init__(**given)
        self.utils, self.second, self.method = utils, second, method

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        """Return the loss of a step."""
        forget, retain = inputs["forget"], inputs["retain"]
        if self.method == "kl":
            return self.utils.compute_kl_divergence(model, self.second, retain)[0] - model(**forget).loss
        if self.method in ("npo", "dpo"):
            preference, _ = self.utils.compute_dpo_loss(model, self.second, inputs.get("idk"), forget, 0.1)
            return preference + model(**retain).loss
        return model(**retain).loss - model(**forget).loss
