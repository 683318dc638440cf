"""This file knows what a person may say to the nights: train now, pause, go on, end a run. Each becomes an event.

Whoever calls owns the state folder. A request may be done twice, after a kill between its deed and its answer: the
event has the request's own id, so that the second time finds it done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import MICROSECONDS, Chance
from daemon.config_faults import nearest
from daemon.event_kinds import NIGHTS_PAUSED, NIGHTS_RESUMED, TRAINING_ASKED, own_event
from daemon.event_log import EventLog
from daemon.views.nights import NightBook, Pause


class Catches(Protocol):
    """The part of the views that these need."""

    def catch_up(self, max_events: int | None = None) -> int: ...
    def of(self, kind: type[NightBook]) -> NightBook: ...


class Place(NamedTuple):
    """Where it is said, when, and by which clock on the wall."""

    log: EventLog
    views: Catches
    zone: ZoneInfo
    chance: Chance
    now: int


class NoSuchWorkload(AdaptdError):
    """config.toml has no workload of that name."""

    exit_code = 4

    def __init__(self, name: str, known: Sequence[str]) -> None:
        near = nearest(name, known)
        guess = f", did you mean {near!r}?" if near else "."
        listed = ", ".join(known) or "none, config.toml has no [workloads.name]"
        changed = "A daemon that runs knows what it has read: after a change `kill -HUP` it."
        super().__init__(f"no workload {name!r}, expected one of {listed}{guess} {changed}")


class NothingToTrain(AdaptdError):
    """There is no workload at all."""

    exit_code = 4


class NightsArePaused(AdaptdError):
    """Nothing may be trained now, since somebody said so."""

    exit_code = 75


class PausedAlready(AdaptdError):
    """A pause holds; a second one would hide which of the two ends it."""


def ask_training(
    place: Place, known: Sequence[str], workload: str | None, request_id: str, *, told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Training of this workload, or of all, as soon as the daemon can; `told` is what else the event says of it.

    Returns which were asked for.
    """
    if workload is not None and workload not in known:
        raise NoSuchWorkload(workload, known)
    names = list(known) if workload is None else [workload]
    if not names:
        raise NothingToTrain("train now: config.toml has no workload, expected a table [workloads.name] in it")
    ids = [f"{request_id}/{name}" for name in names]
    if not place.log.find(ids):
        _refuse_while_paused(place)
        bodies = [{"workload": name, **(told or {})} for name in names]
        entries = [
            own_event(TRAINING_ASKED, body, place.now, place.chance, event_id)
            for body, event_id in zip(bodies, ids, strict=True)
        ]
        place.log.append(entries)
    return {"workloads": names}


def _refuse_while_paused(place: Place) -> None:
    pause = _pause(place)
    if pause is not None:
        raise NightsArePaused(
            f"train now: nothing may be trained, {told_pause(pause, place.zone)}. `adaptd resume` first"
        )


def pause(place: Place, until: int | None, reason: str | None, request_id: str) -> dict[str, Any]:
    """Nothing is trained from now on, until then or until somebody resumes. Returns both."""
    if not place.log.find([request_id]):
        holding = _pause(place)
        if holding is not None:
            told = told_pause(holding, place.zone)
            raise PausedAlready(f"pause: {told} already. `adaptd resume` ends that; then pause anew")
        body = {"until": until, "reason": reason}
        place.log.append([own_event(NIGHTS_PAUSED, body, place.now, place.chance, request_id)])
    return {"until": until, "reason": reason}


def resume(place: Place, request_id: str) -> dict[str, Any]:
    """The pause is over; `was_paused` says whether there was one."""
    was_paused = bool(place.log.find([request_id]))
    if not was_paused and _pause(place) is not None:
        place.log.append([own_event(NIGHTS_RESUMED, {}, place.now, place.chance, request_id)])
        was_paused = True
    return {"was_paused": was_paused}


def told_pause(pause: Pause | Mapping[str, Any], zone: ZoneInfo) -> str:
    """`paused until 2026-11-26 06:00 Europe/Berlin (a demonstration)`."""
    until = pause.until if isinstance(pause, Pause) else pause["until"]
    reason = pause.reason if isinstance(pause, Pause) else pause["reason"]
    end = "until somebody resumes" if until is None else f"until {told_moment(until, zone)}"
    return f"paused {end}" + (f" ({reason})" if reason else "")


def told_moment(moment: int, zone: ZoneInfo) -> str:
    """As the clock on the wall of that zone shows it."""
    return f"{datetime.fromtimestamp(moment / MICROSECONDS, zone):%Y-%m-%d %H:%M} {zone.key}"


def _pause(place: Place) -> Pause | None:
    place.views.catch_up()
    return place.views.of(NightBook).pause(place.now)
