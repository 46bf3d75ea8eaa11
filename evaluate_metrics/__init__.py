"""The metrics of CLEAR: one folder each, as in huggingface/evaluate, and the log that they are computed from.

`evaluate.load("clear/<name>")` finds a metric beside the built data; its card says what it cannot see.
"""

from dataclasses import dataclass

VERSION = "2"  # of all numbers: raised with every change that alters one; the leaderboard then scores all again


@dataclass(frozen=True)
class Metric:
    """A row of the table of metrics.

    Attributes:
        what: What it measures, in one line.
        direction: `higher`, `lower`, or `gold` where the value of the gold model is the best one.
    """

    what: str
    direction: str


METRICS: dict[str, Metric] = {
    "probability": Metric("how probable the right answer is, by itself or among wrong ones", "higher"),
    "rouge": Metric("ROUGE-L recall of what the model says against the right answer", "higher"),
    "truth_ratio": Metric("how much likelier wrong answers are than the right one", "gold"),
    "model_utility": Metric("what is left outside the forget set: harmonic mean over tasks", "higher"),
    "clear_scores": Metric("CLEAR's Real, Retain and Forget: harmonic means of probability and truth ratio", "higher"),
    "forget_quality": Metric("whether the model passes for one that never saw the forget set", "higher"),
    "gold_distance": Metric("how much of what the original knew is left, in all and by person", "lower"),
    "extraction_strength": Metric("how much of an answer follows from its beginning", "gold"),
    "exact_memorization": Metric("how many tokens of an answer are the model's own choice", "gold"),
    "fluency": Metric("whether the model still speaks: a judge's loss, repetition, refusals", "lower"),
    "membership": Metric("whether losses tell forgotten people from people never seen", "gold"),
    "privleak": Metric("how far a membership attack is from its result on the gold model", "gold"),
    "u_lira": Metric("how often an attacker with shadow models tells forgotten from unseen photos", "gold"),
    "u_mia": Metric("how often one classifier over all logits tells forgotten from unseen photos", "gold"),
}
