"""Which parts of a text no rewording may touch, and whether two texts still mean the same as far as form shows it.

Code, quoted text, addresses, placeholders, handles, figures, identifiers and names are protected. A rewording keeps the
meaning, as far as can be told without understanding it, when it has the same protected parts, the same number of
negations and quantities in words, and still asks when the other asked.

It finds names by their capitals alone: in German every noun is one, which protects too much rather than too little.

>>> [part for part, free in parts('Draw "The Shop" for Ada in {lang}, 3 times') if not free]
['"The Shop"', 'Ada', '{lang}', '3']
>>> same_meaning("do not send 3 cats", "please don't send 3 cats"), same_meaning("do not send it", "do send it")
(True, False)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_SHAPES = (
    r"```.*?```",  # code
    r"`[^`\n]+`",
    r'"[^"\n]{1,300}"',  # quoted text
    r"“[^”\n]{1,300}”",
    r"„[^“\n]{1,300}“",
    r"«[^»\n]{1,300}»",
    r"(?<!\w)'[^'\n]{1,200}'(?!\w)",
    r"https?://\S+",  # addresses
    r"www\.\S+",
    r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+",
    r"\{\{[^}\n]{1,80}\}\}",  # placeholders
    r"\{[^{}\n]{0,80}\}",
    r"<[^<>\n]{1,80}>",
    r"\[[^\[\]\n]{1,80}\]",
    r"\$\{?\w+\}?",
    r"%\(\w+\)[sd]|%[sdif]\b",
    r"[@#]\w+",  # handles
    r"(?<![\w.])[\w.]*\d(?:[\w.,:/%°-]*[\w%°])?",  # figures, dates, versions
    r"(?<![\w./\\:-])[\w.:-]*[_/\\](?:[\w./\\:-]*\w)?",  # snake_case, paths
    r"\b\w+\.\w+(?:\.\w+)*\b",  # dotted names
    r"\b[a-z]+[A-Z]\w*",  # camelCase
    r"\b[A-ZÄÖÜÀ-Þ]{2,}\b",  # ERD, API
    r"(?<![.!?…:\n] )(?<![.!?…:\n])(?<!^)\b(?!I\b)[A-ZÄÖÜÀ-Þ][\w’'-]*",  # names: capitals inside a sentence
)
# each begins where a word begins, or is bounded: a word of twenty thousand letters is read once
PROTECTED = re.compile("(" + "|".join(_SHAPES) + ")", re.DOTALL)
_NOTHING_PROTECTED = re.compile(r"[A-Z]?(?:[a-z ,;!?-]|(?<=[a-z])['’](?=[a-z])|(?<= )I(?=[ '’]))*[.]?\s*")
# what an answer hangs on: negations (all are one here) and quantities in words
_NEGATIONS = frozenset(
    re.findall(r"\w+", "no not never none nobody nothing neither nor without cannot hardly unless except")
)
_QUANTITIES = frozenset(
    re.findall(
        r"\w+",
        """one two three four five six seven eight nine ten eleven twelve hundred thousand million half twice double all
        any only both either more most less least fewer before after above below over under increase decrease minimum
        maximum first last always sometimes""",
    )
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ASKING = re.compile(r"\?|^\W*(?:what|how|where|when|why|who|whom|whose|which)\b", re.IGNORECASE)
_LONGEST_READ = 20_000  # characters; a longer text is reworded in its first part alone, and compared there


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it may be reworded; joined they are the text again."""
    if _NOTHING_PROTECTED.fullmatch(text, endpos=_LONGEST_READ) and len(text) <= _LONGEST_READ:
        yield text, True  # most texts that people type: ten times as fast
        return
    head, tail = text[:_LONGEST_READ], text[_LONGEST_READ:]
    for place, piece in enumerate(PROTECTED.split(head)):
        if piece:
            yield piece, place % 2 == 0
    if tail:
        yield tail, False


def protected_parts(text: str) -> Counter[str]:
    """The protected parts and how often each stands there."""
    head = text[:_LONGEST_READ]
    return Counter() if _NOTHING_PROTECTED.fullmatch(head) else Counter(PROTECTED.findall(head))


def same_meaning(text: str, other: str) -> bool:
    """Do both have the same protected parts, negations and quantities?"""
    first, second = text[:_LONGEST_READ], other[:_LONGEST_READ]
    return _watched(first) == _watched(second) and protected_parts(first) == protected_parts(second)


def asks(text: str) -> bool:
    """Is it a question?"""
    return _ASKING.search(text[:_LONGEST_READ]) is not None


def _watched(text: str) -> list[str]:
    """The negations, each as «not», and the quantities, in alphabetical order."""
    found = []
    for word in _WORD.findall(text.casefold()):
        if word in _QUANTITIES:
            found.append(word)
        elif word in _NEGATIONS or word.endswith(("n't", "n’t")):
            found.append("not")
    return sorted(found)
