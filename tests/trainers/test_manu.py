"""MANU: scores worked out by hand, importances read once more from the model, and neurons that are zeroed."""

import pytest
import torch

from tests.trainers.conftest import fresh, rows, trainer_of, weights
from trainers import METHODS
from trainers.manu import importances_of, score


def test_importances_and_scores_by_hand():
    """Sizes 1 3: mean 2, of squares 5, deviation 1, root 2.236068. Against 1 1: (2 - 1) 2 + (0 / e - ...) and so on.

    Forget 2 1 1 2.236068, retain 1 1 1 1: 2 (1) + 2 (0) + 2 (1.236068) = 4.472136, but for e = 1e-5. Twice the same
    importances score 0; a neuron that is silent on both sides -6.
    """
    found = importances_of(torch.tensor([[2.0, 0.0], [1.0, 0.0], [5.0, 0.0]], dtype=torch.float64))
    assert found[:, 0].tolist() == pytest.approx([2.0, 1.0, 1.0, 5**0.5]) and not found[:, 1].any()
    retain = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert score(found, retain).tolist() == pytest.approx([4.472136, -6.0], abs=1e-3)
    assert score(retain[:, :1], retain[:, :1]).tolist() == pytest.approx([0.0], abs=1e-3)


def by_hand(model, trainer, side, name):
    """Importances of a module over all positions of a side, by torch on all activations at once."""
    module, kept = model.get_submodule(name), []
    handle = module.register_forward_hook(lambda *given: kept.append(given[2]))
    for batch in trainer.batches(side, 1):
        with torch.no_grad():
            model(**{key: value for key, value in batch.items() if key not in ("labels", "index")})
    handle.remove()
    sizes = torch.cat([one.flatten(0, -2) for one in kept]).abs().double()
    deviation = sizes.std(0, correction=0)
    return torch.stack([sizes.mean(0), (sizes > 0.1).double().mean(0), deviation, sizes.square().mean(0).sqrt()])


@pytest.mark.parametrize("freeze", [True, False])
def test_the_neurons_with_the_largest_scores_are_zeroed_and_no_others(tmp_path, mini_llava, freeze):
    """The language model's ranked over all its layers; the tower's, if it is not frozen, among themselves."""
    trainer = trainer_of("manu", tmp_path, mini_llava, max_steps=2, share=0.1, freeze_vision=freeze)
    original, before = fresh(mini_llava).model.eval(), weights(trainer.model)
    names = {id(module): name for name, module in trainer.model.named_modules()}
    groups = [[names[id(module)] for (module,) in group] for group in trainer.groups]
    assert [len(group) for group in groups] == [6] if freeze else [6, 4]
    trainer.train()
    after, changed = weights(trainer.model), set()
    for group in groups:
        scores = {}
        for name in group:
            forget, retain = (by_hand(original, trainer, side, name) for side in ("forget", "retain"))
            terms = torch.stack([2 * (forget[k] / (retain[k] + 1e-5) - 1) for k in (0, 2, 3)])
            scores[name] = terms.sum(0)
        ranked = torch.cat(list(scores.values())).sort(descending=True).values
        bound = ranked[round(0.1 * len(ranked)) - 1]
        for name, own in scores.items():
            weight, expected = after[f"{name}.weight"], before[f"{name}.weight"].clone()
            clear = (own - bound).abs() > 1e-4 * bound.abs()  # rounding decides on the others
            expected[own >= bound] = 0
            assert torch.equal(weight[clear], expected[clear]), name
            changed |= {f"{name}.weight", f"{name}.bias"}
    assert all(torch.equal(after[name], before[name]) for name in before if name not in changed)
    assert sum(bool((after[name] != before[name]).any()) for name in changed & before.keys()) >= len(groups)


def test_pooled_scores_are_those_of_all_layers_and_change_the_last_three(tmp_path, monkeypatch, mini_llava):
    """The mini model has two layers: with LAST at 1 the first one stays as it is."""
    monkeypatch.setattr("trainers.manu.LAST", 1)
    trainer = trainer_of("manu", tmp_path, mini_llava, max_steps=1, share=0.1, pooled=True)
    original, before = fresh(mini_llava).model.eval(), weights(trainer.model)
    names = {id(module): name for name, module in trainer.model.named_modules()}
    (group,) = trainer.groups
    shared = [[names[id(module)] for module in sharing] for sharing in group]
    assert [name.rpartition(".")[2] for first, name in shared] == ["gate_proj", "up_proj", "down_proj"]
    trainer.train()
    after, scores = weights(trainer.model), []
    for sharing in shared:
        sides = {}
        for side in ("forget", "retain"):
            one, other = (by_hand(original, trainer, side, name) for name in sharing)
            means = (one[0] + other[0]) / 2, (one[1] + other[1]) / 2, (one[3] ** 2 + other[3] ** 2) / 2
            sides[side] = importances_of(torch.stack(means))
        scores.append(score(sides["forget"], sides["retain"]))
    ranked = torch.cat(scores).sort(descending=True).values
    bound = ranked[round(0.1 * len(ranked)) - 1]
    for own, (first, last) in zip(scores, shared, strict=True):
        assert torch.equal(after[f"{first}.weight"], before[f"{first}.weight"])
        clear = (own - bound).abs() > 1e-4 * bound.abs()
        expected = before[f"{last}.weight"].clone()
        expected[own >= bound] = 0
        assert torch.equal(after[f"{last}.weight"][clear], expected[clear])
    assert any(not torch.equal(after[f"{last}.weight"], before[f"{last}.weight"]) for _, last in shared)


def test_wrong_values_are_named(tmp_path, mini_llava, mini_llama):
    with pytest.raises(ValueError, match="share must be between 0 and 1, not 1.0"):
        METHODS["manu"][1](output_dir="unused", use_cpu=True, share=1.0)
    with pytest.raises(ValueError, match="MANUTrainer changes the model's own weights: give it no adapter"):
        trainer_of("manu", tmp_path, mini_llava, lora=True)
    texts = rows(0).datasets[0].select([3])
    trainer = trainer_of(
        "manu", tmp_path, mini_llava, freeze_vision=False, sides={"forget": type(rows(0))([texts], 0)}
    )
    with pytest.raises(
        ValueError, match="no forget row goes through .*: rows with photos are needed for a vision tower"
    ):
        trainer.train()
