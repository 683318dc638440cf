"""The file views.db: each view's state and the log position it stands for, committed together.

A table's rows are kept as chunks that are never changed; small ones are put together into larger ones now and then.
`synchronous=NORMAL` is enough: after a power cut the file is whole but may be a few commits older, and what it lacks
is folded again. It does not know what a view means. `summary.py`
reads the same tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from adaptd.errors import AdaptdError
from daemon.views.columns import Columns
from daemon.views.folding import Fold

FORMAT = 1
PAGE_BYTES = 8192
CHECKPOINT_PAGES = 500  # 4 MB of WAL
CHUNK_BYTES = 1 << 20  # a chunk of this size is never touched again
FAN_IN = 8  # as many chunks of one size class are put together
DELETED_AT_ONCE = 8

_SCHEMA = """
CREATE TABLE views (
  generation INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
  position INTEGER NOT NULL, chain BLOB NOT NULL, current INTEGER NOT NULL
) STRICT;
CREATE TABLE chunks (
  generation INTEGER NOT NULL, part TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, data BLOB NOT NULL,
  UNIQUE (generation, part, start)
) STRICT;
CREATE TABLE cells (
  generation INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (generation, key)
) STRICT, WITHOUT ROWID;
"""


_SAVED_VIEWS = "SELECT name, generation, version, position, chain FROM views WHERE current"


class ViewsUnreadable(AdaptdError):
    """views.db is damaged or not ours."""

    def __init__(self, path: Path | str, problem: object) -> None:
        super().__init__(
            f"{path}: {problem}; expected a views file of adaptd. Nothing is lost by it: move it away, and the views "
            "are made again from the log."
        )


class SavedView(NamedTuple):
    """One state of a view: `current` is what others read, the others are being built or thrown away."""

    generation: int
    name: str
    version: int
    position: int
    chain: bytes
    current: bool


class Chunk(NamedTuple):
    """Where a saved range of rows begins and ends."""

    start: int
    stop: int


class ViewsFile:
    """The saved states, for their one writer."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            self._make_tables()
        except sqlite3.DatabaseError as error:
            raise ViewsUnreadable(path, error) from error

    def _make_tables(self) -> None:
        """Tables of another format are dropped: the log has everything that was in them."""
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found == FORMAT:
            return
        with self.transaction():
            for table in ("views", "chunks", "cells"):
                self._connection.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _SCHEMA.split(";")[:-1]:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={FORMAT}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def views(self) -> list[SavedView]:
        rows = self._connection.execute("SELECT * FROM views ORDER BY generation")
        return [SavedView._make((*row[:5], bool(row[5]))) for row in rows]

    def add(self, name: str, version: int, *, current: bool) -> SavedView:
        """A new, empty state at position 0."""
        cursor = self._connection.execute("INSERT INTO views VALUES (NULL, ?, ?, 0, x'', ?)", (name, version, current))
        assert cursor.lastrowid is not None
        return SavedView(cursor.lastrowid, name, version, 0, b"", current)

    def move(self, generation: int, position: int, chain: bytes) -> None:
        self._connection.execute(
            "UPDATE views SET position = ?, chain = ? WHERE generation = ?", (position, chain, generation)
        )

    def make_current(self, generation: int, name: str) -> None:
        self._connection.execute("UPDATE views SET current = (generation = ?) WHERE name = ?", (generation, name))

    def save_cells(self, generation: int, cells: Mapping[str, str | None]) -> None:
        kept = [(generation, key, value) for key, value in cells.items() if value is not None]
        gone = [(generation, key) for key, value in cells.items() if value is None]
        self._connection.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", kept)
        self._connection.executemany("DELETE FROM cells WHERE generation = ? AND key = ?", gone)

    def cells(self, generation: int) -> dict[str, str]:
        return dict(self._connection.execute("SELECT key, value FROM cells WHERE generation = ?", (generation,)))

    def save_rows(self, generation: int, part: str, table: Columns, chunks: list[Chunk]) -> None:
        """Saves the rows after the last of `chunks`, which it keeps up to date."""
        start = chunks[-1].stop if chunks else 0
        rows_at_once = max(1, CHUNK_BYTES // table.row_bytes)
        for begin in range(start, table.rows, rows_at_once):
            self._add_chunk(generation, part, table, Chunk(begin, min(begin + rows_at_once, table.rows)))
            chunks.append(Chunk(begin, min(begin + rows_at_once, table.rows)))
            while joined := _to_join(chunks, rows_at_once):
                self._join(generation, part, table, chunks, joined)

    def _add_chunk(self, generation: int, part: str, table: Columns, chunk: Chunk) -> None:
        data = table.packed(chunk.start, chunk.stop)
        self._connection.execute("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", (generation, part, *chunk, data))

    def _join(self, generation: int, part: str, table: Columns, chunks: list[Chunk], count: int) -> None:
        joined = Chunk(chunks[-count].start, chunks[-1].stop)
        self._connection.execute(
            "DELETE FROM chunks WHERE generation = ? AND part = ? AND start >= ?", (generation, part, joined.start)
        )
        self._add_chunk(generation, part, table, joined)
        chunks[-count:] = [joined]

    def load_rows(self, generation: int, part: str, table: Columns) -> list[Chunk]:
        """Fills an empty table; returns what lies where."""
        chunks: list[Chunk] = []
        for start, stop, data in self._connection.execute(
            "SELECT start, stop, data FROM chunks WHERE generation = ? AND part = ? ORDER BY start", (generation, part)
        ):
            table.append_packed(data)
            chunks.append(Chunk(start, stop))
            if table.rows != stop or start != (chunks[-2].stop if len(chunks) > 1 else 0):
                raise ViewsUnreadable(self.path, f"rows {start} to {stop} of {part} follow upon row {table.rows}")
        return chunks

    def remove(self, generation: int) -> None:
        """Throws a state away, a few chunks at a time: a transaction stays small."""
        while self._connection.execute(
            "DELETE FROM chunks WHERE rowid IN (SELECT rowid FROM chunks WHERE generation = ? LIMIT ?)",
            (generation, DELETED_AT_ONCE),
        ).rowcount:
            pass
        with self.transaction():
            self._connection.execute("DELETE FROM cells WHERE generation = ?", (generation,))
            self._connection.execute("DELETE FROM views WHERE generation = ?", (generation,))

    def close(self) -> None:
        self._connection.close()


def load_saved(path: Path, folds: Sequence[Fold]) -> tuple[int, bytes] | None:
    """Fills new views with what is saved of them, reading only; the event that they stand at, and its hash.

    None, and nothing filled, where one is not there in this version, or they do not stand at one event.
    """
    if not path.exists():
        return None
    connection = _reader(path)
    try:
        connection.execute("BEGIN")
        saved = {row[0]: row[1:] for row in connection.execute(_SAVED_VIEWS)}
        found = [saved.get(fold.name) for fold in folds]
        if not folds or None in found or len({one[2:] for one in found if one}) > 1:
            return None
        if any(one is not None and one[1] != fold.version for one, fold in zip(found, folds, strict=True)):
            return None
        for one, fold in zip(found, folds, strict=True):
            assert one is not None
            _fill(connection, one[0], fold)
        assert found[0] is not None
        return int(found[0][2]), bytes(found[0][3])
    finally:
        connection.close()


def _reader(path: Path) -> sqlite3.Connection:
    """Also where the folder may not be written to, as long as nobody has the file open."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
    return connection


def _fill(connection: sqlite3.Connection, generation: int, fold: Fold) -> None:
    for part, table in fold.tables.items():
        for (data,) in connection.execute(
            "SELECT data FROM chunks WHERE generation = ? AND part = ? ORDER BY start", (generation, part)
        ):
            table.append_packed(data)
    fold.restore(dict(connection.execute("SELECT key, value FROM cells WHERE generation = ?", (generation,))))


def _to_join(chunks: list[Chunk], full: int) -> int:
    """How many of the last chunks should become one: `FAN_IN` or more that are no larger than some size class."""
    largest = 1
    while largest < full:
        largest *= FAN_IN
        count = total = 0
        for chunk in reversed(chunks):
            rows = chunk.stop - chunk.start
            if rows >= min(largest, full) or total + rows > 2 * full:
                break
            count, total = count + 1, total + rows
        if count >= FAN_IN:
            return count
    return 0
