"""SKU and the task vector: what was learned is taken away from the original."""

import pytest
import torch

from tests.trainers.conftest import trainer_of, weights


@pytest.mark.parametrize(("method", "lora"), [("sku", False), ("sku", True), ("task_vector", False)])
def test_the_task_vector_is_negated(method, lora, tmp_path, mini_llava):
    trainer = trainer_of(method, tmp_path, mini_llava, lora, task_vector=0.5)
    negate = trainer.after_training

    def merged():
        if not lora:
            return weights(trainer.model)
        trainer.model.merge_adapter()
        values = {n: w for n, w in weights(trainer.model).items() if "base_layer" in n}
        trainer.model.unmerge_adapter()
        return values

    seen = [merged()]
    trainer.after_training = lambda: (seen.append(merged()), negate())
    trainer.train()
    start, learned = seen
    now = merged()
    assert now
    for name, value in now.items():
        assert torch.allclose(value, start[name] - 0.5 * (learned[name] - start[name]), atol=1e-6), name
    assert any(not torch.equal(learned[name], start[name]) for name in now)
    assert not (tmp_path / "start.safetensors").exists()


def test_only_a_new_adapter_is_negated(tmp_path, mini_llava):
    trainer = trainer_of("task_vector", tmp_path, mini_llava, lora=True)
    with torch.no_grad():
        next(weight for name, weight in trainer.model.named_parameters() if "lora_B" in name).fill_(0.1)
    with pytest.raises(ValueError, match="the adapter was trained before, .*; merge it first"):
        trainer.train()
