"""A column of names as small whole numbers, so that a million rows are counted and looked up by numpy.

`np.unique(values, return_inverse=True)` sorts the texts: 290 ms for a million short ones. Here a text's characters are
hashed to one of 4,096 places, the name that was met there before is guessed, and the guess is compared with the text,
letter by letter, so that it is never merely believed. Rows whose guess was wrong are sorted; a column has few names, so
that happens to few rows.

    >>> coded("artifact_types", np.array(["erd", "code", "erd"]))
    Coded(codes=array([0, 1, 0]), names=('erd', 'code'))
    >>> coded("artifact_types", ["erd", None]).codes
    array([ 0, -1])

It knows nothing of what the names mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput

NONE = -1  # the code of a row that names nothing
MOST_CODES = 1 << 20  # given codes index tables: a larger one is a mistake, not a category
_BLOCK = 1 << 14  # rows hashed at once: 1 MB of 16 characters each stays in the cache
_ODD = np.uint32(0x9E3779B1)
_PLACES = 12  # bits of the hash that are used


class Coded(NamedTuple):
    """A code for each row and the name of each code; without names where the caller handed over codes."""

    codes: NDArray[np.int64]
    names: tuple[str, ...] = ()


def coded(thing: str, values: Any) -> Coded:
    """Names or codes as codes: what is coded already, whole numbers (-1: none), an array of text, or any list.

    Fastest is a `Coded` or an array of whole numbers; then an array of text (dtype U); a list, an array of objects or
    a pandas column costs a dictionary's look-up per row. None in a list names nothing.
    """
    if isinstance(values, Coded):
        return Coded(_checked_codes(thing, np.asarray(values.codes), len(values.names)), values.names)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise BadInput(thing, values, "one name or code per row")
    array = values if isinstance(values, np.ndarray) else None
    if array is not None and array.ndim != 1:
        raise BadInput(thing, f"an array of shape {array.shape}", "one name or code per row")
    if array is not None and array.dtype.kind in "iu":
        return Coded(_checked_codes(thing, array, MOST_CODES))
    if array is not None and array.dtype.kind == "U":
        return _coded_texts(array)
    return _coded_objects(thing, list(values))


def names_at(places: Iterable[int], names: Sequence[str | None]) -> tuple[str, ...]:
    """The name at each place, "" where it names nothing or there is no such place.

    >>> names_at([1, 0, 5], (None, "erd"))
    ('erd', '', '')
    """
    found = (names[place] if 0 <= place < len(names) else None for place in places)
    return tuple(name or "" for name in found)


def _checked_codes(thing: str, codes: NDArray[Any], below: int) -> NDArray[np.int64]:
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise BadInput(thing, f"an array of {codes.dtype} and shape {codes.shape}", "one whole number per row")
    if len(codes) and not NONE <= int(codes.min()) <= int(codes.max()) < below:
        wrong = int(np.flatnonzero((codes < NONE) | (codes >= below))[0])
        raise BadInput(f"{thing}[{wrong}]", int(codes[wrong]), f"a code from {NONE} (none) to {below - 1}")
    return codes.astype(np.int64, copy=False)


def _coded_objects(thing: str, values: list[Any]) -> Coded:
    plain = [value.value if isinstance(value, Enum) else value for value in values] if _has_members(values) else values
    try:
        names = [name for name in dict.fromkeys(plain) if name is not None]
    except TypeError as error:
        raise BadInput(thing, "a value that cannot be a name", "texts") from error
    if wrong := [name for name in names if not isinstance(name, str)]:
        return _coded_numbers(thing, plain, wrong[0])
    number = {name: place for place, name in enumerate(names)} | {None: NONE}
    codes = np.fromiter(map(number.__getitem__, plain), np.int64, len(plain))
    return Coded(codes, tuple(str(name) for name in names))


def _has_members(values: list[Any]) -> bool:
    """Whether members of an Enum are among them; asked of each kind of value, not of each value."""
    return any(issubclass(kind, Enum) for kind in set(map(type, values)))


def _coded_numbers(thing: str, values: list[Any], wrong: object) -> Coded:
    """A plain list of whole numbers is a column of codes; anything else is neither."""
    whole = all(isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_) for value in values)
    if not whole:
        raise BadInput(thing, wrong, "texts, or whole numbers as codes, in every row")
    return coded(thing, np.array(values, np.int64))


def _coded_texts(texts: NDArray[np.str_]) -> Coded:
    width = texts.dtype.itemsize // 4
    if not width or not len(texts):
        return Coded(np.zeros(len(texts), np.int64), ("",) if len(texts) else ())
    letters = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), width)
    met = _Met(width)
    codes = np.empty(len(texts), np.int64)
    for start in range(0, len(texts), _BLOCK):
        rows = slice(start, start + _BLOCK)
        codes[rows] = met.numbers_of(texts[rows], letters[rows])
    return Coded(codes, tuple(met.names))


class _Met:
    """The names met so far, their letters (one column for each name), and which of them is guessed at each place."""

    def __init__(self, width: int) -> None:
        self.names: dict[str, int] = {}
        self._letters = np.zeros((width, 1), np.uint32)
        self._guesses = np.zeros(1 << _PLACES, np.int64)

    def numbers_of(self, texts: NDArray[np.str_], letters: NDArray[np.uint32]) -> NDArray[np.int64]:
        by_letter = np.ascontiguousarray(letters.T)
        places = _hashed(by_letter) >> np.uint32(32 - _PLACES)
        numbers: NDArray[np.int64] = self._guesses[places]
        wrong = np.flatnonzero(~self._are(numbers, by_letter))
        if len(wrong):
            names, first, which = np.unique(texts[wrong], return_index=True, return_inverse=True)
            self._learn(names[np.argsort(first)].tolist(), letters[wrong[np.sort(first)]])
            number = np.array([self.names[name] for name in names.tolist()])
            numbers[wrong] = number[which]
            self._guesses[places[wrong]] = numbers[wrong]
        return numbers

    def _are(self, numbers: NDArray[np.int64], by_letter: NDArray[np.uint32]) -> NDArray[np.bool_]:
        same = np.full(len(numbers), bool(self.names))
        for known, given in zip(self._letters, by_letter, strict=True):
            same &= known[numbers] == given
        return same

    def _learn(self, names: list[str], letters: NDArray[np.uint32]) -> None:
        fresh = [place for place, name in enumerate(names) if name not in self.names]
        columns = letters[fresh].T
        self._letters = np.concatenate((self._letters, columns), axis=1) if self.names else columns
        self.names |= {names[place]: len(self.names) + nth for nth, place in enumerate(fresh)}


def _hashed(by_letter: NDArray[np.uint32]) -> NDArray[np.uint32]:
    hashes = np.zeros(by_letter.shape[1], np.uint32)
    for letter in by_letter:
        hashes *= _ODD
        hashes += letter
    return hashes * _ODD
