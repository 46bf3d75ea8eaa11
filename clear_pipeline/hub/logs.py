"""Logs of original and gold models on the Hub, so that a user's own model can be scored without a gold run.

A log lies in a folder that says what it is: `<base model>/<role>/<forget set>/<dataset>/<seeds>`. The right gold log
for a log is found only by these words; nothing is downloaded to look for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HTTPError, OfflineModeIsEnabled

from clear_data.building.folder import META as DATASET_META
from clear_data.building.folder import read_meta as read_dataset_meta
from clear_data.configs import RETAIN_OF
from clear_data.publishing.hub_commit import Pushed, hub_errors, push_files
from evaluate_metrics.log_format import LOG_NAME, META_NAME, read_log, read_meta
from evaluate_metrics.token_log import TOKENS_NAME, read_token_log

ROLES = ("original", "gold")
CARD = """---
license: cc-by-nc-4.0
tags: [machine unlearning, evaluation logs]
viewer: false
---
# Evaluation logs of CLEAR

Logs of original models (fine-tuned on everybody) and gold models (fine-tuned only on the retain set), in TOFU's
format: `<base model>/<role>/<forget set>/<dataset>/seed-<training>-questions-<evaluation>`, where the dataset is the
start of its rows' fingerprint or of its revision. With the gold log of the same base model, forget set and rows,

    clear-unlearning score LOG --gold auto --logs_repo REPO

gives the forget quality of a model without a gold run of your own. The people in the data are fictitious.
"""


@dataclass(frozen=True)
class LogKey:
    """What a log is of.

    Attributes:
        base_model: Hub id, or `mini-<track>`.
        role: One of ROLES.
        forget: Forget set.
        dataset: Start of the rows' fingerprint, or `revision-` and the start of the dataset's commit.
        training_seed: Of original or gold.
        questions: Seed of the evaluation, which draws the questions.
        first: How many rows of each task were scored, None for all.
    """

    base_model: str
    role: str
    forget: str
    dataset: str
    training_seed: int
    questions: int
    first: int | None

    def folder(self) -> str:
        """Return where it lies."""
        last = f"seed-{self.training_seed}-questions-{self.questions}"
        last += "" if self.first is None else f"-first-{self.first}"
        return "/".join((self.base_model.replace("/", "--"), self.role, self.forget, self.dataset, last))


def dataset_identity(source: str) -> dict[str, str | None]:
    """Return which rows a dataset has.

    Args:
        source: Built folder or Hub id.

    Returns:
        `source`, `fingerprint` of the decoded rows (None if the source states none) and `revision`, its commit on the
        Hub (None for a folder). Both are None for rows of the Hub that came from the cache, without a network.
    """
    if Path(source).is_dir():
        return {
            "source": source,
            "fingerprint": (read_dataset_meta(Path(source)) or {}).get("fingerprint"),
            "revision": None,
        }
    try:
        revision = HfApi().dataset_info(source).sha
    except (HTTPError, OfflineModeIsEnabled):
        return {"source": source, "fingerprint": None, "revision": None}
    try:
        path = hf_hub_download(source, DATASET_META, repo_type="dataset", revision=revision)
    except EntryNotFoundError:
        return {"source": source, "fingerprint": None, "revision": revision}
    return {"source": source, "fingerprint": json.loads(Path(path).read_text())["fingerprint"], "revision": revision}


def key_of(meta: Mapping[str, Any], where: str, role: str | None = None, base_model: str | None = None) -> LogKey:
    """Return what a log is of, by its metadata.

    Args:
        meta: Of the log.
        where: What to call the log in an error.
        role: Overrides what the metadata say.
        base_model: Overrides what the metadata say.

    Raises:
        ValueError: If the metadata do not say it.
    """
    about, data = meta.get("lineage", {}), meta.get("dataset", {})
    base = base_model or about.get("base_model")
    revision = data.get("revision")
    dataset = (data.get("fingerprint") or "")[:12] or (revision and f"revision-{revision[:12]}")
    needed = {"base model (give --base_model)": base, "forget set": meta.get("forget"), "dataset": dataset}
    unknown = [name for name, value in needed.items() if not value]
    if unknown:
        raise ValueError(f"{where} does not say its {', '.join(unknown)}; `clear-unlearning evaluate` writes it down")
    return LogKey(
        base_model=str(base),
        role=role or about.get("role") or "unknown",
        forget=meta["forget"],
        dataset=str(dataset),
        training_seed=about.get("training_seed") or 0,
        questions=meta.get("seed") or 0,
        first=meta.get("max_examples"),
    )


def push_logs(
    logs: Sequence[Path], repo_id: str, private: bool = False, role: str | None = None, base_model: str | None = None
) -> Pushed:
    """Publish logs of original and gold models in one commit.

    Args:
        logs: Folders that `evaluate` wrote.
        repo_id: `namespace/name` of the dataset repository.
        private: Make a new repository private.
        role: Of all of them, where their metadata do not say it.
        base_model: Of all of them, where their metadata do not say it.

    Returns:
        What was done.

    Raises:
        ValueError: If a log is not valid, is neither of an original nor of a gold model, or two are of the same.
        FileNotFoundError, PermissionError, ConnectionError: As `push_files`.
    """
    files: dict[str, Path | bytes] = {"README.md": CARD.encode()}
    for log in logs:
        read_log(log)
        meta = read_meta(log)
        if meta.get("floor"):
            raise ValueError(f"{log} is of floor {meta['floor']['name']}; published are logs of {', '.join(ROLES)}")
        key = key_of(meta, str(log), role, base_model)
        if key.role not in ROLES:
            raise ValueError(f"{log} is of role {key.role!r}; published are {', '.join(ROLES)} (give --role)")
        trained_on = meta.get("lineage", {}).get("trained_on") or ""
        if key.forget not in RETAIN_OF:
            raise ValueError(f"{log} is of {key.forget}; published are logs of {', '.join(RETAIN_OF)}")
        complement = RETAIN_OF[key.forget]
        if key.role == "gold" and trained_on and trained_on.removesuffix("+tofu") != complement:
            raise ValueError(f"{log} is of {key.forget}, but its model was trained on {trained_on}, not {complement}")
        if f"{key.folder()}/{LOG_NAME}" in files:
            raise ValueError(f"{log} is of the same model and rows as another log: {key.folder()}")
        files[f"{key.folder()}/{LOG_NAME}"] = log / LOG_NAME if log.is_dir() else log
        files[f"{key.folder()}/{META_NAME}"] = json.dumps(public_meta(meta), indent=2).encode()
        read_token_log(log)
        if log.is_dir() and (log / TOKENS_NAME).is_file():
            files[f"{key.folder()}/{TOKENS_NAME}"] = _public_tokens(json.loads((log / TOKENS_NAME).read_text()))
    return push_files(repo_id, "dataset", files, f"{len(logs)} evaluation logs", private=private)


def public_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata without the places of a local disk."""
    about = {**meta.get("lineage", {})}
    return {
        **meta,
        "model": _placeless(meta.get("model")),
        "dataset": {**meta["dataset"], "source": _placeless(meta["dataset"].get("source"))},
        "lineage": {**about, "base_model": _placeless(about.get("base_model"))},
    }


def _public_tokens(content: Mapping[str, Any]) -> bytes:
    """Return what stands beside a log, without the places of a local disk."""
    held_out = content.get("held_out")
    public = {**content, "judge": _placeless(content.get("judge"))}
    if held_out is not None:
        public["held_out"] = {**held_out, "dataset": _placeless(held_out.get("dataset"))}
    return json.dumps(public).encode()


def _placeless(source: Any) -> Any:
    """Return a Hub id as it is; of a local folder its name, not the way to it."""
    is_id = isinstance(source, str) and source.count("/") <= 1 and source[:1] not in "./~"
    return source if source is None or (is_id and not Path(source).exists()) else Path(source).name


def find_logs(log: Path, role: str, repo_id: str | None, base_model: str | None = None) -> list[tuple[Path, str]]:
    """Find the published logs of gold or original models that belong to a log, and download them.

    Args:
        log: Of an unlearned model.
        role: One of ROLES.
        repo_id: Dataset with the logs; by default `clear-logs` of the namespace that the log's dataset is of.
        base_model: Overrides what the log's metadata say.

    Returns:
        Folder of each log here, and its folder there: they differ only in the seed of the training. The first is of
        the log's own seed, if there is one.

    Raises:
        ValueError: If the log does not say what it is of, or no repository is named.
        FileNotFoundError: If there is no such log; the message lists what there is.
        PermissionError, ConnectionError: If the Hub does not give it.
    """
    read_log(log)
    meta = read_meta(log)
    wanted = key_of(meta, str(log), role, base_model)
    source = str(meta["dataset"].get("source"))
    if repo_id is None:
        if not meta["dataset"].get("revision"):
            raise ValueError(f"{log} is of a local dataset: say where the {role} logs are, --logs_repo NAMESPACE/NAME")
        repo_id = f"{source.split('/')[0]}/clear-logs"
    with hub_errors(f"dataset {repo_id}"):
        api = HfApi()
        revision = api.dataset_info(repo_id).sha
        paths = api.list_repo_files(repo_id, repo_type="dataset", revision=revision)
        there = sorted(path.removesuffix(f"/{LOG_NAME}") for path in paths if path.endswith(f"/{LOG_NAME}"))
        found = [folder for folder in there if _but_seed(folder) == _but_seed(wanted.folder())]
        if not found:
            raise FileNotFoundError(
                f"{repo_id} has no log {replace(wanted, training_seed=0).folder().replace('seed-0-', 'seed-*-')}; "
                f"it has {', '.join(there) or 'none'}"
            )
        logs = []
        for folder in sorted(found, key=lambda folder: folder != wanted.folder()):
            beside = [name for name in (TOKENS_NAME, META_NAME) if f"{folder}/{name}" in paths]
            files = [
                hf_hub_download(repo_id, f"{folder}/{name}", repo_type="dataset", revision=revision)
                for name in (*beside, LOG_NAME)
            ]
            logs.append((Path(files[-1]).parent, folder))
    return logs


def _but_seed(folder: str) -> tuple[str, str]:
    """Return a log's folder without the seed of its training: what two logs share that can be compared."""
    above, _, last = folder.rpartition("/")
    return above, last.partition("-questions-")[2]
