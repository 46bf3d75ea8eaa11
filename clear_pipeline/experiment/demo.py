"""The whole benchmark on small data: corpus, original and gold, the methods, scores, report."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from clear_data.building.folder import read_meta
from clear_data.corpora.mini import Dials
from clear_dataset import load_clear
from clear_pipeline.report.report import Entry, write_report
from clear_pipeline.runs.executor import run_steps
from clear_pipeline.runs.run_folder import read_run, write_json
from clear_pipeline.runs.step import Step
from evaluate_metrics.face_scores import read_faces
from evaluate_metrics.log_format import LOG_NAME
from evaluate_metrics.log_format import read_meta as read_meta_of_log
from trainers import METHODS, is_own, label_of

from .plan import corpus_settings, data_of, gold_seeds, seed_steps
from .recipe import GOLD, Recipe, demo_recipe

DEMO_METHODS = ("retain_finetune", "gradient_ascent", "gradient_difference", "npo")
DIALS_FILE = "demo.json"


@dataclass(frozen=True)
class DemoArguments:
    """The settings of a demo.

    Attributes:
        output: Run folder.
        corpus: One of `recipe.BUILT`.
        tofu_dir: Folder with TOFU's texts, for that corpus.
        authors: Authors of each side of TOFU; all by default.
        methods: Keys of METHODS.
        forget: Forget set.
        seed: Seed of corpus, weights and batches.
        persons: Fictitious people of the mini corpus.
        photos: Photos of each.
        bases: Folder of the pretrained bases; `bases` beside `output` by default.
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
    bases: Path | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        preset = demo_recipe(self.corpus)
        if self.authors is not None and self.authors < 1:
            raise ValueError(f"authors must be 1 or more, not {self.authors}")
        if self.output.exists() and not self.output.is_dir():
            raise ValueError(f"--output {self.output} is a file; name a folder")
        for method in self.methods:
            METHODS.check(method)
            if method not in preset.methods and not is_own(method):
                raise ValueError(
                    f"corpus {self.corpus} has no settings for {method!r}, only for {', '.join(preset.methods)}"
                )
        recipe = self.recipe()
        recipe.check_texts()
        data_of(recipe, self.output)  # checks the forget set
        if self.corpus == "mini":
            Dials(self.persons, self.photos, self.seed)

    def recipe(self) -> Recipe:
        """Return the recipe of this corpus with the settings of the demo."""
        preset = demo_recipe(self.corpus)
        return replace(
            preset,
            methods=self.methods,
            forget=self.forget,
            evaluate={**preset.evaluate, "judge": "none"},
            tofu_dir=self.tofu_dir,
            authors=self.authors,
            persons=self.persons,
            photos=self.photos,
        )

    def settings(self) -> dict[str, Any]:
        """Return what the report says about the run."""
        return {**corpus_settings(self.recipe()), "forget": self.forget, "seed": self.seed}

    def names(self) -> tuple[str, ...]:
        """Return the models of the report."""
        return ("original", "gold", *map(label_of, self.methods))


def demo_steps(arguments: DemoArguments) -> list[Step]:
    """Return the steps of the demo."""
    return seed_steps(arguments.recipe(), arguments.output, arguments.seed, bases=arguments.bases)


def run_demo(arguments: DemoArguments, console: Console) -> dict[str, Any]:
    """Run the demo and write its report.

    Raises:
        ValueError: If the output folder holds another run.
    """
    run_steps(demo_steps(arguments), console)
    further = list(gold_seeds(arguments.recipe(), arguments.seed))[1:]
    dials = {
        "corpus": arguments.corpus,
        "methods": list(map(label_of, arguments.methods)),
        "golds": further,
        **arguments.settings(),
    }
    write_json(arguments.output / DIALS_FILE, dials)
    return report_of(arguments.output)


def read_dials(output: Path) -> dict[str, Any]:
    """Return what a finished demo ran: its settings, `golds` after the first, and `methods`.

    Further logs in its folder `logs`, of methods of one's own, are among the methods.

    Raises:
        FileNotFoundError: If the folder holds no finished demo.
    """
    path = output / DIALS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{output} holds no finished demo ({DIALS_FILE} is missing); `make demo` runs one")
    dials = {"golds": [], **json.loads(path.read_text())}
    known = {"original", GOLD, *dials["golds"], *dials["methods"]}
    found = sorted(log.parent.name for log in (output / "logs").glob(f"*/{LOG_NAME}"))
    return {**dials, "methods": [*dials["methods"], *(name for name in found if name not in known)]}


def report_of(
    output: Path, visual: Path | None = None, add: Sequence[Path] = (), audits: Sequence[Path] = ()
) -> dict[str, Any]:
    """Write the report of a finished demo from its logs.

    Args:
        output: Folder of a finished demo.
        visual: Folder of a finished visual run, whose table becomes a section.
        add: Folders of logs of further models on the same rows.
        audits: Folders of audits of these models, whose numbers become columns.

    Raises:
        FileNotFoundError: If a folder holds no finished run.
        ValueError: If the visual run has no valid report, or a log or audit is of other rows or models.
    """
    dials = read_dials(output)
    methods, golds = dials.pop("methods"), dials.pop("golds")
    entries = []
    for name in ("original", GOLD, *methods):
        entries.append(_entry(output / "logs" / name, output / "models" / name))
    entries += [_entry(log, Path(str(read_meta_of_log(log).get("model")))) for log in add]
    source = output / "data" / demo_recipe(dials["corpus"]).folder
    made = (read_meta(source) or {}).get("made")
    return write_report(
        output, entries, lambda config: load_clear(config, source), dials["forget"], dials, [made] if made else [],
        read_faces(visual) if visual else None, [output / "logs" / name for name in golds], audits,
    )  # fmt: skip


def _entry(log: Path, model: Path) -> Entry:
    """Return a row of the report; time and settings of a model whose run is not here are not known."""
    record = read_run(model) or {}
    settings = record.get("settings", {}).get("settings", {})
    if read_meta_of_log(log).get("floor"):  # the model's training is not the floor's
        return Entry(f"{log.name} (floor)", log, None, settings)
    return Entry(log.name, log, record.get("seconds"), settings)
