"""The log in one SQLite file: the only writer of `events.db`, and how anybody reads it.

Append-only: rows are never changed, ids are unique for ever. One commit holds a whole group of events together with how
far the spool files were read. What goes wrong with the disk fails the callers; then the log is reopened and checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from daemon.clock_and_chance import Chance, Clock
from daemon.event_log import (
    COLUMNS,
    GONE,
    AppendFailed,
    Asked,
    Entry,
    Found,
    Head,
    IdsExist,
    LogError,
    Row,
    Verification,
    chained,
    check_chain,
    first_chain,
    ids_not_new,
)
from daemon.state_folder import DATABASE_MODE

APPLICATION_ID = 0x61647064  # "adpd"
FORMAT = 1
PAGE_BYTES = 8192
CHECKPOINT_PAGES = 2000  # the WAL stays around 16 MB; at SQLite's own 1000 intake is a tenth slower
ASKED_AT_ONCE = 500  # ids or numbers in one query
WAIT_MS, PATIENCE_WITH_READERS_MS = 10_000, 200
_SQLITE_FILE = b"SQLite format 3\0"
_BEFORE_ALL = -(1 << 63)
_SCHEMA = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL,
  writer INTEGER,
  counter INTEGER,
  output_key INTEGER,
  artifact_type TEXT,
  model TEXT,
  side TEXT,
  bucket INTEGER,
  says TEXT,
  score REAL,
  source TEXT,
  rater_key INTEGER,
  episode_key INTEGER,
  target_seq INTEGER,
  propensity REAL,
  subject INTEGER,
  content BLOB,
  body TEXT NOT NULL,
  sealed BLOB,
  chain BLOB NOT NULL
) STRICT;
CREATE TABLE spools_read (name TEXT PRIMARY KEY, read_to INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'the log is append-only: events are never changed'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'the log is append-only: events are never deleted'); END;
"""


class SqliteEventLog:
    """The log in one SQLite file: WAL, one writer, a full sync at every commit."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writable: bool, durability: str) -> None:
        self.path = path
        self.durability = durability
        self._writable = writable
        self._open: sqlite3.Connection | None = connection
        self.log_id, self.salt = _read_meta(path, connection)
        self._head = self._stored_head()

    @classmethod
    def open(cls, path: Path, clock: Clock, chance: Chance, *, durability: str = "full") -> SqliteEventLog:
        """Opens the log for its one writer, and makes it when there is none. The caller holds the state's lock."""
        with _told_of(path):
            if not path.exists():
                path.touch()
                path.chmod(DATABASE_MODE)  # before SQLite makes the files beside it, which take the mode over
            _refuse_no_database(path)
            connection = _connect_writer(path, durability)
            try:
                _create_if_new(connection, clock, chance)
                return cls(path, connection, writable=True, durability=durability)
            except BaseException:
                connection.close()
                raise

    @classmethod
    def open_read_only(cls, path: Path) -> SqliteEventLog:
        """Opens the log for reading: never writes, never checkpoints."""
        with _told_of(path):
            connection = connect_reader(path)
            try:
                return cls(path, connection, writable=False, durability="full")
            except BaseException:
                connection.close()
                raise

    @property
    def _connection(self) -> sqlite3.Connection:
        """The connection; a reopening that failed is tried again by whoever needs it next."""
        return self._open or self._reopened()

    def append(
        self, entries: Sequence[Entry], read_to: Mapping[str, int | None] | None = None, *, full_sync: bool = False
    ) -> int:
        """Appends all or nothing; `full_sync` syncs this commit (and so all before it) whatever the durability."""
        if not self._writable:
            raise LogError(f"{self.path}: opened for reading, expected the one writer. Appending is the daemon's.")
        try:
            return self._append(entries, read_to or {}, full_sync=full_sync and self.durability != "full")
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            self._undo()  # a value that no column can hold: our own mistake, nothing was written
            raise
        except (sqlite3.Error, OSError) as error:
            raise AppendFailed(
                f"{self.path}: {error}; {len(entries)} events were not recorded. Expected a commit that reaches the "
                f"disk: look at free space and at the disk's health; {self._reopen_after_failure()}."
            ) from error
        except BaseException:
            self._undo()
            raise

    def _append(self, entries: Sequence[Entry], read_to: Mapping[str, int | None], *, full_sync: bool) -> int:
        connection = self._connection
        rows, head = chained(entries, self._head)
        if full_sync:
            _sync_as(connection, "full")
        try:
            self._commit(connection, rows, read_to)
        except sqlite3.IntegrityError as error:
            self._undo()
            raise self._as_ids_exist(entries, error) from None
        self._head = head
        if full_sync:
            _sync_as(connection, self.durability)
        return head.seq

    def _undo(self) -> None:
        """Ends a transaction that was begun and cannot be committed; when even that fails, closing ends it."""
        if self._open is None:
            return
        try:
            if self._open.in_transaction:
                self._open.execute("ROLLBACK")
            _sync_as(self._open, self.durability)
        except sqlite3.Error:
            self._open.close()
            self._open = None

    def _commit(self, connection: sqlite3.Connection, rows: Sequence[Row], read_to: Mapping[str, int | None]) -> None:
        execute = connection.execute
        execute("BEGIN IMMEDIATE")
        (newest,) = execute("SELECT ifnull(max(seq), 0) FROM events").fetchone()
        if newest != self._head.seq:
            raise sqlite3.OperationalError(f"another writer appended: newest is {newest}, expected {self._head.seq}")
        if rows:
            _insert(connection, rows)
        for name, position in read_to.items():
            if position is GONE:
                execute("DELETE FROM spools_read WHERE name = ?", (name,))
            else:
                execute("INSERT OR REPLACE INTO spools_read VALUES (?, ?)", (name, position))
        execute("COMMIT")

    def _as_ids_exist(self, entries: Sequence[Entry], error: sqlite3.IntegrityError) -> LogError:
        ids = ids_not_new(entries, self.find(entry.id for entry in entries))
        return IdsExist(ids) if ids else LogError(f"{self.path}: {error}; expected rows that fit the schema")

    def _reopen_after_failure(self) -> str:
        """Lets go of the connection that failed and asks the disk through a new one; says how that went."""
        if self._open is not None:
            self._open.close()
            self._open = None
        try:
            self._reopened()
        except (sqlite3.Error, OSError) as error:
            return f"the log could not be reopened ({error}), which is tried again at the next call"
        return "the log was reopened and checked, and goes on"

    def _reopened(self) -> sqlite3.Connection:
        """A new connection, after checking what is on disk: a failed commit may have got there or not."""
        if not self._writable or not self.path.exists():
            raise LogError(f"{self.path}: closed or gone, expected an open log. Restart adaptd.")
        connection = _connect_writer(self.path, self.durability)
        try:
            _write_anew(connection)
            self._head = self._checked_from(connection, self._head)
        except BaseException:
            connection.close()
            raise
        self._open = connection
        return connection

    def _checked_from(self, connection: sqlite3.Connection, known: Head) -> Head:
        """The head on disk, which must go on from the last one that was acknowledged."""
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM events WHERE seq >= ? ORDER BY seq", (known.seq,))
        before = rows.fetchone() if known.seq else None
        if known.seq and (before is None or before[0] != known.seq or before[-1] != known.chain):
            raise LogError(f"{self.path}: event {known.seq} is not what was committed. Run `adaptd events verify`.")
        head, problem = check_chain(rows, known)
        if problem:
            raise LogError(f"{self.path}: event {head.seq + 1}: {problem}. Run `adaptd events verify`.")
        return head

    def read_after(self, seq: int, limit: int = 500, columns: Sequence[Asked] = COLUMNS) -> list[Row]:
        """The next events in commit order. Each call is a read of its own: no cursor stays open."""
        query = f"SELECT {_named(columns)} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._connection.execute(query, (seq, limit)).fetchall()

    def read(self, seqs: Sequence[int], columns: Sequence[Asked] = COLUMNS) -> list[Row]:
        """Hundreds in one query: row by row costs two and a half times as much."""
        rows: list[Row] = []
        wanted = list(dict.fromkeys(seqs))
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            some = wanted[start : start + ASKED_AT_ONCE]
            query = f"SELECT {_named(columns)} FROM events WHERE seq IN ({', '.join('?' * len(some))})"
            rows += self._connection.execute(query, some).fetchall()
        return rows

    def head(self) -> Head:
        return self._head if self._writable else self._stored_head()

    def find(self, ids: Iterable[str]) -> dict[str, Found]:
        """What is in the log under these ids; ids that are not there are not in the answer."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Found] = {}
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            some = wanted[start : start + ASKED_AT_ONCE]
            found |= {
                row[0]: Found(*row[1:])
                for row in self._connection.execute(
                    "SELECT id, seq, kind, output_key, subject, content, body FROM events "
                    f"WHERE id IN ({', '.join('?' * len(some))})",
                    some,
                )
            }
        return found

    def any_subject(self) -> int | None:
        """A pseudonym under which some event lies; None when all events are nobody's."""
        row = self._connection.execute("SELECT subject FROM events WHERE subject IS NOT NULL LIMIT 1").fetchone()
        return int(row[0]) if row else None

    def read_to(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT name, read_to FROM spools_read"))

    def verify(self, progress: Callable[[int], None] | None = None) -> Verification:
        """Recomputes every hash from the stored bytes, then lets SQLite check its own structure."""
        connection = connect_reader(self.path)
        connection.text_factory = _text_of_any_bytes
        head = Head(0, first_chain(self.salt))
        try:
            while rows := _page_of(connection, head.seq or _BEFORE_ALL):
                head, problem = check_chain(rows, head)
                if problem:
                    return Verification(head.seq, head, head.seq + 1, problem)
                if progress:
                    progress(head.seq)
            complaints = [row[0] for row in connection.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
        except sqlite3.DatabaseError as error:
            return Verification(head.seq, head, head.seq + 1, f"cannot be read from this event on: {error}")
        finally:
            connection.close()
        return Verification(head.seq, head, None, "; ".join(complaints) or None)

    def _stored_head(self) -> Head:
        row = self._connection.execute("SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(*row) if row else Head(0, first_chain(self.salt))

    def checkpoint(self) -> None:
        """Moves what the WAL holds into the main file."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _named(columns: Sequence[Asked]) -> str:
    return ", ".join(column if isinstance(column, str) else f"coalesce({', '.join(column)})" for column in columns)


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Inserts the rows without the columns that are null in all of them, and hashes as bytearrays.

    Binding a None or bytes costs 0.3 µs, since the sqlite3 module looks for an adapter first: a fifth of intake.
    """
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    columns[-1] = [bytearray(chain) for chain in columns[-1]]
    kept = [place for place, column in enumerate(columns) if column.count(None) < len(rows)]
    names = ", ".join(COLUMNS[place] for place in kept)
    statement = f"INSERT INTO events ({names}) VALUES ({', '.join('?' * len(kept))})"
    connection.executemany(statement, zip(*(columns[place] for place in kept), strict=True))


def _text_of_any_bytes(raw: bytes) -> str:
    """A text for any bytes, and no text for two of them: with "replace", damage to a U+FFFD could pass unseen."""
    return raw.decode("utf-8", "surrogateescape")


def _page_of(connection: sqlite3.Connection, after: int, limit: int = 500) -> list[Row]:
    """Up to `limit` whole rows; where the page cannot be read, the rows before the damage one by one."""
    query = f"SELECT {', '.join(COLUMNS)} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
    try:
        return connection.execute(query, (after, limit)).fetchall()
    except sqlite3.DatabaseError:
        if limit == 1:
            raise
        return _page_of(connection, after, 1)


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """What SQLite says on opening, with what to do about it."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # SQLite may quote what is damaged
        raise LogError(
            f"{path}: {error}; expected adaptd's log, where this user may open it. Look at its owner and mode, "
            "and at whether it is the right file; restore it from a backup if it is damaged."
        ) from error


def _connect_writer(path: Path, durability: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT_MS / 1000, isolation_level=None, cached_statements=64)
    try:
        _refuse_foreign(path, connection)
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise LogError(f"{path}: journal mode {mode!r}, expected 'wal'. Put the state folder on a local disk.")
        _sync_as(connection, durability)
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute("PRAGMA recursive_triggers=ON")  # so that INSERT OR REPLACE cannot delete past the trigger
    except BaseException:
        connection.close()
        raise
    return connection


def _write_anew(connection: sqlite3.Connection) -> None:
    """A failed sync leaves pages that look clean and are not on disk: what the WAL gave back goes into the main file.

    All of it, and the WAL begins anew: what was appended after such a page would be lost with it. A reader that is in
    the midst of the log is in the way of that, and does not keep us waiting long.
    """
    connection.execute(f"PRAGMA busy_timeout={PATIENCE_WITH_READERS_MS}")
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute(f"PRAGMA busy_timeout={WAIT_MS}")
    if busy:
        raise sqlite3.OperationalError("somebody is reading it, and what a failed sync left must be written anew first")


def _sync_as(connection: sqlite3.Connection, durability: str) -> None:
    connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")


def _refuse_no_database(path: Path) -> None:
    """SQLite itself takes a file of a few bytes for an empty one, and writes over it."""
    with path.open("rb") as file:
        begin = file.read(len(_SQLITE_FILE))
    if begin not in (b"", _SQLITE_FILE):
        raise LogError(f"{path}: begins with {begin!r}, expected an SQLite file. Is this another program's file?")


def _refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """Before anything is written to it: a file of another program stays as it is."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise LogError(
            f"{path}: application id {application:#x}, expected adaptd's {APPLICATION_ID:#x}. "
            "Is this another program's file?"
        )


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read. One that nobody has open opens also where we may not write."""
    if not path.exists():
        raise LogError(f"{path}: no log there, expected one that `adaptd run` has made. Start the daemon once.")
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=10, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return connection


def _create_if_new(connection: sqlite3.Connection, clock: Clock, chance: Chance) -> None:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables:
        return
    meta = {
        "log_id": chance.secret_bytes(16).hex().encode(),
        "salt": chance.secret_bytes(32),
        "created_at": str(clock.now()).encode(),
    }
    statements = [f"PRAGMA application_id={APPLICATION_ID}", f"PRAGMA user_version={FORMAT}"]
    connection.executescript("BEGIN EXCLUSIVE;" + _SCHEMA + ";".join(statements) + ";")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.execute("COMMIT")


def _read_meta(path: Path, connection: sqlite3.Connection) -> tuple[str, bytes]:
    _refuse_foreign(path, connection)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise LogError(f"{path}: log format {version}, expected {FORMAT}. Use the adaptd that wrote it, or upgrade.")
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    if not {"log_id", "salt"} <= meta.keys():
        raise LogError(f"{path}: its own table is damaged, expected a log_id and a salt. Restore it from a backup.")
    return meta["log_id"].decode(), meta["salt"]
