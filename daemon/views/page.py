"""A page of log rows as columns: numbers as arrays, texts as codes into a list of values.

One read serves every view. Each piece of some hundred rows is converted before the next is read: its values still lie
in the processor's cache then, and the memory of one piece serves the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8] | NDArray[np.intp]
Rows = Sequence[Sequence[Any]]

TEXTS = frozenset(("kind", "artifact_type", "model", "side", "says", "source"))  # with few different values
SELDOM = ("subject", "episode_key", "propensity")  # most logs give none of them
SOME_SELDOM = "the first of those"
REALS = frozenset(("score", "propensity"))
AS_THEY_ARE = frozenset(("id", SOME_SELDOM))  # all other columns are whole numbers
MOST_IN_A_BYTE = 256


class Vocabulary:
    """The values that text columns had lately, each with its code; shared by pages that follow each other."""

    def __init__(self) -> None:
        self._codes: dict[str, dict[Any, int]] = {}
        self.has_seldom = False  # whether the last page gave any of the columns that are seldom given

    def new_page(self) -> None:
        """Forgets where values were too many: codes hold for one page."""
        for known in self._codes.values():
            if len(known) > MOST_IN_A_BYTE:
                known.clear()

    def encode(self, column: str, piece: Sequence[Any]) -> Codes:
        """Codes into `values`."""
        known = self._codes.setdefault(column, {})
        try:
            return _byte_codes(known, piece)
        except (KeyError, ValueError):
            for value in piece:
                known.setdefault(value, len(known))
        return _byte_codes(known, piece) if len(known) <= MOST_IN_A_BYTE else _wide_codes(known, piece)

    def values(self, column: str) -> list[Any]:
        """The values by code: those of this page in their order of appearance, and maybe more."""
        return list(self._codes.get(column, ()))


def _byte_codes(known: Mapping[Any, int], piece: Sequence[Any]) -> NDArray[np.uint8]:
    """KeyError where a value is new, ValueError where a code is too large."""
    codes = (known[piece[0]],) if len(piece) == 1 else itemgetter(*piece)(known)
    return np.frombuffer(bytes(codes), np.uint8)


def _wide_codes(known: Mapping[Any, int], piece: Sequence[Any]) -> NDArray[np.intp]:
    return np.fromiter(map(known.__getitem__, piece), np.intp, len(piece))


class Page:
    """Rows in the order in which they are fed. A value that was not given reads 0, nan or None."""

    def __init__(self, pieces: Iterable[Rows], columns: Sequence[str], vocabulary: Vocabulary | None = None) -> None:
        self._vocabulary = vocabulary or Vocabulary()
        self._vocabulary.new_page()
        self._parts: dict[str, list[Any]] = {column: [] for column in columns}
        self.events = 0
        converters = [(self._parts[column].append, self._converter(column)) for column in columns]
        for rows in pieces:
            self.events += len(rows)
            for (keep, convert), piece in zip(converters, zip(*rows, strict=True), strict=True):
                keep(convert(piece))
        self._values = {column: self._vocabulary.values(column) for column in columns if column in TEXTS}
        self._joined: dict[str, NDArray[Any]] = {}
        self.bodies: dict[int, Mapping[str, Any]] = {}

    def _converter(self, column: str) -> Callable[[Sequence[Any]], Any]:
        if column in TEXTS:
            return lambda piece: self._vocabulary.encode(column, piece)
        if column in AS_THEY_ARE:
            return list
        return _real_numbers if column in REALS else _whole_numbers

    def has(self, column: str) -> bool:
        return column in self._parts

    def add(self, column: str, values: Sequence[Any]) -> None:
        """A column that was read after the others, because one of the views turned out to want it."""
        self._parts[column] = [values]

    def take(self, column: str, page: Page) -> None:
        """The same rows' column of another page."""
        self._parts[column] = page._parts[column]

    def add_none(self, column: str) -> None:
        """A column that is known to have no value here."""
        self._parts[column] = [np.full(self.events, np.nan) if column in REALS else np.zeros(self.events, np.int64)]

    def gives_seldom(self) -> bool:
        """Whether a row has any value in those columns that are seldom given."""
        if SOME_SELDOM in self._parts:
            return any(not _none_given(piece) for piece in self._parts[SOME_SELDOM])
        given = (self.numbers(column) for column in SELDOM if self.events and column in self._parts)
        return any(bool((np.isfinite(values) & (values != 0)).any()) for values in given)

    def raw(self, column: str) -> list[Any]:
        """A column as it was read."""
        return list(chain.from_iterable(self._parts[column]))

    def whole(self, column: str) -> Ints:
        """A column of whole numbers; 0 where none was given."""
        return self.numbers(column)

    def real(self, column: str) -> Reals:
        """A column of real numbers; nan where none was given."""
        return self.numbers(column)

    def coded(self, column: str) -> tuple[Codes, list[Any]]:
        """A text column as (codes, values)."""
        return self.numbers(column), self._values[column]

    def numbers(self, column: str) -> NDArray[Any]:
        """A column of either kind of numbers, or a text column's codes."""
        if column not in self._joined:
            parts = self._parts[column]
            self._joined[column] = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return self._joined[column]


def _none_given(piece: Sequence[Any]) -> bool:
    return not piece or (piece[0] is None and piece.count(None) == len(piece))


def _whole_numbers(piece: Sequence[Any]) -> Ints:
    if _none_given(piece):
        return np.zeros(len(piece), np.int64)
    try:
        return np.fromiter(piece, np.int64, len(piece))
    except TypeError:
        return np.fromiter([value or 0 for value in piece], np.int64, len(piece))


def _real_numbers(piece: Sequence[Any]) -> Reals:
    if _none_given(piece):
        return np.full(len(piece), np.nan)
    try:
        return np.fromiter(piece, np.float64, len(piece))
    except TypeError:
        return np.fromiter([np.nan if value is None else value for value in piece], np.float64, len(piece))
