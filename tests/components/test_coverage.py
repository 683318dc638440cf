"""Picks are spread: farthest first, by gradient, by balls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.coverage import Spread, by_balls, by_gradient, farthest_first, pure_radius
from tests.components.test_clustering import blobs, some_rows
from tests.components.test_uncertainty import chances


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 20))
def test_each_pick_is_the_farthest_from_all_before(seed, taken, budget):
    """As a slow search in double precision finds it: no row is farther by more than rounding."""
    rows = some_rows(seed, rows=30)
    begin = np.random.default_rng(seed).choice(30, taken, replace=False)
    picks, apart = farthest_first(rows, begin, budget)
    before = begin.tolist()
    for row, told in zip(picks.tolist(), apart.tolist(), strict=True):
        pairs = np.sqrt(((rows.astype(float)[:, None] - rows[before].astype(float)) ** 2).sum(axis=2)).min(axis=1)
        pairs[before] = -1
        assert pairs[row] == pytest.approx(pairs.max(), abs=1e-3)
        assert told == pytest.approx(pairs[row], abs=1e-3)
        before.append(row)
    assert len(set(before)) == taken + budget


def test_with_nothing_taken_every_distance_is_infinite():
    """So the first row begins, and the spread is that from it."""
    spread = Spread(some_rows(1, rows=5), np.empty(0, int))
    assert np.isinf(spread.distances).all()
    assert farthest_first(some_rows(1, rows=5), np.empty(0, int), 2)[0][0] == 0


@given(st.integers(0, 300))
def test_gradients_are_compared_without_being_made(seed):
    """Length and distance of each pick equal those of the written-out gradients (p - onehot) ⊗ x."""
    rows, beliefs = some_rows(seed, rows=25, width=4), chances(seed, rows=25, classes=3, dtype=np.float32)
    free = np.arange(3, 25)
    picks, lengths, apart = by_gradient(rows, beliefs, free, 8, np.random.default_rng(seed))
    wrong = beliefs - np.eye(3)[beliefs.argmax(axis=1)]
    gradients = (wrong[:, :, None] * rows[:, None, :]).reshape(25, -1)
    assert np.allclose(lengths, np.linalg.norm(gradients[picks], axis=1), atol=1e-3)
    assert picks[0] == free[np.linalg.norm(gradients[free], axis=1).argmax()]
    for place in range(1, 8):
        slow = np.linalg.norm(gradients[picks[place]] - gradients[picks[:place]], axis=1).min()
        assert apart[place] == pytest.approx(slow, abs=2e-3)
    assert set(picks.tolist()) <= set(free.tolist())
    assert len(set(picks.tolist())) == 8


def test_far_gradients_are_drawn_more_often():
    """k-means++ draws by squared distance: of a near and a nine times farther row the far one comes 81 times in 82."""
    rows = np.array([[20.0], [19.0], [11.0]], dtype=np.float32)
    beliefs = np.full((3, 2), 0.5, dtype=np.float32)
    second = [by_gradient(rows, beliefs, np.arange(3), 2, np.random.default_rng(seed))[0][1] for seed in range(500)]
    assert np.mean(np.array(second) == 2) == pytest.approx(81 / 82, abs=0.015)


def test_certain_rows_are_drawn_evenly_when_nothing_else_is_left():
    """All gradients are zero: any free row, each once."""
    rows = some_rows(2, rows=12)
    sure = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (12, 1))
    assert sorted(by_gradient(rows, sure, np.arange(12), 12, np.random.default_rng(0))[0].tolist()) == list(range(12))


def slow_cover(rows, taken, budget, radius):
    near = ((rows.astype(float)[:, None] - rows.astype(float)[None]) ** 2).sum(axis=2) <= radius**2
    covered = near[list(taken)].any(axis=0) if len(taken) else np.zeros(len(rows), bool)
    free, gains = set(range(len(rows))) - set(taken), []
    for _ in range(budget):
        best = max(sorted(free), key=lambda row: (near[row] & ~covered).sum())
        if not (near[best] & ~covered).sum():
            break
        gains.append((best, int((near[best] & ~covered).sum())))
        covered |= near[best]
        free.remove(best)
    return gains


@given(st.integers(0, 300), st.integers(0, 6), st.integers(1, 12))
def test_each_ball_covers_the_most_of_what_is_left(seed, taken, budget):
    """As a greedy cover over the table of all pairs has it; rows on a grid, so that distances are exact."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 6, (40, 2)).astype(np.float32)
    begin = rng.choice(40, taken, replace=False)
    picks, covers = by_balls(rows, begin, budget, 1.5, rng)
    slow = slow_cover(rows, begin.tolist(), budget, 1.5)
    assert list(zip(picks.tolist(), covers.tolist(), strict=True))[: len(slow)] == slow
    assert covers[len(slow) :].tolist() == [0.0] * (budget - len(slow))
    assert len(set(picks.tolist()) | set(begin.tolist())) == budget + taken


def test_ninety_five_of_a_hundred_balls_are_pure():
    """At the radius, one row in twenty has a row of another cluster nearer than that."""
    rows, of_blob = blobs(3, [150, 150], width=2, spread=0.05)
    radius = pure_radius(rows, 2, np.random.default_rng(0))
    pairs = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    pairs[of_blob[:, None] == of_blob] = np.inf
    assert np.mean(pairs.min(axis=1) >= radius - 1e-4) == pytest.approx(0.95, abs=0.01)


def test_copies_have_a_radius_of_zero():
    """Where there is one cluster only, no row is a stranger to another."""
    assert pure_radius(np.ones((20, 3), dtype=np.float32), 2, np.random.default_rng(0)) == 0.0
