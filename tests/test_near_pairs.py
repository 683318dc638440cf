"""New texts find one text of each group that they are near to, whichever of the three ways they go."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import near_pairs as module
from daemon.near_pairs import BANDS, NEAR_FROM, Block, Page, Written, coded, decoded, distinct, near_pairs
from tests.derived_world import WORDS

SMALL = {"_COMPARED_AT_ONCE": 7, "_NEW_AT_ONCE": 3, "_OTHERS_AT_ONCE": 5}
WAYS = {
    "listed": SMALL,
    "few first": SMALL | {"_LISTED": 0, "_COSTS_A_PAIR": 1 << 40, "_FEW": 1, "_FEW_GROUPS": 1 << 20},
    "all with all": SMALL | {"_LISTED": 0, "_COSTS_A_PAIR": 1 << 40, "_FEW_GROUPS": 0},
}


def of_a_template(seed, count, slots, templates=1):
    """So many texts of twenty words that all have, and of some that each has of its own: the more, the less alike."""
    rng = random.Random(seed)
    common = [" ".join(f"{rng.choice(WORDS)}{rng.randrange(1000)}" for _ in range(20)) for _ in range(templates)]
    return [
        " ".join([rng.choice(common), *(f"{rng.choice(WORDS)}{rng.randrange(10)}" for _ in range(slots))])
        for _ in range(count)
    ]


def of_a_long_text(seed, count):
    """Pieces of one text, each near to those that begin three words before or after it: groups that later ones join."""
    rng = random.Random(seed)
    words = [f"{rng.choice(WORDS)}{rng.randrange(1000)}" for _ in range(54)]
    return [" ".join(words[start : start + 24]) for start in rng.choices(range(30), k=count)]


def slowly_near(new, row, block, other):
    """Pair by pair: they share a key in one band, and enough bytes are equal."""
    shares = (new.bands[row] == block.bands[other]).any()
    return shares and (new.hashes[row] == block.hashes[other]).sum() >= NEAR_FROM * 128


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), slots=st.integers(0, 14), templates=st.integers(1, 3), groups=st.integers(1, 8))
def test_of_each_group_one_near_text_is_found_as_all_pairs_tell(way, seed, slots, templates, groups):
    """Every pair that is told is near and in order, and what all pairs tell of rows and groups is told or known."""
    texts = Written.of(of_a_template(seed, 36, slots, templates))
    rng = np.random.default_rng(seed)
    numbers, group = np.arange(24), rng.integers(0, groups, 24)
    new = texts.take(np.arange(20, 36))  # four of them stand in the block, too
    known = distinct(coded(rng.integers(0, 16, 9), rng.integers(0, groups, 9)))
    page, block = Page(new, np.arange(20, 36), known), Block(texts.take(numbers), numbers, group)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[way].items():
            patch.setattr(module, name, value)
        newer, older = near_pairs(page, block)
    slow = {
        (row, other)
        for row in range(16)
        for other in range(24)
        if other < 20 + row and slowly_near(new, row, block.written, other)
    }
    assert set(zip(newer.tolist(), older.tolist(), strict=True)) <= slow
    of_groups = set(coded(newer, group[older]).tolist()) | set(known.tolist())
    assert of_groups == {int(coded(row, group[other])) for row, other in slow} | set(known.tolist())


def pairs_of(texts, group):
    """How many pairs are told of the second half of these texts beside the first, whose groups are given."""
    written, half = Written.of(texts), np.arange(len(texts) // 2)
    page = Page(written.take(half + len(half)), half + len(half), half[:0])
    return len(near_pairs(page, Block(written.take(half), half, group(half)))[0])


def test_of_a_heap_of_one_group_few_pairs_are_looked_at():
    """Where all are near to all: of one group some for each, of as many groups as texts all; of a small heap all."""
    heap = of_a_template(1, 1200, 2)
    assert 600 <= pairs_of(heap, np.zeros_like) <= 600 * 4 * BANDS < 100_000
    assert pairs_of(heap, np.array) == 360_000
    assert pairs_of(heap[:80], np.zeros_like) == 1_600


def test_the_first_few_of_a_group_stand_for_it_under_each_key():
    """Four of ten in every band, of each of two groups; others keep no key there."""
    written = Written.of(["one text"] * 20)
    few = module._few_of_each(Block(written, np.arange(20), np.arange(20) % 2))
    assert np.flatnonzero(few.any(axis=1)).tolist() == list(range(8))
    assert np.array_equal(few[:8], written.bands[:8])


@pytest.mark.parametrize("way", WAYS)
def test_who_shares_no_band_does_not_meet(way, monkeypatch):
    """However alike the hashes are: near is what all ways call near."""
    for name, value in WAYS[way].items():
        monkeypatch.setattr(module, name, value)
    written = Written.of(of_a_template(1, 40, 0))
    apart = written._replace(bands=np.arange(1, 1 + written.bands.size, dtype=np.uint32).reshape(written.bands.shape))
    apart.bands[7:9, 3] = 5
    page = Page(apart.take(np.arange(20, 40)), np.arange(20, 40), np.empty(0, np.int64))
    block = Block(apart.take(np.arange(20)), np.arange(20), np.arange(20))
    assert len(near_pairs(page, block)[0]) == 0
    page.written.bands[2, 3] = 5
    assert [part.tolist() for part in near_pairs(page, block)] == [[2, 2], [7, 8]]


def test_codes_hold_row_and_group():
    """And come back; what is there twice is there once."""
    codes = distinct(coded(np.array([3, 0, 3]), np.array([5, 7, 5])), coded(np.array([0]), np.array([1 << 31])))
    assert [part.tolist() for part in decoded(codes)] == [[0, 0, 3], [7, 1 << 31, 5]]
    assert distinct(np.empty(0, np.int64)).tolist() == []


def test_an_erased_text_is_near_to_nobody():
    """Its row is zeros, which is no key; in every way."""
    zeros = Written(np.zeros(3, np.int64), np.zeros((3, BANDS), np.uint32), np.zeros((3, 128), np.uint8))
    page = Page(Written.of(of_a_template(1, 4, 2)), np.arange(3, 7), np.empty(0, np.int64))
    for way in WAYS.values():
        with pytest.MonkeyPatch.context() as patch:
            for name, value in way.items():
                patch.setattr(module, name, value)
            assert len(near_pairs(page, Block(zeros, np.arange(3), np.arange(3)))[0]) == 0
