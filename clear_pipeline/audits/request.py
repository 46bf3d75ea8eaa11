"""Whom an audit is about: people of a dataset or the questions of a file, and strangers beside them, perhaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clear_pipeline.arguments import DataArguments
from clear_pipeline.runs.provenance import place_digest

from .arguments import AuditSettings
from .people import Subjects, load_subjects
from .questions_file import load_questions, read_rows
from .strangers import stranger_rows, with_strangers


@dataclass(frozen=True)
class Request:
    """Whom an audit is about.

    Attributes:
        data: What was forgotten, and where the rows are.
        questions: File with questions, instead of rows of a dataset.
        strangers: Folder or file with rows about people whom the model never saw, in place of a gold.
    """

    data: DataArguments
    questions: Path | None = None
    strangers: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Return what tells this request from others: digests of its rows.

        Raises:
            FileNotFoundError, ValueError: If a file cannot be used.
        """
        found = {"data": self.data.identity(), "forget": self.data.forgotten()} if not self.questions else {
            "data": _file_digest(self.questions), "forget": "questions"
        }  # fmt: skip
        found["track"] = self.data.track
        if self.strangers:
            found["strangers"] = place_digest(self.strangers)
        return found

    def load(self, settings: AuditSettings) -> Subjects:
        """Load what is asked.

        Raises:
            FileNotFoundError, ValueError: If rows cannot be used.
        """
        rows = stranger_rows(self.strangers, self.data.track, settings.seed) if self.strangers else []
        if self.questions:
            subjects = load_questions(self.questions, [one for _, each in rows for one in each])
        else:
            subjects = load_subjects(self.data, settings.questions_each, settings.seed)
        return with_strangers(subjects, rows, whole=bool(self.questions)) if self.strangers else subjects

    def about(self, people: Sequence[str]) -> dict[str, Any]:
        """Return what the page says of it.

        Args:
            people: Who is to be forgotten.
        """
        identity = self.identity()
        forgotten, place = identity["forget"], self.data.dataset
        if self.questions:
            forgotten, place = ", ".join(people), str(self.questions)
        return {"dataset": place, "identity": identity["data"], "forgotten": forgotten,
                "track": self.data.track, "every": self.questions is not None}  # fmt: skip


def _file_digest(file: Path) -> str:
    photos = [row.photo for row in read_rows(file) if row.photo]
    return " ".join(map(place_digest, [file, *dict.fromkeys(photos)]))
