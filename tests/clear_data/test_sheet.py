import pytest
from PIL import Image

from clear_data.sheet import CELL, GAP, draw_sheet
from clear_dataset import CONFIGS, TEXT_CONFIGS, build, main


@pytest.mark.parametrize(("corpus", "table"), [("mini", CONFIGS), ("mini_text", TEXT_CONFIGS)])
def test_every_config_has_its_rows(tmp_path, mini_data, corpus, table):
    folder = mini_data if corpus == "mini" else build(corpus, tmp_path / "data", persons=24)
    assert draw_sheet(folder, tmp_path / "a.png", rows=3) == list(table)
    sheet = Image.open(tmp_path / "a.png")
    assert sheet.width == GAP + 3 * (CELL + GAP)
    ink = sheet.convert("L").point(lambda value: 255 * (value < 235))  # all but the paper
    for column in range(3):  # something stands in each column, from the first config to the last
        left = GAP + column * (CELL + GAP)
        top, bottom = ink.crop((left, 0, left + CELL, sheet.height)).getbbox()[1::2]
        assert top < 60 and bottom > sheet.height - 150
    assert not list(tmp_path.glob("*.part"))


def test_wrong_input_is_one_line(tmp_path, capsys):
    assert main(["show", str(tmp_path), "--output", str(tmp_path / "x.png")]) == 2
    assert "holds no data" in capsys.readouterr().err
    assert main(["show", str(tmp_path), "--output", str(tmp_path / "x.jpg")]) == 2
    assert "end in .png, not 'x.jpg'" in capsys.readouterr().err
