"""How many outputs and how much feedback there are, per artifact type and UTC day of arrival.

It counts; which artifact type an event has is the caller's to say. A cell more per type and day is all that it grows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from daemon.views.page import Ints

DAY = 86_400_000_000  # microseconds
OUTPUTS, FEEDBACK = 0, 1
ALL_DAYS = -1
_TYPES = 1 << 24  # more than there can be numbers for artifact types


class Volume:
    """Counts by (day since 1970, number of the artifact type); `ALL_DAYS` is the sum over all days."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, int], list[int]] = {}
        self._changed: set[tuple[int, int]] = set()

    def add(self, received_at: Ints, types: NDArray[np.int32], what: int, sign: int = 1) -> None:
        if not len(types):
            return
        cells, counts = np.unique(received_at // DAY * _TYPES + types, return_counts=True)
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
            day, artifact_type = divmod(cell, _TYPES)
            self._count(day, artifact_type, what, sign * count)
            self._count(ALL_DAYS, artifact_type, what, sign * count)

    def move(self, received_at: Ints, old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        """Feedback that was counted under one type turns out to be about an output of another."""
        self.add(received_at, old, FEEDBACK, -1)
        self.add(received_at, new, FEEDBACK)

    def _count(self, day: int, artifact_type: int, what: int, count: int) -> None:
        self.counts.setdefault((day, artifact_type), [0, 0])[what] += count
        self._changed.add((day, artifact_type))

    def take_cells(self) -> dict[str, str | None]:
        """The changed counts as text, «day/type» → «outputs feedback»; a cell that fell to nothing is gone."""
        cells: dict[str, str | None] = {}
        for day, artifact_type in self._changed:
            outputs, feedback = self.counts[day, artifact_type]
            cells[_key(day, artifact_type)] = f"{outputs} {feedback}" if outputs or feedback else None
        self._changed = set()
        return cells

    def restore(self, cells: Mapping[str, str]) -> None:
        for key, text in cells.items():
            day, artifact_type = key.split("/")
            outputs, feedback = text.split()
            self.counts[ALL_DAYS if day == "all" else int(day), int(artifact_type)] = [int(outputs), int(feedback)]


def _key(day: int, artifact_type: int) -> str:
    return f"{'all' if day == ALL_DAYS else format(day, '06d')}/{artifact_type}"
