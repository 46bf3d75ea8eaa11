"""Names of people: what may be one, when two spellings are one person, and where a text mentions one."""

import re
import unicodedata
from typing import Any

JOINERS = "\u200c\u200d"  # between letters of Persian, Hindi, ...: how a word is drawn, not which it is
# Scripts that put no space between words: Thai to Khmer, kana, ideographs, Hangul (whose endings follow the name).
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def mentions(text: str, name: str) -> bool:
    """Return whether a text has a name as whole words, whatever way Unicode composes its letters."""
    text, name = (unicodedata.normalize("NFC", words) for words in (text, name))
    place = text.find(name)
    while name and place >= 0:
        end = place + len(name)
        if not (_one_word(text[place - 1 : place], name[0]) or _one_word(name[-1], text[end : end + 1])):
            return True
        place = text.find(name, place + 1)
    return False


def _one_word(left: str, right: str) -> bool:
    """Return whether two neighbouring letters, marks or digits, either perhaps missing, are of one word."""
    return all(one and unicodedata.category(one)[0] in "LMN" and not UNSPACED.match(one) for one in (left, right))


def join_key(name: str) -> str:
    """Return the name without differences of case, white space, joiners and how Unicode composes letters (NFKC)."""
    folded = unicodedata.normalize("NFKC", name.translate(dict.fromkeys(map(ord, JOINERS)))).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def name_problem(name: Any) -> str | None:
    """Return what is wrong with a name, None if it can be used in prompts, file names and pages."""
    if not isinstance(name, str) or not name.strip():
        return f"a name must be words, not {name!r}"
    if name != name.strip():
        return f"the name {name!r} has white space around it"
    if not re.sub(rf"(?<=\S)[{JOINERS}](?=\S)", "", name).isprintable():
        return f"the name {name!r} has control characters"
    if "/" in name or "\\" in name or name.startswith("."):
        return f"the name {name!r} looks like a path; names have no '/' or '\\' and start with no '.'"
    return None
