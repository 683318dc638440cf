"""How picks are spread over a space, one after another: farthest first, by gradient (BADGE), by balls (ProbCover).

k-center: Sener and Savarese 2018, arXiv 1708.00489. BADGE: Ash et al. 2020, arXiv 1906.03671; the gradient of row i is
(p - onehot(best)) ⊗ x, whose distances need p and x only, never the product. ProbCover: Yehuda et al. 2022,
arXiv 2205.11320; the radius is the largest at which 95% of the balls hold one cluster only.

Each pick looks at every row again: fit for some ten thousand rows, not for a million.

>>> farthest_first(np.array([[0.0], [1.0], [5.0], [9.0]], dtype=np.float32), np.array([0]), 2)[0].tolist()
[3, 2]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.clustering import Floats, Places, kmeans, nearest, squared_distances

PURE_BALLS = 0.95
_SAMPLE = 2_000  # balls that are measured to find the radius
_BLOCK = 1_024


class Spread:
    """Squared distance of every row to the nearest of those taken so far; infinite while nothing is taken."""

    def __init__(self, rows: Floats, taken: Places) -> None:
        self._rows = rows
        self._squares = np.einsum("ij,ij->i", rows, rows)
        self.distances = np.full(len(rows), np.inf, dtype=np.float32)
        if len(taken):
            self.distances = nearest(rows, rows[taken])[1]
            self.distances[taken] = 0

    def take(self, row: int) -> None:
        to_row = self._squares - 2 * (self._rows @ self._rows[row]) + self._squares[row]
        np.minimum(self.distances, np.maximum(to_row, 0), out=self.distances)
        self.distances[row] = 0


def farthest_first(rows: Floats, taken: Places, budget: int) -> tuple[Places, NDArray[np.float64]]:
    """Rows not taken, each the farthest from all before it, and how far; the first of equals, so row 0 begins."""
    spread, picks, apart = Spread(rows, taken), [], []
    free = np.ones(len(rows), dtype=bool)
    free[taken] = False
    for _ in range(budget):
        row = int(np.where(free, spread.distances, -1).argmax())
        picks.append(row)
        apart.append(float(np.sqrt(spread.distances[row])))
        free[row] = False
        spread.take(row)
    return np.array(picks, dtype=np.int64), np.array(apart)


def by_gradient(
    rows: Floats, probabilities: Floats, free: Places, budget: int, rng: np.random.Generator
) -> tuple[Places, NDArray[np.float64], NDArray[np.float64]]:
    """BADGE: k-means++ draws among the gradients of the free rows; rows, length of gradient, distance when drawn."""
    points, wrong = rows[free], probabilities[free].astype(np.float32)
    every = np.arange(len(free))
    wrong[every, wrong.argmax(axis=1)] -= 1
    lengths = np.einsum("ij,ij->i", points, points) * np.einsum("ij,ij->i", wrong, wrong)  # squared
    distances = lengths.copy()  # the first pick is the longest gradient, as if zero had been taken
    taken = np.zeros(len(free), dtype=bool)
    picks, apart = [], []
    for turn in range(budget):
        row = int(distances.argmax()) if turn == 0 else _draw(np.where(taken, 0, distances), taken, rng)
        picks.append(row)
        apart.append(float(np.sqrt(distances[row])))
        taken[row] = True
        products = (points @ points[row]) * (wrong @ wrong[row])
        to_row = np.maximum(lengths - 2 * products + lengths[row], 0)
        distances = to_row if turn == 0 else np.minimum(distances, to_row)
    chosen = np.array(picks, dtype=np.int64)
    return free[chosen], np.sqrt(lengths[chosen].astype(np.float64)), np.array(apart)


def by_balls(
    rows: Floats, taken: Places, budget: int, radius: float, rng: np.random.Generator
) -> tuple[Places, NDArray[np.float64]]:
    """ProbCover: again and again the row whose ball holds the most uncovered rows; when all are covered, any others."""
    limit = np.float32(radius * radius)
    uncovered = np.ones(len(rows), dtype=bool)
    free = np.ones(len(rows), dtype=bool)
    free[taken] = False
    if len(taken):
        uncovered = nearest(rows, rows[taken])[1] > limit
        uncovered[taken] = False
    gains = _held(rows, np.flatnonzero(uncovered), limit)
    picks, covers = [], []
    for _ in range(budget):
        row = int(np.where(free, gains, -1).argmax())
        if gains[row] <= 0:
            break
        picks.append(row)
        covers.append(float(gains[row]))
        free[row] = False
        fresh = np.flatnonzero(uncovered & (squared_distances(rows[row : row + 1], rows)[0] <= limit))
        if uncovered[row] and row not in fresh:  # rounding may put a row outside its own ball
            fresh = np.append(fresh, row)
        uncovered[fresh] = False
        gains -= _held(rows, fresh, limit)
        gains[row] = 0
    missing = budget - len(picks)
    filled = rng.choice(np.flatnonzero(free), missing, replace=False) if missing else np.empty(0, dtype=np.int64)
    return np.concatenate([np.array(picks, dtype=np.int64), filled]), np.array(covers + [0.0] * missing)


def pure_radius(rows: Floats, clusters: int, rng: np.random.Generator) -> float:
    """The radius at which 95% of the balls hold rows of one cluster only."""
    of_row = kmeans(rows, max(2, clusters), rng).of_row
    sample = np.sort(rng.choice(len(rows), min(_SAMPLE, len(rows)), replace=False))
    strangers = np.empty(len(sample))
    for start in range(0, len(sample), 256):
        part = sample[start : start + 256]
        apart = squared_distances(rows[part], rows)
        apart[of_row[part][:, None] == of_row[None, :]] = np.inf
        strangers[start : start + 256] = np.sqrt(apart.min(axis=1))
    known = strangers[np.isfinite(strangers)]
    return float(np.quantile(known, 1 - PURE_BALLS)) if len(known) else 0.0


def _held(rows: Floats, some: Places, limit: np.float32) -> NDArray[np.int64]:
    """For each row, how many of some lie within its ball."""
    counts = np.zeros(len(rows), dtype=np.int64)
    for start in range(0, len(some), _BLOCK):
        counts += (squared_distances(rows[some[start : start + _BLOCK]], rows) <= limit).sum(axis=0)
    return counts


def _draw(weights: Floats, taken: NDArray[np.bool_], rng: np.random.Generator) -> int:
    """One row with a chance in proportion to its weight; any free one when nothing weighs."""
    worth = np.flatnonzero(weights)
    if not len(worth):
        return int(rng.choice(np.flatnonzero(~taken)))
    sums = np.cumsum(weights[worth], dtype=np.float64)
    return int(worth[min(np.searchsorted(sums, rng.random() * sums[-1], side="right"), len(worth) - 1)])
