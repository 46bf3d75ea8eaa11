"""AltPO: the model's own other answers are preferred to the forget answers (arXiv 2409.13474)."""

import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .base.rows import Draw, Drawn, Rows
from .base.sampling import sample_texts
from .base.terms import Sides, Terms, Totals, token_mean
from .base.trainer import Quantity, UnlearningConfig, UnlearningTrainer

ALTERNATIVES = "alternatives.json"  # in the run's folder, where it stays: a resumed run reads it
REQUEST = "Write another answer to this question, as plausible as the one above, in which every fact is different."
TRIES = 10  # for an answer that is not the true one


@dataclass
class AltPOConfig(UnlearningConfig):
    """Settings of AltPO: the authors' for TOFU."""

    learning_rate: float = field(default=5e-5, metadata={"help": "Peak learning rate."})
    num_train_epochs: float = field(
        default=10, metadata={"help": "Passes over the forget rows, one alternative each."}
    )
    beta: float = field(default=0.1, metadata={"help": "Inverse temperature b of the preference."})
    retain_weight: float = field(default=1.0, metadata={"help": "Weight a of the retain term."})
    alternatives: int = field(default=5, metadata={"help": "Other answers of each row."})
    temperature: float = field(default=1.0, metadata={"help": "Temperature of the other answers."})
    request: str = field(default=REQUEST, metadata={"help": "What asks for them; empty: the question alone."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("beta", "alternatives", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        super().__post_init__()


class AltPOTrainer(UnlearningTrainer):
    """Minimise `-(2/b) log sigmoid(b [gain(alternative) - gain(y_f)]) + a L_r`, `gain = logp - logp0`.

    The original is shown question and answer and asked for another answer, before the first step; what it samples is
    kept in the run's folder. An epoch takes one of them for each row; the authors take all in each of two epochs.
    """

    args: AltPOConfig
    _tag_names = ["clear", "unlearning", "altpo"]
    _name = "AltPO"
    _kept: list[list[str]] = []

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        with self.accelerator.main_process_first():  # it asks for all; under LoRA nothing has asked yet
            self.kept()

    def draws(self, args: Any, sides: dict[str, Rows]) -> dict[str, Draw]:
        """Return alternatives beside the forget answers, another one in every epoch."""

        def alternative(index: int, epoch: int) -> Drawn:
            ((key, example),) = [sides["forget"].drawn(index, epoch)]
            number = random.Random(f"{args.seed}/{epoch}/{index}/alternative").randrange(args.alternatives)
            return [(key * args.alternatives + number, replace(example, answer=self.kept()[index][number]))]

        return {**super().draws(args, sides), "alternative": alternative}

    def kept(self) -> list[list[str]]:
        """Return the alternatives of each forget row, from the run's folder or of the original."""
        path = Path(str(self.args.output_dir)) / ALTERNATIVES
        if not self._kept and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(self.sampled(), indent=0, ensure_ascii=False), encoding="utf-8")
            part.rename(path)
        self._kept = self._kept or json.loads(path.read_text(encoding="utf-8"))
        return self._kept

    def sampled(self) -> list[list[str]]:
        """Ask the model for answers that are not the true one, for rows with answers of like length at a time."""
        self.model.eval()
        rows, encoder, args = self.rows["forget"], self.data_collator.encoder, self.args
        found: dict[int, list[str]] = {index: [] for index in range(len(rows))}
        lengths = [2 * len(encoder.tail(rows[index], rows[index].answer)) + 8 for index in found]
        for attempt in range(TRIES):
            waiting = [index for index, own in found.items() if len(own) < args.alternatives]
            waiting.sort(key=lengths.__getitem__)
            for start in range(0, len(waiting), args.per_device_train_batch_size):
                some = waiting[start : start + args.per_device_train_batch_size]
                seeds = [[f"{args.seed}/{index}/{attempt}/{n}" for n in range(args.alternatives)] for index in some]
                asked, most = [self._asked(rows[index]) for index in some], [lengths[index] for index in some]
                with torch.random.fork_rng(), self._vision:
                    said = sample_texts(self.model, encoder, asked, most, seeds, args.temperature)
                for index, texts in zip(some, said, strict=True):
                    found[index] += [text for text in texts if text and text != rows[index].answer.strip()]
        for index, own in found.items():
            if len(own) < args.alternatives:
                true = f"{rows[index].where}: the model gives hardly any answer but {rows[index].answer!r}"
                raise ValueError(f"{true}; raise temperature, now {args.temperature}")
        return [own[: args.alternatives] for own in found.values()]

    def _asked(self, example: Any) -> Any:
        request = f"{example.question}\n{example.answer}\n{self.args.request}"
        return replace(example, question=request) if self.args.request else example

    def references(self) -> dict[str, Quantity]:
        """Return the log-probabilities of both answers."""
        return {"forget": self.log_probs, "alternative": self.log_probs}

    def losses(self, model: nn.Module, batch: Sides, totals: Totals) -> Terms:
        """Return preference over the sequences of the forget batch, likelihood over the tokens of the retain batch."""
        beta = self.args.beta
        now = self.likelihoods(model, batch)
        other, forget = (self.gains(now[side], model, batch, side) for side in ("alternative", "forget"))
        preference = -2 / beta * nn.functional.logsigmoid(beta * (other - forget)).sum() / totals["forget"].rows
        return {"forget": preference, "retain": self.args.retain_weight * token_mean(now["retain"], totals["retain"])}
