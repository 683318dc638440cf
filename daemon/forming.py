"""This file knows when a workload's batch is formed at night, and what the log is told: one commit, before any deed.

It is asked at every turn, and looks again only where something that it goes by can have changed. What it writes first
and last is the event: a daemon that is killed after it finds the batch in the log, and forms the same one again.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from daemon.batch_making import BeginsFrom, Line, Made, NotYet, Standing, make
from daemon.batches import FormedBatch
from daemon.clock_and_chance import MICROSECONDS, Chance
from daemon.event_kinds import BATCH_FORMED, BATCH_NOT_FORMED, STAGE_FAILED, Body, own_event
from daemon.event_log import Entry, EventLog
from daemon.night_parts import Formed, NotFormed
from daemon.nights import Night
from daemon.plugin_loading import BadSettings, PluginRejected
from daemon.pooling import NotPrepared
from daemon.rebuilding import rebuilt
from daemon.settings import Settings

if TYPE_CHECKING:
    from daemon.views.batches import Batches

NOTHING_LEFT = ("empty", "triggers", "nothing_left")
LOOK_AGAIN_SECONDS = 60  # where more came, but not enough for the number that is waited for
LOOK_IN_ANY_CASE_SECONDS = 600  # days pass, and a failing disk may be mended


class Stands(Protocol):
    """Gives what forming needs, as the views have it now and as the log was at an earlier position."""

    def now(self) -> Standing: ...
    def at(self, position: int) -> Standing: ...


class Folds(Protocol):
    """The part of the views that forming needs."""

    @property
    def position(self) -> int: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class _Look(NamedTuple):
    """When a workload was looked at, and what was found."""

    position: int
    now: int
    missing: int
    answer: NotFormed
    night: str | None

    def holds(self, position: int, now: int, night: str | None) -> bool:
        """Whether another look could not find anything else yet."""
        if night != self.night or now - self.now >= LOOK_IN_ANY_CASE_SECONDS * MICROSECONDS:
            return False
        if self.missing and position - self.position >= self.missing:
            return False
        return position == self.position or now - self.now < LOOK_AGAIN_SECONDS * MICROSECONDS


class Forming:
    """Forms the batches of all workloads: `daemon.night_parts.Forms`."""

    def __init__(
        self,
        log: EventLog,
        views: Folds,
        stands: Stands,
        settings: Settings,
        beside: Path,
        chance: Chance,
        begins: Callable[[str], BeginsFrom | None] = lambda _: None,
    ) -> None:
        self._begins = begins  # the model that an ask wants a workload's next run to begin from
        self._log = log
        self._views = views
        self._stands = stands
        self._beside = beside
        self._chance = chance
        self._formed: dict[int, FormedBatch] = {}  # until the queue has taken it
        self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """From now on by these settings; every workload is looked at again."""
        self.settings = settings
        self._looks: dict[str, _Look] = {}

    def turn(self, now: int, night: Night | None, workload: str, *, asked: bool) -> Formed | NotFormed:
        """One look at a workload: a batch, whose event is in the log, or why there is none."""
        date = night.date.isoformat() if night is not None else None
        look = self._looks.get(workload)
        if look is not None and not asked and look.holds(self._views.position, now, date):
            return look.answer._replace(news=False)
        try:
            return self._looked_at(workload, now, date, asked=asked)
        finally:
            _give_back_memory()

    def _looked_at(self, workload: str, now: int, date: str | None, *, asked: bool) -> Formed | NotFormed:
        standing = self._stands.now()
        made = self._made(standing, workload, now, date, asked=asked)
        batch = made.batch if isinstance(made, Made) else None
        if batch is not None:
            return self._form(batch, made, now, asked=asked)
        why_not = made.why_not if isinstance(made, Made) else made
        assert why_not is not None
        return self._answer(standing, workload, made, why_not, now, date, asked=asked)

    def _made(self, standing: Standing, workload: str, now: int, date: str | None, *, asked: bool) -> Made | NotYet:
        try:
            begins = self._begins(workload) if asked else None
            return make(standing, self._line(workload), now, date, asked=asked, begins=begins)
        except (PluginRejected, BadSettings) as error:
            return NotYet("plugin", str(error).replace("\n", "; "))
        except NotPrepared as error:
            return NotYet("not_prepared", str(error))

    def _line(self, workload: str) -> Line:
        return Line.load(workload, self.settings.workloads[workload], self._beside)

    def _form(self, batch: FormedBatch, made: Made | NotYet, now: int, *, asked: bool) -> Formed:
        body = batch.body | ({"asked": True} if asked else {})
        self._append([*self._failures(made, now, body), self._event(BATCH_FORMED, body, now)])
        self._formed[batch.number] = batch._replace(body=body)
        self._looks.pop(batch.workload, None)
        return Formed(batch.number, batch.workload)

    def _answer(
        self,
        standing: Standing,
        workload: str,
        made: Made | NotYet,
        why_not: NotYet,
        now: int,
        date: str | None,
        *,
        asked: bool,
    ) -> NotFormed:
        news = asked or _is_news(standing.batches, workload, date, why_not.kind)
        if news:
            body = _body_of(workload, why_not, date, standing.position) | ({"asked": True} if asked else {})
            self._append([*self._failures(made, now, body), self._event(BATCH_NOT_FORMED, body, now)])
        answer = NotFormed(workload, why_not.reason, news)
        self._looks[workload] = _Look(self._views.position, now, why_not.missing, answer, date)
        return answer

    def _failures(self, made: Made | NotYet, now: int, of: Body) -> list[Entry]:
        failures = made.failures if isinstance(made, Made) else []
        return [
            self._event(STAGE_FAILED, failed._asdict() | {"workload": of["workload"], "night": of["night"]}, now)
            for failed in failures
        ]

    def _event(self, kind: Any, body: Body, now: int) -> Entry:
        return own_event(kind, body, now, self._chance)

    def _append(self, entries: list[Entry]) -> None:
        """All that one look found, in one commit; folded at once, since the next batch's number follows from it."""
        self._log.append(entries)
        self._views.catch_up()

    def listed(self) -> list[dict[str, Any]]:
        """Every batch in short, oldest first."""
        return self._stands.now().batches.listed()

    def rebuild(self, number: int) -> FormedBatch | str:
        """The batch of that number, as it was formed: handed over, or formed again; else why that cannot be."""
        kept = self._formed.pop(number, None)
        return kept if kept is not None else rebuilt(number, self._stands, self.settings, self._beside)


def _give_back_memory() -> None:
    """What was freed goes back to the machine; glibc would keep it (a third of the daemon's memory) until tomorrow."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _is_news(batches: Batches, workload: str, date: str | None, kind: str) -> bool:
    """Once a night, and again when the reason is of another kind; that nothing is left after a batch is none."""
    last = batches.answers.get(workload)
    if last is None or last.get("night") != date:
        return True
    return kind not in NOTHING_LEFT if "batch" in last else last.get("kind") != kind


def _body_of(workload: str, why_not: NotYet, date: str | None, position: int) -> Body:
    return {
        "workload": workload,
        "night": date,
        "kind": why_not.kind,
        "reason": why_not.reason,
        "triggers": list(why_not.triggers),
        "position": position,
    }
