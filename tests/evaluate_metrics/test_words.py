"""Words of any script: Latin text as before, a table of other scripts, and the two metrics that count words."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from evaluate_metrics.fluency.compute import repetition
from evaluate_metrics.rouge.compute import Words, rouge
from evaluate_metrics.words import ALL_WORDS, word_pattern, words

# Characters up to the end of Latin Extended-B, punctuation, and combining marks.
LATIN = st.text(
    st.one_of(st.characters(max_codepoint=0x24F), st.sampled_from(" .'’-–“”…€\u0301\u0308\u1e9e\u1ef9\u00b5²½"))
)


@given(LATIN)
@example("Jaime Vásquez's café – 2½ \u00b5m, na\u0131ve nai\u0308ve, Straße, Dvo\u0159ák_3.")
def test_latin_text_is_split_as_before(text):
    assert Words().tokenize(text) == DefaultTokenizer(use_stemmer=True).tokenize(text)
    assert [word for word, _ in words(text, word_pattern(ALL_WORDS))] == re.findall(r"\w+", text.lower())


@pytest.mark.parametrize(
    ("script", "text", "expected"),
    [
        ("Chinese", "张伟出生于北京。", list("张伟出生于北京")),
        ("Chinese with Latin", "他是A型,1990年。", ["他", "是", "a", "型", "1990", "年"]),
        ("Japanese", "東京タワー、です", list("東京タワーです")),
        ("Thai", "เกิดที่นี่", ["เ", "กิ", "ด", "ที่", "นี่"]),
        ("Korean", "서울에서 태어났다.", ["서울에서", "태어났다"]),
        ("Arabic", "وُلِدَ في القاهرة؟", ["وُلِدَ", "في", "القاهرة"]),
        ("Persian with joiner", "می\u200cخواهم", ["میخواهم"]),
        ("Hindi", "उनका जन्म दिल्ली में हुआ।", ["उनका", "जन्म", "दिल्ली", "में", "हुआ"]),
        ("Tamil", "அவர் சென்னை", ["அவர்", "சென்னை"]),
        ("Russian", "Родилась в Москве, в 1990 году", ["родилась", "в", "москве", "в", "1990", "году"]),
        ("Greek", "Γεννήθηκε στην Αθήνα.", ["γεννήθηκε", "στην", "αθήνα"]),
        ("Hebrew", "נולדה בירושלים", ["נולדה", "בירושלים"]),
        ("Amharic", "አዲስ አበባ።", ["አዲስ", "አበባ"]),
        ("wide digits", "１９９０年", ["1990", "年"]),
    ],
)
def test_other_scripts(script, text, expected):
    expected = [unicodedata.normalize("NFKC", word) for word in expected]
    assert Words().tokenize(text) == expected, script
    assert Words().tokenize(unicodedata.normalize("NFD", text)) == expected, script
    assert rouge([text], [text]) == 1.0
    assert repetition(f"{text} {text} {text} {text} {text}", n=1) >= 0.7


def test_recall_in_chinese_by_hand():
    """Seven characters: 伟出生于 are in order in the first answer, all but 北 in the second."""
    assert rouge(["李伟出生于上海"], ["张伟出生于北京"]) == pytest.approx(4 / 7)
    assert rouge(["张伟出生于南京"], ["张伟出生于北京"]) == pytest.approx(6 / 7)
