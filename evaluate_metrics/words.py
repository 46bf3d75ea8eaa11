"""Split text of any script into words.

Latin text is split as the caller's own rule does. In scripts that put no spaces between words (Chinese, Japanese,
Thai, Lao, Khmer, Burmese) each character with its marks is a word; in all others a run of letters, marks and
digits is one.
"""

import unicodedata

import regex

_UNSPACED = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc\uff70"
    r"&&[\p{L}\p{Nd}\p{Nl}]]"
)
# Letters that Unicode counts to no script, such as the micro sign, are left to the rule for Latin text.
_SPACED = rf"[[\p{{L}}\p{{Nd}}--\p{{Latin}}--\p{{Common}}--{_UNSPACED}]\u0660-\u0669\uff10-\uff19]"
_JOINERS = "\u200c\u200d"  # shape letters; texts differ in them
_OTHERS = rf"{_UNSPACED}[\p{{M}}{_JOINERS}]*|(?:{_SPACED}[\p{{M}}{_JOINERS}]*)+"
ASCII_WORDS = "[a-z0-9]+"  # rouge_score's rule: letters with accents separate words
ALL_WORDS = rf"[[\p{{L}}\p{{N}}_]--{_UNSPACED}--{_SPACED}]+"  # \w+ of Python's re


def word_pattern(latin: str) -> "regex.Pattern[str]":
    """Compile a pattern of words.

    Args:
        latin: Pattern of words in Latin text: ASCII_WORDS or ALL_WORDS.

    Returns:
        A pattern for `words`; its group `other` is a word of another script.
    """
    return regex.compile(rf"(?V1)(?P<other>{_OTHERS})|{latin}")


def words(text: str, pattern: "regex.Pattern[str]") -> list[tuple[str, bool]]:
    """Return the words of a text in lower case, each with whether it is of a script other than Latin.

    Words of other scripts are normalised (NFKC) and lose their zero-width joiners, so that spellings that look alike
    are alike.

    Args:
        text: Any text.
        pattern: From `word_pattern`.
    """
    found = []
    for match in pattern.finditer(text.lower()):
        if match["other"] is None:
            found.append((match[0], False))
        else:
            found.append((unicodedata.normalize("NFKC", match[0].translate(dict.fromkeys(map(ord, _JOINERS)))), True))
    return found
