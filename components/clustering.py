"""Which rows lie together: k-means in float32 on BLAS, and the nearest of some centres for any number of rows.

Lloyd (1982), with a start of random rows and a few turns: choosing rows needs clusters of the right size and place, not
the last digit of the inertia (a k-means++ start chose worse on Davidson's tweets, where far rows are noise). Empty
clusters are filled again with the rows that are farthest from their centre.

It does not choose the number of clusters and does not scale the rows: distances are Euclidean on what it is given (on
unit vectors that orders rows as the cosine does).

>>> rows = np.array([[0, 0], [0, 1], [9, 9], [9, 8]], dtype=np.float32)
>>> found = kmeans(rows, 2, np.random.default_rng(0))
>>> sorted(found.centres.tolist())
[[0.0, 0.5], [9.0, 8.5]]
>>> found.sizes().tolist()
[2, 2]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.side_by_side import side_by_side

Rows = NDArray[Any]  # float16 or float32, in memory or mapped
Floats = NDArray[np.float32]
Places = NDArray[np.int64]

TURNS = 10  # 25 gave picks no better than 10 on CLINC150, 4 gave worse
QUARTER_TURNS, WHOLE_TURNS = 5, 3  # half the time of eight turns on all rows; from a million, picks cover as well
DIRECTIONS = 32  # for clusters in haste; 32 to 96 of 384 chose as well as all on CLINC150
_ROWS_PER_NUMBER = 8  # that tell the main directions: 3,000 or more of 384 numbers
QUARTER_TURNS_ALONG, WHOLE_TURNS_ALONG = 3, 2
_PRODUCT = 4_000_000  # numbers in one block of rows times centres: 16 MB, near enough to the cache


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Centres (k, d), the centre of each row, and each row's squared distance to it."""

    centres: Floats
    of_row: Places
    distances: Floats

    def sizes(self) -> Places:
        return np.bincount(self.of_row, minlength=len(self.centres))


def kmeans(rows: Rows, clusters: int, rng: np.random.Generator) -> Clusters:
    """As many clusters as asked for, or as there are rows."""
    points = np.ascontiguousarray(rows, dtype=np.float32)
    centres = points[_some(len(points), min(clusters, len(points)), rng)]
    of_row, distances = nearest(points, centres)
    for _ in range(TURNS):
        centres = _means(points, of_row, distances, len(centres))
        before = of_row
        of_row, distances = nearest(points, centres)
        if np.array_equal(before, of_row):
            break
    return Clusters(centres, of_row, distances)


def centres_in_haste(rows: Rows, clusters: int, rng: np.random.Generator) -> Floats:
    """Centres alone: most turns see a quarter of the rows, and nobody is told where the rows went in the end."""
    points = np.ascontiguousarray(rows, dtype=np.float32)
    count = min(clusters, len(points))
    centres = points[_some(len(points), count, rng)]
    quarter = points[_some(len(points), max(count, len(points) // 4), rng)]
    for seen, turns in ((quarter, QUARTER_TURNS), (points, WHOLE_TURNS)):
        for _ in range(turns):
            centres = _means(seen, *nearest(seen, centres), count)
    return centres


def clusters_in_haste(rows: Rows, clusters: int, rng: np.random.Generator) -> Clusters:
    """The same with the rows' clusters, of rows that fit into memory: distances are along the main directions alone."""
    points = along_main_directions(np.ascontiguousarray(rows, dtype=np.float32), DIRECTIONS)
    count = min(clusters, len(points))
    centres = points[_some(len(points), count, rng)]
    quarter = points[_some(len(points), max(count, len(points) // 4), rng)]
    for seen, turns in ((quarter, QUARTER_TURNS_ALONG), (points, WHOLE_TURNS_ALONG)):
        for _ in range(turns):
            centres = _means(seen, *nearest(seen, centres), count)
    return Clusters(centres, *nearest(points, centres))


def along_main_directions(points: Floats, directions: int) -> Floats:
    """The rows in the plane in which most of their length lies (principal directions); all of them where that is few.

    >>> along_main_directions(np.array([[3, 0, 4], [6, 0, 8]], dtype=np.float32), 1).round().tolist() in (
    ...     [[5.0], [10.0]], [[-5.0], [-10.0]])
    True
    """
    if points.shape[1] <= directions:
        return points
    some = np.ascontiguousarray(points[:: max(1, len(points) // (_ROWS_PER_NUMBER * points.shape[1]))])
    _, axes = np.linalg.eigh(some.T @ some)  # rising: the longest are the last
    return np.ascontiguousarray(points @ axes[:, -directions:])


def nearest(rows: Rows, centres: Floats) -> tuple[Places, Floats]:
    """For each row the nearest centre, the first of equals, and the squared distance to it."""
    of_row = np.empty(len(rows), dtype=np.int64)
    distances = np.empty(len(rows), dtype=np.float32)
    width = centres.shape[1]
    # one number more, which is 1 in each row: to subtract afterwards cost as much as a third of the product
    turned = np.concatenate([centres.T, -0.5 * _squares(centres)[None]])
    size = min(len(rows), max(1, _PRODUCT // max(1, len(centres))))

    def search(starts: Sequence[int]) -> None:
        # the same memory for every block: fresh pages for each cost as much as the conversion that fills them
        wide, product = np.ones((size, width + 1), np.float32), np.empty((size, len(centres)), np.float32)
        for start in starts:
            at = slice(start, min(start + size, len(rows)))
            block, near = wide[: at.stop - start], product[: at.stop - start]
            block[:, :width] = rows[at]
            np.matmul(block, turned, out=near)  # (rows of the block, centres)
            best = near.argmax(axis=1)
            of_row[at] = best
            distances[at] = _squares(block[:, :width]) - 2 * near[np.arange(len(block)), best]

    side_by_side(search, range(0, len(rows), max(1, size)))
    return of_row, np.maximum(distances, 0)


def blocks(rows: Rows, size: int) -> Iterator[tuple[slice, Floats]]:
    """The rows as float32, some at a time, with their place; a mapped file is read once and not kept."""
    for start in range(0, len(rows), size):
        yield slice(start, min(start + size, len(rows))), np.asarray(rows[start : start + size], dtype=np.float32)


def squared_distances(some: Floats, others: Floats) -> Floats:
    """All pairs, at least zero; of stacks of rows in each."""
    found = some @ np.swapaxes(others, -1, -2)
    found *= -2
    found += _squares(some)[..., :, None]
    found += _squares(others)[..., None, :]
    np.maximum(found, 0, out=found)
    return found


def groups(of_row: Places, count: int) -> tuple[Places, Places]:
    """Rows sorted by group, and where groups begin: group g is order[starts[g]:starts[g + 1]]."""
    order = np.argsort(of_row.astype(np.uint16) if count <= 1 << 16 else of_row, kind="stable")  # 16 bits: a radix sort
    starts = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(of_row, minlength=count), out=starts[1:])
    return order, starts


def _some(rows: int, count: int, rng: np.random.Generator) -> Places:
    return np.sort(rng.choice(rows, count, replace=False))


def _means(points: Floats, of_row: Places, distances: Floats, count: int) -> Floats:
    order, starts = groups(of_row, count)
    sizes = np.diff(starts)
    full = np.flatnonzero(sizes)
    centres = np.empty((count, points.shape[1]), dtype=np.float32)
    centres[full] = np.add.reduceat(points[order], starts[full], axis=0) / sizes[full, None]
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        farthest = np.argsort(-distances, kind="stable")[: len(empty)]
        centres[empty] = points[farthest]
    return centres


def _squares(rows: Floats) -> Floats:
    return np.einsum("...j,...j->...", rows, rows)  # type: ignore[no-any-return]
