"""What the attacks cost: U-LIRA and U-MIA on as many models and photos as the paper has, with intervals.

python benchmarks/attack_speed.py
"""

import time

import numpy as np

from evaluate_metrics.u_lira.compute import u_lira
from evaluate_metrics.u_mia.compute import u_mia

MODELS, EXAMPLES, PEOPLE = 128, 760, 40


def main() -> None:
    """Print the processor time of each attack."""
    dice, half = np.random.default_rng(0), MODELS // 2
    members = np.zeros((MODELS, EXAMPLES), dtype=bool)
    members[:half, : EXAMPLES // 2] = members[half:, EXAMPLES // 2 :] = True
    logits = dice.normal(size=members.shape) + members
    shadow = np.arange(MODELS) % half >= half // 2
    people = [f"person {example * PEOPLE // EXAMPLES}" for example in range(EXAMPLES)]
    for attack in (u_lira, u_mia):
        start = time.process_time()
        found = attack(logits[~shadow], members[~shadow], logits[shadow], members[shadow], people)
        name = attack.__name__
        seconds = time.process_time() - start
        low, high = found["intervals"][name]
        print(
            f"{name}: {MODELS} models, {EXAMPLES} photos: {seconds:.2f} s ({found[name]:.3f}, {low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    main()
