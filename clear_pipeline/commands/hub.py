"""Commands that publish: `push`, `push-logs`."""

from collections.abc import Sequence
from pathlib import Path

from clear_data.command_line import Parser
from clear_pipeline.commands.logs import add_references, references


def push(argv: Sequence[str]) -> None:
    """Publish an unlearned model, or an original one, with its card."""
    parser = Parser("clear-unlearning push", description=push.__doc__)
    parser.add_argument("folder", type=Path, help="finished folder that unlearn or finetune wrote")
    parser.add_argument("--repo_id", required=True, help="model on the Hub, for example ORG/llava-npo")
    parser.add_argument("--licence", required=True, help="of the model, as the Hub names it: apache-2.0, llama2, ...")
    parser.add_argument("--log", type=Path, help="log of this model: its scores go into the card")
    add_references(parser)
    parser.add_argument("--base_model", help="Hub id of the model it was made from, if that was a folder here")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--tag", help="name of this version, for example v1")
    options = parser.parse_args(argv)
    from clear_pipeline.hub.models import push_model

    golds, original = references(options.log, options)
    done = push_model(
        options.folder, options.repo_id, options.licence, options.log, golds, original, options.base_model,
        options.private, options.tag,
    )  # fmt: skip
    sent = f"commit {done.commit[:8]}, {len(done.changed)} files sent"
    print(f"{done.url}: " + (sent if done.changed or done.deleted else "nothing changed, no commit"))


def push_logs(argv: Sequence[str]) -> None:
    """Publish logs of original and gold models."""
    parser = Parser("clear-unlearning push-logs", description=push_logs.__doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="folders that evaluate wrote")
    parser.add_argument("--repo_id", required=True, help="dataset on the Hub, for example ORG/clear-logs")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--role", choices=("original", "gold"), help="what the models are, if the logs do not say it")
    parser.add_argument("--base_model", help="what the models were made from, if the logs do not say it")
    options = parser.parse_args(argv)
    from clear_pipeline.hub.logs import push_logs as run

    done = run(options.logs, options.repo_id, options.private, options.role, options.base_model)
    print(f"{done.url}: " + (f"{len(done.changed)} files sent" if done.changed else "nothing changed, no commit"))
