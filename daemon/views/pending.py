"""Signals whose target has not arrived: they wait by the target's id.

Only so many wait; beyond that the one that has waited longest is given up, so that naming what never comes fills no
memory. Which one that is depends on the log alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

CAP = 100_000


class Pending:
    """From ids that were named to the signals (their rows) that named them."""

    def __init__(self, cap: int = CAP) -> None:
        self.cap = cap
        self._id_of: dict[int, str] = {}  # by signal row, oldest first
        self._rows_of: dict[str, list[int]] = {}
        self._changed: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._id_of)

    def add(self, row: int, target_id: str) -> None:
        self._id_of[row] = target_id
        self._rows_of.setdefault(target_id, []).append(row)
        self._changed.add(row)
        if len(self._id_of) > self.cap:
            self._drop(next(iter(self._id_of)))

    def _drop(self, row: int) -> None:
        target_id = self._id_of.pop(row)
        rows = self._rows_of[target_id]
        rows.remove(row)
        if not rows:
            del self._rows_of[target_id]
        self._changed.add(row)

    def rows_for(self, event_id: str) -> list[int]:
        """The rows that wait for this id."""
        return self._rows_of.get(event_id, [])

    def awaited(self, event_ids: Iterable[str]) -> list[str]:
        """Those of the ids that anything waits for, in their order."""
        ids = list(event_ids)
        awaited = self._rows_of.keys() & set(ids)  # goes through the smaller of the two
        return [event_id for event_id in ids if event_id in awaited] if awaited else []

    def take(self, event_id: str) -> list[int]:
        """The rows that waited for this id; they wait no longer."""
        if event_id not in self._rows_of:
            return []
        rows = list(self._rows_of[event_id])
        for row in rows:
            self._drop(row)
        return rows

    def take_cells(self) -> dict[str, str | None]:
        cells: dict[str, str | None] = {}
        for row in self._changed:
            cells[format(row, "012d")] = json.dumps(self._id_of[row]) if row in self._id_of else None
        self._changed = set()
        return cells

    def restore(self, cells: Mapping[str, str]) -> None:
        for key in sorted(cells):
            self.add(int(key), json.loads(cells[key]))
        self._changed = set()

    def items(self) -> list[tuple[int, str]]:
        return list(self._id_of.items())
