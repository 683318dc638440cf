"""What was received and could not be taken in: kept aside whole, with its place and the reason, until somebody looks.

The log says that a line was quarantined; the bytes themselves lie here, since they may have to be erased one day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lines (
  id TEXT PRIMARY KEY, source TEXT NOT NULL, place INTEGER NOT NULL, length INTEGER NOT NULL,
  reason TEXT NOT NULL, received_at INTEGER NOT NULL, raw BLOB
) STRICT
"""


class Kept(NamedTuple):
    """One line kept aside. `raw` is None where the bytes were too many for a row and lie in a file of that id.

    `sealed`: the bytes are as `Sealing.seal_aside` made them, in a file piece by piece; the reason has nothing of them.
    """

    id: str
    source: str
    place: int
    length: int
    reason: str
    received_at: int
    raw: bytes | None
    sealed: bool = False


Opened = Callable[[bytes, str], "bytes | None"]
"""From sealed bytes and the name that they were sealed under to what they were."""


class Quarantine:
    """`quarantine.db` and, for lines of many megabytes, the folder `quarantine/` beside it."""

    def __init__(self, path: Path) -> None:
        self._folder = path.with_suffix("")
        self._connection = sqlite3.connect(path, timeout=2, isolation_level=None)
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(_SCHEMA)
        if "sealed" not in {row[1] for row in self._connection.execute("PRAGMA table_info(lines)")}:
            self._connection.execute("ALTER TABLE lines ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0")
        path.chmod(0o600)  # lines of every host, in the clear

    def keep(self, lines: Iterable[Kept]) -> None:
        """On disk before the log tells of them; keeping the same line again changes nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR IGNORE INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
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
        return _kept(row) if row else None

    def erase(self, wanted: Callable[[bytes], bool], opened: Opened) -> int:
        """Erases, whole and for good, every line whose bytes are wanted; returns how many."""
        count = after = 0
        while row := self._connection.execute(
            "SELECT rowid, id, raw, sealed FROM lines WHERE rowid > ? ORDER BY rowid LIMIT 1", (after,)
        ).fetchone():
            after, quarantine_id, raw, sealed = row
            if wanted(self._bytes_of(quarantine_id, raw, opened if sealed else None)):
                with suppress(FileNotFoundError):
                    self.file_for(quarantine_id).unlink()
                self._connection.execute("DELETE FROM lines WHERE rowid = ?", (after,))
                count += 1
        return count

    def _bytes_of(self, quarantine_id: str, raw: bytes | None, opened: Opened | None) -> bytes:
        if raw is not None:
            return raw if opened is None else opened(raw, quarantine_id) or b""
        try:
            stored = self.file_for(quarantine_id).read_bytes()
        except FileNotFoundError:
            return b""
        return stored if opened is None else b"".join(opened_pieces(stored, quarantine_id, opened))

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
    return _kept(row) if row else None


def _kept(row: tuple[Any, ...]) -> Kept:
    """A row of any age: those of earlier versions do not say whether they are sealed."""
    return Kept._make((*row[:7], bool(row[7]) if len(row) > 7 else False))


def sealed_piece(number: int, piece: bytes, quarantine_id: str, seal: Callable[[bytes, str], bytes]) -> bytes:
    """One piece of a file of sealed bytes: its length, then itself; sealed under its number, so that none moves."""
    sealed = seal(piece, f"{quarantine_id}:{number}")
    return len(sealed).to_bytes(4) + sealed


def opened_pieces(stored: bytes, quarantine_id: str, opened: Opened) -> Iterator[bytes]:
    """What was sealed so, as far as it can be opened."""
    number = place = 0
    while place < len(stored):
        length = int.from_bytes(stored[place : place + 4])
        yield opened(stored[place + 4 : place + 4 + length], f"{quarantine_id}:{number}") or b""
        number, place = number + 1, place + 4 + length
