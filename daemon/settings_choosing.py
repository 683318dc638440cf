"""This file knows how the settings that a search has come to get into the log: `settings_chosen`, once.

The search is somebody else's process (daemon.tuning); here is what the owner of the state folder does with its answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from adaptd.errors import AdaptdError
from daemon.asking_nights import NoSuchWorkload, Place
from daemon.event_kinds import SETTINGS_CHOSEN, own_event

NUMBER = (int, float)
FIELDS: dict[str, tuple[type, ...]] = {
    "workload": (str,),
    "artifact_type": (str, type(None)),
    "settings": (dict,),
    "metric": (str,),
    "score": NUMBER,
    "baseline_score": (*NUMBER, type(None)),
    "before": (dict,),
    "trials": (int,),
    "learnt": (int,),
    "validated": (int,),
    "seconds": NUMBER,
    "study": (str,),
    "note": (str,),
}


class NoChoice(AdaptdError):
    """What was handed over is not what a search comes to."""


def take_choice(place: Place, known: Collection[str], told: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """Appends it; a second time it is there already. Returns what the log says."""
    wrong = [name for name, kinds in FIELDS.items() if not isinstance(told.get(name), kinds)]
    wrong += [
        f"settings.{name}" for name, value in dict(told.get("settings") or {}).items() if type(value) not in NUMBER
    ]
    if wrong:
        raise NoChoice(f"tune: {wrong[0]} = {told.get(wrong[0])!r}, expected what a search of this adaptd comes to")
    if told["workload"] not in known:
        raise NoSuchWorkload(told["workload"], list(known))
    body = {name: told[name] for name in FIELDS}
    if not place.log.find([request_id]):
        place.log.append([own_event(SETTINGS_CHOSEN, body, place.now, place.chance, event_id=request_id)])
        place.views.catch_up()
    return body
