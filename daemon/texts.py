"""What recorded examples say, read from the log by number: input, output, and what was said of them that holds now.

Pools hold numbers; texts are fetched for the chosen few. Sealed ones are opened with their keys. An example whose key
is destroyed says nothing: its text is empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from daemon.event_log import Found
from daemon.sides import SIDES

Ints = NDArray[np.int64]
Text = Mapping[str, Any]
Unseal = Callable[[int, bytes, str], dict[str, Any] | None]

COLUMNS = ("seq", "id", "subject", "artifact_type", "model", "side", "body", "sealed")
OF_OUTPUTS = ("input", "output", "context", "artifact_type", "model")


class ReadsLog(Protocol):
    """The part of a log that the texts need."""

    def read_after(self, seq: int, limit: int = 500, columns: Sequence[str] = ...) -> list[tuple[Any, ...]]: ...
    def read(self, seqs: Sequence[int], columns: Sequence[str] = ...) -> list[tuple[Any, ...]]: ...
    def find(self, ids: Iterable[str]) -> dict[str, Found]: ...


class Told(NamedTuple):
    """What one event says. `fields` are None where its key is gone."""

    fields: Mapping[str, Any] | None
    artifact_type: str | None
    model: str | None
    side: str | None


class TextSource:
    """The texts of a log. One connection: for one thread."""

    def __init__(self, log: ReadsLog, unseal: Unseal, closing: Callable[[], None] = lambda: None) -> None:
        self.log = log
        self.unseal = unseal
        self.close = closing

    @classmethod
    def open(cls, state_dir: Path) -> Self:
        """Reads log and keys of that folder, and writes neither; LogError where there is no log."""
        from daemon.sealing import Sealing
        from daemon.sqlite_log import SqliteEventLog

        log = SqliteEventLog.open_read_only(state_dir / "events.db")
        sealing = Sealing.open_read_only(state_dir / "keys.db") if (state_dir / "keys.db").exists() else None

        def close() -> None:
            log.close()
            if sealing is not None:
                sealing.close()

        return cls(log, sealing.unseal if sealing else _nothing, close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def texts(self, rows: Mapping[str, NDArray[Any]]) -> list[Text]:
        """The text of each row; the columns are a pool's: `example`, `ups`, `downs`, SEQS, and `side` where known."""
        told = self.told(np.concatenate([rows[name] for name in ("example", *SEQS)]))
        compared = self._compared(rows, told)
        names = ("example", *SEQS, "ups", "downs")
        return [
            _text(*one, told=told, compared=compared)
            for one in zip(*(rows[name].tolist() for name in names), strict=True)
        ]

    def sources(self, seqs: Ints) -> list[str | None]:
        """Who said each of these: human, code or llm_judge; None where that was not given. It is no private text."""
        found = {seq: json.loads(body).get("source") for seq, body in self._rows_of(seqs, ("seq", "body"))}
        return [found.get(seq) for seq in seqs.tolist()]

    def told(self, seqs: Ints) -> dict[int, Told]:
        """What the events with these numbers say; 0 stands for none."""
        return {row[0]: self._opened(row) for row in self._rows_of(seqs, COLUMNS)}

    def _rows_of(self, seqs: Ints, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        return self.log.read(np.unique(seqs[seqs > 0]).tolist(), columns)

    def _opened(self, row: tuple[Any, ...]) -> Told:
        _, event_id, subject, artifact_type, model, side, body, sealed = row
        fields: dict[str, Any] | None = json.loads(body)
        if sealed is not None:
            private = self.unseal(subject, sealed, event_id)
            fields = None if private is None or fields is None else fields | private
        return Told(fields, artifact_type, model, side)

    def _compared(self, rows: Mapping[str, NDArray[Any]], told: Mapping[int, Told]) -> dict[int, Any]:
        """For preferences that name another output by its id: what that says, by the preference's number.

        Only an output of the same side is told: another side's must not get into a batch through the back door. A
        column `side` says it of examples that are on another side now than when they were recorded.
        """
        named = {}
        sides_now = rows["side"].tolist() if "side" in rows else [0] * len(rows["example"])
        examples = zip(rows["example"].tolist(), rows["preference_seq"].tolist(), sides_now, strict=True)
        for example, seq, side in examples:
            fields = told[seq].fields if seq in told else None
            if fields and fields.get("compared_with") is None and fields.get("compared_with_id") is not None:
                named[seq] = (fields["compared_with_id"], SIDES[side] or (example in told and told[example].side))
        found = self.log.find(name for name, _ in named.values()) if named else {}
        outputs = self.told(np.array([one.seq for one in found.values()], np.int64))
        said = {}
        for seq, (name, side) in named.items():
            other = outputs.get(found[name].seq) if name in found else None
            if other is not None and other.fields and side and other.side == side:
                said[seq] = other.fields.get("output")
        return said


SEQS = ("correction_seq", "category_seq", "preference_seq")
"""Columns of a pool beside those that every pool has: the events that say what holds now, 0 for none."""


def _text(
    example: int,
    correction: int,
    category: int,
    preference: int,
    ups: int,
    downs: int,
    *,
    told: Mapping[int, Told],
    compared: Mapping[int, Any],
) -> Text:
    output = told.get(example)
    if output is None or output.fields is None:
        return {}
    fields = {**output.fields, "artifact_type": output.artifact_type, "model": output.model}
    of_preference = _fields(told, preference)
    other = of_preference.get("compared_with")
    return {name: fields.get(name) for name in OF_OUTPUTS} | {
        "correction": _fields(told, correction).get("correction"),
        "category": _fields(told, category).get("category"),
        "verdict": of_preference.get("verdict"),
        "compared_with": other if other is not None else compared.get(preference),
        "thumb": "up" if ups > downs else "down" if downs > ups else None,
    }


def _fields(told: Mapping[int, Told], seq: int) -> Mapping[str, Any]:
    found = told.get(seq)
    return found.fields if found is not None and found.fields is not None else {}


def _nothing(_subject: int, _sealed: bytes, _event_id: str) -> dict[str, Any] | None:
    return None
