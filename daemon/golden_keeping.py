"""This file knows how golden sets are kept: recorded, frozen and retired by events, and what models are judged on.

A golden example is an input with its reference. From when it is recorded on, it and whatever is nearly equal to it
reaches no learning, also after its set was retired: what was once judged on is no surprise to a model that learnt it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import Chance
from daemon.event_kinds import GOLDEN_FROZEN, GOLDEN_RECORDED, GOLDEN_RETIRED, Body, Kind, own_event
from daemon.event_log import Entry, EventLog
from daemon.judge_planning import Golden as Matter
from daemon.pooling import Source
from daemon.sealing import Sealing, SubjectForgotten
from daemon.views.examples import Examples
from daemon.views.golden import Golden, GoldenSet
from daemon.views.page import Ints

DEFAULT = "default"
PRIVATE = ("input", "reference")
FIELDS = {"input": True, "reference": True, "artifact_type": False, "subject": False}  # whether it must be there
AView = TypeVar("AView")
Redact = Callable[[str], str]
Row = Mapping[str, Any]


class Folds(Protocol):
    """The part of the views that is needed."""

    @property
    def position(self) -> int: ...
    def of(self, kind: type[AView]) -> AView: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class Place(NamedTuple):
    """Where sets are kept, and by which rules of [privacy]."""

    log: EventLog
    views: Folds
    sealing: Sealing
    chance: Chance
    now: int
    encrypt_all: bool = False
    redact: Redact | None = None


class NotGolden(AdaptdError):
    """What was asked for cannot be done with that set."""


class BadRow(AdaptdError):
    """A line of the file is no golden example."""

    exit_code = 2


def check_row(number: int, row: Any) -> Row:
    """The line as an example; BadRow says what is wrong with it."""
    if not isinstance(row, dict):
        raise BadRow(f"line {number}: {type(row).__name__}, expected an object with input and reference")
    for name, is_needed in FIELDS.items():
        if is_needed and row.get(name) in (None, ""):
            raise BadRow(f"line {number}: no {name}, expected what is asked, and what the answer is to be")
        if not is_needed and not (row.get(name) is None or isinstance(row[name], str)):
            raise BadRow(f"line {number}: {name} = {row[name]!r}, expected a text")
    unknown = sorted(set(row) - set(FIELDS))
    if unknown:
        raise BadRow(f"line {number}: unknown field {unknown[0]!r}, expected {', '.join(FIELDS)}")
    return row


def record(place: Place, name: str, rows: Sequence[Any]) -> dict[str, Any]:
    """The rows are in the set from now on; what is in it already, or of forgotten subjects, adds nothing."""
    checked = [check_row(number, row) for number, row in enumerate(rows, 1)]
    place.views.catch_up()
    turn = place.views.of(Golden).of(name).retirements
    by_id = {_id_of(place.log, name, turn, row): row for row in checked}
    known = place.log.find(by_id)
    made = {event_id: _entry(place, event_id, name, row) for event_id, row in by_id.items() if event_id not in known}
    entries = [entry for entry in made.values() if entry is not None]
    place.sealing.commit()  # a key is on disk before what only it opens
    if entries:
        place.log.append(entries)
    place.views.catch_up()
    refused = len(made) - len(entries)
    return {"set": name, "recorded": len(entries), "known": len(checked) - len(made), "refused": refused}


def _id_of(log: EventLog, name: str, turn: int, row: Row) -> str:
    """The same for the same example in the same set, until that is retired."""
    told = json.dumps([name, turn, *(row.get(field) for field in FIELDS)], sort_keys=True).encode()
    return "golden-" + blake2b(told, key=log.salt, digest_size=12).hexdigest()


def _entry(place: Place, event_id: str, name: str, row: Row) -> Entry | None:
    """Sealed for its subject, or where [privacy] wants everything sealed; None for a subject that was forgotten."""
    private = {field: _redacted(row[field], place.redact) for field in PRIVATE}
    body: Body = {"set": name, "artifact_type": row.get("artifact_type")}
    subject = row.get("subject")
    if subject is None and not place.encrypt_all:
        entry = own_event(GOLDEN_RECORDED, body | private, place.now, place.chance, event_id)
        return entry._replace(artifact_type=row.get("artifact_type"))
    try:
        pseudonym = place.sealing.pseudonym_of(subject) if subject else place.sealing.pseudonym_for_early()
    except SubjectForgotten:
        return None
    entry = own_event(GOLDEN_RECORDED, body, place.now, place.chance, event_id)
    sealed = place.sealing.seal(pseudonym, private, event_id)
    return entry._replace(artifact_type=row.get("artifact_type"), subject=pseudonym, sealed=sealed)


def _redacted(value: Any, redact: Redact | None) -> Any:
    if redact is None:
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(one, redact) for one in value]
    return {redact(name): _redacted(one, redact) for name, one in value.items()} if isinstance(value, dict) else value


def freeze(place: Place, name: str, request_id: str) -> dict[str, Any]:
    """What is in the set becomes its next version, and is judged on from now on."""
    place.views.catch_up()
    if not place.log.find([request_id]):
        found = place.views.of(Golden).of(name)
        if not found.new:
            there = "nothing new since its newest version" if len(found.recorded) else "nothing in it"
            raise NotGolden(
                f"golden freeze: set {name!r} has {there}. `adaptd golden import FILE --set {name}` adds to it"
            )
        version = place.views.of(Golden).next_version(name)
        body = {"set": name, "version": version, "rows": len(found.recorded), "hash": _hash(place.log, found.recorded)}
        _say(place, GOLDEN_FROZEN, body, request_id)
    found = place.views.of(Golden).of(name)
    return {"set": name, "version": found.version, "rows": len(found.frozen)}


def retire(place: Place, name: str, request_id: str) -> dict[str, Any]:
    """The set is judged on no longer; what is imported into it later begins it anew."""
    place.views.catch_up()
    if not place.log.find([request_id]):
        if not len(place.views.of(Golden).of(name).recorded):
            known = ", ".join(place.views.of(Golden).names()) or "none yet"
            raise NotGolden(f"golden retire: set {name!r} has nothing in it, there are {known}")
        _say(place, GOLDEN_RETIRED, {"set": name}, request_id)
    return {"set": name}


def _say(place: Place, kind: Kind, body: Body, request_id: str) -> None:
    place.log.append([own_event(kind, body, place.now, place.chance, request_id)])
    place.views.catch_up()


def _hash(log: EventLog, seqs: Ints) -> str:
    """Of the events' own hashes: the version is these examples and no others."""
    chains = (log.read_after(seq - 1, 1, ("chain",))[0][0] for seq in seqs.tolist())
    return blake2b(b"".join(chains), digest_size=32).hexdigest()


# For judging


class FrozenGoldens:
    """The frozen set of each workload: the one of its name, or else the one that is called `default`."""

    def __init__(
        self, views: Folds, source_of: Callable[[Examples], Source], types_of: Callable[[str], tuple[str, ...]]
    ) -> None:
        self._views, self._source_of, self._types_of = views, source_of, types_of

    def of(self, workload: str) -> Matter | None:
        """Its version, its examples that can be read still, and which outputs are nearly among them."""
        source, position = self._source_of(self._views.of(Examples)), self._views.position
        found = golden_of(self._views.of(Golden), workload, self._types_of(workload), source.destroyed)
        if found is None:
            return None
        version, examples = found

        def apart(seqs: Ints) -> Any:
            return np.zeros(len(seqs), np.bool_) if source.derived is None else source.derived.near(seqs, position)

        return Matter(version, examples.tolist(), apart)


def golden_of(
    golden: Golden, workload: str, artifact_types: tuple[str, ...], destroyed: Ints
) -> tuple[int, Ints] | None:
    """The version that the workload is judged on, and its examples; None where nothing is frozen for it."""
    for found in _candidates(golden, workload):
        examples = golden.without(golden.of_types(found.frozen, artifact_types), destroyed)
        if found.version is not None and len(examples):
            return found.version, examples
    return None


def _candidates(golden: Golden, workload: str) -> Iterator[GoldenSet]:
    yield golden.of(workload)
    if not len(golden.of(workload).frozen):
        yield golden.of(DEFAULT)
