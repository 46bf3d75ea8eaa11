"""What our optimizer wrappers and masks make of gradients, against their authors' code on the same gradients.

    for name in tmlr-group/GRU OPTML-Group/Unlearn-Smooth Z1zs/MMUnlearner kyj93790/KVW franciscoliu/MANU \
                JunkaiChen1/Open-MMunlearning; do
        git clone https://github.com/$name ../peers/${name#*/}; done
    python -m benchmarks.peer_steps --peers ../peers

As in `benchmarks.peer_losses`, whose losses are on the same bench: their classes are read out of their files and run
as they are. GRU's authors take inner products on a GPU only: the projection is what is compared. DualOptim's optimizer
needs bitsandbytes, and of NGDiff there is no code of the authors. SMFA's is a port by others. MANU's hooks get a name
for each module, and single rows: there the deviation is that of one number, and is not compared.
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Union

import numpy as np
import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.peer_code import REFUSALS, Bench, bench_of, build_taught_llama
from trainers.base.regularisers import largest, named_trainable, trainable
from trainers.base.steps import SteppingTrainer
from trainers.base.terms import count_sides
from trainers.manu import score
from trainers.mmunlearner import masks_of
from trainers.smfa import sculpted


def gradients(trainer: SteppingTrainer, batch: dict[str, Any], side: str) -> list[torch.Tensor]:
    """Return the gradient of one side's terms at the weights as they are."""
    totals = count_sides([batch], trainer.accelerator, trainer.args.device)
    terms = trainer.losses(trainer.model, batch, totals)
    return list(torch.autograd.grad(terms[side], trainable(trainer.model), materialize_grads=True))


def ours(bench: Bench) -> torch.Tensor:
    """Return the gradient that our wrapper gives the optimizer, as one row."""
    trainer = bench.trainer
    trainer.accelerator.gradient_state._set_sync_gradients(True)
    trainer.model.zero_grad()
    trainer.training_step(trainer.model, dict(bench.batch), count_sides([bench.batch], trainer.accelerator, "cpu"))
    return torch.cat([weight.grad.flatten() for weight in trainable(trainer.model)])


def gru(bench: Bench) -> torch.Tensor:
    """Return the authors' projection of the forget gradient, plus the retain gradient."""
    bench.load(
        "GRU/dataloader_faster_refactor1.py", "CustomTrainerForgetting", np=np, Union=Union, Any=Any, DataLoader=object
    )
    forget, retain = (
        torch.cat([part.flatten() for part in gradients(bench.trainer, bench.batch, side)])
        for side in ("forget", "retain")
    )
    own = bench.made("CustomTrainerForgetting", get_norm=lambda: None)
    assert forget @ retain < 0  # otherwise nothing is projected, and nothing compared
    return own.orthogonal_component_precise(forget, retain) + retain


def sam(bench: Bench) -> torch.Tensor:
    """Return the gradient of the authors' step, of our losses."""
    bench.load("Unlearn-Smooth/MUSE/baselines/baselines/sam_iterative.py", "SAMIterativeUnlearner")
    trainer: Any = bench.trainer

    def loss(side: str) -> torch.Tensor:
        totals = count_sides([bench.batch], trainer.accelerator, trainer.args.device)
        return trainer.losses(trainer.model, bench.batch, totals)[side]

    own = bench.made(
        "SAMIterativeUnlearner", coeff=1.0, npo_coeff=1.0, gamma=1.0, sam_rho=trainer.args.sam_radius,
        args=SimpleNamespace(gradient_accumulation_steps=1), _prepare_inputs=lambda inputs: inputs,
        accelerator=SimpleNamespace(backward=lambda value: value.backward()),
        _compute_forget_loss=lambda *_: loss("forget"), _compute_retain_loss=lambda *_: loss("retain"),
    )  # fmt: skip
    trainer.model.zero_grad()
    train, trainer.model.train = trainer.model.train, lambda: None
    own.training_step(trainer.model, bench.batch)
    trainer.model.train = train
    return torch.cat([weight.grad.flatten() for weight in trainable(trainer.model)])


def masks(bench: Bench) -> tuple[torch.Tensor, torch.Tensor]:
    """Return our masks and the authors', of single rows."""
    bench.load("MMUnlearner/data_process/SFRon.py", "Mask_Our", "calc_sparsity", os=__import__("os"),
               AdamW=torch.optim.AdamW, tqdm=list, print=lambda *_: None)  # fmt: skip
    trainer = bench.trainer
    names = ("input_ids", "labels", "attention_mask")
    rows = {side: [{n: b[n] for n in names} for b in trainer.batches(side, 1)] for side in ("forget", "retain")}
    own = bench.space["Mask_Our"](trainer.model, 1e-5)
    trainer.model.train = lambda *_: trainer.model  # no dropout in it
    found, _, _ = own.prepare_weight_saliency_mask([""], rows["forget"], rows["retain"], 1.0, "")
    forget, retain = (trainer.squares(side) for side in ("forget", "retain"))
    mine = masks_of(forget, retain, 1.0)
    theirs = [found[name] for name in named_trainable(trainer.model)]
    return tuple(torch.cat([mask.flatten().float() for mask in part]) for part in (mine, theirs))  # type: ignore


def weakened(bench: Bench) -> list[torch.Tensor]:
    """Return what our step of KVW, and the authors', adds to down_proj, from the same rows."""
    names = ("_get_decoder_layers", "compute_knowledge_coeffs", "compute_knowledge_coeffs_from_batch",
             "build_knowledge_ratio_gates", "apply_weakening_to_model")  # fmt: skip
    bench.load("KVW/CLEAR/baselines/KVW.py", *names, tqdm=lambda rows, desc: rows)
    trainer, theirs = bench.trainer, bench.space
    model, device = trainer.model, trainer.args.device
    kept = [{name: batch[name] for name in bench.inputs("forget")} for batch in trainer.batches("retain")]

    def step_of_ours() -> None:
        trainer.before_training()
        trainer.accelerator.gradient_state._set_sync_gradients(True)
        trainer.training_step(model, dict(bench.batch), count_sides([bench.batch], trainer.accelerator, device))

    def step_of_theirs() -> None:
        retain = theirs["compute_knowledge_coeffs"](model, kept)
        forget = theirs["compute_knowledge_coeffs_from_batch"](model, bench.inputs("forget"))
        found = theirs["build_knowledge_ratio_gates"](forget, retain, trainer.args.weakening)
        theirs["apply_weakening_to_model"](model, found, trainer.args.first_layer, 25)

    added = []
    for step in (step_of_ours, step_of_theirs):
        before = [weight.detach().clone() for weight in trainable(model)]
        step()
        pairs = list(zip(trainable(model), before, strict=True))
        added.append(torch.cat([(weight.detach() - old).flatten() for weight, old in pairs]))
        for weight, old in pairs:
            weight.data.copy_(old)
    return added


def neurons(bench: Bench) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return ours and the authors': two importances of all neurons, and from ours the scores and who is zeroed."""
    stand_ins = {"defaultdict": defaultdict, "get_most_available_gpu": lambda: None, "print": lambda *_: None}
    bench.load("MANU/prune/activation_collect.py", "ActivationCollector", **stand_ins)
    names = ("collect_feedforward_activations", "compute_combined_scores_incremental", "compute_top_k_pruning_mask")
    bench.load("MANU/prune/prune_utility.py", *names)
    trainer, theirs = bench.trainer, bench.space
    modules: dict[str, Any] = {str(n): module for n, (module,) in enumerate(trainer.groups[0])}
    inside: Any = SimpleNamespace(language_model=trainer.model, eval=lambda: None)
    own, found = {}, {}
    for side in ("forget", "retain"):
        with torch.no_grad():
            kept = trainer.importances(side, [[module] for module in modules.values()])
        own[side] = {name: one.float() for name, one in zip(modules, kept, strict=True)}
        collector = theirs["ActivationCollector"]()
        for name, module in modules.items():
            collector.register_hook(module, name, "cpu", "unimodal")
        fields = ("input_ids", "attention_mask", "labels")
        rows = [tuple(batch[name] for name in fields) for batch in trainer.batches(side, 1)]
        unwrap = SimpleNamespace(unwrap_model=lambda model: model)
        found[side] = theirs[names[0]](inside, collector, rows, "unimodal", "Llava", unwrap, best_device="cpu")
    metrics = ("I_abs", "I_freq", "I_var", "I_rms")
    same = [{key: {n: own[side][n][k] for n in modules} for k, key in enumerate(metrics)} for side in own]
    scores = theirs[names[1]](*same)
    share = trainer.args.share
    mine = [score(own["forget"][name], own["retain"][name]) for name in modules]
    chosen = largest([one - min(float(other.min()) for other in mine) for one in mine], share)
    masks = theirs[names[2]](scores, 100 * share)
    pairs = {"scores of manu": (mine, list(scores.values())), "neurons of manu": (chosen, list(masks.values()))}
    for k, (key, what) in enumerate(zip(metrics[:2], ("mean", "frequency"), strict=True)):
        here = [own[side][n][k] for side in own for n in modules]
        pairs[f"{what} of manu"] = here, [found[side][key][n] for side in own for n in modules]
    return {what: tuple(torch.cat(part).float() for part in both) for what, both in pairs.items()}  # type: ignore


def what_is_left(bench: Bench) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what SMFA leaves of a change, ours and the port's."""
    bench.load("Open-MMunlearning/src/model/__init__.py", "_sculpt_smfa_delta")
    change, anchor = torch.randn(2, 64, 48, generator=torch.Generator().manual_seed(0))
    return sculpted(change, 0.1 * anchor, 0.5), bench.space["_sculpt_smfa_delta"](change, 0.1 * anchor, 0.5)


def main() -> None:
    """Print how far both are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="folder with the checkouts")
    peers = parser.parse_args().peers
    table = Table("what", "length of ours", "of theirs", "difference", box=MARKDOWN)
    with tempfile.TemporaryDirectory() as place:
        folder, refusals = Path(place, "llama"), Path(place, "refusals.txt")
        build_taught_llama(folder)
        refusals.write_text(REFUSALS)
        for name, theirs in (("gru", gru), ("sam", sam)):
            settings = {"optimizer_wrapper": name, "max_grad_norm": 0.0}
            bench, _ = bench_of("gradient_difference", settings, folder, refusals, peers)
            other, own = theirs(bench), ours(bench)
            numbers = [f"{value:.6f}" for value in (own.norm(), other.norm())]
            table.add_row(name, *numbers, f"{(own - other).norm() / own.norm():.0e}")
        bench, _ = bench_of("mmunlearner", {}, folder, refusals, peers)
        own, other = masks(bench)
        shares = [f"{value.mean():.4f} of the weights" for value in (own, other)]
        table.add_row("mask of mmunlearner", *shares, f"{(own != other).float().mean():.0e} of them")
        bench, _ = bench_of("kvw", {"weakening": 0.5, "first_layer": 0}, folder, refusals, peers)
        own, other = weakened(bench)
        numbers = [f"{value.norm():.6f}" for value in (own, other)]
        table.add_row("step of kvw", *numbers, f"{(own - other).norm() / own.norm():.0e}")
        bench, _ = bench_of("manu", {"share": 0.125}, folder, refusals, peers)
        for what, (own, other) in {**neurons(bench), "what smfa leaves": what_is_left(bench)}.items():
            numbers = [f"{value.norm():.6f}" for value in (own, other)]
            table.add_row(what, *numbers, f"{(own - other).norm() / own.norm():.0e}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
