"""Easy data augmentation: swap, leave out or replace a word here and there (Wei & Zou 2019, arXiv 1901.11196).

One word in ten is edited: a synonym from WordNet where its data is installed, a swap of two neighbours, or a filler
left out. Protected parts, negations and quantities are never touched (`protected_text`), and only words that carry
little are left out: the paper's random deletion takes any word, and with it the label.

It is the weakest of the augmentations: for pretrained encoders its use is not established (Longpre et al. 2020, arXiv
2010.01764). It downloads nothing; without WordNet's data synonyms are left out, and `wordnet_synonyms` says None.

>>> edit("where can i find the nearest cash machine in this town", Dice(2, "x"))
'where can i find nearest cash machine in this town'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from components.dice import Dice
from components.protected_text import parts

EDITED_SHARE = 0.1
FEWEST_WORDS = 5
Synonyms = Callable[[str], Sequence[str]]

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_FILLERS = frozenset(
    re.findall(r"\w+", "the a an really just very quite so well actually basically please some also then kindly simply")
)
# words whose order or absence changes what is meant, and words that are no content to have synonyms of
_FIXED = frozenset(
    re.findall(
        r"\w+",
        """no not never none nobody nothing neither nor without cannot hardly unless except all any only both more most
        less least fewer before after above below over under from to first last if than or and but one two three four
        five six seven eight nine ten half twice in on at of by for with is are was were be been am do does did have
        has had can could will would shall should may might must i you he she it we they me my your his her its our
        their this that these those what how where when why who which as up out off there here him us them""",
    )
)


def edit(text: str, dice: Dice, *, synonyms: Synonyms | None = None, share: float = EDITED_SHARE) -> str | None:
    """The text with a tenth of its words edited, at least one; None under five free words, or where nothing may be."""
    pieces, free = _pieces(text)
    if len(free) < FEWEST_WORDS:
        return None
    for _ in range(max(1, int(share * len(free)))):
        ways = [_leave_out, _swap] if synonyms is None else [_replace, _replace, _leave_out, _swap]
        for way in dice.shuffled(ways):
            if way(pieces, free, dice, synonyms):
                break
    said = "".join(pieces)
    return said if said != text else None


def wordnet_synonyms() -> Synonyms | None:
    """Synonyms from WordNet through nltk; None where nltk or its data is not installed."""
    try:
        from nltk.corpus import wordnet

        wordnet.ensure_loaded()
    except (ImportError, LookupError):
        return None

    def of(word: str) -> list[str]:
        names = {name for sense in wordnet.synsets(word)[:2] for name in sense.lemma_names()}
        return sorted(name for name in names if name.isalpha() and name.islower() and name != word)

    return of


def _pieces(text: str) -> tuple[list[str], list[int]]:
    """The text cut at its words, and which pieces are words that may be edited."""
    pieces: list[str] = []
    free: list[int] = []
    for part, may_change in parts(text):
        if not may_change:
            pieces.append(part)
            continue
        place = 0
        for found in _WORD.finditer(part):
            pieces += [part[place : found.start()], found[0]]
            free.append(len(pieces) - 1)
            place = found.end()
        pieces.append(part[place:])
    return pieces, free


def _leave_out(pieces: list[str], free: list[int], dice: Dice, _: Synonyms | None) -> bool:
    fillers = [place for place in free[1:] if pieces[place].casefold() in _FILLERS and pieces[place - 1].isspace()]
    if not fillers:
        return False
    place = dice.one_of(fillers)
    pieces[place - 1] = pieces[place] = ""
    return True


def _swap(pieces: list[str], free: list[int], dice: Dice, _: Synonyms | None) -> bool:
    """Two neighbours with nothing but a space between them change places, where neither is fixed."""
    pairs = [
        (left, right)
        for left, right in pairwise(free)
        if right == left + 2 and pieces[left + 1] == " " and _may_move(pieces[left]) and _may_move(pieces[right])
    ]
    if not pairs:
        return False
    left, right = dice.one_of(pairs)
    pieces[left], pieces[right] = pieces[right], pieces[left]
    return True


def _replace(pieces: list[str], free: list[int], dice: Dice, synonyms: Synonyms | None) -> bool:
    assert synonyms is not None
    for place in dice.shuffled([place for place in free if _may_move(pieces[place]) and len(pieces[place]) > 2])[:3]:
        found = synonyms(pieces[place].casefold())
        if found:
            word = dice.one_of(found)
            pieces[place] = word[:1].upper() + word[1:] if pieces[place][:1].isupper() else word
            return True
    return False


def _may_move(word: str) -> bool:
    small = word.casefold()
    return bool(small) and small not in _FIXED and small not in _FILLERS and not small.endswith(("n't", "n’t"))
