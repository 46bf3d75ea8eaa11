"""VGID: answer forget questions as the original does when it is told not to know and sees noise (arXiv 2606.00105)."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image
from torch import nn

from .base.rows import Draw, Drawn, Rows
from .base.terms import Sides, Terms, Totals
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer

INSTRUCTION = "Answer as somebody who has never heard of this person and has never seen them."


@dataclass
class VGIDConfig(UnlearningConfig):
    """Settings of VGID: those of the authors' commands."""

    learning_rate: float = field(default=2e-5, metadata={"help": "Peak learning rate."})
    num_train_epochs: float = field(default=1, metadata={"help": "Passes over the forget rows."})
    per_device_train_batch_size: int = field(default=4, metadata={"help": "Rows of each side in a step."})
    forget_weight: float = field(default=1.0, metadata={"help": "Weight g of the divergence from the blinded one."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of that from the original."})
    instruction: str = field(default=INSTRUCTION, metadata={"help": "What the teacher is told; empty: nothing."})


class VGIDTrainer(UnlearningTrainer):
    """Minimise `g KL(p_T || p)` on forget and `a KL(p0 || p)` on retain; p_T is the original, blinded.

    The teacher is shown noise instead of the photo, and reads an instruction before the question; the model in
    training sees the row as it is. Both are read along the forget answer, whose tokens are no target. A row has one
    picture of noise for the whole run, uniform in the pixels; the authors draw one in each step.
    """

    args: VGIDConfig
    _tag_names = ["clear", "unlearning", "vgid"]
    _name = "VGID"

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return the forget rows as the teacher sees them, beside the rows of both sides."""
        if not args.instruction and not sides["forget"].pictured():
            raise ValueError("vgid blinds the teacher to photos; forget rows without any need an instruction")
        drawn = super().draws(args, sides)
        return {**drawn, "blind": blinded_rows(drawn["forget"], args.instruction, args.seed)}

    def references(self) -> dict[str, Quantity]:
        """Return the logits of the retain answers, and of the forget answers after what the teacher sees."""
        return {"blind": self.logits, "retain": self.logits}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return the divergences from the blinded and from the seeing original."""
        now = self.likelihoods(model, {side: batch[side] for side in ("forget", "retain")})
        forget, retain = (
            self.divergence(now[side], model, batch, teacher) / totals[side].tokens
            for side, teacher in (("forget", "blind"), ("retain", "retain"))
        )
        return {"forget": self.args.forget_weight * forget, "retain": self.args.retain_weight * retain}


def blinded_rows(draw: Draw, instruction: str, seed: int) -> Draw:
    """Draw what another draw yields, with noise instead of photos and an instruction before the questions.

    Args:
        draw: Draws the rows.
        instruction: What the teacher is told; empty: nothing.
        seed: Draws the noise, one picture for each row.
    """

    def blind(index: int, epoch: int) -> Drawn:
        blinded = []
        for key, example in draw(index, epoch):
            question = f"{instruction}\n\n{example.question}" if instruction else example.question
            image = example.image
            if image is not None:
                dice = random.Random(f"{seed}/{index}/noise")
                image = Image.frombytes("RGB", image.size, dice.randbytes(3 * image.width * image.height))
            blinded.append((key, replace(example, question=question, image=image)))
        return blinded

    return blind
