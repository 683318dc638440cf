"""This file knows what the daemon does in one turn: take in what has arrived, fold what is new, serve the night.

`turn(now)` is told the time, so that tests step it through days without waiting. It never sleeps and reads no settings;
who calls it decides when the next turn is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from daemon.event_log import AppendFailed
from daemon.intake import IntakeReport
from daemon.line_batch import Outcome
from daemon.night_parts import ShiftReport
from daemon.redacting import RedactionFailed
from daemon.socket_door import SocketDoor

PASSING = (AppendFailed, RedactionFailed, sqlite3.Error, OSError)
"""What may go wrong with a disk, or in a host's hook, and go right later: it ends a turn, never the daemon."""


class TakesIn(Protocol):
    """The part of the intake that a turn needs."""

    def take_spools(self, now: int) -> IntakeReport: ...
    def take_lines(self, lines: Sequence[bytes], source: str, now: int) -> list[Outcome]: ...


class Folds(Protocol):
    """The part of the views that a turn needs."""

    def catch_up(self, max_events: int | None = None) -> int: ...


class Serves(Protocol):
    """The part of the night's shift that a turn needs."""

    def turn(self, now: int) -> ShiftReport: ...


class TurnReport(NamedTuple):
    """What one turn did. `more` says that the next turn has work; `failure` is what will be tried again.

    `problems` are things that somebody should look at while the work goes on, such as a spool file that cannot be read;
    `told` is what was done for nights, in words.
    """

    events: int = 0
    repeats: int = 0
    quarantined: int = 0
    refused: int = 0
    bytes: int = 0
    folded: int = 0
    more: bool = False
    failure: str | None = None
    problems: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class MainLoop:
    """Intake and views, with or without a socket and a night's shift, and the order in which they are asked."""

    def __init__(
        self,
        intake: TakesIn,
        views: Folds,
        door: SocketDoor | None = None,
        lines_per_turn: int = 1000,
        shift: Serves | None = None,
    ) -> None:
        self.shift = shift
        self.intake = intake
        self.views = views
        self.door = door
        self.lines_per_turn = lines_per_turn

    def turn(self, now: int) -> TurnReport:
        """One batch from the socket, one from the spools, everything new folded into the views, and the night's part.

        The intake asks the views about what came before, so they are folded before each batch. What fails is told in
        the report and left as it was: the host's spool still has it, the socket's client was told.
        """
        report = TurnReport()
        try:
            report = report._replace(folded=self.views.catch_up())
            report = self._take_socket(report, now)
            report = self._take_spools(report, now)
        except PASSING as error:
            return report._replace(more=False, failure=_told(error))
        report = report._replace(more=report.more or (self.door is not None and self.door.waiting))
        return report if self.shift is None else self._serve_night(self.shift, report, now)

    def _serve_night(self, shift: Serves, report: TurnReport, now: int) -> TurnReport:
        served = shift.turn(now)
        more = report.more and served.failure is None
        return report._replace(told=served.told, failure=served.failure, more=more)

    def _take_socket(self, report: TurnReport, now: int) -> TurnReport:
        if self.door is None:
            return report
        outcomes = self.door.take_in(lambda lines: self.intake.take_lines(lines, "socket", now), self.lines_per_turn)
        if not outcomes:
            return report
        repeats = sum(outcome.repeat for outcome in outcomes)
        refused = sum(outcome.refused for outcome in outcomes)
        quarantined = sum(outcome.error is not None for outcome in outcomes) - refused
        return report._replace(
            events=len(outcomes) - repeats - quarantined - refused,
            repeats=repeats,
            quarantined=quarantined,
            refused=refused,
            folded=report.folded + self.views.catch_up(),
        )

    def _take_spools(self, report: TurnReport, now: int) -> TurnReport:
        taken = self.intake.take_spools(now)
        return report._replace(
            events=report.events + taken.events,
            repeats=report.repeats + taken.repeats,
            quarantined=report.quarantined + taken.quarantined,
            refused=report.refused + taken.refused,
            bytes=report.bytes + taken.bytes,
            more=taken.more,
            problems=taken.problems,
            folded=report.folded + self.views.catch_up(),
        )


def _told(error: Exception) -> str:
    """What went wrong, with the next step where the error itself cannot know it."""
    if isinstance(error, AppendFailed | RedactionFailed):
        return str(error)
    return (
        f"{error}, in keys.db, quarantine.db, views.db or the spool folder; expected files one can read and write. "
        "Nothing is lost, and it is tried again: look at free space, the disk's health, and the owner of the files."
    )
