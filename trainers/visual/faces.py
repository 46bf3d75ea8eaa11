"""Photos of people as a recogniser takes them: one array of pixels for all models, and who is on which row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@dataclass(frozen=True)
class Faces:
    """Some rows of an array of photos.

    Attributes:
        pixels: All photos [photos, height, width, 3], bytes; may be mapped from a file.
        rows: Which of them.
        people: The person of each of these rows.
    """

    pixels: np.ndarray
    rows: np.ndarray
    people: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that each row has its person."""
        if len(self.rows) != len(self.people) or not len(self.rows):
            raise ValueError(
                f"{len(self.rows)} photos and {len(self.people)} names: as many are needed, and at least 1"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, people: Sequence[str]) -> "Faces":
        """Return the photos of some people.

        Raises:
            ValueError: If somebody has none.
        """
        missing = sorted(set(people) - set(self.people))
        if missing:
            raise ValueError(f"no photos of {', '.join(missing)}")
        chosen = [place for place, person in enumerate(self.people) if person in set(people)]
        return Faces(self.pixels, self.rows[chosen], tuple(self.people[place] for place in chosen))

    def and_of(self, other: "Faces") -> "Faces":
        """Return these photos and those of others, of the same array."""
        return Faces(self.pixels, np.concatenate([self.rows, other.rows]), self.people + other.people)

    def tensor(self, places: Sequence[int]) -> torch.Tensor:
        """Photos as a recogniser takes them [places, 3, height, width], normalised as for ImageNet."""
        pixels = torch.from_numpy(np.ascontiguousarray(self.pixels[self.rows[list(places)]])).float() / 255
        return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2).contiguous()
