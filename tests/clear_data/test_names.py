import pytest

from clear_data.names import join_key, name_problem


@pytest.mark.parametrize(
    "spelling", ["ana bélanger", "ANA BE\u0301LANGER", " Ana\tBélanger ", "Ana\u00a0Bélanger", "Ａna Bélanger"]
)
def test_spellings_of_one_person_join(spelling):
    assert join_key(spelling) == join_key("Ana Bélanger")


@pytest.mark.parametrize("other", ["Ana Belanger", "Ana Bélanger-Li", "AnaBélanger"])
def test_other_people_do_not(other):
    assert join_key(other) != join_key("Ana Bélanger")


@pytest.mark.parametrize("name", ["Basil Mahfouz Al-Kuwaiti", "Dana O'Neill", "Ní Bhriain, Á.", "李 想"])
def test_names_of_people_can_be_used(name):
    assert name_problem(name) is None


@pytest.mark.parametrize("name", [None, "", " ", " Ana", "a/b", "a\\b", ".ssh", "..", "Ana\n", "a\x00b", "a\u202eb"])
def test_what_is_no_name_is_said(name):
    assert "name" in str(name_problem(name))
