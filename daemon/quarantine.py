"""What was received and could not be taken in: kept aside whole, with its place and the reason, until somebody looks.

The log says that a line was quarantined; the bytes themselves lie here, since they may have to be erased one day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lines (
  id TEXT PRIMARY KEY, source TEXT NOT NULL, place INTEGER NOT NULL, length INTEGER NOT NULL,
  reason TEXT NOT NULL, received_at INTEGER NOT NULL, raw BLOB
) STRICT
"""


class Kept(NamedTuple):
    """One line kept aside. `raw` is None where the bytes were too many for a row and lie in a file of that id."""

    id: str
    source: str
    place: int
    length: int
    reason: str
    received_at: int
    raw: bytes | None


class Quarantine:
    """`quarantine.db` and, for lines of many megabytes, the folder `quarantine/` beside it."""

    def __init__(self, path: Path) -> None:
        self._folder = path.with_suffix("")
        self._connection = sqlite3.connect(path, timeout=2, isolation_level=None)
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(_SCHEMA)
        path.chmod(0o600)  # lines of every host, in the clear

    def keep(self, lines: Iterable[Kept]) -> None:
        """On disk before the log tells of them; keeping the same line again changes nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR IGNORE INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", lines)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise

    def file_for(self, quarantine_id: str) -> Path:
        """Where a line goes that is too long for a row."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder / f"{quarantine_id}.bin"

    def find(self, quarantine_id: str) -> Kept | None:
        row = self._connection.execute("SELECT * FROM lines WHERE id = ?", (quarantine_id,)).fetchone()
        return Kept(*row) if row else None

    def erase(self, wanted: Callable[[bytes], bool]) -> int:
        """Erases, whole and for good, every line whose bytes are wanted; returns how many."""
        count = after = 0
        while row := self._connection.execute(
            "SELECT rowid, id, raw FROM lines WHERE rowid > ? ORDER BY rowid LIMIT 1", (after,)
        ).fetchone():
            after, quarantine_id, raw = row
            if wanted(self._bytes_of(quarantine_id, raw)):
                with suppress(FileNotFoundError):
                    self.file_for(quarantine_id).unlink()
                self._connection.execute("DELETE FROM lines WHERE rowid = ?", (after,))
                count += 1
        return count

    def _bytes_of(self, quarantine_id: str, raw: bytes | None) -> bytes:
        if raw is not None:
            return raw
        try:
            return self.file_for(quarantine_id).read_bytes()
        except FileNotFoundError:
            return b""

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM lines").fetchone()
        return int(count)

    def close(self) -> None:
        self._connection.close()


def read_kept(path: Path, quarantine_id: str) -> Kept | None:
    """One line kept aside, read beside a running daemon; sqlite3.OperationalError where this user may not."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        row = connection.execute("SELECT * FROM lines WHERE id = ?", (quarantine_id,)).fetchone()
    finally:
        connection.close()
    return Kept(*row) if row else None
