"""The tab Faces: the table of the visual track beside the paper's numbers."""

from collections.abc import Mapping
from typing import Any

from evaluate_metrics.face_scores import COLUMNS, cells, paper_cells

from .html import render


def faces_html(faces: Mapping[str, Any] | None) -> str:
    """Return the table of the visual track.

    Args:
        faces: What `read_faces` gave; None if there is no such run.
    """
    if faces is None:
        return render("message.html.jinja", text="There is no run of the visual track.")
    lines = [{"name": row["name"], "own": cells(row), "paper": paper_cells(row["paper"])} for row in faces["rows"]]
    return render("faces.html.jinja", dials=faces["dials"], lines=lines, columns=COLUMNS)
