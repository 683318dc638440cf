"""The log in memory: the same promises but for the disk. For tests, and for embedding without a state folder."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from daemon.event_log import (
    COLUMNS,
    Asked,
    Entry,
    Found,
    Head,
    IdsExist,
    Row,
    Verification,
    chained,
    check_chain,
    first_chain,
    ids_not_new,
)

_FOUND = tuple(COLUMNS.index(name) for name in ("seq", "kind", "output_key", "subject", "content", "body"))


class MemoryEventLog:
    """A list of rows under the contract of `EventLog`."""

    def __init__(self, salt: bytes) -> None:
        self.salt = salt
        self._rows: list[Row] = []
        self._by_id: dict[str, Row] = {}
        self._read_to: dict[str, int] = {}
        self._head = Head(0, first_chain(salt))

    def append(
        self, entries: Sequence[Entry], read_to: Mapping[str, int | None] | None = None, *, full_sync: bool = False
    ) -> int:
        """Appends all or nothing; there is no disk that `full_sync` could reach."""
        del full_sync
        if ids := ids_not_new(entries, self._by_id):
            raise IdsExist(ids)
        rows, self._head = chained(entries, self._head)
        self._rows += rows
        self._by_id |= {row[1]: row for row in rows}
        self._read_to |= {name: position for name, position in (read_to or {}).items() if position is not None}
        for name in [name for name, position in (read_to or {}).items() if position is None]:
            self._read_to.pop(name, None)
        return self._head.seq

    def read_after(self, seq: int, limit: int = 500, columns: Sequence[Asked] = COLUMNS) -> list[Row]:
        start = bisect_right(self._rows, seq, key=lambda row: row[0])
        return _columns_of(self._rows[start : start + limit], columns)

    def read(self, seqs: Sequence[int], columns: Sequence[Asked] = COLUMNS) -> list[Row]:
        wanted = set(seqs)
        return _columns_of([row for row in self._rows if row[0] in wanted], columns)

    def head(self) -> Head:
        return self._head

    def find(self, ids: Iterable[str]) -> dict[str, Found]:
        rows = {event_id: self._by_id[event_id] for event_id in ids if event_id in self._by_id}
        return {event_id: Found(*(row[place] for place in _FOUND)) for event_id, row in rows.items()}

    def read_to(self) -> dict[str, int]:
        return dict(self._read_to)

    def verify(self, progress: Callable[[int], None] | None = None) -> Verification:
        head, problem = check_chain(self._rows, Head(0, first_chain(self.salt)))
        if progress:
            progress(head.seq)
        return Verification(head.seq, head, head.seq + 1 if problem else None, problem)


def _columns_of(rows: Sequence[Row], columns: Sequence[Asked]) -> list[Row]:
    asked = [(column,) if isinstance(column, str) else column for column in columns]
    places = [[COLUMNS.index(name) for name in names] for names in asked]
    return [tuple(_first_given(row, some) for some in places) for row in rows]


def _first_given(row: Row, places: Sequence[int]) -> Any:
    return next((row[place] for place in places if row[place] is not None), None)
