"""What an audit finds in one model: scores of questions, by condition and person. 1 is known, 0 is not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Measured:
    """The result of one audit of one model, plain JSON values.

    Attributes:
        scores: Condition -> person -> score of each question from 0 to 1, the higher the more is known.
        counted: Conditions among which an attacker may choose: the worst of them counts. The others are controls.
        details: What the audit's own summary and the page need besides.
    """

    scores: Mapping[str, Mapping[str, Sequence[float]]]
    counted: Sequence[str]
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that every condition that counts was measured."""
        missing = [name for name in self.counted if name not in self.scores]
        if missing:
            raise ValueError(f"conditions {', '.join(missing)} were not measured; there are {', '.join(self.scores)}")

    def by_person(self, condition: str) -> dict[str, float]:
        """Return the mean score of each person under a condition."""
        return {person: sum(row) / len(row) for person, row in self.scores[condition].items() if len(row)}

    def known(self) -> dict[str, float]:
        """Return each person's score under the worst of the conditions that count."""
        tried = [self.by_person(condition) for condition in self.counted]
        people = dict.fromkeys(person for means in tried for person in means)
        return {person: max(means[person] for means in tried if person in means) for person in people}

    def about(self, people: Collection[str]) -> "Measured":
        """Return the scores of some people only."""
        scores = {
            condition: {person: row for person, row in by.items() if person in people}
            for condition, by in self.scores.items()
        }
        return replace(self, scores=scores)

    def as_json(self) -> dict[str, Any]:
        """Return it as `Measured(**...)` takes it."""
        return asdict(self)
