"""L1 and SalUn, alone and with methods."""

import pytest
import torch

from tests.trainers.conftest import trainer_of, weights
from trainers.base.regularisers import l1_distance, largest, trainable


def test_l1_by_hand():
    """|1| + |-2| + |3| = 6; from (1, 0) and 5: 0 + 2 + 2 = 4."""
    values, start = [torch.tensor([1.0, -2.0]), torch.tensor(3.0)], [torch.tensor([1.0, 0.0]), torch.tensor(5.0)]
    assert l1_distance(values, None) == 6
    assert l1_distance(values, start) == 4


def test_the_largest_are_chosen_over_all_tensors():
    masks = largest([torch.tensor([[0.1, -5.0], [3.0, 0.2]]), torch.tensor([-4.0, 0.3])], share=0.5)
    assert [mask.tolist() for mask in masks] == [[[False, True], [True, False]], [True, False]]


@pytest.mark.parametrize(("origin", "lora"), [("zero", False), ("start", False), ("start", True)])
def test_l1_holds_the_weights_near_its_origin(origin, lora, tmp_path, mini_llava):
    distances = []
    for weight in (0.0, 1.0):
        trainer = trainer_of("npo", tmp_path / str(weight), mini_llava, lora, l1=weight, l1_from=origin)
        start = [value.detach().clone() for value in trainable(trainer.model)] if origin == "start" else None
        trainer.train()
        distances.append(float(l1_distance(trainable(trainer.model), start).detach()))
        logged = next(row for row in trainer.state.log_history if "loss" in row)
        assert ("l1_term" in logged) == (weight > 0)
        assert sum(v for name, v in logged.items() if name.endswith("_term")) == pytest.approx(
            logged["loss"], rel=1e-4
        )
    assert distances[1] < distances[0]


def test_l1_counts_once_however_a_batch_is_split(tmp_path, mini_llava):
    logged = []
    for size, steps in ((4, 1), (1, 4)):
        trainer = trainer_of(
            "gradient_ascent", tmp_path, mini_llava, l1=1e-3, num_train_epochs=1,
            per_device_train_batch_size=size, gradient_accumulation_steps=steps,
        )  # fmt: skip
        trainer.train()
        logged.append(next(row["l1_term"] for row in trainer.state.log_history if "loss" in row))
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)


@pytest.mark.parametrize(
    ("method", "lora", "muon"), [("npo", False, True), ("dpo", True, False), ("scrub", False, False)]
)
def test_salun_moves_its_share_and_nothing_else(method, lora, muon, tmp_path, mini_llava):
    trainer = trainer_of(method, tmp_path, mini_llava, lora, salun=0.25, muon=muon, weight_decay=0.1)
    before = weights(trainer.model)
    trainer.train()
    masks = {id(weight): mask for weight, mask in zip(trainer._salient.weights, trainer._salient.masks, strict=True)}
    chosen = sum(int(mask.sum()) for mask in masks.values())
    assert chosen == round(0.25 * sum(mask.numel() for mask in masks.values()))
    moved = 0
    for name, weight in trainer.model.named_parameters():
        changed = weight.detach() != before[name]
        assert not changed[~masks[id(weight)]].any() if id(weight) in masks else not changed.any(), name
        moved += int(changed.sum())
    assert moved > 0.5 * chosen
