"""What the shared prompt is worth on each architecture: its losses and answers against separate passes.

    python -m benchmarks.architectures

Tiny models of the real classes with random weights (`tests/clear_unlearning/architectures.py`), questions of mixed
lengths with and without pictures of two shapes. Prints the table of docs/architectures.md.
"""

import logging

import torch

from clear_unlearning.batches import Encoder
from clear_unlearning.scoring.scorer import Scorer, score_examples
from tests.clear_unlearning.architectures import ARCHITECTURES, build_architecture, questions


def row(name: str) -> tuple[str, ...]:
    """Return a row of the table."""
    model, processor = build_architecture(name)
    scorer = Scorer(model, Encoder(processor), max_new_tokens=8)
    examples = questions(ARCHITECTURES[name].images)
    found = {i: one for batch in score_examples(scorer, examples, batch_size=2) for i, one in batch.items()}
    difference, equal = 0.0, True
    for i, example in enumerate(examples):
        with torch.inference_mode():
            (alone,) = scorer.plain([example])
        equal = equal and alone.generated == found[i].generated
        pairs = zip(alone.losses, found[i].losses, alone.tokens, strict=True)
        difference = max(difference, *(abs(one - other) / tokens for one, other, tokens in pairs))
    path = "; ".join(f"{kind}: {shared}" for kind, shared in scorer.path.items())
    why = "; ".join(f"{kind}: {reason}" for kind, reason in scorer.reasons.items())
    same = "same" if equal else "DIFFERENT"
    return name, f"`{type(model).__name__}`", ARCHITECTURES[name].inputs, path, why, f"{difference:.1e}", same


def main() -> None:
    """Print the table."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    print("| model | class | inputs made by | shared | why no more | nats a token | greedy text |")
    print("|---|---|---|---|---|---|---|")
    for name in ARCHITECTURES:
        print(f"| {' | '.join(row(name))} |", flush=True)


if __name__ == "__main__":
    main()
