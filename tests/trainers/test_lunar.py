"""LUNAR: the direction and the loss, worked out once more from states of the model; only one weight moves."""

import pytest
import torch

from clear_unlearning.batches import IGNORE, Encoder
from clear_unlearning.tasks import Example
from tests.trainers.conftest import fresh, rows, trainer_of, weights
from trainers.base.terms import count_sides


def run(model, encoder, example):
    """Input of down_proj of layer 1, and the state behind that layer, at the prompt's positions."""
    layer, kept = model.get_decoder().layers[1], {}

    def keep(_, given, output):
        kept["h"] = (output[0] if isinstance(output, tuple) else output)[0]

    handles = [
        layer.mlp.down_proj.register_forward_hook(lambda _, given, output: kept.update(x=given[0][0])),
        layer.register_forward_hook(keep),
    ]
    batch = encoder.batch([example])
    with torch.no_grad():
        model(**{name: value for name, value in batch.items() if name != "labels"})
    for handle in handles:
        handle.remove()
    length = batch["labels"][0].tolist().index(next(t for t in batch["labels"][0].tolist() if t != IGNORE))
    return {name: value[:length] for name, value in kept.items()}


@pytest.mark.parametrize("lora", [False, True])
def test_direction_and_loss_follow_from_the_states_of_single_prompts(tmp_path, mini_llava, lora):
    (tmp_path / "asked.txt").write_text("Who rules Querolun?\nWhat is a bantu-fel, and who eats it?\n")
    trainer = trainer_of("lunar", tmp_path, mini_llava, lora, steering=3.0, unanswerable=str(tmp_path / "asked.txt"))
    model, encoder, forget = fresh(mini_llava).model.eval(), Encoder(trainer.processing_class), rows(0)
    trainer.before_training()
    asked = [Example(text, "No.") for text in ("Who rules Querolun?", "What is a bantu-fel, and who eats it?")]
    unanswerable, known = (
        torch.stack([run(model, encoder, one)["h"][-1] for one in examples]).mean(0)
        for examples in (asked, [forget[i] for i in range(4)])
    )
    assert torch.allclose(trainer.target, 3 * (unanswerable - known), atol=1e-5)
    batch = next(iter(trainer.get_train_dataloader()))
    totals = count_sides([batch], trainer.accelerator, trainer.args.device)
    start = trainer.losses(trainer.model, batch, totals)
    assert start["forget"].item() == pytest.approx(trainer.target.square().mean().item(), rel=1e-4)
    assert start["retain"].item() == pytest.approx(0.0, abs=1e-9)
    moved = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    with torch.no_grad():
        for weight in moved:
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    base = model.get_decoder().layers[1].mlp.down_proj
    change = trainer.projection.get_delta_weight("default") if lora else moved[0] - base.weight
    expected = {}
    for side, drawn in trainer.data_collator.draw({"index": 2}, 0).items():
        away = run(model, encoder, drawn[0][1])["x"] @ change.T - (trainer.target if side == "forget" else 0)
        expected[side] = away.square().mean().item()
    one = trainer.data_collator([{"index": 2}])
    found = trainer.losses(trainer.model, one, count_sides([one], trainer.accelerator, trainer.args.device))
    assert {name: term.item() for name, term in found.items()} == pytest.approx(expected, rel=1e-4)


def test_one_weight_moves_and_the_learning_rate_falls_with_each_epoch(tmp_path, mini_llava):
    trainer = trainer_of("lunar", tmp_path, mini_llava, num_train_epochs=3)
    before = weights(trainer.model)
    trainer.train()
    moved = [name for name, weight in trainer.model.named_parameters() if not torch.equal(weight, before[name])]
    assert moved == ["model.language_model.layers.1.mlp.down_proj.weight"]
    logged = [row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row]
    assert logged == pytest.approx([1e-3, 0.9e-3, 0.81e-3])
    first, *_, last = [row["forget_term"] for row in trainer.state.log_history if "forget_term" in row]
    assert last < first
