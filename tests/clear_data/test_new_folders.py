from pathlib import Path

import pytest

from clear_data.building.build import new_folders
from clear_data.building.folder import META


def dataset(place: Path, content: str) -> None:
    place.mkdir()
    (place / META).write_text(content)


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def write(places, overwrite, content="new"):
    with new_folders(places, overwrite) as parts:
        for part in parts:
            dataset(part, content)


@pytest.fixture
def places(tmp_path):
    return [tmp_path / "clear", tmp_path / "clear_extra"]


NEW = {f"clear/{META}": "new", f"clear_extra/{META}": "new"}
OLD = {f"clear/{META}": "old", f"clear_extra/{META}": "old"}


def test_both_are_there_and_nothing_else(places, tmp_path):
    write(places, overwrite=False)
    assert contents(tmp_path) == NEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear", "clear_extra"]


def test_a_missing_parent_is_made(tmp_path):
    write([tmp_path / "a/b/clear"], overwrite=False)
    assert contents(tmp_path) == {f"a/b/clear/{META}": "new"}


def test_the_folder_is_as_open_to_others_as_any_new_folder(places, tmp_path):
    write(places, overwrite=False)
    (tmp_path / "usual").mkdir()
    assert places[0].stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("taken", [0, 1])
def test_what_is_there_stays_unless_told_otherwise(places, tmp_path, taken):
    dataset(places[taken], "old")
    with pytest.raises(FileExistsError, match=f"{places[taken].name} exists; .*--overwrite"):
        write(places, overwrite=False)
    assert contents(tmp_path) == {f"{places[taken].name}/{META}": "old"}
    write(places, overwrite=True)
    assert contents(tmp_path) == NEW


@pytest.mark.parametrize("taken", [0, 1])
def test_only_a_built_dataset_is_ever_replaced(places, tmp_path, taken):
    places[taken].mkdir()
    (places[taken] / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="not a built dataset"):
        write(places, overwrite=True)
    assert contents(tmp_path) == {f"{places[taken].name}/thesis.tex": "years of work"}


def test_a_file_in_the_way_stays(places, tmp_path):
    places[0].write_text("notes")
    with pytest.raises(FileExistsError, match="not a built dataset"):
        write(places, overwrite=True)
    assert contents(tmp_path) == {"clear": "notes"}


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_place_without_a_name_is_refused(place):
    with pytest.raises(ValueError, match="give the name of a new folder"):
        write([Path(place)], overwrite=True)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_while_writing_leaves_what_was_there(places, tmp_path, failure):
    for place in places:
        dataset(place, "old")
    with pytest.raises(failure), new_folders(places, overwrite=True) as parts:
        dataset(parts[0], "new")
        raise failure
    assert contents(tmp_path) == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear", "clear_extra"]


@pytest.mark.parametrize("failing", range(4))
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failure_between_the_moves_puts_back_what_was_there(places, tmp_path, monkeypatch, failing, failure):
    for place in places:
        dataset(place, "old")
    rename, calls = Path.rename, []

    def failing_rename(self, target):
        calls.append(target)
        if len(calls) == failing + 1:
            raise failure
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(failure):
        write(places, overwrite=True)
    monkeypatch.undo()
    assert contents(tmp_path) == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear", "clear_extra"]
