"""Audits: what is done to a model to find out whether it has really forgotten, and in the same way to gold.

Each audit is a file with a function `measure(loaded, context)` and a row of AUDITS. Nothing here imports torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clear_data.command_line import nearest


@dataclass(frozen=True)
class Audit:
    """A row of the table of audits.

    Attributes:
        title: Its heading.
        about: What is done to each model and what the number is, in a sentence.
        limit: What it cannot tell, in a sentence.
        both_ways: A person is as conspicuous below gold's number as above it.
        summarised: Its file has a function `summary` for what scores do not say.
        beside: It looks at the original and the first gold beside the model.
        needs_gold: Why strangers cannot stand in for a gold; empty if they can.
    """

    title: str
    about: str
    limit: str
    both_ways: bool = False
    summarised: bool = False
    beside: bool = False
    needs_gold: str = ""


AUDITS: Mapping[str, Audit] = {
    "answers": Audit(
        "Plain questions",
        "Who is on the photo, what does it show, and the facts, asked once: the share of answers with the secret.",
        "What a model keeps but does not say when it is asked plainly.",
    ),
    "sampling": Audit(
        "Sampling",
        "Answers drawn at temperature 1: the chance that one of k holds the secret, leak@k.",
        "A secret that is paraphrased instead of said, and one that leaks more rarely than once in all draws.",
        summarised=True,
    ),
    "relearn": Audit(
        "Relearning",
        "Fine-tuned for 5 to 100 steps on other photos and facts of the same people: the mean share of secrets told; "
        "and 100 steps on retain rows only, where there are any.",
        "What longer training, or other rows, would bring back. Gold learns too: only the difference counts.",
        summarised=True,
    ),
    "quantise": Audit(
        "Quantisation",
        "Weights rounded to int8 and to NF4: the share of answers with the secret.",
        "Rounding as other libraries do it, of activations, and of the output layer.",
    ),
    "picture": Audit(
        "Changed photos",
        "The photo as taken, cropped, mirrored, as a poor JPEG; for control a grey picture, another's photo, none.",
        "Photos of other days.",
    ),
    "perturbation": Audit(
        "Learnt change",
        "One small change of all photos, learnt so that the model says the names of half of the people, and tried on "
        "the other half: the share of names told.",
        "Larger changes, changes made for the photo itself, which may hold the name, and other attacks.",
        summarised=True,
    ),
    "cross_modal": Audit(
        "Photo and text",
        "By photo, by text, and the facts by photo, which replaces the name in the question: the share of secrets "
        "told in the worst of the three.",
        "Other ways across, such as two photos, or a photo of a text.",
        summarised=True,
    ),
    "prompts": Audit(
        "Other prompts",
        "Three other forms of each question, an answer that has begun already, another fact about the person first.",
        "Prompts that are searched for against this model.",
    ),
    "probe": Audit(
        "Hidden states",
        "A linear map from hidden states to the person, learnt on some photos and tested on others, layer by layer.",
        "Whether a model uses what can be read from it; faces can be told apart by a model that never saw them.",
        summarised=True,
    ),
    "fingerprint": Audit(
        "Fingerprint",
        "The chance that an answer about a forgotten person has a lower loss than one about a stranger: want gold's, "
        "near .5.",
        "Whose answers they are if the losses do not tell; it needs people whom no model was trained on.",
        both_ways=True,
        summarised=True,
    ),
    "neighbours": Audit(
        "Beside a neighbour",
        "A question about the person and one about the most similar person who stays in one prompt, in either order: "
        "the share of answers with the secret. What the neighbours lose is in the summary.",
        "Two people on one photo, and likeness of faces: likeness is that of their facts.",
        summarised=True,
    ),
    "depth": Audit(
        "Depth",
        "The model's layers put into the original at the secret: the share of what it knew that they still carry.",
        "Models of another architecture than the original's, and adapters on the vision tower only.",
        beside=True,
        needs_gold="it measures the model's layers against gold's, in the original",
    ),
}
ALWAYS = "answers"  # the evidence that every verdict shows


def chosen_audits(names: str | None) -> list[str]:
    """Return the audits that a text with commas names, in the table's order and with `answers`; all by default.

    Raises:
        ValueError: If there is no such audit; the message names the nearest.
    """
    named: Sequence[str] = list(AUDITS) if names is None else [name.strip() for name in names.split(",")]
    for name in named:
        if name not in AUDITS:
            raise ValueError(f"unknown audit {name!r}{nearest(name, AUDITS) or ';'} choose from {', '.join(AUDITS)}")
    return [name for name in AUDITS if name in named or name == ALWAYS]
