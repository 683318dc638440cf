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

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.near_duplicates import connected
from daemon.near_pairs import Block, Page, Written, coded, decoded, distinct, near_pairs
from daemon.views.key_index import UNKNOWN, KeyIndex

Ints = NDArray[np.int64]
NO_TEXT = -1
_BLOCK = 1 << 16  # texts looked through at once

EDGE = np.dtype([("seq", "<i8"), ("newer", "<i4"), ("older", "<i4")])


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
            for root in sorted(set(_roots(self._label, older[first:end]).tolist())):
                mine = int(_roots(self._label, np.array([start + text]))[0])
                if root != mine:
                    edges.append((int(seqs[text]), start + text, root))
                    self._label[max(root, mine)] = min(root, mine)
        self._label = _roots(self._label, np.arange(len(self._label)))
        return np.array(edges, EDGE)

    def _near_pairs(self, new: Written, start: int) -> tuple[Ints, Ints]:
        """New texts and what they are near to before them: the group's label, or another new text's number; sorted."""
        every, known = np.arange(len(new.keys)), np.empty(0, np.int64)
        for first in range(0, start, _BLOCK):
            at = slice(first, min(first + _BLOCK, start))
            block = Block(self._written.take(at), np.arange(at.start, at.stop), self._label[at])
            newer, older = near_pairs(Page(new, every + start, known), block)
            known = distinct(known, coded(newer, block.group[older]))
        newer, older = near_pairs(Page(new, every + start, known), Block(new, every + start, self._own(known, start)))
        return decoded(distinct(known, coded(newer, older + start)))

    def _own(self, known: Ints, start: int) -> Ints:
        """For each new text a group of older ones that it belongs to, and its own number where it belongs to none."""
        own = self._label[start:].copy()
        newer, group = decoded(known)
        np.minimum.at(own, newer, group)
        return own


def near_to(texts: Sequence[str], written: Written, rows: Ints) -> NDArray[np.bool_]:
    """Which of these texts are near to one of the written ones in `rows`."""
    new, near = Written.of(texts), np.zeros(len(texts), np.bool_)
    page = Page(new, np.full(len(texts), len(written.keys)), np.empty(0, np.int64))
    for first in range(0, len(rows), _BLOCK):
        some = rows[first : first + _BLOCK]
        newer, _ = near_pairs(page, Block(written.take(some), some, np.zeros(len(some), np.int64)))
        near[newer] = True
    return near


def _roots(label: Ints, texts: Ints) -> Ints:
    """The smallest text that each belongs together with."""
    found = label[texts]
    while not np.array_equal(found, upper := label[found]):
        found = upper
    return found


def together(texts: int, edges: NDArray[np.void], position: int) -> Ints:
    """For each text the smallest that it belonged together with when the log ended at `position`."""
    known = edges[edges["seq"] <= position]
    return connected(texts, known["newer"].astype(np.int64), known["older"].astype(np.int64))
