"""Plain questions: what a model says to each, and TOFU's fields of the forget task, for the ledger."""

from typing import Any

from clear_unlearning.evaluate import score_tasks
from clear_unlearning.models import LoadedModel
from evaluate_metrics.tasks import FORGET_TASK

from .context import Context
from .measured import Measured
from .people import KINDS, by_person, forget_rows


def measure(loaded: LoadedModel, context: Context) -> Measured:
    """Ask everything once and, where there are golds, score the forget task as `evaluate` does."""
    scores, said = {}, []
    asker = context.asker(loaded)
    for kind in KINDS:
        asked = context.subjects.of(kind)
        if not asked:
            continue
        texts = asker.answers([one.example for one in asked])
        scores[kind] = by_person(asked, [one.told(text) for one, text in zip(asked, texts, strict=True)])
        said += [
            {"kind": kind, "person": one.person, "question": one.example.question, "truth": one.example.answer,
             "said": text, "told": one.told(text), "secret": list(one.secret)}
            for one, text in zip(asked, texts, strict=True)
        ]  # fmt: skip
    details: dict[str, Any] = {"said": said}
    if not context.ledger:
        return Measured(scores, list(scores), details)
    task, load = forget_rows(context.data)
    # The truth ratios need no answer of the model's own: one token of it will do.
    log, about = score_tasks(
        loaded, [task], load, context.data.forget, context.settings.seed,
        batch_size=context.settings.batch_size, max_new_tokens=1,
    )  # fmt: skip
    details |= {"log": log, "person": about[FORGET_TASK]["person"]}
    return Measured(scores, list(scores), details)
