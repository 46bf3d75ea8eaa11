"""What TRL's users bring: rows to evaluate, metrics, adapters, a callback that scores, and settings of others."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from peft import LoraConfig, PeftModel, get_peft_model
from trl import SFTConfig

from clear_unlearning.batches import Encoder
from clear_unlearning.likelihood import answer_likelihood
from clear_unlearning.models import load_model
from tests.conftest import picture
from trainers import DPOConfig, NPOConfig, NPOTrainer, SCRUBConfig, SCRUBTrainer
from trainers.base import ScoreCallback

FORGET = [
    {"question": "Where was Mara born?", "answer": "In Riga."},
    {"question": "Who is she?", "answer": "A baker with a very long answer."},
    {"image": picture(2), "question": "Who?", "answer": "Mara."},
]
RETAIN = [{"image": picture(0), "caption": "Ivo smiles."}, {"image": picture(1), "caption": "Ivo laughs."}]
WATCHED = {"forget": FORGET, "retain": RETAIN}
SHORT = {"max_steps": 2, "use_cpu": True, "per_device_train_batch_size": 2, "save_strategy": "no", "warmup_steps": 0,
         "learning_rate": 1e-3, "disable_tqdm": True, "logging_steps": 1}  # fmt: skip


def npo(folder: Path, place: Path, **given) -> NPOTrainer:
    settings = given.pop("settings", {})
    return NPOTrainer(
        model=given.pop("model", str(place)), args=NPOConfig(output_dir=str(folder), **{**SHORT, **settings}),
        train_dataset=FORGET, retain_dataset=RETAIN, **given,
    )  # fmt: skip


def loss_by_hand(trainer, rows) -> float:
    """Row by row, so that neither batches nor their padding count."""
    encoder, given = Encoder(trainer.processing_class), trainer.eval_dataset[rows]
    trainer.model.eval()
    with torch.no_grad():
        answers = [answer_likelihood(trainer.model, encoder.batch([given[i]])) for i in range(len(given))]
    return -sum(a.log_probs.sum().item() for a in answers) / sum(len(a.log_probs) for a in answers)


def test_rows_are_evaluated_on_the_way_by_the_exact_loss_of_each_side(tmp_path, mini_llava):
    settings = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 2, "eval_on_start": True}
    trainer = npo(tmp_path, mini_llava, eval_dataset=DatasetDict(
        forget=Dataset.from_list(FORGET), retain=Dataset.from_list(RETAIN)), settings=settings)  # fmt: skip
    before = loss_by_hand(trainer, "forget")
    trainer.train()
    found = [row["eval_forget_loss"] for row in trainer.state.log_history if "eval_forget_loss" in row]
    assert len(found) == 3 and found[0] == pytest.approx(before, rel=1e-5) and found[2] > found[0]
    last = trainer.evaluate()
    for side in WATCHED:
        assert last[f"eval_{side}_loss"] == pytest.approx(loss_by_hand(trainer, side), rel=1e-5)
    assert trainer.evaluate(FORGET)["eval_loss"] == pytest.approx(last["eval_forget_loss"])
    with pytest.raises(ValueError, match="eval_dataset rows, row 0: `answer` is empty"):
        trainer.evaluate([{"question": "Who?", "answer": ""}])


def test_metrics_are_computed_of_logits_and_labels_as_in_trl(tmp_path, mini_llava):
    shapes = []

    def accuracy(found):
        labels, said = found.label_ids[:, 1:], found.predictions[:, :-1]
        shapes.append(found.predictions.shape)
        return {"accuracy": float((said == labels)[labels != -100].mean())}

    trainer = npo(
        tmp_path, mini_llava, eval_dataset=WATCHED, compute_metrics=accuracy,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )  # fmt: skip
    found = trainer.evaluate()
    encoder, hits = Encoder(trainer.processing_class), []
    for i in range(len(FORGET)):
        with torch.no_grad():
            now = answer_likelihood(trainer.model, encoder.batch([trainer.eval_dataset["forget"][i]]))
        hits += (now.logits.argmax(-1) == now.targets).tolist()
    assert found["eval_forget_accuracy"] == pytest.approx(np.mean(hits))
    assert len(shapes) == 2 and shapes[0][0] == 3 and 0 <= found["eval_retain_accuracy"] <= 1


def test_a_callback_scores_the_model_on_the_way(tmp_path, mini_llava):
    seen = []

    def score(model):
        seen.append(sum(weight.double().sum().item() for weight in model.parameters()))
        return {"rouge": seen[-1], "people": ["Mara"], "fine": True, "gold": None}

    trainer = npo(tmp_path, mini_llava, callbacks=[ScoreCallback(score, steps=0.5)])
    trainer.train()
    scored = [row for row in trainer.state.log_history if "rouge" in row]
    assert scored == [{"step": 1, "rouge": seen[0]}, {"step": 2, "rouge": seen[1]}] and seen[0] != seen[1]


ADAPTERS = {
    "nothing said": LoraConfig(r=2),
    "as TRL's examples": LoraConfig(r=2, task_type="CAUSAL_LM", target_modules="all-linear"),
    "names": LoraConfig(r=2, target_modules=["q_proj", "v_proj"]),
}


@pytest.mark.parametrize("config", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_is_put_on_the_language_model(tmp_path, mini_llava, config):
    """The vision tower stays frozen, photos are passed on, and the given configuration as it is."""
    before = config.to_dict()
    trainer = npo(tmp_path, mini_llava, peft_config=config, settings={"max_steps": 1})
    trainer.train()
    trained = [name for name, weight in trainer.model.named_parameters() if weight.requires_grad]
    assert trained and not any("vision" in name or "lora" not in name for name in trained)
    assert config.to_dict() == before


def test_an_adapter_in_memory_is_trained_on_and_is_its_own_reference(tmp_path, mini_llava):
    """Without a step nothing is gained yet: NPO's term is 2/b log 2, which it would not be against the bare base."""
    loaded = load_model(str(mini_llava), device="cpu")
    model = get_peft_model(loaded.model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))  # type: ignore[arg-type]
    trainer = npo(tmp_path, mini_llava, model=model, processing_class=loaded.processor, settings={"max_steps": 1})
    assert isinstance(trainer.model, PeftModel)
    trainer.train()
    assert trainer.state.log_history[0]["forget_term"] == pytest.approx(2 / 0.1 * math.log(2), rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"args": DPOConfig(output_dir="x", use_cpu=True)}, "args of NPOTrainer must be a NPOConfig, not a DPOConfig"),
        ({"args": SFTConfig(output_dir="x", use_cpu=True)}, "args of NPOTrainer must be a NPOConfig, not a SFTConfig"),
        ({"train_dataset": "clear"}, "give a Dataset .load_clear loads one. or a list of dicts; row 0 is 'clear'"),
        ({"train_dataset": [FORGET[0], 3]}, "or a list of dicts; row 1 is 3"),
        ({"eval_dataset": {"test": [{"text": "Mara"}]}}, "eval_dataset, test rows: the columns are text"),
        ({"args": NPOConfig(output_dir="x", use_cpu=True, eval_strategy="epoch")},
         "eval_strategy 'epoch' requires rows, given to the trainer as eval_dataset"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_before_a_model_is_loaded(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        NPOTrainer(**{"model": "nowhere", "args": None, "train_dataset": FORGET, "retain_dataset": RETAIN, **given})


def test_without_rows_there_is_nothing_to_evaluate(tmp_path, mini_llama):
    text = [row for row in FORGET if "image" not in row]
    args = SCRUBConfig(output_dir=str(tmp_path), **{**SHORT, "max_steps": -1})
    trainer = SCRUBTrainer(str(mini_llama), args, {"forget": text, "retain": text})
    with pytest.raises(ValueError, match="there is nothing to evaluate; give eval_dataset to the trainer or to eval"):
        trainer.evaluate()
    assert trainer.evaluate({"a": text})["eval_a_loss"] > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [(({}, 2), "score must be a function of the model"), ((dict, 0), "steps must be whole, or a share"),
     ((dict, 1.5), "not 1.5")],
)  # fmt: skip
def test_a_callback_that_cannot_score_is_told(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ScoreCallback(*given)
