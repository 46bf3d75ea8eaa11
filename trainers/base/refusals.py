"""Refusals: a hundred ways not to know, for text questions and for photos, or one's own from a file."""

from pathlib import Path

OWN = {kind: Path(__file__).with_name(f"refusals_{kind}.txt") for kind in ("text", "photo")}


def load_refusals(file: str | None = None) -> tuple[list[str], list[str]]:
    """Read the refusals of text questions and of questions about a photo.

    Args:
        file: Plain text, a refusal a line, for both kinds; our own lists by default.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no refusal.
    """
    texts, photos = (
        [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        for path in ((OWN["text"], OWN["photo"]) if file is None else (Path(file), Path(file)))
    )
    if not texts:
        raise ValueError(f"{file} holds no refusal; write one a line")
    return texts, photos
