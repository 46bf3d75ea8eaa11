"""Time and memory of a training step: ours, the reference's and one of open-unlearning's losses, in one run.

    git clone https://github.com/somvy/multimodal_unlearning ../multimodal_unlearning
    git clone https://github.com/locuslab/open-unlearning ../open-unlearning
    python benchmarks/unlearn_step.py --peer ../multimodal_unlearning --open_unlearning ../open-unlearning

Every loop trains the same LLaVA from config on the same rows for a few steps, in a process of its own, so that its
peak memory is its own. Image rows go against the reference's trainer, text rows against open-unlearning's functions,
both run as they are, loaded by path. What they import for other purposes is left empty, and the optimiser is PyTorch's
AdamW for all: the reference's needs a GPU. A step of SCRUB is two of ours: theirs takes both sides in one, ours by
turns.

What the original says of a row is computed by us once, before the first step; `beforehand` is what that costs for the
rows of one step. A row that is used once only, as most retain rows are, costs it once more: `with it` is that case. So
it is with what the frozen vision tower makes of a photo, which ours computes when it first sees it: the timed steps
see photos again, and `--cached_features 0` shows what those cost whose photos are new.
"""

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from datasets import Dataset, Image
from evaluate_speed import build_llava
from unlearn_loops import THEIR_NAMES, Cost, Settings, measure

from clear_data.corpora.mini import Dials, mini_rows
from clear_unlearning.mini_models import build_mini_llava
from trainers.base.rows import load_refusals

GOALS = {"image": 0.7, "text": 1.0}  # of the time of theirs
MEMORY_GOAL = 1.1  # of the same step without a reference
REMARKS = {
    ("npo", "reference"): "theirs has no retain term",
    ("npo", "reference+"): "theirs with its retain loss added",
    ("dpo", "reference"): "theirs has no retain term, and goes back through the refusals alone",
    ("dpo", "reference+"): "theirs with its retain loss added; goes back through the refusals alone",
}
HEAD = (
    "| method | rows | ours, CPU s (wall) | theirs | ratio of CPU (wall) | goal | beforehand, CPU s "
    "| ratio with it | peak MB: ours | theirs | no reference | ours / no reference | remark |"
)


def write_rows(folder: Path, batch: int) -> list[str]:
    """Write rows of people to forget and to retain, photos and texts; return their texts."""
    made, texts = mini_rows(Dials(persons=24))[0], []
    for side, config in (("forget", "forget10+tofu"), ("retain", "retain90+tofu")):
        for kind in ("image", "text"):
            rows = [row for row in made[config] if (row.get("image") is not None) == (kind == "image")][:batch]
            columns = ("image", "caption") if kind == "image" else ("question", "answer")
            dataset = Dataset.from_list([{name: row[name] for name in columns} for row in rows])
            dataset = dataset.cast_column("image", Image()) if kind == "image" else dataset
            dataset.to_parquet(f"{folder}/{kind}-{side}.parquet")
            texts += [row[name] for row in rows for name in columns if name != "image"]
    return [*texts, *(text for refusals in load_refusals() for text in refusals)]


def run(settings: Settings) -> Cost:
    """Measure in a fresh process."""
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        return pool.submit(measure, settings).result()


def compare(settings: Settings, others: list[str]) -> tuple[list[str], list[str], float]:
    """Return the table rows of a method and a kind of rows, the goals it misses, and the MB before the model."""
    ours = run(replace(settings, loop="ours"))
    bare = ours if settings.method == "gradient_difference" else run(replace(settings, loop="bare"))
    title, goal, lines, missed = f"{settings.method}, {settings.rows}", GOALS[settings.rows], [], []
    memory = ours.peak / bare.peak if ours.peak and bare.peak else 0.0
    if memory > MEMORY_GOAL:
        missed.append(f"{title}: memory {memory:.2f}x")
    for loop in others or [""]:
        if settings.method == "scrub" and loop == "open":
            theirs = Cost(error="not among its methods")
        elif not loop:
            theirs = Cost(error="no checkout given")
        else:
            theirs = run(replace(settings, loop=loop))
        remark = "; ".join(filter(None, [ours.error, bare.error, theirs.error, REMARKS.get((settings.method, loop))]))
        cells = [f"{ours.cpu:.3f} ({ours.wall:.3f})", "-", "-", f"{goal}x", f"{ours.beforehand:.3f}", "-"]
        if theirs.cpu:
            ratio, whole = ours.cpu / theirs.cpu, (ours.cpu + ours.beforehand) / theirs.cpu
            cells[1:3] = [f"{theirs.cpu:.3f} ({theirs.wall:.3f})", f"{ratio:.2f}x ({ours.wall / theirs.wall:.2f}x)"]
            cells[5] = f"{whole:.2f}x"
            if ratio > goal:
                missed.append(f"{title}: time {ratio:.2f}x" + (f" ({remark})" if remark else ""))
            elif whole > goal:
                missed.append(f"{title}: time {whole:.2f}x with the reference of rows used once")
        peaks = [f"{cost.peak:.0f}" if cost.peak else "-" for cost in (ours, theirs, bare)]
        lines.append(
            " | ".join(["", settings.method, settings.rows, *cells, *peaks, f"{memory:.2f}x", remark, ""]).strip()
        )
    return lines, missed, ours.imports


def main() -> None:
    """Build model and rows, run the loops one after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, help="checkout of multimodal_unlearning")
    parser.add_argument("--open_unlearning", type=Path, help="checkout of open-unlearning; without it ours runs alone")
    parser.add_argument("--size", choices=("mini", "mid"), default="mini", help="0.9 M or 118 M weights (%(default)s)")
    parser.add_argument("--methods", nargs="+", choices=tuple(THEIR_NAMES), default=list(THEIR_NAMES), help="all")
    parser.add_argument("--rows", nargs="+", choices=tuple(GOALS), default=list(GOALS), help="kinds (%(default)s)")
    parser.add_argument("--batch_size", type=int, default=4, help="rows of each side in a step (%(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="timed; the median counts (%(default)s)")
    parser.add_argument("--warm_up", type=int, default=1, help="steps before (%(default)s)")
    parser.add_argument("--cached_features", type=float, default=4.0, help="GB that ours keeps; 0: none (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="%(default)s")
    arguments = parser.parse_args()
    if not (arguments.peer / "mm" / "trainer.py").is_file():
        parser.error(f"--peer: {arguments.peer}/mm/trainer.py is missing")
    if arguments.open_unlearning and not (arguments.open_unlearning / "src" / "trainer" / "utils.py").is_file():
        parser.error(f"--open_unlearning: {arguments.open_unlearning}/src/trainer/utils.py is missing")
    os.environ |= {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": str(arguments.threads), "HF_HUB_OFFLINE": "1",
                   "TRANSFORMERS_VERBOSITY": "error"}  # fmt: skip
    preloaded = ["trainers", "clear_unlearning.models", "transformers.models.llava.modeling_llava"]
    context: Any = get_context("forkserver")
    context.set_forkserver_preload(preloaded)
    lines, missed, imports = [], [], 0.0
    with tempfile.TemporaryDirectory(prefix="unlearn-step-") as home:
        texts = write_rows(Path(home), arguments.batch_size)
        if arguments.size == "mini":
            build_mini_llava(Path(home, "model"), texts)
        else:
            build_llava(Path(home, "model"), texts, arguments.size)
        for kind in arguments.rows:
            checkout = arguments.peer if kind == "image" else arguments.open_unlearning
            for method in arguments.methods:
                others = ["reference", *(["reference+"] if method in ("npo", "dpo") else [])]
                if kind == "text":
                    others = ["open"] if checkout else []
                settings = Settings("", method, kind, home, str(checkout), arguments.batch_size, arguments.warm_up,
                                    arguments.steps, arguments.threads, arguments.cached_features)  # fmt: skip
                found = compare(settings, others)
                lines += found[0]
                missed += found[1]
                imports = found[2]
    print(
        f"{arguments.size}, {arguments.batch_size} rows of each side, float32, {arguments.threads} thread(s), median "
        f"of {arguments.steps} steps after {arguments.warm_up}; {imports:.0f} MB of each peak are Python and imports; "
        f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n{HEAD}\n"
        f"|{'---|' * (HEAD.count('|') - 1)}"
    )
    print(*lines, sep="\n")
    print(f"\nGoals missed: {'; '.join(missed) or 'none'}.")


if __name__ == "__main__":
    main()
