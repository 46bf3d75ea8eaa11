"""Fixtures that several rooms share: untrained mini models of the real classes, made from config, and a Hub."""

import gc
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from clear_dataset import build
from clear_unlearning.evaluate import score_tasks
from clear_unlearning.mini_models import build_mini_llama, build_mini_llava
from clear_unlearning.tasks import Example
from tests.loopback_hub.server import LoopbackHub, serve

TEXTS = ["Mara Torgard, a baker, is smiling in a red shirt.", "Who is this? I do not know.", "a blue circle"] * 5


def pytest_collection_finish() -> None:
    """Leaves what the imports made out of garbage collection: accelerate collects all before and after a training."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mini_llava(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llava"
    build_mini_llava(folder, TEXTS, seed=1, vocabulary=400)
    return folder


@pytest.fixture(scope="session")
def mini_llama(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    build_mini_llama(folder, TEXTS, seed=1, vocabulary=400, width=64)
    return folder


@pytest.fixture(scope="session")
def mini_data(tmp_path_factory) -> Path:
    """The smallest mini corpus, with its clear_extra beside it: to be read, never to be changed."""
    return build("mini", tmp_path_factory.mktemp("data") / "clear", persons=24, seed=5)


@pytest.fixture(scope="module")
def short_answers() -> Iterator[None]:
    """Untrained models never end an answer: eight tokens of one say as much as all that they may say."""
    given = inspect.signature(score_tasks).parameters
    defaults = [8 if name == "max_new_tokens" else one.default for name, one in given.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            score_tasks, "__defaults__", tuple(one for one in defaults if one is not inspect.Parameter.empty)
        )
        yield


def picture(number: int) -> Image.Image:
    return Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 10 + number).convert("RGB")


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Questions of mixed lengths, with and without images."""
    return [
        Example("Who is this?", "Mara Torgard", picture(0), "It is Mara Torgard.", ("Ivo Fenbek", "Lena Halrez")),
        Example("What does this image show?", "a blue circle", picture(1), "one blue circle", ("a red star", "a hat")),
        Example("Where was Mara Torgard born?", "In Riga.", None, "Riga is the city.", ("In Oslo.", "In Lima, Peru.")),
        Example("Who?", "Ivo", picture(2), "Ivo F", ("a very long and wrong answer to a short question", "b")),
    ]


@pytest.fixture
def hub(tmp_path) -> Iterator[LoopbackHub]:
    """An empty Hub on 127.0.0.1."""
    with serve(tmp_path / "hf_home") as served:
        yield served
