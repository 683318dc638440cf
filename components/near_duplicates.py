"""Which of many texts are nearly the same, in time that grows with their length alone.

Texts are sets of runs of five characters; 128 minimal hashes stand for a set (MinHash, Broder 1997), and texts that
agree in some four of them meet in a bucket (locality-sensitive hashing). There each is compared with the first and with
the one before it by the share of equal hashes, an estimate of Jaccard's similarity with a standard error up to .044.

It compares how texts are written, not what they mean. Case and spacing do not count. What is near to what is near
belongs to one group. Below a threshold of some .5 pairs begin to be missed.

>>> near_duplicate_groups(["Your order is on its way.", "your  order is on its way!", "We are closed today."]).tolist()
[0, 0, 1]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, finite_numbers

NEAR = 0.8
RUN = 5  # characters
HASHES, IN_A_BAND = 128, 4
_CHARACTERS_AT_ONCE, _PAIRS_AT_ONCE, _KEYS_AT_ONCE = 1 << 16, 1 << 16, 1 << 16

_Groups = NDArray[np.int64]
_Hashes = NDArray[np.uint32]


def as_compared(text: str) -> str:
    """The text as it is compared: case folded, single spaces."""
    return " ".join(text.casefold().split())


def equal_groups(texts: Sequence[str]) -> _Groups:
    """The group of each text, numbered from 0 in order of first appearance; equal but for case and spacing."""
    if isinstance(texts, str):
        raise BadInput("texts", texts, "a list of texts", "Write [text].")
    number: dict[str, int] = {}
    return np.fromiter((number.setdefault(as_compared(text), len(number)) for text in texts), np.int64, len(texts))


def near_duplicate_groups(texts: Sequence[str], *, threshold: float = NEAR, known: KnownTexts | None = None) -> _Groups:
    """The group of each text, numbered from 0 in order of first appearance; near-equal texts share one.

    `known` keeps what was made of the texts of other calls: give the same one where texts come again.
    """
    (least,) = finite_numbers("threshold", [threshold], low=0.0, high=1.0).tolist()
    known = KnownTexts() if known is None else known
    numbers = known.numbers(texts)
    equal = _numbered(numbers)
    _, firsts = np.unique(equal, return_index=True)
    if len(firsts) < 2:
        return equal
    left, right = _near_pairs(known.signatures(numbers[firsts]), least)
    return _numbered(connected(len(firsts), left, right)[equal])


class KnownTexts:
    """Numbers of texts, the same for those that are equal but for case and spacing, and their signatures, made once."""

    def __init__(self) -> None:
        self._as_given: dict[str, int] = {}
        self._as_compared: dict[str, int] = {}
        self._signatures = np.empty((0, HASHES), np.uint32)

    def numbers(self, texts: Sequence[str]) -> _Groups:
        """The number of each text; what is new gets the next ones."""
        if isinstance(texts, str):
            raise BadInput("texts", texts, "a list of texts", "Write [text].")
        given, compared = self._as_given, self._as_compared
        for text in texts:
            if text not in given:
                given[text] = compared.setdefault(as_compared(text), len(compared))
        return np.fromiter((given[text] for text in texts), np.int64, len(texts))

    def signatures(self, numbers: _Groups) -> _Hashes:
        """Those of the texts with these numbers; all that are missing are made at once."""
        done = len(self._signatures)
        if len(numbers) and int(numbers.max()) >= done:
            new = list(self._as_compared)[done:]
            self._signatures = np.concatenate([self._signatures, signatures(new)])
        made: _Hashes = self._signatures[numbers]
        return made


def signatures(texts: Sequence[str], *, seed: int = 0) -> _Hashes:
    """The minimal hashes of each text, one row of 128 each."""
    rng = np.random.default_rng(seed)
    flips = rng.integers(0, 1 << 32, HASHES, dtype=np.uint32)
    factors = rng.integers(0, 1 << 31, HASHES, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    found = np.empty((len(texts), HASHES), dtype=np.uint32)
    done = 0
    for hashes, starts in _run_hashes(texts):
        rows = slice(done, done + len(starts))
        for place in range(HASHES):
            found[rows, place] = np.minimum.reduceat((hashes ^ flips[place]) * factors[place], starts)
        done += len(starts)
    return found


def similarity(left: _Hashes, right: _Hashes) -> NDArray[np.float64]:
    """The estimated similarity of rows of signatures, 0 to 1."""
    return np.asarray((left == right).mean(axis=-1))


def _run_hashes(texts: Sequence[str]) -> Iterator[tuple[_Hashes, _Groups]]:
    """Hashes of all runs of five characters, a heap of texts at a time, and where each text's hashes begin."""
    heap: list[str] = []
    size = 0
    for text in texts:
        heap.append(as_compared(text).ljust(RUN, "\0"))
        size += len(heap[-1])
        if size >= _CHARACTERS_AT_ONCE:
            yield _hashed(heap)
            heap, size = [], 0
    if heap:
        yield _hashed(heap)


def _hashed(heap: Sequence[str]) -> tuple[_Hashes, _Groups]:
    letters = np.frombuffer("".join(heap).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, heap), np.int64, len(heap))
    runs = len(letters) - RUN + 1
    rolled = letters[:runs].copy()
    for step in range(1, RUN):
        rolled *= np.uint64(0x9E3779B97F4A7C15)
        rolled += letters[step : step + runs]
    rolled ^= rolled >> np.uint64(29)
    rolled *= np.uint64(0xBF58476D1CE4E5B9)
    ends = np.cumsum(lengths)
    within = np.ones(len(letters), dtype=bool)
    for step in range(1, RUN):
        within[ends - step] = False  # a run that would reach into the next text
    starts = np.concatenate([[0], np.cumsum(lengths - RUN + 1)[:-1]]).astype(np.int64)
    return (rolled[within[:runs]] >> np.uint64(32)).astype(np.uint32), starts


def _bands(signature: _Hashes) -> Iterator[NDArray[np.uint64]]:
    """A row of keys for each band, some bands at a time: few texts have all at once, many one after the other."""
    bands = signature.reshape(len(signature), -1, IN_A_BAND)
    at_once = max(1, _KEYS_AT_ONCE // len(signature))
    for start in range(0, bands.shape[1], at_once):
        some = bands[:, start : start + at_once].transpose(1, 0, 2)
        keys = np.zeros(some.shape[:2], dtype=np.uint64)
        for place in range(IN_A_BAND):
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + some[:, :, place]  # meetings by chance are told apart below
        yield keys


def _near_pairs(signature: _Hashes, least: float) -> tuple[_Groups, _Groups]:
    """Pairs of rows that met in a bucket and are near enough."""
    lefts, rights = [], []
    for keys in _bands(signature):
        order = np.argsort(keys, axis=1, kind="stable")
        ordered = np.take_along_axis(keys, order, axis=1)
        opens = np.ones(keys.shape, dtype=bool)
        opens[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        places = np.maximum.accumulate(np.where(opens, np.arange(keys.shape[1]), 0), axis=1)
        band, later = np.nonzero(~opens)
        row = order[band, later]
        lefts += [row, row]
        rights += [order[band, later - 1], order[band, places[band, later]]]
    size = len(signature)
    pairs = np.unique(np.concatenate(lefts) * size + np.concatenate(rights))
    left, right = np.divmod(pairs, size)
    near = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        near[some] = similarity(signature[left[some]], signature[right[some]]) >= least
    return left[near], right[near]


def connected(size: int, left: _Groups, right: _Groups) -> _Groups:
    """The smallest row that each row is joined with, over any number of pairs."""
    lowest = np.arange(size)
    while True:
        both = np.minimum(lowest[left], lowest[right])
        before = lowest.copy()
        for ends in (left, right):
            np.minimum.at(lowest, lowest[ends], both)
            np.minimum.at(lowest, ends, both)
        while not np.array_equal(lowest, lowest[lowest]):
            lowest = lowest[lowest]
        if np.array_equal(lowest, before):
            return lowest


def _numbered(groups: _Groups) -> _Groups:
    _, firsts, places = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(firsts), dtype=np.int64)
    rank[np.argsort(firsts, kind="stable")] = np.arange(len(firsts))
    return rank[places]
