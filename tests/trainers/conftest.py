"""What the trainers' tests share: rows, a trainer of a method on the mini LLaVA, and a model that knows the rows."""

import copy
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig

from clear_unlearning.models import LoadedModel, load_model
from tests.conftest import picture
from trainers import METHODS
from trainers.base.rows import Rows

# Methods whose whole trainings are tests of every day: each part of the base is used by one of them. A method with
# machinery of its own belongs here. Of any other, which is only another loss, the first step is a test of every day.
TRAINED = ("retain_finetune", "gradient_ascent", "gradient_difference", "kl", "idk", "dpo", "npo", "scrub", "llmu",
           "rmu", "sku")  # fmt: skip
OTHERS = tuple(method for method in METHODS if method not in TRAINED)
LORA = LoraConfig(r=2, target_modules=r".*language_model.*(q_proj|v_proj)")


def rows(first: int, count: int = 4) -> Rows:
    """Photos with captions and one text question, as in a `+tofu` config."""
    return Rows([dataset_of(first, count)], seed=0)


@functools.cache
def dataset_of(first: int, count: int) -> Dataset:
    captions = [{"image": picture(first + i), "caption": f"Person {first + i} is smiling.", "question": None,
                 "answer": None, "name": f"Person {first + i}"} for i in range(count - 1)]  # fmt: skip
    text = [{"image": None, "caption": None, "question": f"Who is {first}?", "answer": f"Somebody number {first}.",
             "name": f"Person {first}"}]  # fmt: skip
    return Dataset.from_list(captions + text)


@functools.cache
def read(model_folder: str) -> LoadedModel:
    return load_model(model_folder, device="cpu")


def fresh(model_folder: Path | str) -> LoadedModel:
    """A model of one's own as `load_model` gives it: read once, and copied for each trainer."""
    return copy.deepcopy(read(str(model_folder)))


def trainer_of(method, folder, model_folder, lora=False, sides=None, measures=None, loaded=None, **settings):
    trainer_class, config_class = METHODS[method]
    given = {
        "output_dir": str(folder),
        "use_cpu": True,
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "max_steps": -1,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        **({"random_answers": 2} if method in ("llmu", "sku") else {}),
        **({"share": 0.2} if method == "manu" else {}),  # each of few small modules has one of them
        **settings,
    }
    loaded = loaded or fresh(model_folder)
    return trainer_class(
        model=loaded.model,
        args=config_class(**given),
        sides={"forget": rows(0), "retain": rows(10, 6), **(sides or {})},
        processing_class=loaded.processor,
        peft_config=LORA if lora else None,
        measures=measures,
    )


def trainings(methods: Iterable[str] = METHODS) -> list[Any]:
    """Parameters for a test that trains each method: slow for those that are only another loss."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name in OTHERS else []) for name in methods]


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@pytest.fixture(scope="session")
def original(tmp_path_factory, mini_llava) -> Path:
    """A model that knows the rows: what is forgotten must have been known."""
    folder = tmp_path_factory.mktemp("original")
    everything = Rows([*rows(0).datasets, *rows(10, 6).datasets], seed=0)
    trainer = trainer_of(
        "retain_finetune", folder, mini_llava, sides={"retain": everything}, per_device_train_batch_size=10,
        num_train_epochs=30, muon=True, learning_rate=8e-3, lr_scheduler_type="linear",
    )  # fmt: skip
    trainer.train()
    trainer.save_model(str(folder / "model"))
    trainer.processing_class.save_pretrained(folder / "model")
    return folder / "model"
