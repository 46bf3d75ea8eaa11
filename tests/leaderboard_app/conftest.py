import pytest

from leaderboard_app.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "leaderboard.sqlite")
