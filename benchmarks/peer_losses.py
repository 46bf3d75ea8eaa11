"""Our losses against open-unlearning's (github.com/locuslab/open-unlearning), on the same model and batch.

    git clone https://github.com/locuslab/open-unlearning ../open-unlearning
    python benchmarks/peer_losses.py --peer ../open-unlearning

Their functions are loaded by path and run as they are; the model is a small Llama from config, moved a little away
from its reference, and the batch has answers of different lengths, so that padding and means over tokens or rows show.
"""

import argparse
import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from rich.console import Console
from rich.table import Table

from clear_unlearning.likelihood import outputs_of
from clear_unlearning.mini_models import build_mini_llama
from clear_unlearning.models import load_model
from trainers import METHODS
from trainers.base.rows import Rows
from trainers.base.terms import count_sides

FORGET = {"Who is Ivo?": "Ivo Fenbek is a cook.", "And Mara?": "Mara.", "Where was Ivo born?": "In Riga, by the sea."}
RETAIN = {"Who is Lena?": "A baker from Oslo.", "What does Omar do?": "He paints ships and harbours.", "Eva?": "No."}
REFUSALS = "I do not know.\nNobody told me about that person.\n"
SETTINGS: dict[str, dict[str, Any]] = {
    "gradient_ascent": {},
    "gradient_difference": {},
    "kl": {},
    "npo": {"beta": 0.1},
    "dpo": {"beta": 0.1},
    "rmu": {"steering": 2.0, "retain_weight": 1.0, "layer": 1},
}
REASONS = {
    "kl": "theirs: sum over all positions, prompt and padding too, divided by the rows; ours: mean over answer tokens",
    "rmu": "theirs: shapes (rows) / (rows, 1), each row's sum over every row's length; ours: mean over tokens",
}


def rows_of(pairs: dict[str, str]) -> Rows:
    """Return the questions and answers as training rows."""
    return Rows([Dataset.from_list([{"question": q, "answer": a} for q, a in pairs.items()])], seed=0)


def peer_modules(checkout: Path) -> tuple[Any, Any]:
    """Load `trainer/utils.py` and `trainer/unlearn/rmu.py`; what they import beside torch is not called here."""
    names = ("trainer", "trainer.unlearn", "trainer.unlearn.grad_diff", "deepspeed")
    sys.modules.update({name: types.ModuleType(name) for name in names})
    sys.modules["trainer.unlearn.grad_diff"].GradDiff = object  # type: ignore[attr-defined]
    loaded = []
    for file in ("utils.py", "unlearn/rmu.py"):
        path = checkout / "src" / "trainer" / file
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: --peer is not a checkout of open-unlearning")
        spec: Any = importlib.util.spec_from_file_location(f"peer_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded.append(module)
    for name in names:
        del sys.modules[name]
    return loaded[0], loaded[1]


def peer_loss(method: str, peer: tuple[Any, Any], trainer: Any, reference: Any, batch: Any) -> float:
    """Return the same method's loss by their functions, with their weights at 1."""
    utils, rmu = peer
    model = trainer.model
    sides = {side: {name: value for name, value in part.items() if name != "index"} for side, part in batch.items()}
    if method == "rmu":
        place = dict(model.named_modules()), dict(reference.named_modules())
        name = next(name for name, module in place[0].items() if module is trainer.layer)

        def states(network: Any, layer: Any, side: str) -> torch.Tensor:
            with outputs_of(layer) as outputs:
                network(**sides[side])
            return outputs[0]

        forget, kept = states(model, place[0][name], "forget"), states(model, place[0][name], "retain")
        mean = rmu.RMU.compute_activation_loss
        masks = {side: part["labels"] != -100 for side, part in sides.items()}
        return float(
            mean(None, forget, trainer.target.expand_as(forget), masks["forget"])
            + mean(None, kept, states(reference, place[1][name], "retain"), masks["retain"])
        )
    retain = model(**sides["retain"]).loss if "retain" in sides else torch.tensor(0.0)
    if method == "kl":
        kl, _ = utils.compute_kl_divergence(model, reference, sides["retain"])
        return float(-model(**sides["forget"]).loss + kl)
    if method in ("npo", "dpo"):
        winner = sides.get("refusal")
        preference, _ = utils.compute_dpo_loss(model, reference, winner, sides["forget"], trainer.args.beta)
        return float(preference + retain)
    return float(-model(**sides["forget"]).loss + (retain if method == "gradient_difference" else 0.0))


def main() -> None:
    """Print both losses of each method, and why they differ where they do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, help="checkout of open-unlearning")
    peer = peer_modules(parser.parse_args().peer)
    table = Table("method", "ours", "theirs", "difference", "why")
    with tempfile.TemporaryDirectory() as place:
        folder, refusals = Path(place, "llama"), Path(place, "refusals.txt")
        texts = [text for rows in (FORGET, RETAIN) for pair in rows.items() for text in pair]
        build_mini_llama(folder, texts, vocabulary=400, width=64)
        refusals.write_text(REFUSALS)
        for method, settings in SETTINGS.items():
            loaded, reference = load_model(str(folder), device="cpu"), load_model(str(folder), device="cpu").model
            trainer_class, config = METHODS[method]
            more = {"refusals": str(refusals)} if method == "dpo" else {}
            given = {"output_dir": f"{place}/{method}", "use_cpu": True, "per_device_train_batch_size": len(FORGET)}
            trainer: Any = trainer_class(
                model=loaded.model,  # type: ignore[arg-type]
                args=config(**given, **settings, **more),
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
                terms = trainer.losses(trainer.model, batch, totals)
                ours, theirs = float(sum(terms.values())), peer_loss(method, peer, trainer, reference, batch)
            table.add_row(method, f"{ours:.6f}", f"{theirs:.6f}", f"{ours - theirs:+.1e}", REASONS.get(method, ""))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
