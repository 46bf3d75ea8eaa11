"""Metric folders made self-contained: what they share is copied beside them, as `evaluate.load` and a Space need it.

In the repository a metric imports `from evaluate_metrics.log_format import read_log`. In its published folder the file
`log_format.py` lies beside it and the line reads `from .log_format import read_log`.
"""

import re
import shutil
from pathlib import Path

_SHARED = re.compile(r"^from evaluate_metrics\.([\w.]+) import (.+)$", re.MULTILINE)


def copy_metric(name: str, metrics_root: Path, target: Path) -> None:
    """Copies a metric's folder with all that it imports from its neighbours.

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
    _copy_module(f"{name}.{name}", metrics_root, target)
    main = target / f"{name}.py"
    text = main.read_text()
    # `evaluate` copies along what the main file names: it must name its helpers' helpers too.
    unnamed = [path.stem for path in sorted(target.glob("*.py")) if path != main and f"from .{path.stem} " not in text]
    lines = "".join(f"from .{module} import __name__ as _{module}\n" for module in unnamed)
    main.write_text(text.replace("import evaluate\n", f"import evaluate\n{lines}", 1))


def _copy_module(module: str, metrics_root: Path, target: Path) -> None:
    """Copies one file, its shared imports rewritten, and then the files that it imports."""
    path = metrics_root.joinpath(*module.split(".")).with_suffix(".py")
    copy = target / path.name
    if copy.exists():
        return
    text = path.read_text()
    copy.write_text(_SHARED.sub(lambda match: f"from .{match[1].split('.')[-1]} import {match[2]}", text))
    for match in _SHARED.finditer(text):
        _copy_module(match[1], metrics_root, target)
