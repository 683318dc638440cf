"""This file knows how a stored event is shown: a dict that is JSON, with sealed texts opened where the key is there.

The one shape that `events`, `export` and whatever shows events later print. It only reads, in pages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.event_log import COLUMNS, EventLog, Row, Verification
from daemon.moments import moment_of
from daemon.sqlite_log import SqliteEventLog

if TYPE_CHECKING:
    from daemon.sealing import Sealing

SCHEMA = "adaptd.event/1"
PAGE_EVENTS = 500
MOST_SHOWN = 4000  # bytes of a line in quarantine
SHOWN = ("artifact_type", "model", "side", "says", "score", "source", "target_seq", "propensity")
"""Columns that are shown as they are; the keyed hashes beside them say nothing to anybody outside the log."""

Unseal = Callable[[int, bytes, str], dict[str, Any] | None]


class EventReader:
    """The log of a state folder, opened for reading while the daemon runs or not."""

    def __init__(self, path: Path, log: SqliteEventLog) -> None:
        self.path = path
        self._log = log
        self._sealing: Sealing | None = None

    @classmethod
    def open(cls, state_dir: str | Path) -> EventReader:
        """The reader of that folder's log; LogError when there is none yet."""
        path = Path(state_dir) / "events.db"
        return cls(path, SqliteEventLog.open_read_only(path))

    @property
    def log(self) -> EventLog:
        """The log itself."""
        return self._log

    @property
    def newest(self) -> int:
        """The newest event's number, 0 when there is none."""
        return self._log.head().seq

    def after(self, seq: int) -> Iterator[dict[str, Any]]:
        """Every event after that number that is there now, in order."""
        while rows := self._log.read_after(seq, PAGE_EVENTS):
            for row in rows:
                yield shown(row, self._unseal)
            seq = rows[-1][0]

    def at(self, seq: int) -> dict[str, Any] | None:
        """The event of that number, with the subject that its texts are sealed for."""
        rows = self._log.read_after(seq - 1, 1)
        return self._with_subject(rows[0]) if rows and rows[0][0] == seq else None

    def exported(self) -> Iterator[dict[str, Any]]:
        """Every event that is there now, with its subject: elsewhere it can be forgotten too."""
        seq, newest = 0, self.newest
        while rows := self._log.read_after(seq, min(PAGE_EVENTS, newest - seq)):
            yield from map(self._with_subject, rows)
            seq = rows[-1][0]

    def _with_subject(self, row: Row) -> dict[str, Any]:
        event = shown(row, self._unseal)
        pseudonym = row[COLUMNS.index("subject")]
        if pseudonym is not None and event.get("sealed") != "not readable here":
            with suppress(sqlite3.OperationalError):
                subject = self._keys().subject_of(pseudonym)
                event |= {} if subject is None else {"subject": subject}
        return event

    def find(self, id_or_seq: str) -> dict[str, Any] | None:
        """The event of that id; else, when it is a number, the event of that number."""
        found = self._log.find([id_or_seq])
        if found:
            seq = found[id_or_seq].seq
        elif id_or_seq.isascii() and id_or_seq.isdigit() and 0 < int(id_or_seq) <= self.newest:
            seq = int(id_or_seq)
        else:
            return None
        rows = self._log.read_after(seq - 1, 1)
        return shown(rows[0], self._unseal) if rows else None

    def verify(self) -> Verification:
        """Every hash computed again."""
        return self._log.verify()

    def kept_aside(self, quarantine_id: str) -> str:
        """What lies in quarantine under that id, as text: why it is there, and what was received."""
        from daemon.quarantine import read_kept

        path = self.path.with_name("quarantine.db")
        try:
            kept = read_kept(path, quarantine_id)
        except sqlite3.OperationalError as error:
            return f"what was received lies in {path}, which could not be read here: {error}"
        if kept is None:
            return f"what was received is no more in {path}"
        if kept.raw is None:
            place = path.with_suffix("") / f"{quarantine_id}.bin"
            return f"{kept.reason}\n{kept.length:,} bytes were received; they lie{' sealed' * kept.sealed} in {place}"
        raw = self._opened_aside(kept.raw, quarantine_id) if kept.sealed else kept.raw
        if raw is None:
            return f"{kept.reason}\n{kept.length:,} bytes were received; they lie sealed in {path}, not readable here"
        return f"{kept.reason}\nreceived: {raw[:MOST_SHOWN].decode(errors='backslashreplace')}"

    def _opened_aside(self, sealed: bytes, quarantine_id: str) -> bytes | None:
        with suppress(sqlite3.OperationalError):
            return self._keys().open_aside(sealed, quarantine_id)
        return None

    def close(self) -> None:
        """Let go of the files."""
        self._log.close()
        if self._sealing is not None:
            self._sealing.close()

    def _unseal(self, subject: int, sealed: bytes, event_id: str) -> dict[str, Any] | None:
        """The sealed fields; None when the key was destroyed, or when this user may not read the keys."""
        with suppress(sqlite3.OperationalError):
            return self._keys().unseal(subject, sealed, event_id)
        return None

    def _keys(self) -> Sealing:
        """Raises sqlite3.OperationalError where this user may not read them."""
        from daemon.sealing import Sealing

        if self._sealing is None:
            self._sealing = Sealing.open_read_only(self.path.with_name("keys.db"))
        return self._sealing


def shown(row: Row, unseal: Unseal) -> dict[str, Any]:
    """One row as a JSON object. What is absent is left out; a sealed event says whether its texts could be read."""
    stored = dict(zip(COLUMNS, row, strict=True))
    event: dict[str, Any] = {
        "schema": SCHEMA,
        "seq": stored["seq"],
        "id": stored["id"],
        "kind": stored["kind"],
        "received_at": moment_of(stored["received_at"]),
        "occurred_at": moment_of(stored["occurred_at"]),
    }
    if stored["writer"] is not None:
        event["writer"] = f"{stored['writer'] & (1 << 64) - 1:016x}"
        event["n"] = stored["counter"]
    event |= {name: stored[name] for name in SHOWN if stored[name] is not None}
    body = json.loads(stored["body"])
    if stored["sealed"] is not None:
        private = unseal(stored["subject"], stored["sealed"], stored["id"])
        event["sealed"] = "readable" if private is not None else "not readable here"
        body |= private or {}
    event["chain"] = stored["chain"].hex()
    event["body"] = body
    return event
