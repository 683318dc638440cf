"""This file knows which events are in the log already, and whether they say the same: read only, beside the daemon."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from daemon.event_log import Found, LogError
from daemon.received import NotUsable, Recorded, canonical, read_line
from daemon.sealing import Sealing, SubjectForgotten
from daemon.sqlite_log import SqliteEventLog


class KnownEvents:
    """What the log of a state folder knows; nothing, where there is none yet."""

    def __init__(self, state_dir: str) -> None:
        self._log: SqliteEventLog | None = None
        self._sealing: Sealing | None = None
        with suppress(LogError):
            self._log = SqliteEventLog.open_read_only(Path(state_dir) / "events.db")
            with suppress(sqlite3.OperationalError):
                self._sealing = Sealing.open_read_only(Path(state_dir) / "keys.db")

    def __call__(self, events: Mapping[str, Recorded]) -> dict[str, bool]:
        """Those of the events whose ids are in the log, and whether with the same content."""
        if self._log is None or not events:
            return {}
        return {event_id: self._is_same(found, events[event_id]) for event_id, found in self._log.find(events).items()}

    def _is_same(self, found: Found, event: Recorded) -> bool:
        if found.content is None:
            try:
                return canonical(read_line(found.body)) == canonical(event)
            except NotUsable:
                return False  # the id of an event of the daemon itself
        if self._sealing is None or found.subject is None:
            return True  # the texts are sealed and we may not look: the id tells
        try:
            return self._sealing.digest(found.subject, canonical(event)) == found.content
        except SubjectForgotten:
            return True

    def close(self) -> None:
        """Let go of the files."""
        for one in (self._log, self._sealing):
            if one is not None:
                one.close()
