"""Rows are put with their nearest centre, and centres are the means of their rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.clustering import (
    along_main_directions,
    blocks,
    centres_in_haste,
    clusters_in_haste,
    groups,
    kmeans,
    nearest,
    squared_distances,
)


def some_rows(seed, rows=60, width=5, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(dtype)


def blobs(seed, sizes, width=8, spread=0.1):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(len(sizes), width))
    of_blob = np.repeat(np.arange(len(sizes)), sizes)
    return (middles[of_blob] + rng.normal(0, spread, (len(of_blob), width))).astype(np.float32), of_blob


@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([np.float16, np.float32]))
def test_each_row_goes_to_the_nearest_centre(seed, count, dtype):
    """As a slow search over all pairs in double precision finds it, whatever the type of the rows."""
    rows, centres = some_rows(seed, dtype=dtype), some_rows(seed + 1, rows=count)
    of_row, distances = nearest(rows, centres)
    slow = ((rows.astype(float)[:, None, :] - centres.astype(float)[None]) ** 2).sum(axis=2)
    assert np.allclose(distances, slow.min(axis=1), atol=1e-4)
    assert np.allclose(slow[np.arange(len(rows)), of_row], slow.min(axis=1), atol=1e-4)


def test_many_blocks_are_as_one(monkeypatch):
    """Reading a pool in pieces changes nothing."""
    rows, centres = some_rows(1, rows=1000), some_rows(2, rows=9)
    whole = nearest(rows, centres)
    monkeypatch.setattr("components.clustering._PRODUCT", 70)
    assert all(np.allclose(a, b) for a, b in zip(whole, nearest(rows, centres), strict=True))


def test_clusters_are_as_tight_as_those_of_scikit_learn():
    """The sum of squared distances is within three percent of the best of ten starts of a peer's."""
    cluster = pytest.importorskip("sklearn.cluster")
    rows, _ = blobs(3, [200, 150, 100, 50, 300, 120, 80], spread=0.6)
    peer = cluster.KMeans(40, n_init=10, random_state=0).fit(rows).inertia_
    assert kmeans(rows, 40, np.random.default_rng(0)).distances.sum() < 1.03 * peer


def test_in_haste_a_quarter_of_the_rows_is_enough_to_begin_with():
    """The result is nearly as tight as with all turns on all rows, also when a quarter is fewer than the clusters."""
    rows, _ = blobs(4, [500] * 10, spread=0.6)
    quick = nearest(rows, centres_in_haste(rows, 20, np.random.default_rng(0)))[1].sum()
    assert quick < 1.03 * kmeans(rows, 20, np.random.default_rng(0)).distances.sum()
    assert len(centres_in_haste(rows[:9], 8, np.random.default_rng(0))) == 8


def test_clusters_along_the_main_directions_are_nearly_as_tight_as_with_all_numbers_of_a_row():
    """Rows of ten blobs in 200 numbers, of which 32 directions are looked at."""
    rows, _ = blobs(4, [500] * 10, width=200, spread=0.6)
    quick = clusters_in_haste(rows, 20, np.random.default_rng(0))
    centres = np.stack([rows[quick.of_row == cluster].mean(axis=0) for cluster in range(20)])
    apart = ((rows - centres[quick.of_row]) ** 2).sum()
    assert quick.centres.shape == (20, 32)
    assert apart < 1.03 * kmeans(rows, 20, np.random.default_rng(0)).distances.sum()
    assert len(clusters_in_haste(rows[:9], 8, np.random.default_rng(0)).centres) == 8


def test_the_main_directions_are_those_in_which_the_rows_are_long():
    """Of rows in a plane, two directions keep all distances; with as many as there are, rows stay as they are."""
    plane = some_rows(3, rows=40, width=2) @ np.linalg.qr(some_rows(4, rows=7, width=2))[0].T
    kept = along_main_directions(plane, 2)
    assert np.allclose(squared_distances(kept, kept), squared_distances(plane, plane), atol=1e-4)
    assert along_main_directions(plane, 7) is plane


def test_some_rows_tell_the_main_directions_of_many():
    """2,000 rows about a plane: as nearly all of their length is kept as of the longest plane by singular values."""
    plane = np.linalg.qr(some_rows(4, rows=30, width=8))[0].T
    rows = some_rows(5, rows=2000, width=8) @ plane + 0.1 * some_rows(6, rows=2000, width=30)
    kept = (along_main_directions(rows, 8) ** 2).sum()
    assert 0.999 < kept / (np.linalg.svd(rows, compute_uv=False)[:8] ** 2).sum() <= 1.0001


def test_no_cluster_is_left_empty_among_distinct_rows():
    """A centre that lost all its rows begins again at the rows that are farthest from theirs."""
    rows = np.concatenate([np.zeros((50, 2)), np.array([[5, 5], [9, 0], [0, 9]])]).astype(np.float32)
    found = kmeans(rows, 4, np.random.default_rng(0))
    assert sorted(found.sizes().tolist()) == [1, 1, 1, 50]
    assert found.distances.max() == 0


def test_equal_rows_and_more_clusters_than_rows_are_no_trouble():
    """A pool of copies has one cluster in use; no more clusters are made than there are rows."""
    copies = np.ones((30, 3), dtype=np.float32)
    assert kmeans(copies, 4, np.random.default_rng(0)).sizes().sum() == 30
    assert len(kmeans(copies[:3], 10, np.random.default_rng(0)).centres) == 3


def test_the_same_generator_gives_the_same_clusters_and_rows_stay_as_they_are():
    """Chance comes in through the generator alone."""
    rows = some_rows(5)
    before = rows.copy()
    one, two = (kmeans(rows, 6, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one.of_row, two.of_row)
    assert np.array_equal(one.centres, two.centres)
    assert np.array_equal(rows, before)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_groups_hold_each_row_once_in_order(of_row):
    """Group g is the rows of g, ascending."""
    order, starts = groups(np.array(of_row), 6)
    for group in range(6):
        assert order[starts[group] : starts[group + 1]].tolist() == [i for i, g in enumerate(of_row) if g == group]


def test_all_pairs_are_measured_and_none_is_negative():
    """Rounding cannot make a distance below zero."""
    rows = some_rows(6) * 100
    slow = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    assert np.allclose(squared_distances(rows, rows), slow, atol=0.1)
    assert squared_distances(rows, rows).min() >= 0


def test_blocks_are_float32_and_cover_all_rows():
    """Half-precision rows are widened block by block."""
    rows = some_rows(7, rows=10, dtype=np.float16)
    parts = list(blocks(rows, 4))
    assert [len(block) for _, block in parts] == [4, 4, 2]
    assert all(block.dtype == np.float32 for _, block in parts)
    assert np.array_equal(np.concatenate([rows[at] for at, _ in parts]), rows)
