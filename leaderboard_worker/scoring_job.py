"""What a worker asks of the scoring process, and the files in which that answers."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from clear_pipeline.runs.run_folder import write_json

JOB, DONE, REFUSED, LINEAGE = "job.json", "done.json", "refused.json", "lineage.json"
PUBLIC, HIDDEN = "log", "hidden.json"
REFUSED_CODE = 3  # exit code of a process whose reason is in REFUSED


@dataclass(frozen=True)
class ScoringJob:
    """What is to be scored, all of it on the local disk.

    Attributes:
        model: Folder of the model.
        dataset: Folder of the public rows.
        forget: Forget set.
        track: Track of the tasks.
        original: Folder that the lineage starts at; None where no lineage is asked for.
        golds: Folders of the gold models.
        hidden: Folder of the hidden items.
        max_examples: Score the first rows of each task alone.
        batch_size: Examples at a time.
        dtype: Precision of the weights.
    """

    model: str
    dataset: str
    forget: str
    track: str = "image"
    original: str | None = None
    golds: list[str] = field(default_factory=list)
    hidden: str | None = None
    max_examples: int | None = None
    batch_size: int = 16
    dtype: str = "float32"

    def write(self, folder: Path) -> None:
        """Writes it where the process finds it."""
        write_json(folder / JOB, asdict(self))
