"""ReLearn: learn harmless answers in place of the forget answers, hold the retain rows (arXiv 2502.11190)."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from .base.rows import Draw, Drawn, Rows, load_lines, load_refusals
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer

NAMES = "invented_names.txt"


@dataclass
class ReLearnConfig(UnlearningConfig):
    """Settings of ReLearn: the authors' for TOFU."""

    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    num_train_epochs: float = field(default=2, metadata={"help": "Passes over the forget rows."})
    per_device_train_batch_size: int = field(default=8, metadata={"help": "Rows of each side in a step."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the likelihood on retain."})
    distillation_weight: float = field(default=1.0, metadata={"help": "Weight k of the divergence on retain."})
    names: str | None = field(default=None, metadata={"help": "Text file, an invented name a line, not our own."})
    refusals: str | None = field(default=None, metadata={"help": "Text file, a refusal a line, instead of our own."})


class ReLearnTrainer(UnlearningTrainer):
    """Minimise `L(x_f, harmless) + a L_r + k KL(p0 || p)` on retain.

    Of a photo the harmless answer is its own with an invented name instead of the person's, another one in every
    epoch; of a text question, where the name is asked with and not for, and of a caption without the name it is a
    refusal. The authors have a large model write such answers.
    """

    args: ReLearnConfig
    _tag_names = ["clear", "unlearning", "relearn"]
    _name = "ReLearn"
    needs_names = True

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return harmless answers instead of the forget answers, which are never shown."""
        names = load_lines(args.names, NAMES, "invented name")
        harmless = harmless_rows(sides["forget"], names, *load_refusals(args.refusals), args.seed)
        return {"harmless": harmless, "retain": super().draws(args, sides)["retain"]}

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the retain answers."""
        return {"retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return descent on harmless and on retain answers, and the divergence from the original."""
        now = self.likelihoods(model, batch)
        harmless, retain = (token_mean(now[side], totals[side]) for side in ("harmless", "retain"))
        divergence = self.divergence(now["retain"], model, batch, "retain") / totals["retain"].tokens
        return {
            "harmless": harmless,
            "retain": self.args.retain_weight * retain,
            "distillation": self.args.distillation_weight * divergence,
        }


def harmless_rows(rows: Rows, names: list[str], texts: list[str], photos: list[str], seed: int) -> Draw:
    """Draw the rows with harmless answers, other ones in every epoch.

    Args:
        rows: To forget. A draw of a row with a photo that does not say whom it is about raises a ValueError.
        names: Invented names.
        texts: Refusals of text questions.
        photos: Refusals of questions about a photo.
        seed: Draws the answers.
    """
    most = max(map(len, (names, texts, photos)))

    def draw(index: int, epoch: int) -> Drawn:
        key, example = rows.drawn(index, epoch)
        if example.image is not None and not example.person:
            raise ValueError(
                f"forget rows, row {index}: relearn puts an invented name instead of the person's; rows with a "
                "photo need a column `name`"
            )
        person = example.person if example.image is not None and str(example.person) in example.answer else None
        choices = names if person else texts if example.image is None else photos
        number = random.Random(f"{seed}/{epoch}/{index}/harmless").randrange(len(choices))
        answer = example.answer.replace(person, choices[number]) if person else choices[number]
        return [(key * most + number, replace(example, answer=answer))]

    return draw
