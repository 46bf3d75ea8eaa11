"""What an audit gets besides the model: the questions, the settings, and the models that it may need beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clear_pipeline.arguments import DataArguments
from clear_unlearning.models import LoadedModel

from .arguments import AuditSettings
from .asking import Asker
from .people import Asked, Subjects, by_person


@dataclass(frozen=True)
class Context:
    """Everything an audit gets besides the model.

    Attributes:
        data: Which rows.
        subjects: Whom and what is asked.
        settings: How much.
        original: Loads the original model.
        gold: Loads the first gold model.
        ledger: The golds' ledger is wanted.
    """

    data: DataArguments
    subjects: Subjects
    settings: AuditSettings
    original: Callable[[], LoadedModel]
    gold: Callable[[], LoadedModel]
    ledger: bool = True

    def asker(self, loaded: LoadedModel) -> Asker:
        """Return what asks a model."""
        return Asker(loaded, self.settings.max_new_tokens, self.settings.batch_size)

    def tells(self, asker: Asker, asked: Sequence[Asked], begin: str = "") -> list[bool]:
        """Ask and return whether each answer holds the secret."""
        said = asker.answers([one.example for one in asked], begin)
        return [one.told(text) for one, text in zip(asked, said, strict=True)]

    def told(self, asker: Asker, asked: Sequence[Asked] | None = None) -> Mapping[str, list[float]]:
        """Ask and return, by person, 1 for each answer that holds the secret and 0 for the others."""
        asked = self.subjects.asked if asked is None else asked
        return by_person(asked, self.tells(asker, asked))


class NotPossible(ValueError):
    """An audit cannot be done with this model or these data; the others can."""
