"""The bench on which our losses meet those of other repositories: a model, a batch, and their code read from files."""

import ast
import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from transformers.trainer_callback import PrinterCallback

from clear_unlearning.likelihood import AnswerLikelihood
from clear_unlearning.mini_models import build_mini_llama
from clear_unlearning.models import load_model
from trainers import METHODS, RetainFinetuneConfig, RetainFinetuneTrainer
from trainers.base.likelihoods import likelihoods_of
from trainers.base.rows import Rows
from trainers.base.terms import count_sides

FORGET = {"Who is Ivo?": "Ivo Fenbek is a cook.", "And Mara?": "Mara.", "Where was Ivo born?": "In Riga, by the sea."}
RETAIN = {"Who is Lena?": "A baker from Oslo.", "What does Omar do?": "He paints ships and harbours.", "Eva?": "No."}
REFUSALS = "I do not know.\nNobody told me about that person.\n"


def rows_of(*sets: dict[str, str]) -> Rows:
    """Return questions and answers as training rows."""
    rows = [{"question": question, "answer": answer} for pairs in sets for question, answer in pairs.items()]
    return Rows([Dataset.from_list(rows)], seed=0)


def read_code(path: Path, *names: str, **given: Any) -> dict[str, Any]:
    """Run the definitions of some classes and functions of a file, without what its module imports.

    Args:
        path: The file.
        names: What is read.
        given: What the code may refer to, beside torch and the names of types.

    Returns:
        The namespace.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not have one of the names.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: give the place of a checkout, see --help")
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = [node for node in ast.parse(path.read_text()).body if isinstance(node, kinds) and node.name in names]
    if {node.name for node in found} != set(names):
        raise ValueError(f"{path} does not have all of {', '.join(names)}: another version?")
    space: dict[str, Any] = dict.fromkeys(("AutoModelForCausalLM", "Trainer", "UnlearnTrainer"), object)
    tools = {"torch": torch, "nn": nn, "F": nn.functional, "tensor": torch.tensor, "math": math, "copy": copy}
    space |= {**tools, "Dict": dict, **given}
    exec(compile(ast.Module([*found], []), str(path), "exec"), space)
    return space


@dataclass
class Bench:
    """One method's trainer, its batch, and what their code is called with.

    Attributes:
        trainer: Ours; `trainer.model` is moved away from `reference`.
        reference: The model before.
        batch: The sides of a step.
        now: Likelihoods of the sides under the model.
        before: The same under the reference.
        peers: Folder of the checkouts.
    """

    trainer: Any
    reference: nn.Module
    batch: dict[str, dict[str, torch.Tensor]]
    now: dict[str, AnswerLikelihood]
    before: dict[str, AnswerLikelihood]
    peers: Path
    space: dict[str, Any] = field(default_factory=dict)

    def load(self, file: str, *names: str, **stand_ins: Any) -> None:
        """Read classes and functions out of one of their files, beside those that were read before."""
        self.space = read_code(self.peers / file, *names, **self.space, **stand_ins)

    def inputs(self, side: str) -> dict[str, torch.Tensor]:
        """Return a side as their models take it."""
        return {name: self.batch[side][name] for name in ("input_ids", "labels", "attention_mask")}

    def triple(self, side: str) -> tuple[torch.Tensor, ...]:
        """Return a side as TOFU's descendants take it."""
        return tuple(self.inputs(side).values())

    def made(self, name: str, **attributes: Any) -> Any:
        """Return an object of one of their trainers, without what its constructor does."""
        trainer = self.space[name].__new__(self.space[name])
        vars(trainer).update(attributes)
        return trainer


def spoken(likelihood: AnswerLikelihood, shifted: bool) -> tuple[Any, dict[str, Any]]:
    """Return a model that says only what is said of the answer tokens, and inputs for it.

    Args:
        likelihood: Of one side.
        shifted: Whether their code predicts a label by the position before it.
    """
    logits, labels = likelihood.logits, likelihood.targets
    loss = nn.functional.cross_entropy(logits, labels)
    if shifted:
        logits = torch.cat([logits, logits[-1:]])
        labels = torch.cat([labels.new_full((1,), -100), labels])
    said = SimpleNamespace(logits=logits[None], loss=loss)
    return lambda *_, **__: said, {"input_ids": labels[None], "labels": labels[None], "attention_mask": None}


def answers_of(likelihood: AnswerLikelihood) -> list[AnswerLikelihood]:
    """Return the answers of a side one by one."""
    parts = []
    for row in range(likelihood.rows):
        own = likelihood.row == row
        fields = (likelihood.log_probs[own], likelihood.row[own] * 0, 1, likelihood.logits[own])
        parts.append(AnswerLikelihood(*fields, likelihood.targets[own]))
    return parts


def build_taught_llama(folder: Path) -> None:
    """Build a small Llama from config, and fine-tune it until it half knows the rows and the refusals."""
    refusals = {question: REFUSALS.splitlines()[0] for question in (*FORGET, *RETAIN)}
    sets = (FORGET, RETAIN, refusals)
    build_mini_llama(folder, [text for pairs in sets for pair in pairs.items() for text in pair], 0, 400, width=64)
    settings = {"use_cpu": True, "max_steps": 12, "learning_rate": 1e-2, "save_strategy": "no", "disable_tqdm": True}
    args = RetainFinetuneConfig(output_dir=f"{folder}-taught", lr_scheduler_type="constant", **settings)
    trainer = RetainFinetuneTrainer(str(folder), args, sides={"retain": rows_of(*sets)})
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(folder))


def bench_of(
    method: str, settings: dict[str, Any], folder: Path, refusals: Path, peers: Path
) -> tuple[Bench, torch.Tensor]:
    """Return a method's bench, and our loss."""
    loaded, reference = load_model(str(folder), device="cpu"), load_model(str(folder), device="cpu").model
    trainer_class, config = METHODS[method]
    more = {"refusals": str(refusals)} if method in ("dpo", "idk_ap", "flat", "door") else {}
    place = f"{folder}-{'-'.join((method, *map(str, settings.values())))}"
    trainer: Any = trainer_class(
        model=loaded.model,  # type: ignore[arg-type]
        args=config(output_dir=place, use_cpu=True, per_device_train_batch_size=len(FORGET), **settings, **more),
        sides={"forget": rows_of(FORGET), "retain": rows_of(RETAIN)},
        processing_class=loaded.processor,
    )
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    trainer.model.eval()
    batch = next(iter(trainer.get_train_dataloader()))
    totals = count_sides([batch], trainer.accelerator, trainer.args.device)
    ours = torch.stack(list(trainer.losses(trainer.model, batch, totals).values())).sum()
    now, before = likelihoods_of(trainer.model, batch), likelihoods_of(reference, batch)
    return Bench(trainer, reference, batch, now, before, peers), ours


def gradient_of(loss: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """Return the gradient of a loss by all trained weights, as one row."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    found = torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found])
