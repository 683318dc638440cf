"""How many letters must be changed, added or taken away to make one text of another, as a likeness from 0 to 1.

Levenshtein 1966, by rapidfuzz's bit-parallel form: 1 − distance / length of the longer text; two empty texts are alike.
A letter is a Unicode code point. The work grows with the product of the lengths, so for a pair whose product is above
LONGEST_PAIR (two texts of 45,000 letters) the words are compared without regard to their order, which is never less
than the distance over words would give; and more than MOST_WORK in one call is refused. What it deliberately does not
do: fold case, or join accents to their letters.

>>> alike, bounded = pair_likeness(["kitten", ""], ["sitting", "", "kitten"])
>>> alike.round(4).tolist(), bounded
([[0.5714, 0.0, 1.0], [0.0, 1.0, 0.0]], 0)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput
from components.ngrams import Ints, Tokens, counted, new_vocabulary

Floats = NDArray[np.float64]
LONGEST_PAIR: Final = 2_000_000_000  # letters × letters: 0.05 s for ASCII, 0.2 s for ideographs
MOST_WORK: Final = 10_000_000_000_000  # the same over all pairs of a call: some minutes


def pair_likeness(texts: Sequence[str], others: Sequence[str], *, workers: int = 1) -> tuple[Floats, int]:
    """A row for each text, a column for each other; and how many pairs were too long to be compared by letters."""
    lengths, widths = _lengths(texts)[:, None], _lengths(others)[None, :]
    exact = _letter_by_letter(lengths * widths)
    out = np.zeros(exact.shape)
    usual = exact.all(axis=1)
    for rows in [np.flatnonzero(usual), *np.flatnonzero(~usual)[:, None]]:  # a row with a long pair goes by itself
        columns = np.flatnonzero(exact[rows].all(axis=0))
        if len(rows) and len(columns):
            found = _distances([texts[i] for i in rows.tolist()], [others[j] for j in columns.tolist()], workers)
            out[np.ix_(rows, columns)] = 1.0 - found / np.maximum(np.maximum(lengths[rows], widths[:, columns]), 1)
    bags = _Bags()
    for i, j in np.argwhere(~exact).tolist():
        out[i, j] = bags.likeness(texts[i], others[j])
    return out, int((~exact).sum())


def aligned_likeness(texts: Sequence[str], others: Sequence[str], *, workers: int = 1) -> tuple[Floats, int]:
    """The likeness of each text with the other in the same place; and how many pairs were too long."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    lengths, widths = _lengths(texts), _lengths(others)
    rows = np.flatnonzero(_letter_by_letter(lengths * widths))
    out = np.zeros(len(texts))
    pairs = [texts[row] for row in rows.tolist()], [others[row] for row in rows.tolist()]
    found = process.cpdist(*pairs, scorer=Levenshtein.distance, dtype=np.int32, workers=workers)
    out[rows] = 1.0 - np.asarray(found) / np.maximum(np.maximum(lengths[rows], widths[rows]), 1)
    bags = _Bags()
    long = np.setdiff1d(np.arange(len(texts)), rows)
    for row in long.tolist():
        out[row] = bags.likeness(texts[row], others[row])
    return out, len(long)


def _lengths(texts: Sequence[str]) -> Ints:
    return np.array([len(text) for text in texts], dtype=np.int64)


def _letter_by_letter(work: Ints) -> NDArray[np.bool_]:
    """Which pairs are short enough; refused when all of them together would take too long."""
    total = float(np.minimum(work, LONGEST_PAIR).sum(dtype=np.float64))
    if total > MOST_WORK:
        step = "Compare fewer or shorter texts at a time."
        raise BadInput("texts", f"{total:.0e} pairs of letters", f"at most {MOST_WORK:.0e}", step)
    return np.asarray(work <= LONGEST_PAIR)


def _distances(texts: Sequence[str], others: Sequence[str], workers: int) -> Ints:
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    return np.asarray(process.cdist(texts, others, scorer=Levenshtein.distance, dtype=np.int32, workers=workers))


class _Bags:
    """Texts as the words that are in them, each with its count; a text is split once."""

    def __init__(self) -> None:
        self._vocabulary = new_vocabulary()
        self._split: dict[str, tuple[Ints, Ints]] = {}

    def likeness(self, text: str, other: str) -> float:
        (words, counts), (other_words, other_counts) = self._bag(text), self._bag(other)
        _, place, other_place = np.intersect1d(words, other_words, assume_unique=True, return_indices=True)
        common = np.minimum(counts[place], other_counts[other_place]).sum()
        longer = max(counts.sum(), other_counts.sum())
        return float(common / longer) if longer else 1.0  # nothing but white space on both sides

    def _bag(self, text: str) -> tuple[Ints, Ints]:
        if text not in self._split:
            self._split[text] = counted(Tokens.of([text], vocabulary=self._vocabulary).ids)
        return self._split[text]
