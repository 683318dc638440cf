"""How the newest scores of each of many groups went: means of turns, the oldest first, from columns.

A turn is so many of a group's scored rows in the order of their age; only the newest `turns` of each group count. Of a
million rows the newest `among` are sorted, so a group that is rare among them has fewer turns, or none.

>>> ages, scores = np.arange(6)[::-1], np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
>>> {group: means.tolist() for group, means in recent_means(np.zeros(6, int), ages, scores, size=2, turns=2).items()}
{0: [35.0, 55.0]}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import same_length, whole_number

AMONG = 20_000
Floats = NDArray[np.float64]


def recent_means(
    groups: ArrayLike, ages: ArrayLike, scores: ArrayLike, *, size: int, turns: int, among: int = AMONG
) -> dict[int, Floats]:
    """For each group the means of its newest whole turns, the oldest first; a row without a score (NaN) counts not."""
    code, age, score = np.asarray(groups), np.asarray(ages, np.float64), np.asarray(scores, np.float64)
    same_length(groups=code, ages=age, scores=score)
    whole_number("size", size, low=1)
    whole_number("turns", turns, low=1)
    rows = _newest(np.flatnonzero(~np.isnan(score)), age, whole_number("among", among, low=1))
    rows = rows[np.lexsort((age[rows], code[rows]))]  # each group's newest first
    found, starts, counts = np.unique(code[rows], return_index=True, return_counts=True)
    means = {}
    for group, start, count in zip(found.tolist(), starts.tolist(), counts.tolist(), strict=True):
        whole = min(turns, count // size)
        if whole:
            own = score[rows[start : start + whole * size]]
            means[group] = own.reshape(whole, size).mean(axis=1)[::-1]
    return means


def _newest(rows: NDArray[np.int64], age: Floats, most: int) -> NDArray[np.int64]:
    """The youngest rows, and those that are as old as the oldest of them, so that the rows' order decides nothing."""
    if len(rows) <= most:
        return rows
    oldest = np.partition(age[rows], most - 1)[most - 1]
    newest: NDArray[np.int64] = rows[age[rows] <= oldest]
    return newest
