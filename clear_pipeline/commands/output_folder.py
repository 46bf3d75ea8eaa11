"""What several commands ask of their arguments."""

from pathlib import Path


def output_folder(folder: str | None, flag: str) -> Path:
    """The output folder of a command.

    Raises:
        ValueError: If none is named.
    """
    if not folder:
        raise ValueError(f"name an output folder: {flag} FOLDER")
    return Path(folder)
