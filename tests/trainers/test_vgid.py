"""VGID: what the teacher sees instead of a row, and that it is the original that sees it."""

import numpy as np
import pytest
import torch

from tests.trainers.conftest import fresh, rows, trainer_of
from trainers.base.rows import Rows, rows_themselves
from trainers.vgid import INSTRUCTION, blinded_rows


def test_the_teacher_sees_noise_and_reads_the_instruction():
    forget = rows(0)
    draw = blinded_rows(rows_themselves(forget), "You do not know.", seed=1)
    pictures = {}
    for epoch in range(4):
        for index in range(4):
            ((key, example),) = draw(index, epoch)
            own_key, own = forget.drawn(index, epoch)
            assert (key, example.question, example.answer) == (
                own_key,
                f"You do not know.\n\n{own.question}",
                own.answer,
            )
            if own.image is None:
                assert example.image is None
                continue
            assert example.image.size == own.image.size and example.image.mode == "RGB"
            pictures.setdefault(index, set()).add(example.image.tobytes())
    assert [len(found) for found in pictures.values()] == [1, 1, 1]  # one for the whole run
    assert len(set.union(*pictures.values())) == 3
    pixels = np.frombuffer(b"".join(set.union(*pictures.values())), np.uint8)
    assert pixels.mean() == pytest.approx(127.5, abs=3) and pixels.std() == pytest.approx(255 / 12**0.5, abs=3)
    ((_, other),) = blinded_rows(rows_themselves(forget), "", seed=2)(0, 0)
    assert other.question == forget.drawn(0, 0)[1].question and other.image.tobytes() not in pictures[0]


@pytest.mark.parametrize("lora", [False, True])
def test_the_teacher_is_the_original_and_the_model_sees_the_row(lora, tmp_path, mini_llava):
    trainer, original = trainer_of("vgid", tmp_path, mini_llava, lora), fresh(mini_llava).model.eval()
    trainer.train()
    batch = trainer.data_collator([{"index": 0}, {"index": 3}])
    with torch.no_grad():
        blind, seeing = (trainer.logits(original, batch[side]) for side in ("blind", "forget"))
    assert torch.allclose(trainer.reference(trainer.model, batch, "blind"), blind, atol=1e-4)
    assert not torch.allclose(blind, seeing, atol=1e-2)
    logged = {name for row in trainer.state.log_history for name in row}
    assert "forget_loss" in logged and "blind_loss" not in logged


def test_rows_that_nothing_would_blind_are_an_error(tmp_path, mini_llava):
    texts = Rows([dataset.select([3]) for dataset in rows(0).datasets], 0)
    with pytest.raises(ValueError, match="vgid blinds the teacher to photos; forget rows without any need an instr"):
        trainer_of("vgid", tmp_path, mini_llava, sides={"forget": texts}, instruction="")
    assert trainer_of("vgid", tmp_path, mini_llava, sides={"forget": texts}).args.instruction == INSTRUCTION
