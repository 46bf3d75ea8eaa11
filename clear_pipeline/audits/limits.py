"""What an audit cannot tell, in plain words, by what the model is compared with."""

from collections.abc import Sequence

from .roles import GOLD, STRANGERS

ASKED = (
    "The model was asked about some photos and facts of each person, with the questions of these audits. That it "
    "tells nothing here does not prove that it holds nothing."
)
REFERENCES: dict[str | None, tuple[str, ...]] = {
    GOLD: (
        "The bounds come from the gold models that were given: what they reach by chance. More golds make them "
        "sharper. That gold never learnt these people is taken from whoever made it.",
        "Every person is looked at by several audits, so that a light turns amber now and then without cause: the "
        "same rule, applied to each gold, shows how often.",
    ),
    STRANGERS: (
        "No model that never learnt these people was at hand. What this model says of strangers, people whom it never "
        "saw, stands in for it. That it never saw them is taken from whoever chose them.",
        "A stranger is not the same person without her data. A common name is guessed more easily than a rare one, a "
        "fact that many share more easily than one that few share, and one face is harder to tell than another. "
        "Strangers who are like the person, with questions of the same kind, weaken the comparison least.",
        "A method that makes a model silent about everybody it does not know looks like forgetting here; a gold model "
        "would show the difference.",
        "Every person is looked at by several audits, so that a light turns amber now and then without cause: the "
        "same rule, applied to each stranger, shows how often. Few strangers make the bounds rough.",
    ),
    None: (
        "Nothing stands beside this model: neither a model that never learnt this person nor people whom the model "
        "never saw. Numbers and answers are shown as they are, and no light is given.",
        "What the model tells, it may have guessed, or know from elsewhere. What it does not tell, it may still hold.",
    ),
}
NO_ORIGINAL = (
    "The model from before was not given. What it knew is not shown, no share of it can be named, and a person whom "
    "it never knew gets the same light as one whom it forgot."
)
OUTSIDE = (
    "Only the weights were audited. Training data, backups, logs, copies of the original and models made from it are "
    "outside of this page.",
    "A light says how a model behaves, not what the law asks for.",
)


def limits_of(reference: str | None, original: bool) -> Sequence[str]:
    """Return the sentences for a page.

    Args:
        reference: What the model is compared with: `gold` or `strangers`; None for nothing.
        original: The original was given.
    """
    before = [] if original or reference is None else [NO_ORIGINAL]
    return [ASKED, *REFERENCES[reference], *before, *OUTSIDE]
