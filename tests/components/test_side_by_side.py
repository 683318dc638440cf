"""Blocks are shared among as many threads as BLAS has, and BLAS has one meanwhile."""

import sys
import threading

import numpy as np
import pytest

from components.clustering import nearest
from components.side_by_side import in_one_thread, side_by_side

threadpoolctl = pytest.importorskip("threadpoolctl")


def blas_threads():
    return max(one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas")


@pytest.fixture
def two_threads():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


def test_each_start_is_worked_on_once_by_two_threads(two_threads):
    """Both are at work at the same time, each with a BLAS of one thread; afterwards it is as before."""
    together, seen = threading.Barrier(2, timeout=30), []

    def work(starts):
        together.wait()
        seen.append((list(starts), blas_threads()))

    side_by_side(work, range(0, 50, 10))
    assert sorted(seen) == [([0, 20, 40], 1), ([10, 30], 1)]
    assert blas_threads() == 2


def test_one_block_or_one_thread_stays_where_it_is(two_threads):
    """Nothing is gained there."""
    seen = []
    side_by_side(lambda starts: seen.append((list(starts), threading.current_thread())), range(1))
    with in_one_thread():
        side_by_side(lambda starts: seen.append((list(starts), threading.current_thread())), range(3))
    here = threading.current_thread()
    assert seen == [([0], here), ([0, 1, 2], here)]


def test_without_threadpoolctl_the_blocks_are_taken_in_order(monkeypatch):
    """It is an extra: numpy alone is enough."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    seen = []
    with in_one_thread():
        side_by_side(seen.extend, range(4))
    assert seen == [0, 1, 2, 3]


def test_what_a_thread_raises_is_raised_here(two_threads):
    """And what numpy is told to keep silent about stays so in every thread."""
    values = np.array([np.inf])

    def fail(starts):
        assert np.isnan(values - values).all()  # a RuntimeWarning is an error in these tests
        raise ValueError(f"in {len(starts)} blocks")

    with pytest.raises(ValueError, match="in 2 blocks"), np.errstate(invalid="ignore"):
        side_by_side(fail, range(4))


def test_threads_change_no_distance(two_threads, monkeypatch):
    """Many blocks in two threads give what one block in one thread gives."""
    rng = np.random.default_rng(0)
    rows, centres = rng.normal(size=(999, 6)).astype(np.float16), rng.normal(size=(7, 6)).astype(np.float32)
    whole = nearest(rows, centres)
    monkeypatch.setattr("components.clustering._PRODUCT", 70)
    assert all(np.allclose(a, b) for a, b in zip(whole, nearest(rows, centres), strict=True))
