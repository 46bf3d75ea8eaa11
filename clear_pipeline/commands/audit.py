"""The command on a model and its references: `audit`."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from clear_data.command_line import Parser
from clear_pipeline.arguments import DataArguments
from clear_pipeline.audits import AUDITS, chosen_audits
from clear_pipeline.audits.arguments import AuditSettings

from .parser import check_place

HOW = "give --gold MODEL, a model that never learnt these people, or --strangers ROWS, people whom the model never saw"


def check_references(
    original: str | None, golds: Sequence[str], strangers: Path | None, questions: Path | None
) -> None:
    """Make sure that there is one thing to compare with; answers to own questions may be shown as they are.

    Raises:
        ValueError: If there is none, or two.
        FileNotFoundError: If the strangers' rows are not there.
    """
    if golds and strangers:
        raise ValueError("--gold and --strangers are both given, and either is the zero; leave out --strangers")
    if not golds and not strangers and not questions:
        raise ValueError(f"nothing to compare with: {HOW}")
    if golds and not original:
        raise ValueError("--gold needs --original, the model before it forgot; without one, give --strangers ROWS")
    if strangers and not strangers.exists():
        raise FileNotFoundError(f"--strangers {strangers}: neither a file nor a folder; DATASET_extra has such people")


def audit(argv: Sequence[str]) -> None:
    """Try whether a model has really forgotten, beside gold or strangers, and write the verdict on one page."""
    parser = Parser("clear-unlearning audit", description=audit.__doc__)
    parser.add_argument("model", help="the model that is audited: folder or Hub id")
    parser.add_argument("--original", help="the model that it was made from; needed beside --gold")
    parser.add_argument(
        "--gold", action="append", default=[],
        help="model that never learnt these people; given again with golds of other seeds, bounds are sharper, and "
        "with three the ledger says who is still known",
    )  # fmt: skip
    parser.add_argument(
        "--strangers", type=Path, metavar="ROWS",
        help="instead of --gold: people whom the model never saw, DATASET_extra or a file; what it tells of them is "
        "the zero",
    )  # fmt: skip
    parser.add_argument(
        "--questions", type=Path, metavar="FILE",
        help="instead of --dataset and --forget: a .jsonl or .csv with question, answer and perhaps photo, person, "
        "secret",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--audits", help=f"names with commas, all by default: {', '.join(AUDITS)}")
    for one in fields(DataArguments):
        text = one.metadata["help"].rstrip(".,") + (f" ({one.default})" if one.default else "")
        parser.add_argument(f"--{one.name}", default=one.default, help=text[:1].lower() + text[1:])
    for one in fields(AuditSettings):
        parser.add_argument(f"--{one.name}", type=type(one.default), default=one.default,
                            help=f"{one.metadata['help']} ({one.default})")  # fmt: skip
    parser.add_argument(
        "--reuse", type=Path, action="append", default=[],
        help="folder of another audit: what it found of the same models with the same questions is taken",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace a result that was made with other settings")
    options = vars(parser.parse_args(argv))
    data = DataArguments(**{one.name: options[one.name] for one in fields(DataArguments)})
    settings = AuditSettings(**{one.name: options[one.name] for one in fields(AuditSettings)})
    audits = chosen_audits(options["audits"])
    check_references(options["original"], options["gold"], options["strangers"], options["questions"])
    for place in (options["model"], options["original"], *options["gold"]):
        if place:
            check_place("model", place)
    if not options["questions"]:
        check_place("dataset", data.dataset)
    elif data != DataArguments():
        named = [f"--{one.name}" for one in fields(data) if getattr(data, one.name) != one.default]
        raise ValueError(f"--questions says what is asked: leave out {', '.join(named)}")
    for folder in options["reuse"]:
        if not (folder / "audits").is_dir():
            raise FileNotFoundError(f"--reuse {folder}: no audit there")
    from clear_pipeline.audits.audit import AuditJob
    from clear_pipeline.audits.audit import audit as run
    from clear_pipeline.runs.progress import ShownProgress

    job = AuditJob(options["output"], options["model"], options["original"], options["gold"], data, audits, settings,
                   options["strangers"], options["questions"], options["reuse"], options["overwrite"])  # fmt: skip
    progress = ShownProgress("measurement")
    try:
        run(job, progress)
    finally:
        progress.close()
    print(f"audit: {job.folder / 'audit.html'}")
