"""This file knows what a batch is: its number, its pools, and the body of the event that fixes it, with its hashes.

A row's hash covers the output, all feedback on it that stands, and its weight, by what the log holds of them; the
batch's hash is over those of its rows. No text of anybody stands in the body: numbers, and what stages say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from adaptd.plugin.pool import Pool, Reason, Rows, Text
from daemon.event_log import EventLog
from daemon.stage_line import WORDS_KEPT
from daemon.views.examples import Examples
from daemon.views.resolving import stands

HASH_BYTES = 16
WEIGHT_DIGITS = 9
_canonical = msgspec.json.Encoder(order="sorted").encode


class FormedBatch(NamedTuple):
    """What the queue takes: the rows to learn from and to stop by, and what the log says of them."""

    number: int
    pool: Pool
    validation: Pool
    body: dict[str, Any]

    @property
    def workload(self) -> str:
        """For which of the configured models it is."""
        return str(self.body["workload"])


def seed_of(salt: bytes, workload: str, number: int) -> int:
    """The chance of one batch, which nobody outside the log can foresee."""
    return int.from_bytes(blake2b(f"{workload}\0{number}".encode(), key=salt, digest_size=7).digest())


# Hashes


class RowHashes:
    """Hashes of rows, from a log and the examples as they were at the batch's position."""

    def __init__(self, log: EventLog, examples: Examples) -> None:
        self._log = log
        self._examples = examples

    def of_pool(self, pool: Pool) -> list[str]:
        """One for each row, in their order."""
        texts = [pool.derived.get(number) for number in pool["example"].tolist()]
        return self.of_rows(pool["example"], pool["derived_from"], pool["weight"], texts)

    def of_rows(self, examples: Rows, sources: Rows, weights: NDArray[Any], texts: Sequence[Text | None]) -> list[str]:
        """The same of columns; a derived row stands on its source's events and on its own text."""
        outputs = np.where(examples < 0, sources, examples)
        said = self._said_of(outputs)
        rows = zip(examples.tolist(), outputs.tolist(), weights.tolist(), texts, strict=True)
        return [
            _hash(self._log.salt, [example, output, said[output], round(weight, WEIGHT_DIGITS), text])
            for example, output, weight, text in rows
        ]

    def _said_of(self, outputs: Rows) -> dict[int, list[str]]:
        """For each output what its event and the feedback that stands hold, oldest first."""
        wanted = np.unique(outputs)
        group, feedback = standing_feedback(self._examples, wanted)
        contents = contents_of(self._log, np.unique(np.concatenate((wanted, feedback))))
        said = {output: [contents[output]] for output in wanted.tolist()}
        for output, seq in zip(wanted[group].tolist(), feedback.tolist(), strict=True):
            if seq != output:  # feedback that brought its output is one event with it
                said[output].append(contents[seq])
        return said


def standing_feedback(examples: Examples, outputs: Rows) -> tuple[Rows, Rows]:
    """The feedback that stands on these outputs (sorted, by number): places in `outputs`, and the events' numbers."""
    brought = examples.outputs["seq"]
    order = np.argsort(brought, kind="stable")
    places = order[np.minimum(np.searchsorted(brought, outputs, sorter=order), max(len(brought) - 1, 0))]
    place_of = np.full(examples.keys.rows, -1, np.int64)
    place_of[examples.outputs["example"][places]] = np.arange(len(outputs))
    about = examples.signals["example"]
    group = np.where(about >= 0, place_of[np.maximum(about, 0)], -1)
    mine = np.flatnonzero(group >= 0)
    table = {name: examples.signals[name][mine] for name in ("seq", "says", "target_seq")}
    standing = stands(table, group[mine])
    group, seqs = group[mine][standing], table["seq"][standing]
    order = np.lexsort((seqs, group))
    return group[order], seqs[order]


def contents_of(log: EventLog, seqs: Rows) -> dict[int, str]:
    """What stands for each event's content: the log's own keyed hash; where that is none, one of its body."""
    contents: dict[int, bytes | None] = dict(log.read(seqs.tolist(), ("seq", "content")))
    found = {seq: content.hex() for seq, content in contents.items() if content is not None}
    without = [seq for seq in contents if seq not in found]
    return found | {seq: _body_hash(log, body) for seq, body in log.read(without, ("seq", "body"))}


def _body_hash(log: EventLog, body: str) -> str:
    return blake2b(body.encode(), key=log.salt, digest_size=HASH_BYTES).hexdigest()


def _hash(salt: bytes, value: Any) -> str:
    return blake2b(_canonical(value), key=salt, digest_size=HASH_BYTES).hexdigest()


def hash_over(salt: bytes, hashes: Sequence[str]) -> str:
    """The hash of a batch, from those of its rows."""
    return _hash(salt, list(hashes))


# The body


def rows_of(pool: Pool, hashes: Sequence[str]) -> dict[str, Any]:
    """A batch's rows as columns."""
    return {
        "example": pool["example"].tolist(),
        "derived_from": pool["derived_from"].tolist(),
        "weight": [round(weight, WEIGHT_DIGITS) for weight in pool["weight"].tolist()],
        "times_learnt": pool["times_learnt"].tolist(),
        "hash": list(hashes),
    }


def validation_of(pool: Pool, hashes: Sequence[str], salt: bytes) -> dict[str, Any]:
    """What a run stops by: how many, which, and one hash over them."""
    return {"count": len(pool), "hash": hash_over(salt, hashes), "example": pool["example"].tolist()}


def reasons_of(pool: Pool) -> list[dict[str, Any]]:
    """What stages said of the rows that are left, each with the places of its rows and their values."""
    order = np.argsort(pool["example"], kind="stable")
    told = [_reason(reason, pool["example"], order) for reason in pool.reasons if reason.kept]
    return [reason for reason in told if reason["rows"]]


def _reason(reason: Reason, examples: Rows, order: Rows) -> dict[str, Any]:
    if not len(examples):
        return {"rows": []}
    places = order[np.minimum(np.searchsorted(examples, reason.examples, sorter=order), len(examples) - 1)]
    here = np.flatnonzero(examples[places] == reason.examples)
    here = here[np.argsort(places[here], kind="stable")]
    values = [_numbers(value[here]) for value in reason.values]
    return {
        "stage": reason.stage,
        "words": reason.words[:WORDS_KEPT],
        "rows": places[here].tolist(),
        "values": values,
    }


def _numbers(values: NDArray[Any]) -> list[Any]:
    """The values as JSON may hold them; of a text, which could be somebody's, only that there was one."""
    if values.dtype.kind not in "biuf":
        return ["(text)"] * len(values)
    return [value if np.isfinite(value) else None for value in values.tolist()]


def said_of_row(body: Mapping[str, Any], place: int) -> list[tuple[str, str]]:
    """What each stage said of the row at this place, in words."""
    told = []
    for reason in body["reasons"]:
        if place in reason["rows"]:
            at = reason["rows"].index(place)
            told.append((reason["stage"], in_words(reason["words"], [values[at] for values in reason["values"]])))
    return told


def in_words(words: str, values: Sequence[Any]) -> str:
    """A stage's words with one row's values; as they stand where the two do not fit."""
    try:
        return words.format(*(float("nan") if value is None else value for value in values))
    except (IndexError, KeyError, ValueError):
        return words
