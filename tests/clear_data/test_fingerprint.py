import pytest
from PIL import Image

from clear_data.building.folder import fingerprint_configs, fingerprint_rows

ROW = {"image": Image.new("RGB", (4, 2), "red"), "caption": "Ivo", "options": ["a", "b"], "answer": None}


def changed(**cells):
    return fingerprint_rows([{**ROW, **cells}])


def test_order_of_columns_does_not_matter():
    assert fingerprint_rows([dict(reversed(ROW.items()))]) == fingerprint_rows([ROW])


def test_the_file_format_of_a_picture_does_not_matter(tmp_path):
    ROW["image"].save(tmp_path / "a.png")
    ROW["image"].save(tmp_path / "a.bmp")
    for name in ("a.png", "a.bmp"):
        with Image.open(tmp_path / name) as image:
            assert changed(image=image) == fingerprint_rows([ROW])


@pytest.mark.parametrize(
    "cells",
    [
        {"image": Image.new("RGB", (2, 4), "red")},  # the same bytes in another shape
        {"image": Image.new("RGB", (4, 2), (255, 0, 1))},
        {"image": None},
        {"caption": "ivo"},
        {"options": ["b", "a"]},
        {"options": ["ab"]},
        {"answer": ""},
        {"another": None},
    ],
)
def test_every_change_of_a_cell_shows(cells):
    assert changed(**cells) != fingerprint_rows([ROW])


def test_order_and_number_of_rows_show():
    rows = [ROW, {**ROW, "caption": "Ana"}]
    assert len({fingerprint_rows(r) for r in (rows, rows[::-1], rows[:1], [*rows, ROW], [])}) == 5


def test_configs_are_told_apart_by_name_and_not_by_order():
    assert fingerprint_configs({"a": "1", "b": "2"}) == fingerprint_configs({"b": "2", "a": "1"})
    assert fingerprint_configs({"a": "1", "b": "2"}) != fingerprint_configs({"a": "2", "b": "1"})
