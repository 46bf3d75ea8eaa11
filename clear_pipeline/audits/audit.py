"""Run audits: each on the original, on every gold and on the audited model, in exactly the same way.

Without a gold, each asks about strangers as well. The result of one audit of one model is a side file, so that an
interrupted command resumes.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from clear_pipeline.arguments import DataArguments
from clear_pipeline.evaluate import check_forgotten
from clear_pipeline.runs.provenance import check_role, lineage, model_digest
from clear_pipeline.runs.run_folder import Run, side_result
from clear_unlearning.models import LoadedModel, load_model, require_model

from . import AUDITS
from .arguments import AuditSettings
from .context import Context, NotPossible
from .people import Subjects
from .request import Request
from .roles import AUDITED, GOLD, ORIGINAL, gold_roles

SIDE_FILES = "audits"  # folder of the side files within the run
Progress = Callable[[int, int], None]


@dataclass
class AuditJob:
    """An audit of one model.

    Attributes:
        folder: Run folder of the results.
        model: The audited model.
        original: The model that it was made from; None if it is not at hand.
        golds: Models that never learnt what is forgotten; the first is the yardstick of those audits that need one.
            None without them: strangers are the zero, or there is none.
        data: What was forgotten, and where the rows are.
        audits: Rows of AUDITS.
        settings: How much is asked.
        strangers: Folder or file with rows about people whom the model never saw, in place of a gold.
        questions: File with questions that are asked, instead of rows of the dataset.
        reuse: Folders of other audits, whose results of the same models and questions are taken.
        overwrite: Replace a result with other settings.
    """

    folder: Path
    model: str
    original: str | None
    golds: Sequence[str]
    data: DataArguments
    audits: Sequence[str]
    settings: AuditSettings = field(default_factory=AuditSettings)
    strangers: Path | None = None
    questions: Path | None = None
    reuse: Sequence[Path] = ()
    overwrite: bool = False

    def models(self) -> dict[str, str]:
        """Return the models by their role, in the order in which they are measured."""
        before = {ORIGINAL: self.original} if self.original else {}
        return {**before, **dict(zip(gold_roles(len(self.golds)), self.golds, strict=True)), AUDITED: self.model}

    def request(self) -> Request:
        """Return whom the audit is about."""
        return Request(self.data, self.questions, self.strangers)

    def possible(self) -> list[str]:
        """Return the audits that can be done with these models."""
        return [name for name in self.audits if self.golds or not AUDITS[name].needs_gold]

    def place(self, role: str) -> str:
        """Return where a model is.

        Raises:
            ValueError: If it was not given.
        """
        models = self.models()
        if role not in models:
            raise ValueError(f"there is no {role} in this audit; there are {', '.join(models)}")
        return models[role]


def audit(job: AuditJob, progress: Progress | None = None) -> dict[str, Any]:
    """Do the audits, write what they find, and the verdict.

    Args:
        job: What is audited.
        progress: Called with the number of measurements done and in all.

    Returns:
        What `audit.json` holds.

    Raises:
        FileNotFoundError, ValueError: If a model or the data do not exist or do not belong together.
    """
    from .page import verdict, write_verdict

    models = job.models()
    for place in models.values():
        require_model(place)
    check_roles(job)
    digests = {role: model_digest(place) for role, place in models.items()}
    check_golds(job.golds, [digests[role] for role in gold_roles(len(job.golds))])
    request = job.request()
    same_for_all = {**request.identity(), "settings": asdict(job.settings)}
    settings = {"recipe": "audit", **models, "audits": list(job.audits), **same_for_all, "digests": digests}
    run = Run(job.folder, settings, job.overwrite)
    if run.finished:
        return json.loads((job.folder / "audit.json").read_text())
    subjects = request.load(job.settings)
    run.start()
    # Loaded when an audit needs them and let go: no more models are in memory than must be.
    context = Context(
        job.data, subjects, job.settings, lambda: _load(job, job.place(ORIGINAL)),
        lambda: _load(job, job.place(gold_roles(1)[0])), ledger=bool(job.golds and not job.questions),
    )  # fmt: skip
    with run.side_files(SIDE_FILES) as folder:
        results = _measured(job, context, folder, digests, same_for_all, progress)
        content = verdict(models, digests, subjects, request, job.settings, results)
        write_verdict(run.part, content, subjects)
        run.finish()
    return content


def check_roles(job: AuditJob) -> None:
    """Make sure that the models are what they are said to be, as far as their runs say it.

    Raises:
        ValueError: If one is not, or was made for other people.
    """
    for role, place in job.models().items():
        wanted = {AUDITED: None, ORIGINAL: "original"}.get(role, GOLD)
        if wanted:
            check_role(place, role, wanted)
        if not job.questions:  # whose questions they are, a file does not say in the words of a run
            check_forgotten(place, lineage(place)["forgotten"], job.data)


def check_photos(loaded: LoadedModel, place: str, subjects: Subjects) -> None:
    """Make sure that a model can be asked about the photos, if there are any.

    Raises:
        ValueError: If it takes none.
    """
    pictured = sum(one.example.image is not None for one in subjects.asked)
    if pictured and not loaded.takes_images:
        raise ValueError(
            f"{place} takes no photos, and {pictured} questions have one; leave these out, or give --track text"
        )


def check_golds(places: Sequence[str], digests: Sequence[str]) -> None:
    """Make sure that no gold is given twice: it would not vary, and the bounds come from how golds vary.

    Raises:
        ValueError: If one is.
    """
    for number, digest in enumerate(digests):
        if digest in digests[:number]:
            raise ValueError(
                f"{places[digests.index(digest)]} and {places[number]} are the same gold; give golds of other seeds"
            )


def _measured(
    job: AuditJob,
    context: Context,
    folder: Path,
    digests: Mapping[str, str],
    same_for_all: Mapping[str, Any],
    progress: Progress | None,
) -> dict[str, dict[str, Any]]:
    """Measure what is not in a side file yet; return all by audit and role."""
    models = job.models()
    found: dict[str, dict[str, Any]] = {name: {} for name in job.audits}
    possible = job.possible()
    done, total = 0, len(models) * len(possible)
    for name in job.audits:
        if name not in possible:
            found[name][AUDITED] = {"reason": f"it needs a gold: {AUDITS[name].needs_gold}"}
    folders = [folder, *(other / SIDE_FILES for other in job.reuse)]
    for role, place in models.items():
        opened = cache(partial(_opened, job, place, context.subjects))
        for name in possible:
            about = {"audit": name, "model": digests[role], **same_for_all}
            if AUDITS[name].beside:
                about |= {"original": digests[ORIGINAL], "gold": digests[gold_roles(1)[0]]}
            file = folder / f"{name}-{role.replace(' ', '-')}.json"
            measure = partial(_measure, name, opened, context)
            found[name][role] = side_result(file, name, about, folders, measure)
            done += 1
            if progress:
                progress(done, total)
    return found


def _load(job: AuditJob, place: str) -> LoadedModel:
    return load_model(place, dtype=job.settings.dtype)


def _opened(job: AuditJob, place: str, subjects: Subjects) -> LoadedModel:
    loaded = _load(job, place)
    check_photos(loaded, place, subjects)
    return loaded


def _measure(name: str, opened: Callable[[], LoadedModel], context: Context) -> dict[str, Any]:
    loaded = opened()
    began = time.monotonic()
    try:
        measured = import_module(f"{__package__}.{name}").measure(loaded, context)
    except NotPossible as reason:
        return {"reason": str(reason)}
    return {"seconds": round(time.monotonic() - began, 2), **measured.as_json()}
