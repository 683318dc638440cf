"""Which inputs are nearly equal, kept so that what a new one costs grows little with how many there are.

Inputs that are equal but for case and spacing, or so nearly that all their hashes are equal, are one text. It stands as
the minimal hashes of components/near_duplicates.py: in 25 bands of five, under which near texts meet in all but 5 of
100,000 cases at a similarity of .8, and as a byte of each of the 128, by which those that met are compared (Li and
König 2010: the low bits suffice). The comparison errs by some .035, so it accepts from two of those below .8: to leave
out too much is cheap, a copy of a held-out example in training is not.

What is near to what is near belongs together. Only as many pairs are kept as join the texts, each with the event that
made it known; so what belonged together at an earlier place in the log can be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.near_duplicates import HASHES, connected, signatures
from daemon.views.key_index import UNKNOWN, KeyIndex

Ints = NDArray[np.int64]
NEAR_FROM = 0.73
BANDS, IN_A_BAND = 25, 5
NO_TEXT = -1
_BLOCK = 1 << 16  # texts looked through at once
_PAIRS_AT_ONCE = 1 << 20
_MOST_TEXTS = 1 << 32
_NO_PAIRS = np.empty(0, np.int64)
_MIX = np.uint64(0x9E3779B97F4A7C15)

EDGE = np.dtype([("seq", "<i8"), ("newer", "<i4"), ("older", "<i4")])


class Written(NamedTuple):
    """How texts stand in the files: one row each."""

    keys: Ints  # equal for equal texts; 0 for one that was erased
    bands: NDArray[np.uint32]  # (texts, 25); 0 is no key
    hashes: NDArray[np.uint8]  # (texts, 128)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Written:
        whole = signatures(texts)
        bands = whole[:, : BANDS * IN_A_BAND].reshape(len(whole), BANDS, IN_A_BAND)
        return cls(_mixed(whole).view(np.int64), _mixed(bands).astype(np.uint32) | np.uint32(1), _bytes_of(whole))

    def take(self, rows: Ints) -> Written:
        return Written(self.keys[rows], self.bands[rows], self.hashes[rows])


def _mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One number for the hashes along the last axis, never 0."""
    mixed = np.zeros(hashes.shape[:-1], np.uint64)
    for place in range(hashes.shape[-1]):
        mixed = (mixed ^ hashes[..., place]) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed | np.uint64(1)


def _bytes_of(whole: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return ((whole * np.uint32(0x9E3779B1)) >> np.uint32(24)).astype(np.uint8)


class NearTexts:
    """All texts so far: which are known, and which belong together."""

    def __init__(self, written: Written, edges: NDArray[np.void]) -> None:
        self._written = written
        self._index = KeyIndex()
        known = np.flatnonzero(written.keys)
        self._index.add(np.asarray(written.keys[known]), known)
        self._label = connected(len(written.keys), edges["newer"].astype(np.int64), edges["older"].astype(np.int64))

    def take(self, texts: Sequence[str], seqs: Ints) -> tuple[Ints, Written, NDArray[np.void]]:
        """The number of each text, the rows of those that are new, and the pairs by which these are joined.

        `seqs` are the events that brought them. Give back the files' rows with `grown` before the next call.
        """
        given = Written.of(texts)
        _, firsts, group = np.unique(given.keys, return_index=True, return_inverse=True)
        numbers = self._index.find(given.keys[firsts])
        order = np.argsort(firsts)
        fresh = order[numbers[order] == UNKNOWN]  # groups of new texts, in their order of appearance
        start = len(self._written.keys)
        numbers[fresh] = np.arange(start, start + len(fresh))
        new = given.take(firsts[fresh])
        edges = self._joined(new, seqs[firsts[fresh]], start)
        self._index.add(new.keys, numbers[fresh])
        return numbers[group], new, edges

    def grown(self, written: Written) -> None:
        self._written = written

    def _joined(self, new: Written, seqs: Ints, start: int) -> NDArray[np.void]:
        """One pair for each group of texts before it that a new text is near to: from then on all are one group."""
        self._label = np.concatenate((self._label, np.arange(start, start + len(new.keys))))
        newer, older = self._near_pairs(new, start)
        edges = []
        for first, end in pairwise(np.append(np.flatnonzero(np.diff(newer, prepend=-1)), len(newer)).tolist()):
            text = int(newer[first])
            for root in np.unique(_roots(self._label, older[first:end])).tolist():
                mine = int(_roots(self._label, np.array([start + text]))[0])
                if root != mine:
                    edges.append((int(seqs[text]), start + text, root))
                    self._label[max(root, mine)] = min(root, mine)
        self._label = _roots(self._label, np.arange(len(self._label)))
        return np.array(edges, EDGE)

    def _near_pairs(self, new: Written, start: int) -> tuple[Ints, Ints]:
        """New texts and what they are near to before them: the group's label, or another new text's number; sorted."""
        every, there = np.arange(len(new.keys)), self._written
        found = [_NO_PAIRS]
        for first in range(0, start, _BLOCK):
            at = slice(first, min(first + _BLOCK, start))
            some = Written(there.keys[at], np.asarray(there.bands[at]), there.hashes[at])
            found += _of_block(new, every, some, self._label[at])
        found += _of_block(new, every, new, every + start)
        newer, older = np.divmod(np.unique(np.concatenate(found)), _MOST_TEXTS)
        before = older < newer + start
        return newer[before], older[before]


def _of_block(new: Written, rows: Ints, block: Written, label: Ints) -> Iterator[Ints]:
    """Which of these new texts are near to a text of a block, by its label; a heap that all meets is halved."""
    met = _met(new.bands[rows], block.bands)
    if met is None:
        for half in np.array_split(rows, 2):
            yield from _of_block(new, half, block, label)
        return
    newer, older = rows[met[0]], met[1]
    for at in range(0, len(newer), _BLOCK):
        some = slice(at, at + _BLOCK)
        near = np.count_nonzero(new.hashes[newer[some]] == block.hashes[older[some]], axis=1) >= NEAR_FROM * HASHES
        yield np.unique(newer[some][near] * _MOST_TEXTS + label[older[some][near]])


def near_to(texts: Sequence[str], written: Written, rows: Ints) -> NDArray[np.bool_]:
    """Which of these texts are near to one of the written ones in `rows`."""
    new, near = Written.of(texts), np.zeros(len(texts), np.bool_)
    for first in range(0, len(rows), _BLOCK):
        some = written.take(rows[first : first + _BLOCK])
        for pairs in _of_block(new, np.arange(len(texts)), some, np.zeros(len(some.keys), np.int64)):
            near[pairs // _MOST_TEXTS] = True
    return near


def _roots(label: Ints, texts: Ints) -> Ints:
    """The smallest text that each belongs together with."""
    found = label[texts]
    while not np.array_equal(found, upper := label[found]):
        found = upper
    return found


def _met(new: NDArray[np.uint32], block: NDArray[np.uint32]) -> tuple[Ints, Ints] | None:
    """The pairs that share a band; None where there are too many of them for one look, and more than one new text."""
    pairs, found = 0, []
    for band in range(BANDS):
        order = np.argsort(new[:, band], kind="stable")
        keys = new[order, band]
        may = np.zeros(1 << 16, np.bool_)
        may[keys >> np.uint32(16)] = True
        rows = np.flatnonzero(may[block[:, band] >> np.uint32(16)])
        low, high = (np.searchsorted(keys, block[rows, band], side) for side in ("left", "right"))
        counts = high - low
        pairs += int(counts.sum())
        if pairs > _PAIRS_AT_ONCE and len(new) > 1:
            return None
        places = np.repeat(low, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        found.append(order[places] * len(block) + np.repeat(rows, counts))
    every = np.unique(np.concatenate(found)) if len(block) else np.empty(0, np.int64)
    return np.divmod(every, max(1, len(block)))


def together(texts: int, edges: NDArray[np.void], position: int) -> Ints:
    """For each text the smallest that it belonged together with when the log ended at `position`."""
    known = edges[edges["seq"] <= position]
    return connected(texts, known["newer"].astype(np.int64), known["older"].astype(np.int64))
