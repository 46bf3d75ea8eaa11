"""Relearning: fine-tune a little, and see how fast what was forgotten comes back (arXiv 2406.13356, 2506.12618).

Every model is fine-tuned alike: on rows about the same people that no question asks about, and on retain rows only.
A model that forgot relearns as gold learns. Symmetric R compares what both gain: `1 - |d - g| / (|d| + |g|)`.
"""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from clear_unlearning.models import LoadedModel
from trainers.base.given import given_rows
from trainers.base.rows import Rows
from trainers.retain_finetune import RetainFinetuneConfig, RetainFinetuneTrainer

from .context import Context, NotPossible
from .measured import Measured
from .people import KINDS, Asked
from .roles import is_gold

BUDGETS = (5, 10, 25, 50, 100)  # steps on rows about the people
BENIGN = (25, 100)  # steps on retain rows
AREA = "forget rows, mean"


def symmetric_r(gain: float, gold_gain: float) -> float:
    """Return 1 if a model gains as much as gold, 0 if only one of them gains; 1 if neither does."""
    total = abs(gain) + abs(gold_gain)
    return 1.0 if total == 0 else 1 - abs(gain - gold_gain) / total


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Fine-tune copies of a model, on rows of strangers who are asked about as well, and ask after each budget."""
    subjects = context.subjects
    asked = trained_kinds(subjects.unseen(*KINDS))
    ours = any(one.person in subjects.forgotten for one in subjects.shown)
    rows = shown_rows(subjects.shown if ours else [], context.settings.seed)

    def score(network: Any) -> Mapping[str, Sequence[float]]:
        return context.told(context.asker(replace(loaded, model=network)), asked)

    scores = {"0 steps": score(loaded.model)}
    found = relearnt(loaded, rows, context, BUDGETS, score)
    scores |= {f"forget rows, {steps}": one for steps, one in found.items()}
    scores[AREA] = {
        person: [sum(each) / len(found) for each in zip(*(one[person] for one in found.values()), strict=True)]
        for person in scores["0 steps"]
    }
    if subjects.retain is None:
        return Measured(scores, [AREA], {"rows": len(rows)})
    benign = relearnt(loaded, Rows([subjects.retain], context.settings.seed), context, BENIGN, score)
    scores |= {f"retain rows, {steps}": one for steps, one in benign.items()}
    return Measured(scores, [AREA, f"retain rows, {BENIGN[-1]}"], {"rows": len(rows)})


def trained_kinds(asked: Sequence[Asked]) -> list[Asked]:
    """Return what stands for the training rows: captions and facts, and the name of a photo without a caption."""
    captioned = {(one.person, one.example.where) for one in asked if one.kind == "caption"}
    return [one for one in asked if one.kind != "name" or (one.person, one.example.where) not in captioned]


def shown_rows(shown: Sequence[Asked], seed: int) -> Rows:
    """Return what may be trained on as training rows: captions of photos, or their questions, and facts.

    Raises:
        NotPossible: If there are none.
    """
    empty = dict.fromkeys(("image", "caption", "question", "answer"))
    captions = [
        {**empty, "image": one.example.image, "caption": one.example.answer} for one in shown if one.kind == "caption"
    ]
    facts = [
        {**empty, "image": one.example.image, "question": one.example.question, "answer": one.example.answer}
        for one in trained_kinds(shown)
        if one.kind != "caption"
    ]
    if not captions + facts:
        raise NotPossible("no second photo or fact of anybody is left to train on: ask fewer --questions_each")
    return given_rows("rows to relearn", captions + facts, seed)


def relearnt(
    loaded: LoadedModel,
    rows: Rows,
    context: Context,
    budgets: Sequence[int],
    score: Callable[[Any], Mapping[str, Sequence[float]]],
) -> dict[int, Mapping[str, Sequence[float]]]:
    """Fine-tune a copy of a model and return its score after each budget of steps."""
    found: dict[int, Mapping[str, Sequence[float]]] = {}

    class Budgets(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            if state.global_step in budgets:
                model.eval()
                found[state.global_step] = score(model)
                model.train()

    settings = context.settings
    with tempfile.TemporaryDirectory() as folder:
        training = RetainFinetuneConfig(
            output_dir=folder, max_steps=budgets[-1], learning_rate=settings.relearn_rate, weight_decay=0.0,
            per_device_train_batch_size=settings.relearn_batch, warmup_steps=0, lr_scheduler_type="constant",
            save_strategy="no", logging_strategy="no", seed=settings.seed, disable_tqdm=True,
            use_cpu=loaded.model.device.type == "cpu",
        )  # fmt: skip
        trainer = RetainFinetuneTrainer(
            model=copy.deepcopy(loaded.model), args=training, sides={"retain": rows},
            processing_class=loaded.processor, callbacks=[Budgets()],
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        with torch.enable_grad():
            trainer.train()
    return found


def summary(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return, for each model, what it gains by 100 steps on each kind of rows, and symmetric R against the golds."""

    def gain(one: Measured, condition: str) -> float:
        before, after = one.by_person("0 steps"), one.by_person(condition)
        return sum(after[person] - before[person] for person in before) / len(before)

    found: dict[str, dict[str, Any]] = {}
    benign = f"retain rows, {BENIGN[-1]}"
    for role, one in measured.items():
        others = [gold for name, gold in measured.items() if is_gold(name) and name != role]
        own = gain(one, f"forget rows, {BUDGETS[-1]}")
        found[role] = {
            "gain": own,
            "benign_gain": gain(one, benign) if benign in one.scores else None,
            "symmetric_r": None,
        }
        if others:
            golden = [gain(gold, f"forget rows, {BUDGETS[-1]}") for gold in others]
            found[role]["symmetric_r"] = symmetric_r(own, sum(golden) / len(golden))
    return found
