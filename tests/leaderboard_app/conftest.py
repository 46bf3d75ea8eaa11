import pytest
from huggingface_hub import constants

from leaderboard_app.store.store import Store
from tests.leaderboard_app.submitted import Attempt, publish_original


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "leaderboard.sqlite")


@pytest.fixture
def online(monkeypatch):
    """Tests are run offline; the Hub on 127.0.0.1 is not a network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def attempt(hub, online, mini_llava) -> Attempt:
    """A good submission."""
    return Attempt(hub, publish_original(hub, mini_llava), mini_llava)
