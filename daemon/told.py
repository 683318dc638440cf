"""This file knows what was said of which output, event by event, and what of it stands.

It folds the log in memory, as the view of examples does, where nobody has done so, and reads whole events one by one:
as many as are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from daemon.event_reading import EventReader
from daemon.views import saying
from daemon.views.examples import Examples
from daemon.views.page import Vocabulary
from daemon.views.store import PAGE_EVENTS, fold_next

CURRENT, SUPERSEDED, RETRACTED, RETRACTION = "current", "superseded", "retracted", "retraction"
_STATES = (CURRENT, SUPERSEDED, RETRACTED, RETRACTION)
Event = dict[str, Any]


class Told(NamedTuple):
    """One feedback event and whether it stands: current, superseded, retracted, or itself a retraction."""

    event: Event
    state: str
    output_id: str | None
    artifact_type: str | None


class ToldInFull(NamedTuple):
    """One feedback, the event that brought its output, and what superseded or retracted it, oldest first."""

    told: Told
    output: Event | None
    later: list[Told]


class OutputTold(NamedTuple):
    """One output, the feedback on it that stands, and the correction that holds now."""

    event: Event
    feedback: list[Event]
    correction: Any


class Tellings:
    """All outputs and all feedback of a log, as it is now."""

    def __init__(self, reader: EventReader, examples: Examples | None = None) -> None:
        self._reader = reader
        self._examples = _folded(reader) if examples is None else examples
        signals = self._examples.signals
        self._seqs: NDArray[np.int64] = np.asarray(signals["seq"])
        self._example: NDArray[np.int64] = np.asarray(signals["example"]).astype(np.int64)
        self._targets: NDArray[np.int64] = np.asarray(signals["target_seq"])
        self._retracts = (np.asarray(signals["says"]) & saying.RETRACT) != 0
        self._state = self._states()
        self._resolved = self._examples.resolved()

    @classmethod
    def open(cls, state_dir: str | Path) -> Self:
        """Reads the log of that folder; LogError when there is none."""
        reader = EventReader.open(state_dir)
        try:
            return cls(reader)
        except BaseException:
            reader.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def _states(self) -> NDArray[np.int8]:
        """Of each signal, its place in _STATES; as in `resolving`, only a signal of the same output is heard."""
        states = np.where(self._retracts, _STATES.index(RETRACTION), _STATES.index(CURRENT)).astype(np.int8)
        aiming = np.flatnonzero(self._targets > 0)
        hit = self._rows_of(self._targets[aiming])
        same = (hit >= 0) & (self._example[hit] == self._example[aiming]) & (hit != aiming)
        aiming, hit = aiming[same], hit[same]
        states[hit[~self._retracts[aiming]]] = _STATES.index(SUPERSEDED)
        states[hit[self._retracts[aiming]]] = _STATES.index(RETRACTED)
        return states

    def _rows_of(self, seqs: NDArray[np.int64]) -> NDArray[np.int64]:
        """The signals with these numbers, -1 where there is none; numbers rise as the log does."""
        if not len(self._seqs):
            return np.full(len(seqs), -1)
        places = np.minimum(np.searchsorted(self._seqs, seqs), len(self._seqs) - 1)
        return np.where(self._seqs[places] == seqs, places, -1)

    # One by one

    def newest(self, artifact_type: str | None, limit: int) -> list[Told]:
        """The newest feedback, newest first."""
        found: list[Told] = []
        for row in range(len(self._seqs) - 1, -1, -1):
            if len(found) >= limit:
                break
            told = self._told(row)
            if artifact_type is None or told.artifact_type == artifact_type:
                found.append(told)
        return found

    def in_full(self, event_id: str) -> ToldInFull | None:
        """The feedback of that id; None where there is none."""
        event = self._reader.find(event_id)
        rows = self._rows_of(np.array([event["seq"]], np.int64)) if event is not None else np.array([-1])
        if rows[0] < 0:
            return None
        told = self._told(int(rows[0]))
        later = np.flatnonzero(self._targets == told.event["seq"])
        return ToldInFull(told, self._output_of(int(rows[0])), [self._told(int(row)) for row in later])

    def on_output(self, seq: int) -> list[Told]:
        """Everything that was said of the output of this number, oldest first, and whether it stands."""
        found = np.flatnonzero(self._resolved["seq"] == seq)
        rows = np.flatnonzero(np.isin(self._example, found[:1]))
        return [self._told(int(row)) for row in rows]

    def _told(self, row: int) -> Told:
        event = self._event(int(self._seqs[row]))
        output = event if "output" in event["body"] else self._output_of(row)
        output_id = event["body"].get("output_id") or (output["id"] if output else None)
        artifact_type = event.get("artifact_type") or (output or {}).get("artifact_type")
        return Told(event, _STATES[self._state[row]], output_id, artifact_type)

    def _output_of(self, row: int) -> Event | None:
        example = int(self._example[row])
        seq = int(self._resolved["seq"][example]) if example >= 0 else 0
        return self._event(seq) if seq else None

    def _event(self, seq: int) -> Event:
        event = self._reader.at(seq)
        assert event is not None, f"event {seq} was folded"
        return event

    # All of them

    def outputs(self) -> Iterator[OutputTold]:
        """Every output that was not retracted, oldest first."""
        standing = np.flatnonzero((self._state == _STATES.index(CURRENT)) & (self._example >= 0))
        standing = standing[np.argsort(self._example[standing], kind="stable")]
        owners = self._example[standing]
        seqs = self._resolved["seq"]
        rows = np.flatnonzero((seqs > 0) & ~self._resolved["output_retracted"])
        for row in rows[np.argsort(seqs[rows], kind="stable")].tolist():
            first, end = np.searchsorted(owners, [row, row + 1])
            feedback = [self._event(seq) for seq in self._seqs[standing[first:end]].tolist()]
            yield OutputTold(self._event(int(seqs[row])), feedback, self._correction(row))

    def _correction(self, row: int) -> Any:
        seq = int(self._resolved["correction_seq"][row])
        return self._event(seq)["body"].get("correction") if seq else None


def _folded(reader: EventReader) -> Examples:
    examples, position, last, vocabulary = Examples(), 0, reader.newest, Vocabulary()
    count = 1
    while count and position < last:
        position, count = fold_next(reader.log, [examples], position, min(PAGE_EVENTS, last - position), vocabulary)
    return examples
