"""Write self-contained metric folders, as `evaluate.load` and a Space need them.

A published folder is flat: the file that is `evaluate_metrics/rouge/compute.py` here is `rouge_compute.py` there, and
`from evaluate_metrics.rouge.compute import rouge` becomes `from .rouge_compute import rouge`.
"""

import re
import shutil
from pathlib import Path

_SHARED = re.compile(r"^from evaluate_metrics\.([\w.]+) import (.+)$", re.MULTILINE)


def copy_metric(name: str, metrics_root: Path, target: Path) -> None:
    """Copy a metric's folder, and every file of `evaluate_metrics` that it imports.

    Args:
        name: Of the metric.
        metrics_root: The folder `evaluate_metrics`.
        target: New folder.

    Raises:
        FileNotFoundError: If the metric, or a file that it imports, is missing.
    """
    source = metrics_root / name
    if not (source / f"{name}.py").is_file():
        known = sorted(path.parent.name for path in metrics_root.glob("*/README.md"))
        raise FileNotFoundError(f"no metric {name!r} in {metrics_root}; there are {', '.join(known)}")
    target.mkdir(parents=True)
    shutil.copy(source / "README.md", target)
    main = target / f"{name}.py"
    _copy_module(f"{name}.{name}", metrics_root, main)
    text = main.read_text()
    # `evaluate` fetches only the modules that the main file names, so it names what these import as well.
    unnamed = [path.stem for path in sorted(target.glob("*.py")) if path != main and f"from .{path.stem} " not in text]
    lines = "".join(f"from .{module} import __name__ as _{module}\n" for module in unnamed)
    main.write_text(text.replace("import evaluate\n", f"import evaluate\n{lines}", 1))


def _copy_module(module: str, metrics_root: Path, copy: Path) -> None:
    """Copy one file with its imports rewritten, and then the files that it imports."""
    if copy.exists():
        return
    text = metrics_root.joinpath(*module.split(".")).with_suffix(".py").read_text()
    copy.write_text(_SHARED.sub(lambda match: f"from .{flat_name(match[1])} import {match[2]}", text))
    for match in _SHARED.finditer(text):
        _copy_module(match[1], metrics_root, copy.with_name(f"{flat_name(match[1])}.py"))


def flat_name(module: str) -> str:
    """Return the name of a module in a published folder: `rouge.compute` is `rouge_compute`."""
    return module.replace(".", "_")
