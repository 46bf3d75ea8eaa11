import unicodedata

import pytest

from clear_data.names import join_key, mentions, name_problem


@pytest.mark.parametrize(
    "spelling", ["ana bélanger", "ANA BE\u0301LANGER", " Ana\tBélanger ", "Ana\u00a0Bélanger", "Ａna Bélanger"]
)
def test_spellings_of_one_person_join(spelling):
    assert join_key(spelling) == join_key("Ana Bélanger")


@pytest.mark.parametrize("other", ["Ana Belanger", "Ana Bélanger-Li", "AnaBélanger"])
def test_other_people_do_not(other):
    assert join_key(other) != join_key("Ana Bélanger")


@pytest.mark.parametrize(
    "name",
    [
        "Basil Mahfouz Al-Kuwaiti",
        "Dana O'Neill",
        "Dana O’Neill",
        "Ní Bhriain, Á.",
        "李 想",
        "علی\u200cرضا نوری",
        "क्\u200dषमा सीता",
        "בן־גוריון",
        "Đặng Thái Sơn",
        "Ng\u0303a",
        "Иван Ёлкин",
        "ศรีสุดา",
        "김 민준",
    ],
)
def test_names_of_people_can_be_used(name):
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        " ",
        " Ana",
        "a/b",
        "a\\b",
        ".ssh",
        "..",
        "Ana\n",
        "a\x00b",
        "a\u202eb",
        "a\u2066b",
        "\u200cAna",
        "Ana\u200d",
        "A\u200c na",
        "a\ufeffb",
    ],
)
def test_what_is_no_name_is_said(name):
    assert "name" in str(name_problem(name))


def test_a_joiner_makes_nobody_else():
    assert join_key("علی\u200cرضا") == join_key("علیرضا")


@pytest.mark.parametrize(
    ("text", "name", "there"),
    [
        ("Who is Ana Li?", "Ana Li", True),
        ("Who is Ana Lind?", "Ana Li", False),
        ("Joana Li sits.", "ana Li", False),
        ("Who is Ana Be\u0301langer?", "Ana B\u00e9langer", True),
        ("सीता कहाँ है?", "सीता", True),
        ("गीतासीता कहाँ है?", "सीता", False),
        ("张伟出生于北京。", "张伟", True),
        ("작가 김민준은 서울에 산다.", "김민준", True),
        ("علی\u200cرضا کجاست؟", "علی\u200cرضا", True),
        ("นี่คือศรีสุดากับแมว", "ศรีสุดา", True),
        ("Mr. J. R. (Jr.) sits.", "J. R. (Jr.)", True),
    ],
)
def test_a_text_mentions_a_name_as_words_of_its_script(text, name, there):
    for form in ("NFC", "NFD"):
        assert mentions(unicodedata.normalize(form, text), name) is there
