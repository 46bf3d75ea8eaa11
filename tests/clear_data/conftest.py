import pytest

from clear_dataset import build
from tests.clear_data.raw_folder import write_raw


@pytest.fixture
def raw(tmp_path):
    return write_raw(tmp_path / "photos")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A build of such a folder, with its clear_extra."""
    home = tmp_path_factory.mktemp("tiny")
    return build("raw", home / "clear", raw=write_raw(home / "photos"), forget_percent=(10, 30, 50))
