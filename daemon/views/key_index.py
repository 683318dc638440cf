"""Which row a 64-bit key has: sorted runs of keys, each at least four times as long as the next.

A search goes through a handful of runs; a new key is sorted again once for every fourfold growth. So what a new key
costs hardly depends on how many there are. Duplicate keys are the caller's mistake.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daemon.views.page import Ints
from daemon.views.resting import Resting

Rows = NDArray[np.int32]
UNKNOWN = -1
TIMES_LONGER = 4


class KeyIndex:
    """From keys to rows."""

    def __init__(self) -> None:
        self._runs: list[tuple[Ints, Rows]] = []

    def find(self, keys: Ints) -> NDArray[np.int64]:
        """The row of each key, -1 where it is unknown. Quickest when the keys come sorted."""
        found = np.full(len(keys), UNKNOWN, np.int64)
        for run_keys, run_rows in self._runs:
            places = np.searchsorted(run_keys, keys)
            np.minimum(places, len(run_keys) - 1, out=places)
            hits = np.flatnonzero(run_keys[places] == keys)
            found[hits] = run_rows[places[hits]]
        return found

    def rest(self, resting: Resting) -> None:
        """Lays down the long runs."""
        self._runs = [(resting.laid(keys), resting.laid(rows)) for keys, rows in self._runs]

    def add(self, keys: Ints, rows: NDArray[np.int64]) -> None:
        """Keys that are not in the index yet, in any order."""
        if not len(keys):
            return
        self._runs.append(_sorted(keys, rows.astype(np.int32)))
        while len(self._runs) > 1 and len(self._runs[-1][0]) * TIMES_LONGER > len(self._runs[-2][0]):
            (keys_1, rows_1), (keys_2, rows_2) = self._runs.pop(), self._runs.pop()
            self._runs.append(_sorted(np.concatenate((keys_2, keys_1)), np.concatenate((rows_2, rows_1))))


def _sorted(keys: Ints, rows: Rows) -> tuple[Ints, Rows]:
    order = np.argsort(keys, kind="stable")  # merges runs that are sorted already
    return keys[order], rows[order]
