"""This file knows how to tell whether the kept views are what the log says: fold everything anew, compare the hashes.

It works on a copy of views.db, made in one read, so a running daemon is neither disturbed nor waited for.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from adaptd.errors import AdaptdError
from daemon.event_log import EventLog
from daemon.sqlite_log import SqliteEventLog, connect_reader
from daemon.telling import Tell, silent
from daemon.views.store import Views, rebuild_digests


class NoViews(AdaptdError):
    """There is nothing to compare the log with."""


class CheckedView(NamedTuple):
    """One view: the event that it stands at, its hash as kept, and as folded anew."""

    name: str
    position: int
    kept: str
    rebuilt: str

    @property
    def equal(self) -> bool:
        """Whether nothing but the log made it."""
        return self.kept == self.rebuilt


def check_views(state_dir: str | Path, tell: Tell = silent) -> list[CheckedView]:
    """Every view of that folder beside what the log gives at the same event. Raises NoViews where there are none."""
    folder = Path(state_dir)
    if not (folder / "views.db").exists():
        raise NoViews(f"{folder / 'views.db'}: no views there, expected those that `adaptd run` makes. Start it once.")
    with closing(SqliteEventLog.open_read_only(folder / "events.db")) as log, TemporaryDirectory() as aside:
        copy = Path(aside) / "views.db"
        _copy(folder / "views.db", copy)
        with Views.open(copy, log) as views:
            kept = {view.fold.name: (view.position, view.fold.digest()) for view in views.kept}
        return _compared(log, kept, tell)


def _compared(log: EventLog, kept: dict[str, tuple[int, str]], tell: Tell) -> list[CheckedView]:
    rebuilt = {
        position: rebuild_digests(log, position, tell=tell) for position in {position for position, _ in kept.values()}
    }
    return [CheckedView(name, position, digest, rebuilt[position][name]) for name, (position, digest) in kept.items()]


def _copy(source: Path, target: Path) -> None:
    with closing(connect_reader(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
