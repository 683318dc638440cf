"""This file knows what a person may say of models: promote one, roll back, pin one. Each becomes an event, then a link.

Whoever calls owns the state folder. A request may be done twice, after a kill between its event and the links: the
event has the request's own id, so that the second time only the links are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import Chance
from daemon.event_kinds import (
    CHALLENGER_PROMOTED,
    CHAMPION_ROLLED_BACK,
    MODEL_PINNED,
    REINDEX_ASKED,
    Body,
    Kind,
    own_event,
)
from daemon.event_log import EventLog
from daemon.model_cards import body_of
from daemon.model_naming import named, workload_named
from daemon.model_shelf import ModelDamaged, NoSuchModel, Shelf
from daemon.shelves import Folds, Shelves
from daemon.views.models import FIRST, Standing

Answer = dict[str, Any]


class Place(NamedTuple):
    """Where it is said, and when."""

    log: EventLog
    views: Folds
    shelves: Shelves
    chance: Chance
    now: int


class ChampionAlready(AdaptdError):
    """It is in use."""


class NothingToRollBackTo(AdaptdError):
    """No earlier champion is left."""


def promote(place: Place, model: str, reason: str, request_id: str) -> dict[str, Any]:
    """The model becomes its workload's champion. ModelDamaged where its files are not as they were put there."""
    place.views.catch_up()
    done = _done(place, request_id)
    if done is None:
        standings = place.shelves.standings()
        workload, number = named(standings, model)
        previous = standings[workload].champion
        if previous == number:
            raise ChampionAlready(f"promote: {workload}/{number} is the champion already")
        check(place.shelves.of(workload), number)
        body = {"workload": workload, "model": number, "previous": previous, "by": "hand", "reason": reason}
        done = _say(place, CHALLENGER_PROMOTED, body | {"level": None, "decision": None}, request_id)
    place.shelves.settle()
    return {name: done[name] for name in ("workload", "model", "previous", "reason")}


def roll_back(place: Place, workload: str | None, reason: str | None, request_id: str) -> dict[str, Any]:
    """The champion gives its place to the one before, or to the first of those whose files are whole."""
    place.views.catch_up()
    damaged: tuple[str, ...] = ()
    done = _done(place, request_id)
    if done is None:
        standings = place.shelves.standings()
        name = workload_named(standings, workload)
        to, damaged = _target(place.shelves.of(name), name, standings[name])
        body = {"workload": name, "from": standings[name].champion, "to": to, "reason": reason}
        done = _say(place, CHAMPION_ROLLED_BACK, body, request_id)
    place.shelves.settle()
    return {name: done[name] for name in ("workload", "from", "to", "reason")} | {"damaged": list(damaged)}


def pin(place: Place, model: str, request_id: str, *, pinned: bool) -> dict[str, Any]:
    """The model's files are kept in any case, or no longer."""
    place.views.catch_up()
    done = _done(place, request_id)
    if done is None:
        workload, number = named(place.shelves.standings(), model)
        body = {"workload": workload, "model": number, "pinned": pinned}
        done = _say(place, MODEL_PINNED, body, request_id)
    place.shelves.settle()
    return done


class NoIndex(AdaptdError):
    """config.toml names none."""

    exit_code = 4


def reindex(place: Place, indexes: Mapping[str, Sequence[str]], workload: str | None, request_id: str) -> Answer:
    """The indexes of the model in use are asked for again; `indexes` are those of config.toml, by workload."""
    place.views.catch_up()
    wanted = {name: found for name, found in indexes.items() if found and workload in (None, name)}
    if not wanted:
        of = f" of workload {workload!r}" if workload else ""
        have = ", ".join(name for name, found in indexes.items() if found) or "no workload"
        raise NoIndex(f"reindex: config.toml names no index{of}, expected [workloads.NAME.index.INDEX]; {have} has one")
    asked = []
    for number, (name, found) in enumerate(wanted.items()):
        champion = place.shelves.view.standing(name).champion
        if champion is not None:
            event_id = request_id if not number else f"{request_id}-{number}"
            if _done(place, event_id) is None:
                _say(place, REINDEX_ASKED, {"workload": name, "model": champion}, event_id)
            asked.append({"workload": name, "model": champion, "indexes": list(found)})
    if not asked:
        raise NoIndex(f"reindex: {' and '.join(wanted)} has no model in use yet, expected one to build indexes with")
    return {"asked": asked}


def check(shelf: Shelf, number: int) -> str | None:
    """The model's hash, every file hashed again; None for a base model that is loaded from elsewhere."""
    if number == FIRST and not shelf.path(number).is_dir():
        return None
    return shelf.check(number)


def _target(shelf: Shelf, workload: str, standing: Standing) -> tuple[int, tuple[str, ...]]:
    """The newest earlier champion that is whole, and what is wrong with those that are passed over."""
    wrong: list[str] = []
    for number in reversed(standing.champions[:-1]):
        try:
            check(shelf, number)
        except (ModelDamaged, NoSuchModel) as error:
            wrong.append(str(error))
        else:
            return number, tuple(wrong)
    raise NothingToRollBackTo(" ".join(_no_target(workload, standing, wrong)))


def _no_target(workload: str, standing: Standing, wrong: list[str]) -> Iterator[str]:
    if standing.champion is None:
        yield f"rollback: {workload} has no champion."
    else:
        yield f"rollback: {workload} has no champion before model {standing.champion} that could be used."
    yield from wrong
    yield f"`adaptd models promote {workload}/N --reason TEXT` puts any model of it in use."


def _say(place: Place, kind: Kind, body: Body, request_id: str) -> Body:
    place.log.append([own_event(kind, body, place.now, place.chance, request_id)])
    place.views.catch_up()
    return body


def _done(place: Place, request_id: str) -> dict[str, Any] | None:
    found = place.log.find([request_id]).get(request_id)
    return None if found is None else body_of(place.log, found.seq)
