"""This file knows what the verbs may have done by whoever owns the state folder, and by whom each is done.

The owner is the daemon, which looks for requests at every turn, or with the daemon down the verb itself, under the
folder's lock (`daemon.cli.asking_daemon`). Either way it is done here. A new request is one line in REQUESTS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon import asking_models, asking_nights, forgetting, golden_keeping, settings_choosing
from daemon.clock_and_chance import Chance, Clock, new_id
from daemon.index_shelf import without_forgotten
from daemon.main_loop import PASSING
from daemon.model_beginning import WITHOUT
from daemon.night_parts import NightParts
from daemon.nights import zone_of
from daemon.opening import State
from daemon.settings import Settings
from daemon.shelves import Shelves
from daemon.telling import Tell, silent

Request = dict[str, Any]
Answer = dict[str, Any]


class Owner(NamedTuple):
    """Everything that a request may need of the one who owns the folder."""

    state: State
    settings: Settings
    parts: NightParts
    clock: Clock
    chance: Chance
    tell: Tell = silent


class Served(NamedTuple):
    """One request: what does it, what the daemon's log says then, what it must hold, what of the answer is logged."""

    do: Callable[[Owner, Request], Answer]
    said: str
    needs: Mapping[str, tuple[type, ...]] = {}
    details: tuple[str, ...] = ()


class UnknownRequest(AdaptdError):
    """The verb is of another adaptd than the daemon."""


def do(owner: Owner, request: Request) -> Answer:
    """What was asked for. Raises what its deed raises, and UnknownRequest."""
    served = REQUESTS.get(str(request.get("verb")))
    if served is None or not all(isinstance(request.get(name), kinds) for name, kinds in served.needs.items()):
        raise UnknownRequest("the daemon does not know this request, expected one of its own adaptd; restart it")
    return served.do(owner, request)


def answer(owner: Owner, request: Request) -> Answer:
    """The same for somebody who waits elsewhere: an error is answered, but what may pass is raised and tried again."""
    try:
        return do(owner, request)
    except PASSING:
        raise
    except AdaptdError as error:
        return {"error": str(error), "exit_code": getattr(error, "exit_code", 1)}


def _forget(owner: Owner, request: Request) -> Answer:
    """Also which models learnt from the subject, and with `retrain` a training of their workloads without it."""
    shelves, subject = _models(owner).shelves, request["subject"]
    forgotten = forgetting.forget(owner.state, subject, owner.clock.now(), owner.chance, owner.tell)
    owner.state.views.catch_up()
    shelves.settle()
    list(without_forgotten(owner.state.state_dir, owner.state.views))
    mark = owner.state.sealing.mark_of(subject)
    found = shelves.learnt_from(forgetting.pseudonyms_of(owner.state.log, mark))
    answer = forgotten._asdict() | {"models": [one._asdict() for one in found], "retrained": []}
    return _retrained(owner, request, answer) if request.get("retrain") else answer


def _retrained(owner: Owner, request: Request, answer: Answer) -> Answer:
    """A training of each workload that is configured still is asked for; that it cannot be now undoes nothing."""
    configured, retrained, problems = list(owner.settings.workloads), [], list(answer["problems"])
    names = [name for name in dict.fromkeys(one["workload"] for one in answer["models"]) if name in configured]
    for name in names:
        try:
            place, told = _place(owner), {WITHOUT: True}
            asked = asking_nights.ask_training(place, configured, name, _id(owner, request), told=told)
        except asking_nights.NightsArePaused as error:
            problems.append(str(error))
        else:
            retrained += asked["workloads"]
    return answer | {"retrained": retrained, "problems": tuple(problems)}


def _ask(owner: Owner, request: Request) -> Answer:
    from daemon import asking  # the techniques behind it cost a start of the daemon 50 ms

    asked = asking.Request.read(request)
    return asking.ask(owner.state, owner.settings, asked, owner.clock.now(), owner.chance)


def _place(owner: Owner) -> asking_nights.Place:
    zone = zone_of(owner.settings.night.timezone)
    return asking_nights.Place(owner.state.log, owner.state.views, zone, owner.chance, owner.clock.now())


def _id(owner: Owner, request: Request) -> str:
    return str(request.get("id") or new_id(owner.clock.now(), owner.chance))


def _train(owner: Owner, request: Request) -> Answer:
    known = list(owner.settings.workloads)
    return asking_nights.ask_training(_place(owner), known, request["workload"], _id(owner, request))


def _pause(owner: Owner, request: Request) -> Answer:
    return asking_nights.pause(_place(owner), request["until"], request["reason"], _id(owner, request))


def _resume(owner: Owner, request: Request) -> Answer:
    return asking_nights.resume(_place(owner), _id(owner, request))


def _cancel(owner: Owner, request: Request) -> Answer:
    owner.parts.runs.cancel(request["run"], request["reason"], owner.clock.now())
    return {"run": request["run"], "reason": request["reason"]}


def _tune(owner: Owner, request: Request) -> Answer:
    known = list(owner.settings.workloads)
    return settings_choosing.take_choice(_place(owner), known, request["chosen"], _id(owner, request))


def _models(owner: Owner) -> asking_models.Place:
    state = owner.state
    shelves = Shelves(state.state_dir, state.log, state.views, state.sealing, owner.settings.models.keep)
    return asking_models.Place(state.log, state.views, shelves, owner.chance, owner.clock.now())


def _promote(owner: Owner, request: Request) -> Answer:
    return asking_models.promote(_models(owner), request["model"], request["reason"], _id(owner, request))


def _roll_back(owner: Owner, request: Request) -> Answer:
    return asking_models.roll_back(_models(owner), request["workload"], request["reason"], _id(owner, request))


def _pin(owner: Owner, request: Request) -> Answer:
    return asking_models.pin(_models(owner), request["model"], _id(owner, request), pinned=request["pinned"])


def _reindex(owner: Owner, request: Request) -> Answer:
    indexes = {name: list(one.index) for name, one in owner.settings.workloads.items()}
    return asking_models.reindex(_models(owner), indexes, request["workload"], _id(owner, request))


def _goldens(owner: Owner) -> golden_keeping.Place:
    state, rules = owner.state, owner.state.intake.rules
    now, all_sealed = owner.clock.now(), rules.encrypt == "all"
    return golden_keeping.Place(state.log, state.views, state.sealing, owner.chance, now, all_sealed, rules.redact)


def _golden_import(owner: Owner, request: Request) -> Answer:
    return golden_keeping.record(_goldens(owner), request["set"], request["rows"])


def _golden_freeze(owner: Owner, request: Request) -> Answer:
    return golden_keeping.freeze(_goldens(owner), request["set"], _id(owner, request))


def _golden_retire(owner: Owner, request: Request) -> Answer:
    return golden_keeping.retire(_goldens(owner), request["set"], _id(owner, request))


TEXT, TEXT_OR_NONE, NUMBER_OR_NONE = (str,), (str, NoneType), (int, NoneType)
REQUESTS: dict[str, Served] = {
    "forget": Served(_forget, "forgot", {"subject": TEXT}, ("events", "keys", "quarantined")),
    "ask": Served(_ask, "asked", {"limit": (int,)}, ("kind", "of")),
    "train": Served(_train, "training asked for", {"workload": TEXT_OR_NONE}, ("workloads",)),
    "pause": Served(_pause, "paused", {"until": NUMBER_OR_NONE, "reason": TEXT_OR_NONE}, ("until", "reason")),
    "resume": Served(_resume, "resumed"),
    "tune": Served(_tune, "settings chosen", {"chosen": (dict,)}, ("workload", "settings", "score")),
    "promote": Served(_promote, "promoted", {"model": TEXT, "reason": TEXT}, ("workload", "model", "reason")),
    "rollback": Served(
        _roll_back, "rolled back", {"workload": TEXT_OR_NONE, "reason": TEXT_OR_NONE}, ("workload", "from", "to")
    ),
    "reindex": Served(_reindex, "reindexing asked for", {"workload": TEXT_OR_NONE}, ("asked",)),
    "pin": Served(_pin, "pinned", {"model": TEXT, "pinned": (bool,)}, ("workload", "model", "pinned")),
    "golden import": Served(
        _golden_import, "golden examples recorded", {"set": TEXT, "rows": (list,)}, ("set", "recorded", "known")
    ),
    "golden freeze": Served(_golden_freeze, "golden set frozen", {"set": TEXT}, ("set", "version", "rows")),
    "golden retire": Served(_golden_retire, "golden set retired", {"set": TEXT}, ("set",)),
    "cancel": Served(_cancel, "cancelled", {"run": TEXT, "reason": TEXT_OR_NONE}, ("run", "reason")),
}
"""By the verb that asks."""
