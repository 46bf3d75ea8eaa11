import copy

import numpy as np
import pytest
import torch
from torch import nn

from clear_unlearning.optimizers import Muon, MuonWithAdamW, orthogonalise


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 12))


def one_step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    inputs = torch.randn(8, 12, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    (model(inputs) - inputs.roll(1, 1)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 30), (2, 30, 6)])
def test_the_iteration_is_a_polynomial_of_the_singular_values(shape):
    """x -> 3.4445 x - 4.775 x^3 + 2.0315 x^5, five times, on the singular values divided by their norm."""
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = np.linalg.svd(matrices.double().numpy(), full_matrices=False)
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    assert values.min() > 0.3 and values.max() < 1.3
    expected = left * values[:, None, :] @ right
    assert np.allclose(orthogonalise(matrices).numpy(), expected, atol=1e-4)


def test_it_steps_as_torchs_muon_does():
    """torch's works in bfloat16: its steps differ by rounding, about a tenth of the way."""
    ours, theirs = network(), network()
    before = copy.deepcopy(list(ours.parameters()))
    pick = [[p for p in model.parameters() if p.ndim == 2] for model in (ours, theirs)]
    one = Muon(pick[0], lr=0.01, weight_decay=0.1)
    other = torch.optim.Muon(pick[1], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        one_step(ours, one, seed)
        one_step(theirs, other, seed)
    for start, a, b in zip(before, ours.parameters(), theirs.parameters(), strict=True):
        if a.ndim == 2:
            assert (a - b).norm() < 0.2 * (b - start).norm()


def test_state_saved_and_loaded_goes_on_as_before():
    model, twin = network(), network()
    optimizer, other = (MuonWithAdamW(m.named_parameters(), lr=0.01, weight_decay=0.1) for m in (model, twin))
    for seed in range(2):
        one_step(model, optimizer, seed)
    twin.load_state_dict(model.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in range(2, 4):
        one_step(model, optimizer, seed)
        one_step(twin, other, seed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_what_is_frozen_stays():
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    one_step(model, MuonWithAdamW(model.named_parameters(), lr=0.01), 0)
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize("trained", ["weight", "bias"])
def test_what_is_trained_may_be_matrices_only_as_under_lora_or_none(trained):
    model, twin = network(), network()
    for one in (model, twin):
        for name, parameter in one.named_parameters():
            parameter.requires_grad_(name.endswith(trained))
    shown = [parameter for parameter in twin.parameters() if parameter.requires_grad]
    alone = Muon(shown, lr=0.01)
    if trained == "bias":
        alone = torch.optim.AdamW(shown, lr=0.01, betas=(0.9, 0.98), weight_decay=0)
    optimizer = MuonWithAdamW(model.named_parameters(), lr=0.01)
    for seed in range(2):
        one_step(model, optimizer, seed)
        one_step(twin, alone, seed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    optimizer.load_state_dict(optimizer.state_dict())


def test_nothing_to_train_is_an_error():
    with pytest.raises(ValueError, match="empty parameter list"):
        MuonWithAdamW(network().requires_grad_(False).named_parameters(), lr=0.01)
