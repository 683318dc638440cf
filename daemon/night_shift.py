"""This file knows how a night goes: when it opens, who may work in it, and in which order they are asked.

One turn does what can be done at this moment and never waits; what takes long is a child of one of the parts
(`daemon.night_parts`). An intent is in the log before its deed and an outcome after it, so that a daemon that was
killed anywhere goes on from the log. What may pass ends the turn and is told, never raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from daemon.clock_and_chance import MICROSECONDS, Chance
from daemon.event_kinds import BATCH_NOT_FORMED, NIGHT_OPENED, Body, Kind, own_event
from daemon.event_log import AppendFailed, EventLog, IdsExist
from daemon.main_loop import PASSING
from daemon.night_parts import Formed, NightParts, NotFormed, ShiftReport, Told, YieldReason
from daemon.nights import Night, Nights
from daemon.views.nights import NightBook

if TYPE_CHECKING:
    from daemon.settings import Settings

AView = TypeVar("AView")


class Views(Protocol):
    """The part of the views that a shift needs."""

    @property
    def position(self) -> int: ...
    def catch_up(self, max_events: int | None = None) -> int: ...
    def of(self, kind: type[AView]) -> AView: ...


class NightShift:
    """One shift over one log; what it knows beside its settings is in the log and its views."""

    def __init__(
        self,
        log: EventLog,
        views: Views,
        chance: Chance,
        parts: NightParts,
        settings: Settings,
        running_since: int,
    ) -> None:
        self._log = log
        self._views = views
        self._chance = chance
        self._running_since = running_since
        self._done: list[str] = []
        self.parts = parts
        self._take_over(settings)

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on, for the shift and its parts."""
        self._take_over(settings)
        for part in self.parts:
            if part is not None:
                part.follow(settings)

    def _take_over(self, settings: Settings) -> None:
        night = settings.night
        self.nights = Nights.of(night.timezone, night.window, {str(day): hours for day, hours in night.on.items()})
        self._catch_up = night.catch_up
        self._workloads = tuple(settings.workloads)

    def turn(self, now: int) -> ShiftReport:
        """What can be done now; the views are at the log's head before and after it."""
        return self._report(lambda: self._turn(now))

    def stop(self, now: int) -> ShiftReport:
        """The daemon ends: whoever works saves what it has."""
        return self._report(lambda: self._stop(now))

    def _report(self, work: Callable[[], None]) -> ShiftReport:
        self._done, failure = [], None
        try:
            work()
        except PASSING as error:
            failure = _told(error)
        return ShiftReport(tuple(self._done), failure)

    def _seen(self, told: Told) -> None:
        """What a step did is in the views before the next one looks."""
        if told:
            self._done += told
            self._views.catch_up()

    def _turn(self, now: int) -> None:
        runs = self.parts.runs
        self._seen(runs.reap(now))
        night = self._night(now)
        if self._book().pause(now) is not None:
            self._rest(now, "person")
            return
        asked = self._asked(now)
        if night is None:
            self._seen(runs.ask_to_yield(now, "window", asked))
        self._seen(self.parts.judges.turn(now, night, asked))
        self._seen(runs.plan(now))
        if night is not None or asked:
            self._form(now, night, asked)
        else:
            self._end_helpers(now)
        self._seen(runs.start_next(now, night, asked))

    def _stop(self, now: int) -> None:
        self._seen(self.parts.judges.stop(now))
        self._end_helpers(now)
        self._seen(self.parts.runs.stop(now))

    def _rest(self, now: int, reason: YieldReason) -> None:
        self._seen(self.parts.runs.ask_to_yield(now, reason))
        self._seen(self.parts.judges.stop(now))
        self._end_helpers(now)

    def _end_helpers(self, now: int) -> None:
        """Those who work towards the next batch."""
        self._seen(self.parts.prepares.stop(now))
        if self.parts.tunes is not None:
            self._seen(self.parts.tunes.stop(now))

    def _book(self) -> NightBook:
        return self._views.of(NightBook)

    # The night

    def _night(self, now: int) -> Night | None:
        """The night that is open, opened now where it is due. Without a workload there is nothing to open it for."""
        if not self._workloads:
            return None
        due = self.nights.due(now, self._book().opened, self._running_since, self._catch_up)
        if due is not None:
            return self._opened(due, now)
        late = self._book().late_night(now)
        return self.nights.open_at(now) or (Night(*late, late=True) if late else None)

    def _opened(self, night: Night, now: int) -> Night | None:
        """The night, in the log from now on. One that is there already is longer ago than the view knows."""
        body = {"date": night.date.isoformat(), "opens_at": night.opens_at, "closes_at": night.closes_at}
        try:
            self._append(NIGHT_OPENED, body | {"late": night.late}, now, night.event_id)
        except IdsExist:
            return None if night.late else night
        until = datetime.fromtimestamp(night.closes_at / MICROSECONDS, self.nights.zone)
        late = ", late" if night.late else ""
        self._seen([f"night {night.date} is open until {until:%H:%M} {self.nights.zone.key}{late}"])
        return night

    def _append(self, kind: Kind, body: Body, now: int, event_id: str | None = None) -> None:
        self._log.append([own_event(kind, body, now, self._chance, event_id)])

    # Batches

    def _asked(self, now: int) -> list[str]:
        """The workloads whose training was asked for; an ask for one that is not configured any more is answered."""
        asks = self._book().asks()
        for name in [name for name in asks if name not in self._workloads]:
            reason = f"config.toml has no workload {name!r} any more"
            self._append(BATCH_NOT_FORMED, {"workload": name, "night": None, "reason": reason, "asked": True}, now)
            self._seen([f"{name}: no batch, {reason}"])
        return [name for name in asks if name in self._workloads]

    def _form(self, now: int, night: Night | None, asked: Sequence[str]) -> None:
        """A batch for each workload that may have one and has no run or challenger, those that were asked for first."""
        others = [name for name in self._workloads if name not in asked] if night is not None else []
        free = [name for name in (*asked, *others) if not self._is_busy(name)]
        if not free:
            return
        if self.parts.prepares.behind(self._views.position):
            self._seen(self.parts.prepares.turn(now))
            return
        if self._is_searching(now, night if not asked and len(free) == len(self._workloads) else None):
            return
        for name in free:
            is_asked = self._by_hand(name, asked)
            formed = self.parts.forms.turn(now, None if is_asked else night, name, asked=is_asked)
            self._seen(_told_of(formed))
        self._seen(self.parts.runs.plan(now))

    def _by_hand(self, name: str, asked: Sequence[str]) -> bool:
        return name in asked

    def _is_searching(self, now: int, night: Night | None) -> bool:
        """Whether a search for settings has the device; it makes way where there is no night to spend on it."""
        tunes = self.parts.tunes
        if tunes is None:
            return False
        self._seen(tunes.stop(now) if night is None else tunes.turn(now, night))
        return tunes.working()

    def _is_busy(self, workload: str) -> bool:
        return self.parts.runs.busy(workload) or self.parts.judges.busy(workload)


def _told_of(formed: Formed | NotFormed) -> Told:
    if isinstance(formed, Formed):
        return [f"{formed.workload}: batch {formed.batch} formed"]
    return [f"{formed.workload}: no batch, {formed.reason}"] if formed.news else ()


def _told(error: Exception) -> str:
    if isinstance(error, AppendFailed):
        return str(error)
    return (
        f"{error}, while a night was served; expected a state folder one can read and write. Nothing is lost, and it "
        "is tried again: look at free space, the disk's health, and the owner of the files."
    )
