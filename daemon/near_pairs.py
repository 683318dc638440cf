"""Which new texts are near to which of those that came before: of each group that one is near to, one text is found.

Texts are compared where they share a band. Where few do, all their pairs are listed. Where thousands are made from one
template nearly all share one with all, and to list the pairs costs a microsecond each: there a new text is compared
with a few of each group under each of its keys, and with all that it meets only where it was near to none of the few.
That comparison goes place by place over all pairs at once, which is a hundred times as quick as listing them.

What belongs together does not depend on the way: whoever is near to one of a group belongs to all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.near_duplicates import HASHES, signatures

Ints = NDArray[np.int64]
Bands = NDArray[np.uint32]
Hashes = NDArray[np.uint8]
Pairs = tuple[Ints, Ints]
NEAR_FROM = 0.73
BANDS, IN_A_BAND = 25, 5
_NEAR_AT = ceil(NEAR_FROM * HASHES)
_FEW, _FEW_GROUPS = 4, 3  # texts of a group that are looked at first under each key, and of how many groups
_LISTED = 1 << 16  # so many pairs are always listed
_COSTS_A_PAIR = 32  # that is listed, as many as are compared where all are
_COMPARED_AT_ONCE = 1 << 16
_NEW_AT_ONCE, _OTHERS_AT_ONCE = 32, 1 << 13  # a byte for each pair of them stays in the cache
_MOST_TEXTS = 1 << 32
_NONE = np.empty(0, np.int64)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Written(NamedTuple):
    """How texts stand in the files: one row each."""

    keys: Ints  # equal for equal texts; 0 for one that was erased
    bands: Bands  # (texts, 25); 0 is no key
    hashes: Hashes  # (texts, 128)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Written:
        whole = signatures(texts)
        bands = whole[:, : BANDS * IN_A_BAND].reshape(len(whole), BANDS, IN_A_BAND)
        return cls(_mixed(whole).view(np.int64), _mixed(bands).astype(np.uint32) | np.uint32(1), _bytes_of(whole))

    def take(self, rows: Ints | slice) -> Written:
        return Written(self.keys[rows], np.asarray(self.bands[rows]), self.hashes[rows])


def _mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One number for the hashes along the last axis, never 0."""
    mixed = np.zeros(hashes.shape[:-1], np.uint64)
    for place in range(hashes.shape[-1]):
        mixed = (mixed ^ hashes[..., place]) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed | np.uint64(1)


def _bytes_of(whole: NDArray[np.uint32]) -> Hashes:
    return ((whole * np.uint32(0x9E3779B1)) >> np.uint32(24)).astype(np.uint8)


class Block(NamedTuple):
    """Texts that new ones are compared with: their numbers, which rise as they came, and the group of each."""

    written: Written
    numbers: Ints
    group: Ints

    def take(self, rows: Ints) -> Block:
        return Block(self.written.take(rows), self.numbers[rows], self.group[rows])


class Page(NamedTuple):
    """New texts, their numbers, and which groups each is known to be near to: `coded`, sorted."""

    written: Written
    numbers: Ints
    known: Ints

    def take(self, rows: Ints) -> Page:
        """Some of them; what is known is not asked for any more."""
        return Page(self.written.take(rows), self.numbers[rows], _NONE)

    def knows(self, newer: Ints, group: Ints) -> NDArray[np.bool_]:
        """Of which of these pairs of row and group that is known."""
        found: NDArray[np.bool_] = np.isin(coded(newer, group), self.known)
        return found


def coded(newer: Ints, group: Ints) -> Ints:
    """One number for a row of a page and a group."""
    return newer * _MOST_TEXTS + group


def distinct(*codes: Ints) -> Ints:
    """All that is in any of these, once and sorted: for millions a tenth of the time that numpy's `unique` takes."""
    every = np.sort(np.concatenate(codes))
    once = np.ones(len(every), np.bool_)
    np.not_equal(every[1:], every[:-1], out=once[1:])
    return every[once]


def decoded(codes: Ints) -> Pairs:
    newer, group = np.divmod(codes, _MOST_TEXTS)
    return newer, group


def near_pairs(page: Page, block: Block) -> Pairs:
    """Rows of the page, each with a row of the block that is near to it and came before it.

    Of each group that a text is near to at least one such row, unless the group is known.
    """
    new, old = page.written.bands, block.written.bands
    met = _met(new, old, max(_LISTED, len(new) * len(old) // _COSTS_A_PAIR))
    if met is not None:
        return _near_of(page, block, _before(page, block, met))
    few = _met(new, _few_of_each(block), _FEW_GROUPS * _FEW * BANDS * len(new))
    if few is None:
        return _near_of_all(page, np.arange(len(new)), block)
    newer, older = _before(page, block, few)
    first = _near_of(page, block, (newer, older))
    page = page._replace(known=distinct(page.known, coded(first[0], block.group[first[1]])))
    rest = _near_of_all(page, distinct(newer[~page.knows(newer, block.group[older])]), block)
    return np.concatenate((first[0], rest[0])), np.concatenate((first[1], rest[1]))


def _before(page: Page, block: Block, pairs: Pairs) -> Pairs:
    """Those whose text of the block came first."""
    newer, older = pairs
    came = block.numbers[older] < page.numbers[newer]
    return newer[came], older[came]


# Pairs that are listed


def _near_of(page: Page, block: Block, pairs: Pairs) -> Pairs:
    """Those of the listed pairs, which share a band, that are near."""
    newer, older = pairs
    near = np.zeros(len(newer), np.bool_)
    for start in range(0, len(newer), _COMPARED_AT_ONCE):
        some = slice(start, start + _COMPARED_AT_ONCE)
        same = page.written.hashes[newer[some]] == block.written.hashes[older[some]]
        near[some] = np.count_nonzero(same, axis=1) >= _NEAR_AT
    return newer[near], older[near]


def _met(new: Bands, block: Bands, most: int) -> Pairs | None:
    """The pairs that share a band; None where they are found more often than that."""
    shared = list(_shared(new, block))
    if sum(int(counts.sum()) for _, _, counts, _ in shared) > most:
        return None
    found = [_NONE]
    for order, low, counts, rows in shared:
        places = np.repeat(low, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        found.append(order[places] * len(block) + np.repeat(rows, counts))
    newer, older = np.divmod(distinct(*found), max(1, len(block)))
    return newer, older


def _shared(new: Bands, block: Bands) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """For each band: the new rows by their keys; of rows of the block where the equal ones begin, and how many."""
    for band in range(BANDS):
        order = np.argsort(new[:, band], kind="stable")
        keys = new[order, band]
        may = np.zeros(1 << 16, np.bool_)
        may[keys >> np.uint32(16)] = True
        rows = np.flatnonzero(may[block[:, band] >> np.uint32(16)])
        low, high = (np.searchsorted(keys, block[rows, band], side) for side in ("left", "right"))
        yield order, low, high - low, rows


# Where nearly all share a band with all


def _few_of_each(block: Block) -> Bands:
    """The bands with a key left only in the first few texts of a group that have it."""
    few = np.zeros_like(block.written.bands)
    for band in range(BANDS):
        keys = block.written.bands[:, band]
        same = block.group << 32 | keys
        order = np.argsort(same, kind="stable")
        ordered = same[order]
        first = np.ones(len(order), np.bool_)
        first[_FEW:] = ordered[_FEW:] != ordered[:-_FEW]
        kept = order[first]
        few[kept, band] = keys[kept]
    return few


def _near_of_all(page: Page, rows: Ints, block: Block) -> Pairs:
    """All that these rows of the page are near to, in the block, of groups that are not known."""
    own, found = page.take(rows), [(_NONE, _NONE)]
    meets = np.zeros(len(block.numbers), np.bool_)
    for _, _, counts, met in _shared(own.written.bands, block.written.bands):
        meets[met[counts > 0]] = True
    others = np.flatnonzero(meets)
    there = block.take(others)
    for pairs in _alike(own.written.hashes, there.written.hashes):
        newer, older = _before(own, there, pairs)
        asked = ~page.knows(rows[newer], there.group[older])
        newer, older = newer[asked], older[asked]
        shares = _share(own.written.bands, newer, there.written.bands, older)
        found.append((rows[newer[shares]], others[older[shares]]))
    newer, older = (np.concatenate(some) for some in zip(*found, strict=True))
    return newer, older


def _share(new: Bands, newer: Ints, block: Bands, older: Ints) -> NDArray[np.bool_]:
    """Which of these pairs share a band: each is looked at until one is found."""
    shares, open_ones = np.ones(len(newer), np.bool_), np.arange(len(newer))
    for band in range(BANDS):
        open_ones = open_ones[new[newer[open_ones], band] != block[older[open_ones], band]]
    shares[open_ones] = False
    return shares


def _alike(new: Hashes, others: Hashes) -> Iterator[Pairs]:
    """All pairs with enough equal hashes, whether or not they share a band: place by place, for many pairs at once."""
    turned = np.ascontiguousarray(others.T)
    for top in range(0, len(new), _NEW_AT_ONCE):
        for left in range(0, len(others), _OTHERS_AT_ONCE):
            some, them = new[top : top + _NEW_AT_ONCE], turned[:, left : left + _OTHERS_AT_ONCE]
            equal = np.zeros((len(some), them.shape[1]), np.uint8)
            for place in range(HASHES):
                equal += some[:, place, None] == them[place]
            newer, older = np.nonzero(equal >= _NEAR_AT)
            yield newer + top, older + left
