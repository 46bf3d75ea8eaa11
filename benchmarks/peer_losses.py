"""Our losses against those of open-unlearning and of the methods' authors, on the same model and batch.

    for name in locuslab/open-unlearning UCSC-REAL/FLAT csm9493/efficient-llm-unlearning \
                sail-sg/closer-look-LLM-unlearning nmndeep/JensUn-Unlearning yascho/probabilistic-unlearning \
                wicai24/DOOR-Alignment; do
        git clone https://github.com/$name ../peers/${name#*/}; done
    python -m benchmarks.peer_losses --peers ../peers

Their classes and functions are read out of their files and run as they are; only what their modules import is stood
in for. The model is a small Llama that was taught the rows, moved a little away from its reference, and the batch has
answers of different lengths, so that padding and means over tokens or rows show. Gradients are compared too. Where the
losses differ, their code is run once more on what the formula is about (`given our positions`): on the answer tokens
only, or on an answer at a time. Differences are relative, and are to these where there are any.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.peer_code import REFUSALS, Bench, answers_of, bench_of, build_taught_llama, gradient_of, spoken
from clear_unlearning.likelihood import outputs_of

OPEN = "open-unlearning/src/trainer"
Theirs = Callable[[Bench], torch.Tensor]


def open_unlearning(name: str, **attributes: Any) -> Theirs:
    """Return the `compute_loss` of one of open-unlearning's trainers, its weights and means as they are."""

    def run(bench: Bench) -> torch.Tensor:
        file = {"GradAscent": "grad_ascent", "GradDiff": "grad_diff"}.get(name, name.lower())
        utils = ("compute_kl_divergence", "compute_batch_nll", "compute_dpo_loss", "compute_undial_loss")
        bench.load(f"{OPEN}/utils.py", *utils, "compute_wga_loss", "compute_satimp_loss")
        bench.load(f"{OPEN}/unlearn/grad_diff.py", "GradDiff")
        ceu = ("cross_entropy_unlearning_loss", "compute_batch_ceu") if name == "CEU" else ()
        bench.load(f"{OPEN}/unlearn/{file}.py", name, *ceu)
        given = {"gamma": 1.0, "alpha": 1.0, "retain_loss_type": "NLL", **attributes}
        own = bench.made(name, model=bench.trainer.model, ref_model=bench.reference, **given)
        sides: dict[str, Any] = {side: bench.inputs(side) for side in bench.batch}
        if name == "DPO":
            sides["forget"] = {"original": sides["forget"], "alternate": sides["refusal"]}
        if "retain" not in sides:
            sides["retain"] = sides["forget"]  # with the weight 0
        return own.compute_loss(bench.trainer.model, sides)

    return run


def kl_of_answers(bench: Bench) -> torch.Tensor:
    """Return their KL over answer positions only, beside their ascent."""
    model, inputs = spoken(bench.now["retain"], shifted=False)
    reference, _ = spoken(bench.before["retain"], shifted=False)
    kl, _ = bench.space["compute_kl_divergence"](model, reference, inputs)
    return kl - spoken(bench.now["forget"], shifted=True)[0]().loss


def undial_of_answers(bench: Bench) -> torch.Tensor:
    """Return their loss over answer positions only."""
    model, inputs = spoken(bench.now["forget"], shifted=True)
    reference, _ = spoken(bench.before["forget"], shifted=True)
    return bench.space["compute_undial_loss"](model, reference, inputs, bench.trainer.args.beta)[0]


def pdu(bench: Bench, answers_only: bool = False) -> torch.Tensor:
    """Return their loss before the first dual step, without the constant of the bound."""
    bench.load(f"{OPEN}/unlearn/grad_diff.py", "GradDiff")
    bench.load(f"{OPEN}/unlearn/pdu.py", "PDU")
    given = {"preferences": [1.0, bench.trainer.multiplier], "retain_loss_eps": 0.0, "primal_dual": False}
    own = bench.made("PDU", retain_loss_type="NLL", loss_names=["forget", "retain"], log=lambda _: None, **given)
    if not answers_only:
        return own.compute_loss(bench.trainer.model, {side: bench.inputs(side) for side in bench.batch})
    (forget, inputs), (retain, others) = (spoken(bench.now[side], shifted=False) for side in ("forget", "retain"))
    return own.compute_loss(
        lambda labels, **_: forget() if labels is inputs["labels"] else retain(), {"forget": inputs, "retain": others}
    )


def npo_with_entropies(bench: Bench, answers_only: bool = False) -> torch.Tensor:
    """Return the loss of entropy-regularised NPO's authors."""
    bench.load("probabilistic-unlearning/unlearning/unlearning_trainer.py", "UnlearningTrainer")
    regularised = {"regularization": None if answers_only else "entropy", "lambda_f": 1.0, "lambda_r": -0.25}
    given = {"beta": 0.05, "lambda": 1.0, **regularised}
    own = bench.made("UnlearningTrainer", loss="npo", ref_model=bench.reference, hparams=given)
    loss = own.compute_loss(bench.trainer.model, (bench.triple("forget"), bench.triple("retain"), None, None))
    if answers_only:
        weights = {"forget": given["lambda_f"], "retain": given["lambda_r"]}
        loss = loss + sum(weight * own.entropy_loss(bench.now[side].logits) for side, weight in weights.items())
    return loss


def rmu(bench: Bench, answers_only: bool = False) -> torch.Tensor:
    """Return their distance of the layer's states, with our target and weights 1."""
    bench.load(f"{OPEN}/unlearn/grad_diff.py", "GradDiff")
    bench.load(f"{OPEN}/unlearn/rmu.py", "RMU")
    trainer = bench.trainer
    name = next(name for name, module in trainer.model.named_modules() if module is trainer.layer)

    def states(network: Any, side: str) -> torch.Tensor:
        with outputs_of(network.get_submodule(name)) as outputs:
            network(**bench.inputs(side))
        return outputs[0]

    masks = {side: part["labels"] != -100 for side, part in bench.batch.items()}
    forget, retain, kept = states(trainer.model, "forget"), states(trainer.model, "retain"), None
    kept = states(bench.reference, "retain")
    if answers_only:
        forget, retain, kept = (
            forget[masks["forget"]][None],
            retain[masks["retain"]][None],
            kept[masks["retain"]][None],
        )
        masks = {side: mask[mask][None] for side, mask in masks.items()}
    mean = bench.space["RMU"].compute_activation_loss
    return mean(None, forget, trainer.target.expand_as(forget), masks["forget"]) + mean(
        None, retain, kept, masks["retain"]
    )


def door(bench: Bench) -> torch.Tensor:
    """Return the authors' loss."""
    bench.load("DOOR-Alignment/utils/loss.py", "get_sequence_log_probs", "gd_npo_loss")
    names = {"npo_": "forget", "": "refusal", "utility_": "retain"}
    inputs = {f"{prefix}{name}": value for prefix, side in names.items() for name, value in bench.inputs(side).items()}
    return bench.space["gd_npo_loss"](bench.trainer.model, bench.reference, inputs)


def jensun(bench: Bench) -> torch.Tensor:
    """Return the authors' loss, with our tokens of the target."""
    bench.load("JensUn-Unlearning/src/trainer/utils.py", "jensun_multitok_loss", "jensun_retain_loss")
    bench.load("JensUn-Unlearning/src/trainer/unlearn/jensun.py", "GradJSDiff")
    quiet = SimpleNamespace(is_local_main_process=False)
    own = bench.made("GradJSDiff", gamma=1.0, alpha=1.0, retain_loss_type="JensUn", accelerator=quiet)
    vars(own).update(model=bench.trainer.model, ref_model=bench.reference, tok_id=bench.trainer.target.tolist())
    return own.compute_loss(bench.trainer.model, {side: bench.inputs(side) for side in bench.batch})


def closer_look(name: str, forget_weight: float = 1.0) -> Theirs:
    """Return the authors' loss of ME+GD or IDK+AP."""

    def run(bench: Bench) -> torch.Tensor:
        names = ("get_loss", "me_loss", "get_me_loss", "gd_loss", "idk_loss", "ap_loss", "get_batch_loss")
        bench.load("closer-look-LLM-unlearning/trainer/losses.py", *names)
        order = ("forget", "retain", "refusal", "retain_refusal")
        sides = [bench.triple(side) if side in bench.batch else None for side in order]
        forget, retain = bench.space["get_loss"](bench.trainer.model, bench.reference, sides, name, beta=0.1)
        return forget_weight * forget + retain

    return run


def ihl(bench: Bench) -> torch.Tensor:
    """Return the authors' loss; torchmetrics' checks and shapes are stood in for."""
    names = ("_custom_multiclass_hinge_loss_update", "multiclass_hinge_loss", "CustomTrainerForgetting")
    bench.load(
        "efficient-llm-unlearning/TOFU/dataloader.py", *names,
        to_onehot=nn.functional.one_hot, _hinge_loss_compute=lambda measure, total: measure / total,
        _multiclass_hinge_loss_arg_validation=lambda *_: None,
        _multiclass_hinge_loss_tensor_validation=lambda *_: None,
        _multiclass_confusion_matrix_format=lambda preds, target, *_, **__: (preds, target),
    )  # fmt: skip
    own = bench.made("CustomTrainerForgetting", loss_type="IHL")
    return own.compute_loss(bench.trainer.model, (bench.triple("forget"), bench.triple("retain")))


def flat(name: str, answers_only: bool = False) -> Theirs:
    """Return the authors' loss of a divergence, or their function of each answer's own mean."""

    def run(bench: Bench) -> Any:
        names = ("ProbLossStable", "get_contrastive_loss", "CustomTrainerForgetting")
        bench.load("FLAT/dataloader.py", *names)
        own = bench.made("CustomTrainerForgetting", loss_type="cl", cl_div=name)
        if not answers_only:
            return own.compute_loss(bench.trainer.model, (bench.triple("forget"), bench.triple("refusal")))
        losses = []
        for pair in zip(*(answers_of(bench.now[side]) for side in ("forget", "refusal")), strict=True):
            (forget, inputs), (refusal, refused) = (spoken(answer, shifted=True) for answer in pair)
            said = {id(inputs["labels"]): forget(), id(refused["labels"]): refusal()}
            triples = tuple(
                tuple(part[key] for key in ("input_ids", "labels", "attention_mask")) for part in (inputs, refused)
            )
            losses.append(own.compute_loss(lambda _, labels, said=said, **__: said[id(labels)], triples))
        return sum(losses) / len(losses)

    return run


POSITIONS = "theirs: mean over prompt and padding too"
FLAT = "theirs: mean over prompt and padding too, and over the answers before g*"
TURNED = "theirs: the sign of the probability is turned, so that the forget answers are learned"


@dataclass
class Case:
    """A row of the table.

    Attributes:
        method: Key of METHODS.
        theirs: Their loss.
        settings: Of ours.
        why: Why the two differ.
        apart: Their loss, given our positions.
        name: What the row is called, if not as the method.
    """

    method: str
    theirs: Theirs
    settings: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    apart: Theirs | None = None
    name: str = ""


CASES = [
    Case("gradient_ascent", open_unlearning("GradAscent")),
    Case("gradient_difference", open_unlearning("GradDiff")),
    Case("kl", open_unlearning("GradDiff", retain_loss_type="KL"), why=POSITIONS, apart=kl_of_answers),
    Case("npo", open_unlearning("NPO", beta=0.1)),
    Case(
        "npo", npo_with_entropies, {"beta": 0.05, "forget_entropy": 1.0, "retain_entropy": -0.25}, POSITIONS,
        lambda b: npo_with_entropies(b, True), "npo with entropies",
    ),
    Case("dpo", open_unlearning("DPO", beta=0.1)),
    Case(
        "rmu", rmu, {"steering": 2.0, "retain_weight": 1.0, "layer": 1},
        "theirs: shapes (rows) / (rows, 1), each row's sum over every row's length", lambda b: rmu(b, True),
    ),
    Case("simnpo", open_unlearning("SimNPO", beta=4.5, delta=0.0, gamma=0.125)),
    Case("wga", open_unlearning("WGA", beta=1.0)),
    Case("satimp", open_unlearning("SatImp", beta1=5.0, beta2=1.0, alpha=0.1)),
    Case("undial", open_unlearning("UNDIAL", beta=10.0, alpha=0.0), why=POSITIONS, apart=undial_of_answers),
    Case("ceu", open_unlearning("CEU", ignore_first_n_answer_tokens=1)),
    Case("door", door),
    Case("jensun", jensun, why="theirs: probabilities are clamped at 1e-9"),
    Case("maximum_entropy", closer_look("ME+GD", forget_weight=0.1)),
    Case("idk_ap", closer_look("IDK+AP")),
    Case("ihl", ihl),
    Case("pdu", pdu, {}, "theirs: logits at the answer tokens, which predict the next ones", lambda b: pdu(b, True)),
    *(
        Case("flat", flat(theirs), {"divergence": ours}, why, flat(theirs, answers_only=True), f"flat, {ours}")
        for ours, theirs, why in (
            ("total_variation", "Total-Variation", FLAT),
            ("kl", "KL", FLAT),
            ("jensen_shannon", "Jenson-Shannon", FLAT),
            ("pearson", "Pearson", FLAT),
            ("jeffrey", "Jeffrey", FLAT),
            ("reverse_kl", "Reverse-KL", TURNED),
            ("squared_hellinger", "Squared-Hellinger", TURNED),
            ("neyman", "Neyman", "theirs: g* turned, so that the refusals are unlearned; f* without g*"),
        )
    ),
]  # fmt: skip


def main() -> None:
    """Print both losses of each method, and why they differ where they do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="folder with the checkouts")
    peers = parser.parse_args().peers
    table = Table(
        "method", "ours", "theirs", "given our positions", "difference", "of the gradient", "why", box=MARKDOWN
    )
    with tempfile.TemporaryDirectory() as place:
        folder, refusals = Path(place, "llama"), Path(place, "refusals.txt")
        build_taught_llama(folder)
        refusals.write_text(REFUSALS)
        for case in CASES:
            bench, ours = bench_of(case.method, case.settings, folder, refusals, peers)
            theirs = case.theirs(bench)
            apart = case.apart(bench) if case.apart else None
            nearest = theirs if apart is None else apart
            own, other = (gradient_of(loss, bench.trainer.model) for loss in (ours, nearest))
            numbers = [f"{value.detach():.6f}" for value in (ours, theirs, *([] if apart is None else [apart]))]
            distances = ((ours - nearest).abs() / ours.abs(), (own - other).norm() / own.norm())
            shown = [f"{distance.detach():.0e}" for distance in distances]
            table.add_row(case.name or case.method, *numbers, *[""] * (3 - len(numbers)), *shown, case.why)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
