"""AltPO: the original's other answers, asked for once, kept in the run's folder, and drawn one an epoch."""

import json

import pytest
import torch

from tests.trainers.conftest import fresh, rows, trainer_of
from trainers.altpo import ALTERNATIVES
from trainers.base.sampling import OwnDice


@pytest.mark.parametrize("lora", [False, True])
def test_the_original_is_asked_once_and_a_resumed_run_reads_what_it_said(tmp_path, mini_llava, lora):
    first = trainer_of("altpo", tmp_path, mini_llava, lora, alternatives=3)
    path, forget = tmp_path / ALTERNATIVES, rows(0)
    said = json.loads(path.read_text())
    assert [len(own) for own in said] == [3] * 4
    assert all(text and text != forget[i].answer for i, own in enumerate(said) for text in own)
    assert len({text for own in said for text in own}) > 4
    collator, drawn = first.data_collator, []
    for collator.epoch in range(6):
        for index in range(4):
            ((key, example),) = collator.draw({"index": index}, collator.epoch)["alternative"]
            ((own, forgotten),) = collator.draw({"index": index}, collator.epoch)["forget"]
            number = said[index].index(example.answer)
            assert (example.question, example.image) == (forgotten.question, forgotten.image) and key // 3 == own
            drawn.append((index, number, key))
    assert len({number for index, number, _ in drawn if index == 0}) > 1
    assert len({key for *_, key in drawn}) >= len({(index, number) for index, number, _ in drawn})
    path.write_text(json.dumps([["kept", "as it", "was"]] * 4))
    assert trainer_of("altpo", tmp_path, mini_llava, lora, alternatives=3).kept() == [["kept", "as it", "was"]] * 4


def test_the_same_seed_gives_the_same_answers(tmp_path, mini_llava):
    one, same, other = (
        trainer_of("altpo", tmp_path / str(place), mini_llava, alternatives=2, seed=seed).kept()
        for place, seed in enumerate((3, 3, 4))
    )
    assert one == same != other


@pytest.mark.parametrize("lora", [False, True])
def test_the_answers_do_not_change_with_the_batch(tmp_path, original, lora):
    """Rows of several lengths, with photos and without; some are asked again, since they say the truth at first."""
    settings = {"alternatives": 3, "temperature": 1.5, "request": ""}
    found = [
        trainer_of("altpo", tmp_path / str(size), original, lora, per_device_train_batch_size=size, **settings).kept()
        for size in (1, 3, 4)
    ]
    assert found[0] == found[1] == found[2]
    assert len({text for own in found[0] for text in own}) > 4


def test_each_sequence_draws_by_its_own_dice_from_the_distribution():
    """Of probabilities .7, .2 and .1 at T 1; at T 2 their roots .837, .447 and .316 over 1.6."""
    logits = torch.tensor([0.7, 0.2, 0.1]).log()
    for temperature, expected in ((1.0, [0.7, 0.2, 0.1]), (2.0, [0.523, 0.280, 0.198])):
        dice = OwnDice([str(n) for n in range(4000)], temperature)
        left = dice(None, logits.expand(4000, 3))
        assert ((left == 0).sum(1) == 1).all() and (left[left != 0] == -torch.inf).all()
        shares = (left == 0).double().mean(0).tolist()
        assert shares == pytest.approx(expected, abs=0.025)  # three standard deviations
    again = OwnDice(["7", "3"], 2.0)(None, logits.expand(2, 3))
    assert torch.equal(again, left[[7, 3]])


def test_a_model_that_gives_nothing_but_the_truth_is_named(tmp_path, original):
    """It knows the rows by heart, and at a low temperature says nothing else."""
    with pytest.raises(
        ValueError, match="row 0: the model gives hardly any answer but 'Person 0 is smiling.'; raise temp"
    ):
        trainer_of("altpo", tmp_path, original, request="", temperature=0.01, loaded=fresh(original))
