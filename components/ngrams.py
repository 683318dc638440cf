"""Texts as words, and runs of words as whole numbers, so that counting them is sorting.

Each run of n words gets a number of its own, the same in every text that shares the vocabulary: by arithmetic, not by
hashing, so two runs never meet by chance. What it deliberately does not do: fold case, stem, or know a language's word
boundaries (the vowel signs of Indic scripts part a word; they do so alike in every text).

>>> words("erDiagram: USER ||--o{ ORDER 我要 🎉🎉")
['erDiagram', ':', 'USER', '||--', 'o', '{', 'ORDER', '我', '要', '🎉', '🎉']
>>> tokens = Tokens.of(["to be or not to be"])
>>> [counted(grams.codes)[1].tolist() for grams in tokens.ngrams(3)]
[[2, 2, 1, 1], [2, 1, 1, 1], [1, 1, 1, 1]]
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Tokenize = Callable[[str], Sequence[Hashable]]

_IDEOGRAPHS: Final = "\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Letters and digits in a run are a word, as are ASCII marks in a run (arrows); ideographs and emoji stand alone.
_WORDS: Final = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+|[!-/:-@\[-`{{-~]+|[^\w\s]")
_ASCII_WORDS: Final = re.compile(r"[A-Za-z0-9_]+|[!-/:-@\[-`{-~]+|[^\w\s]")  # the same for ASCII, twice as fast
_TEXTS_AT_ONCE: Final = 4096
_MOST: Final = 2**62


def words(text: str) -> list[str]:
    """The words of a text, case kept: nltk's `wordpunct_tokenize`, but for ideographs and emoji, which stand alone."""
    return _ASCII_WORDS.findall(text) if text.isascii() else _WORDS.findall(text)


def new_vocabulary() -> defaultdict[Hashable, int]:
    """A dict that numbers what it is asked for the first time."""
    vocabulary: defaultdict[Hashable, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    return vocabulary


@dataclass(frozen=True, slots=True)
class Ngrams:
    """The runs of one length in all texts: a number for each, and the row of the text that it stands in."""

    length: int
    codes: Ints
    rows: Ints
    span: int  # every code is below it

    def keys(self) -> Ints:
        """One number for run and row."""
        return self.rows * self.span + self.codes


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of many texts as one row of numbers."""

    ids: Ints
    lengths: Ints  # words of each text
    vocabulary: int  # how many words there are to tell apart

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        tokenize: Tokenize = words,
        vocabulary: defaultdict[Hashable, int] | None = None,
    ) -> Tokens:
        """Texts that are to be compared share a vocabulary."""
        known = new_vocabulary() if vocabulary is None else vocabulary
        ids, lengths = [np.zeros(0, dtype=np.int64)], np.zeros(len(texts), dtype=np.int64)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            flat: list[Hashable] = []
            for row, text in enumerate(texts[start : start + _TEXTS_AT_ONCE], start):
                found = tokenize(text)
                lengths[row] = len(found)
                flat += found
            ids.append(np.fromiter(map(known.__getitem__, flat), dtype=np.int64, count=len(flat)))
        return cls(np.concatenate(ids), lengths, max(1, len(known)))

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self) -> Ints:
        """The row of the text that each word stands in."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def part(self, start: int, stop: int) -> Tokens:
        """Some texts that follow each other."""
        ends = np.append(0, np.cumsum(self.lengths))
        return Tokens(self.ids[ends[start] : ends[stop]], self.lengths[start:stop], self.vocabulary)

    def taken(self, rows: Ints) -> Tokens:
        """The texts of these rows, in this order; a row may come more than once."""
        lengths = self.lengths[rows]
        begins = np.cumsum(self.lengths)[rows] - lengths
        shift = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths)
        return Tokens(self.ids[shift + np.arange(len(shift))], lengths, self.vocabulary)

    def followed_by(self, others: Tokens) -> Tokens:
        """These texts and then those, which share the vocabulary."""
        ids, lengths = np.concatenate([self.ids, others.ids]), np.concatenate([self.lengths, others.lengths])
        return Tokens(ids, lengths, max(self.vocabulary, others.vocabulary))

    def ngrams(self, highest: int) -> Iterator[Ngrams]:
        """Runs of one word, of two, and so on; the numbers are made small again before they could overflow."""
        rows, place = self.rows(), np.arange(len(self.ids))
        ends = np.repeat(np.cumsum(self.lengths), self.lengths)
        codes, span = self.ids, self.vocabulary
        yield Ngrams(1, codes, rows, span)
        for length in range(2, highest + 1):
            goes_on = place + (length - 1) < ends
            rows, place, ends, codes = rows[goes_on], place[goes_on], ends[goes_on], codes[goes_on]
            if span * self.vocabulary * max(1, len(self)) >= _MOST:
                codes = np.unique(codes, return_inverse=True)[1]
                span = int(codes.max(initial=0)) + 1
            codes = codes * self.vocabulary + self.ids[place + (length - 1)]
            span *= self.vocabulary
            if span * max(1, len(self)) >= _MOST:
                codes = np.unique(codes, return_inverse=True)[1]
                span = int(codes.max(initial=0)) + 1
            yield Ngrams(length, codes, rows, span)


def as_strings(own: Tokens, others: Tokens) -> tuple[list[str], list[str]]:
    """Each text as a str with one character for each word, for libraries that compare strings.

    Only words of both sides need a character of their own; the rest are two characters, which never meet.
    """
    shared = in_both(own.ids, others.ids)
    assert len(shared) < 0x10FFFF, "more words than characters: fewer texts at a time"
    return _strings(own, shared, 0), _strings(others, shared, 1)


def _strings(tokens: Tokens, shared: Ints, otherwise: int) -> list[str]:
    place = np.searchsorted(shared, tokens.ids)
    codes = np.where(np.append(shared, -1)[place] == tokens.ids, place + 2, otherwise)
    whole = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    ends = np.cumsum(tokens.lengths).tolist()
    return [whole[end - length : end] for end, length in zip(ends, tokens.lengths.tolist(), strict=True)]


def in_both(left: NDArray[Any], right: NDArray[Any]) -> Ints:
    """The numbers that are on both sides, each once, ascending. Sorting is faster here than np.unique's hashing."""
    both = np.sort(np.concatenate([counted(left)[0], counted(right)[0]]))
    return np.asarray(both[:-1][both[1:] == both[:-1]])


def counted(keys: NDArray[Any]) -> tuple[Ints, Ints]:
    """Each number once, ascending, and how often it was there."""
    ordered = np.sort(keys)
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return ordered[first], np.diff(np.append(first, len(ordered)))


def pages(sizes: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Rows from and to, so that a page's sizes add up to no more than that; a larger row is a page by itself."""
    total = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + most, side="right")))
        yield start, stop
        start = stop
