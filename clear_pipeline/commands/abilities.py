"""The command on what unlearning cost outside of the benchmark: `abilities`."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from clear_data.command_line import Parser
from clear_pipeline.audits.arguments import DTYPES

from .parser import check_place


def abilities(argv: Sequence[str]) -> None:
    """Score general abilities by tasks of lm-eval, beside the original's and gold's; needs the extra `utility`."""
    parser = Parser("clear-unlearning abilities", description=abilities.__doc__)
    parser.add_argument("model", help="folder or Hub id; an adapter is merged into its base first")
    parser.add_argument("--original", help="the model that it was made from")
    parser.add_argument("--gold", help="model that never learnt what was forgotten")
    parser.add_argument(
        "--tasks", required=True, help="names with commas: mmlu, hellaswag, ...; mmmu_val for models that take images"
    )
    parser.add_argument("--limit", type=int, help="first samples of each task, and of each subtask of a group (all)")
    parser.add_argument("--num_fewshot", type=int, help="solved examples before each question (the task's own number)")
    parser.add_argument("--apply_chat_template", action="store_true", help="ask in the model's chat template")
    parser.add_argument("--include_path", type=Path, help="folder with tasks of your own (lm-eval's YAML)")
    parser.add_argument("--batch_size", type=int, default=8, help="requests at a time (8)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32",
                        help="precision of the weights (float32)")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--reuse", type=Path, action="append", default=[],
        help="folder of another such run: what the same models answered to the same tasks is taken",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace a result that was made with other settings")
    options = parser.parse_args(argv)
    tasks = [name.strip() for name in options.tasks.split(",") if name.strip()]
    if not tasks:
        raise ValueError("--tasks names no task; give names of lm-eval with commas, such as mmlu,hellaswag")
    given = {"model": options.model, "original": options.original, "gold": options.gold}
    models = {role: place for role, place in given.items() if place}
    for place in models.values():
        check_place("model", place)
    if options.include_path and not options.include_path.is_dir():
        raise FileNotFoundError(f"--include_path {options.include_path}: no such folder")
    for folder in options.reuse:
        if not (folder / "answers").is_dir():
            raise FileNotFoundError(f"--reuse {folder}: no answers of `clear-unlearning abilities` there")
    if find_spec("lm_eval") is None:
        raise ValueError("abilities requires lm-eval: pip install 'clear-unlearning[utility]'")
    from rich.console import Console

    from clear_pipeline.abilities import AbilitiesJob, HowAsked
    from clear_pipeline.abilities import abilities as run
    from clear_pipeline.report.terminal import abilities_table
    from clear_pipeline.runs.progress import ShownProgress

    how = HowAsked(options.limit, options.num_fewshot, options.apply_chat_template, options.batch_size, options.dtype)
    job = AbilitiesJob(options.output, models, tasks, how, options.include_path, options.reuse, options.overwrite)
    progress = ShownProgress("task")
    try:
        content = run(job, progress)
    finally:
        progress.close()
    Console().print(abilities_table(content))
    print(f"abilities: {job.folder / 'abilities.json'}")
