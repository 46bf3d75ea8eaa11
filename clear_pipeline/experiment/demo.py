"""The whole benchmark on small data: corpus, original and gold, the methods, scores, report."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from clear_data.building.folder import read_meta
from clear_data.corpora.mini import Dials
from clear_dataset import load_clear
from clear_pipeline.report.report import Entry, write_report
from clear_pipeline.runs.executor import Step, run_steps
from clear_pipeline.runs.run_folder import read_run, write_json
from evaluate_metrics.face_scores import read_faces

from .plan import corpus_settings, data_of, seed_steps
from .presets import PRESETS
from .recipe import Recipe

DEMO_METHODS = ("retain_finetune", "gradient_ascent", "gradient_difference", "npo")
DIALS_FILE = "demo.json"


@dataclass(frozen=True)
class DemoArguments:
    """The demo's dials.

    Attributes:
        output: Folder of the run.
        corpus: A key of PRESETS.
        tofu_dir: Folder with TOFU's texts, for that corpus.
        authors: Take so many authors of each side of TOFU; all by default.
        methods: Rows of METHODS.
        forget: Forget set.
        seed: Draws corpus, weights and batches.
        persons: Fictitious people of the mini corpus.
        photos: Photos of each.
    """

    output: Path
    corpus: str = "mini"
    tofu_dir: Path | None = None
    authors: int | None = None
    methods: tuple[str, ...] = DEMO_METHODS
    forget: str = "forget10"
    seed: int = 0
    persons: int = 40
    photos: int = 8

    def __post_init__(self) -> None:
        """Checks the names."""
        if self.corpus not in PRESETS:
            raise ValueError(f"unknown corpus {self.corpus!r}; choose from {', '.join(PRESETS)}")
        if self.corpus == "tofu" and self.tofu_dir is None:
            raise ValueError(
                "the corpus tofu needs --tofu_dir FOLDER with qa.jsonl and the two *_perturbed.json files"
            )
        for method in self.methods:
            if method not in PRESETS[self.corpus].methods:
                valid = ", ".join(PRESETS[self.corpus].methods)
                raise ValueError(f"unknown method {method!r}; choose from {valid}")
        data_of(self.recipe(), self.output)  # checks the forget set
        if self.corpus == "mini":
            Dials(self.persons, self.photos, self.seed)

    def recipe(self) -> Recipe:
        """The recipe of this corpus with the demo's dials."""
        preset = PRESETS[self.corpus]
        return replace(
            preset,
            methods={method: preset.methods[method] for method in self.methods},
            forget=self.forget,
            evaluate={**preset.evaluate, "judge": "none"},
            tofu_dir=self.tofu_dir,
            authors=self.authors,
            persons=self.persons,
            photos=self.photos,
        )

    def settings(self) -> dict[str, Any]:
        """What the report says of the run."""
        return {**corpus_settings(self.recipe()), "forget": self.forget, "seed": self.seed}

    def names(self) -> tuple[str, ...]:
        """The models of the report."""
        return ("original", "gold", *self.methods)


def demo_steps(arguments: DemoArguments) -> list[Step]:
    """The steps of the demo, in the order in which they are read."""
    return seed_steps(arguments.recipe(), arguments.output, arguments.seed)


def run_demo(arguments: DemoArguments, console: Console) -> dict[str, Any]:
    """Runs the demo and writes its report.

    Raises:
        ValueError: If the output folder holds another run.
    """
    run_steps(demo_steps(arguments), console)
    dials = {"corpus": arguments.corpus, "methods": list(arguments.methods), **arguments.settings()}
    write_json(arguments.output / DIALS_FILE, dials)
    return report_of(arguments.output)


def report_of(output: Path, visual: Path | None = None) -> dict[str, Any]:
    """Writes the report of a finished demo from its logs.

    Args:
        output: Folder of the demo.
        visual: Folder of a finished visual run, whose table becomes a section.

    Raises:
        FileNotFoundError: If a folder holds no finished run.
        ValueError: If the visual run's report is none.
    """
    path = output / DIALS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{output} holds no finished demo ({DIALS_FILE} is missing)")
    dials = json.loads(path.read_text())
    methods = dials.pop("methods")
    entries = []
    for name in ("original", "gold", *methods):
        record = read_run(output / "models" / name)
        if record is None:
            raise FileNotFoundError(f"{output / 'models' / name} is missing")
        entries.append(Entry(name, output / "logs" / name, record["seconds"], record["settings"]["settings"]))
    source = output / "data" / PRESETS[dials["corpus"]].folder
    made = (read_meta(source) or {}).get("made")
    return write_report(
        output, entries, lambda config: load_clear(config, source), dials["forget"], dials, [made] if made else [],
        read_faces(visual) if visual else None,
    )  # fmt: skip
