"""Examples: each output joined with all feedback on it so far, as columns and log positions, never texts.

Kept is what resolving, sides and volume need; whatever else an event says is read from the log, at its position. To
keep a number more, name it in OUTPUT_COLUMNS or SIGNAL_COLUMNS and raise the version.

What events said is kept in tables that only grow; what follows from it (who belongs together, what holds now) is
counted from those tables again after a start. The order of arrival makes no difference to what `resolved` says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from daemon.received import type_word
from daemon.views import saying
from daemon.views.aiming import Aiming
from daemon.views.asks import Asked, asks_in, asks_of
from daemon.views.awaiting import Awaiting
from daemon.views.chains import Chains
from daemon.views.columns import Columns, places_of
from daemon.views.folding import EXAMPLES_SERVED, FEEDBACK_RECORDED, OUTPUT_RECORDED, TARGET_CAME, Wants, kind_name
from daemon.views.key_index import UNKNOWN, KeyIndex
from daemon.views.names import FIRST, NOT_GIVEN, Names
from daemon.views.page import Ints, Mask, Page
from daemon.views.resolving import JUDGEMENTS, resolve, stands
from daemon.views.resting import Resting
from daemon.views.volume import FEEDBACK, OUTPUTS, Volume

SIDES = (None, "learn", "validate", "judge")
LEARN, JUDGE = SIDES.index("learn"), SIDES.index("judge")
BUCKETS = 1 << 20
BLOCK = 1 << 17  # signals resolved at once: bounds the memory of it
NAME_CAPS = {"artifact_type": 1_000}

OUTPUT_COLUMNS = {
    "example": "<i4",
    "seq": "<i8",
    "artifact_type": "<i4",
    "side": "|i1",
    "bucket": "<i4",
    "received_at": "<i8",
}
SIGNAL_COLUMNS = {
    "example": "<i4",
    "seq": "<i8",
    "says": "<i4",
    "score": "<f8",
    "rater_key": "<i8",
    "writer": "<i8",
    "counter": "<i8",
    "target_seq": "<i8",
    "received_at": "<i8",
    "moment": "<i8",  # of the host's clock and ours the earlier
}
FACTS = {
    "output": "<i4",  # row in the outputs, -1 while it has not come
    "subject": "<i8",
    "subject_seq": "<i8",
    "judged_on": "|b1",
    "rated": "|b1",
    "stale": "|b1",
}
SELDOM = {"owner": "<i8", "episode_key": "<i8"}
"""Columns of outputs that most logs hardly have: kept where they are given."""
_MADE = ("example", "artifact_type", "side", "says", "moment")
"""Differ from the log's columns; the others are taken as they are."""
_OF_ALL = ("seq", "kind", "output_key", "subject", "occurred_at", "episode_key", "propensity")
_READ = tuple(
    column
    for column in dict.fromkeys((*_OF_ALL, *OUTPUT_COLUMNS, *SIGNAL_COLUMNS))
    if column not in ("example", "moment")
)


class _Parts(NamedTuple):
    """Which rows of a page bring outputs, are feedback, or tell of targets that came; each row's example (-1: none)."""

    outputs: Ints
    feedback: Ints
    came: Ints
    examples: Ints


class Examples:
    """One row for each output that was recorded or spoken of."""

    name = "examples"
    version = 6

    def __init__(self, name_caps: Mapping[str, int] = NAME_CAPS) -> None:
        self.keys = Columns({"key": "<i8"})
        self.outputs = Columns(OUTPUT_COLUMNS)
        self.signals = Columns(SIGNAL_COLUMNS)
        self.aiming = Aiming(self.signals)
        self.subjects = Columns({"example": "<i4", "seq": "<i8", "subject": "<i8"})
        self.raters = Columns({"seq": "<i8", "rater_key": "<i8"})  # of what came before what it revises
        self.episodes = Columns({"seq": "<i8", "episode_key": "<i8"})
        self.propensities = Columns({"seq": "<i8", "propensity": "<f4"})
        self.asks = Columns({"seq": "<i8", "output_seq": "<i8", "propensity": "<f4"})
        self.served = Columns({"seq": "<i8", "output_seq": "<i8"})
        self._raters_to_come: dict[int, int] = {}
        self.tables: Mapping[str, Columns] = {
            "keys": self.keys,
            "outputs": self.outputs,
            "signals": self.signals,
            "subjects": self.subjects,
            "found_targets": self.aiming.found,
            "raters": self.raters,
            "episodes": self.episodes,
            "propensities": self.propensities,
            "asks": self.asks,
            "served": self.served,
        }
        self.names = {column: Names(cap) for column, cap in name_caps.items()}
        self.volume = Volume()
        self.awaiting = Awaiting(self.signals, self._have_output)
        self._index = KeyIndex()
        self._chains = Chains()
        self._facts = Columns(FACTS)
        self._judgements = Columns(JUDGEMENTS)
        self._side_of_bucket = np.zeros(BUCKETS, np.int8)
        self._saved_rated = 0

    # What others ask

    def find(self, keys: Ints) -> Ints:
        """The row of each output key, -1 where nothing was heard of it."""
        return self._index.find(keys)

    def subject_of(self, rows: NDArray[Any]) -> Ints:
        """The pseudonym of the first event about each output that had one, up to the output's own; 0 for none.

        Whoever speaks of an output that came without a subject does not become its subject.
        """
        output = self._facts["output"][rows]
        come_at = self.outputs["seq"][output] if self.outputs.rows else 0
        counts = (output < 0) | (self._facts["subject_seq"][rows] <= come_at)
        return np.asarray(np.where(counts, self._facts["subject"][rows], 0), np.int64)

    def has_output(self, rows: NDArray[Any]) -> Mask:
        """False where only early feedback has come so far."""
        has: Mask = self._facts["output"][rows] >= 0
        return has

    def side_of_bucket(self, bucket: int) -> int:
        """0 none yet, 1 learn, 2 validate, 3 judge."""
        return int(self._side_of_bucket[bucket])

    def key_at(self, seq: int) -> int | None:
        """The key of the output that the feedback with this number is about; None while that is not known."""
        row = self.aiming.row_of(seq)
        example = UNKNOWN if row == UNKNOWN else int(self.signals["example"][row])
        return None if example == UNKNOWN else int(self.keys["key"][example])

    def seqs_under(self, pseudonyms: Ints) -> Ints:
        """The events about outputs that lie under any of these pseudonyms."""
        return np.asarray(self.subjects["seq"][np.isin(self.subjects["subject"], pseudonyms)], np.int64)

    def outputs_under(self, pseudonyms: Ints) -> Ints:
        """The outputs about which any event lies under one of these pseudonyms, by their numbers."""
        about = np.unique(self.subjects["example"][np.isin(self.subjects["subject"], pseudonyms)])
        rows = self._facts["output"][about]
        return np.asarray(self.outputs["seq"][rows[rows >= 0]], np.int64)

    def listed(self, column: str) -> list[str | None]:
        """The names by number of artifact_type; None for not given and for beyond the cap."""
        return self.names[column].listed()

    def waiting_for(self, event_ids: Iterable[str]) -> dict[str, list[int]]:
        """By the ids that anything waits for: the numbers of the events that do, directly or by another that does."""
        awaited = self.aiming.pending.awaited(event_ids) if self.aiming.pending else []
        return {event_id: self.aiming.waiting_for(event_id) for event_id in awaited}

    def rated_judge_examples(self) -> int:
        """How many outputs of the judge side were ever given a score, thumb, category, correction or preference."""
        return int(np.count_nonzero(self._facts["judged_on"] & self._facts["rated"]))

    def asked_judge_examples(self) -> int:
        """How many of those were asked about, so that it is known how likely a rating was."""
        asked = np.flatnonzero(np.isin(self.outputs["seq"], self.asks["output_seq"]))
        told = np.flatnonzero(np.isin(self.signals["seq"], self.propensities["seq"]))
        examples = np.unique(np.concatenate((self.outputs["example"][asked], self.signals["example"][told])))
        examples = examples[examples >= 0]
        return int(np.count_nonzero(self._facts["judged_on"][examples] & self._facts["rated"][examples]))

    def resolved(self, *only: str) -> dict[str, NDArray[Any]]:
        """The examples as columns, row by row as `find` numbers them: the output's own, then what holds of it now.

        Of an output that has not come, seq is 0 and the rest is as not given. `names` tells artifact types. Where
        columns are named, only those.
        """
        self.settle()
        names = only or ("key", *OUTPUT_COLUMNS, *SELDOM, "subject", *JUDGEMENTS)
        return {name: self._column(name) for name in names if name != "example"}

    def _column(self, name: str) -> NDArray[Any]:
        if name == "key":
            return self.keys["key"].copy()
        if name == "subject":
            return self.subject_of(np.arange(self.keys.rows))
        if name in JUDGEMENTS:
            return self._judgements[name].copy()
        rows, column = self._facts["output"], self._of_outputs(name)
        none = -1 if name == "bucket" else 0
        return np.where(rows >= 0, column[np.maximum(rows, 0)] if len(column) else none, none).astype(column.dtype)

    def _of_outputs(self, name: str) -> NDArray[Any]:
        if name in SELDOM:
            return self._seldom(name)
        if name != "side" or not self.served.rows:
            return self.outputs[name]
        sides = self.outputs["side"].copy()  # what was drawn, but for those that have served
        sides[self._has_served(0) & (sides == JUDGE)] = LEARN
        return sides

    def _has_served(self, start: int) -> Mask:
        """By outputs, from that row on: whether it has served its last decision."""
        has: Mask = np.isin(self.outputs["seq"][start:], self.served["output_seq"])
        return has

    def _seldom(self, name: str) -> Ints:
        """By outputs: the pseudonym of the output's own event, or its episode; 0 for none."""
        table, given = (self.subjects, "subject") if name == "owner" else (self.episodes, "episode_key")
        column = np.zeros(self.outputs.rows, np.int64)
        known, at = places_of(table["seq"], self.outputs["seq"])
        column[at] = table[given][known]
        return column

    def newest_said(self, rows: Ints, bits: int) -> Ints:
        """Of each of these rows the newest signal that stands and says any of these words; 0 for none."""
        signals = self._chains.signals_of(np.unique(rows), self.signals["example"])
        about = self.signals["example"][signals].astype(np.int64)
        said = {name: self.signals[name][signals] for name in ("seq", "says", "target_seq")}
        wanted = stands(said, about) & ((said["says"] & bits) != 0)
        newest = np.zeros(self.keys.rows, np.int64)
        np.maximum.at(newest, about[wanted], said["seq"][wanted])
        return newest[rows]

    # The fold

    def columns(self) -> tuple[str, ...]:
        return (*_READ, "id") if self.aiming.pending else _READ

    def wants(self, page: Page) -> Wants:
        aiming = self.aiming.at_unknown(page)
        rows = np.concatenate((aiming, _with_older_types(page), asks_in(page), _served_in(page)))
        return Wants(bool(self.aiming.pending) or len(aiming) > 0, page.whole("seq")[rows].tolist())

    def fold(self, page: Page) -> None:
        parts, before = self._parts(page), self.signals.rows
        self._take_subjects(page, parts.examples)
        self._take_outputs(page, parts)
        self._take_feedback(page, parts)
        self._take_asks(page)
        self._take_served(page)
        self._aim(page, parts, before)
        self._take_raters(page, parts.came, before)

    def _parts(self, page: Page) -> _Parts:
        codes, kinds = page.coded("kind")
        names = [kind_name(kind) for kind in kinds]
        feedback = np.array([name == FEEDBACK_RECORDED for name in names])[codes]
        side_codes, sides = page.coded("side")
        inline = feedback & np.array([side is not None for side in sides])[side_codes]
        brings = np.array([name == OUTPUT_RECORDED for name in names])[codes] | inline
        examples = np.full(page.events, UNKNOWN, np.int64)
        came = np.array([name == TARGET_CAME for name in names])[codes]
        about = np.flatnonzero((feedback | brings | came) & (page.whole("output_key") != 0))
        examples[about] = self._rows_of(page.whole("output_key")[about])
        outputs = np.flatnonzero(brings & (examples != UNKNOWN))
        return _Parts(outputs, np.flatnonzero(feedback), np.flatnonzero(came), examples)

    def _rows_of(self, keys: Ints) -> Ints:
        """The rows of these keys; new keys get new rows, in the order in which they appear."""
        order = np.argsort(keys)
        starts = np.flatnonzero(np.concatenate(([True], np.diff(keys[order]) != 0))[: len(keys)])
        distinct = keys[order[starts]]
        rows = self._index.find(distinct)
        unknown = np.flatnonzero(rows == UNKNOWN)
        if len(unknown):
            first_seen = np.minimum.reduceat(order, starts)[unknown]
            rows[unknown[np.argsort(first_seen)]] = np.arange(self.keys.rows, self.keys.rows + len(unknown))
            self._add_examples(distinct[unknown], rows[unknown])
        row_of_key = np.empty(len(keys), np.int64)
        row_of_key[order] = np.repeat(rows, np.diff(np.append(starts, len(keys))))
        return row_of_key

    def _add_examples(self, keys: Ints, rows: Ints) -> None:
        """New keys, sorted, with the rows that they get: the next ones, in any order."""
        self._index.add(keys, rows)
        self.keys.append(len(keys), key=keys[np.argsort(rows)])
        self._make_facts(len(keys))

    def _make_facts(self, count: int) -> None:
        self._facts.append(count, output=UNKNOWN, subject=0, subject_seq=0, judged_on=False, rated=False, stale=True)
        self._chains.add_examples(count)

    def _take_subjects(self, page: Page, examples: Ints) -> None:
        given = np.flatnonzero((page.whole("subject") != 0) & (examples != UNKNOWN))
        if len(given):
            start = self.subjects.rows
            seqs, subjects = page.whole("seq")[given], page.whole("subject")[given]
            self.subjects.append(len(given), example=examples[given], seq=seqs, subject=subjects)
            self._learn_subjects(start)

    def _learn_subjects(self, start: int) -> None:
        """The lowest seq decides: written from the highest down, it is what stays."""
        order = np.argsort(self.subjects["seq"][start:])[::-1] + start
        examples, seqs = self.subjects["example"][order], self.subjects["seq"][order]
        known = self._facts["subject_seq"][examples]
        earlier = (known == 0) | (seqs < known)
        order, examples = order[earlier], examples[earlier]
        self._facts["subject_seq"][examples] = self.subjects["seq"][order]
        self._facts["subject"][examples] = self.subjects["subject"][order]

    def _take_outputs(self, page: Page, parts: _Parts) -> None:
        rows = parts.outputs
        if not len(rows):
            return
        start, types = self.outputs.rows, self._named(page, "artifact_type", rows)
        codes, sides = page.coded("side")
        self.outputs.append(
            len(rows),
            example=parts.examples[rows],
            artifact_type=types,
            side=np.array([SIDES.index(side) for side in sides], np.int8)[codes][rows],
            **_as_read(page, OUTPUT_COLUMNS, rows),
        )
        _keep_given(self.episodes, page, rows)
        come = self._learn_outputs(start)
        self.awaiting.came(int(self._chains.lengths(parts.examples[rows[come]]).sum()))
        self.volume.add(page.whole("received_at")[rows], types, OUTPUTS)
        self._move_early_feedback(parts.examples[rows[come]], types[come])

    def _learn_outputs(self, start: int) -> Mask:
        """Which of these outputs are the first of their key: all, unless two ids have the same 64-bit key."""
        examples, rows = self.outputs["example"][start:], np.arange(start, self.outputs.rows)
        unknown = np.flatnonzero(self._facts["output"][examples] == UNKNOWN)[::-1]  # the first stays
        self._facts["output"][examples[unknown]] = rows[unknown]
        come: Mask = self._facts["output"][examples] == rows
        judged_on = (self.outputs["side"][start:] == JUDGE) & ~self._has_served(start)
        self._facts["judged_on"][examples[come]] = judged_on[come]
        self._facts["stale"][examples] = True
        self._learn_sides(start)
        return come

    def _learn_sides(self, start: int) -> None:
        buckets, sides = self.outputs["bucket"][start:], self.outputs["side"][start:]
        undrawn = np.flatnonzero((self._side_of_bucket[buckets] == 0) & (sides != 0))[::-1]
        self._side_of_bucket[buckets[undrawn]] = sides[undrawn]

    def _named(self, page: Page, column: str, rows: Ints) -> NDArray[np.int32]:
        codes, values = page.coded(column)
        return self.names[column].numbers(values)[codes[rows]]

    def _move_early_feedback(self, examples: Ints, types: NDArray[np.int32]) -> None:
        """What was said of an output before it came counts under its type from now on."""
        early = np.flatnonzero((self._chains.lengths(examples) > 0) & (types != NOT_GIVEN))
        if not len(early):
            return
        self._recount(self._chains.signals_of(examples[early], self.signals["example"]))

    def _recount(self, signals: Ints) -> None:
        """Signals that name no type themselves, and were counted under none, count under their output's."""
        signals = signals[(self.signals["says"][signals] & saying.HAS_OWN_TYPE) == 0]
        types = self._types_of(self.signals["example"][signals])
        self.volume.move(self.signals["received_at"][signals], np.zeros(len(types), np.int32), types)

    def _have_output(self, examples: NDArray[np.int32]) -> Mask:
        have = np.zeros(len(examples), np.bool_)
        about = np.flatnonzero(examples >= 0)
        have[about] = self._facts["output"][examples[about]] >= 0
        return have

    def _types_of(self, examples: NDArray[Any]) -> NDArray[np.int32]:
        """The artifact type of each example's output; none where it has not come."""
        types = np.zeros(len(examples), np.int32)
        about = np.flatnonzero(examples >= 0)
        outputs = self._facts["output"][examples[about]]
        come = outputs >= 0
        types[about[come]] = self.outputs["artifact_type"][outputs[come]]
        return types

    def _take_feedback(self, page: Page, parts: _Parts) -> None:
        rows, examples = parts.feedback, parts.examples[parts.feedback]
        if not len(rows):
            return
        own_types, received_at = self._named(page, "artifact_type", rows), page.whole("received_at")[rows]
        self.signals.append(
            len(rows),
            example=examples,
            says=self._bits(page, rows, own_types),
            moment=np.minimum(page.whole("occurred_at")[rows], received_at),
            **_as_read(page, SIGNAL_COLUMNS, rows),
        )
        _keep_given(self.propensities, page, rows)
        self._learn_signals(self.signals.rows - len(rows))
        self.awaiting.add(self.signals.rows - len(rows))
        types = np.where(own_types != NOT_GIVEN, own_types, self._types_of(examples))
        self.volume.add(received_at, types, FEEDBACK)

    @staticmethod
    def _bits(page: Page, rows: Ints, own_types: NDArray[np.int32]) -> NDArray[np.int32]:
        codes, says = page.coded("says")
        bits = saying.all_bits(says)[codes[rows]]
        for place in np.flatnonzero(_tells_type_in_body(bits)).tolist():
            body = page.bodies.get(int(page.whole("seq")[rows[place]]), {})
            bits[place] |= saying.BIT[type_word(body.get("feedback_type"))]
        bits |= np.where((page.whole("rater_key")[rows] != 0), saying.HAS_RATER, 0).astype(np.int32)
        counted = (page.whole("writer")[rows] != 0) & (page.whole("counter")[rows] != 0)
        bits |= np.where(counted, saying.IS_COUNTED, 0).astype(np.int32)
        bits |= np.where(own_types != NOT_GIVEN, saying.HAS_OWN_TYPE, 0).astype(np.int32)
        return bits

    def _learn_signals(self, start: int) -> None:
        examples = self.signals["example"][start:]
        self.aiming.learn_order(start)
        self._chains.add_signals(examples.astype(np.int64))
        self._mark(examples, self.signals["says"][start:])

    def _mark(self, examples: NDArray[np.int32], says: NDArray[np.int32]) -> None:
        about = examples >= 0
        self._facts["stale"][examples[about]] = True
        self._facts["rated"][examples[about & ((says & saying.JUDGEMENT) != 0)]] = True

    def _aim(self, page: Page, parts: _Parts, first: int) -> None:
        """Signals that learn now what they are about join their example."""
        attached, learnt = self.aiming.aim(page, parts.examples, parts.feedback, first)
        if len(learnt):
            self._mark(self.signals["example"][learnt], self.signals["says"][learnt])
        if len(attached):
            self._chains.attach(attached, self.signals["example"][attached].astype(np.int64))
            self.awaiting.attached(attached)
            self._recount(attached)

    def _take_raters(self, page: Page, came: Ints, before: int) -> None:
        """Whose revision came before what it revises: it counts as the same rater's from now on."""
        told = came[page.whole("rater_key")[came] != 0]
        if len(told):
            start = self.raters.rows
            seqs, raters = page.whole("target_seq")[told], page.whole("rater_key")[told]
            self.raters.append(len(told), seq=seqs, rater_key=raters)
            self._learn_raters(start)
        if self._raters_to_come:  # a log that is fed in another order
            new = set(self.signals["seq"][before:].tolist())
            for seq in new & self._raters_to_come.keys():
                self._set_rater(seq, self._raters_to_come.pop(seq))

    def _learn_raters(self, start: int) -> None:
        for seq, rater in zip(
            self.raters["seq"][start:].tolist(), self.raters["rater_key"][start:].tolist(), strict=True
        ):
            self._set_rater(seq, rater)

    def _set_rater(self, seq: int, rater: int) -> None:
        row = self.aiming.row_of(seq)
        if row == UNKNOWN:
            self._raters_to_come[seq] = rater
        else:
            self.signals["rater_key"][row] = rater
            self._mark(self.signals["example"][[row]], self.signals["says"][[row]])

    def _take_asks(self, page: Page) -> None:
        rows = asks_in(page)
        if len(rows):
            start = self.asks.rows
            asks_of(page, rows, self.asks)
            self._settle_anew(self.asks["output_seq"][start:])

    def _take_served(self, page: Page) -> None:
        """They are learnt from, from now on; the side that their bucket has for others stays."""
        for seq in page.whole("seq")[_served_in(page)].tolist():
            outputs = np.array(page.bodies.get(seq, {}).get("outputs", ()), np.int64)
            self.served.append(len(outputs), seq=seq, output_seq=outputs)
            rows = np.flatnonzero(np.isin(self.outputs["seq"], outputs))
            self._facts["judged_on"][self.outputs["example"][rows]] = False

    def _settle_anew(self, output_seqs: Ints) -> None:
        """Feedback of these outputs, if they are known, may have come after an ask that is known only now."""
        outputs = np.flatnonzero(np.isin(self.outputs["seq"], output_seqs))
        self._facts["stale"][self.outputs["example"][outputs]] = True

    def rest(self, resting: Resting) -> None:
        """Lays down what is large and not among the tables, which their keeper lays down."""
        for part in (self._facts, self._judgements, self._chains, self._index):
            part.rest(resting)

    # What holds now

    def settle(self, most: int | None = None) -> int:
        """Resolves again examples about which something came since the last time; returns how many are still to do.

        At most `most` of them, when that is given: after a start all are to do, and a daemon has turns to keep.
        """
        self._judgements.append(self.keys.rows - self._judgements.rows, **dict.fromkeys(JUDGEMENTS, 0))
        every = np.flatnonzero(self._facts["stale"])
        stale, asked = every[:most], Asked(self.asks, self.outputs, self.propensities)
        signals = self._chains.signals_of(stale, self.signals["example"])
        signals = signals[np.argsort(self.signals["example"][signals], kind="stable")]
        ends = np.cumsum(self._chains.lengths(stale), dtype=np.int64)
        start = done = 0
        while start < len(stale):
            stop = min(max(start + 1, int(np.searchsorted(ends, done + BLOCK, side="right"))), start + BLOCK)
            self._resolve(stale[start:stop], signals[done : ends[stop - 1]], asked)
            start, done = stop, int(ends[stop - 1])
        self._facts["stale"][stale] = False
        return len(every) - len(stale)

    def _resolve(self, rows: Ints, signals: Ints, asked: Asked) -> None:
        columns = ("seq", "says", "score", "rater_key", "writer", "counter", "target_seq", "moment")
        outputs = self._facts["output"][rows]
        output_seqs = np.zeros(len(rows), np.int64)
        output_seqs[outputs >= 0] = self.outputs["seq"][outputs[outputs >= 0]]
        about = self.signals["example"][signals]
        said = {name: self.signals[name][signals] for name in columns}
        said["propensity"] = asked.propensities(about, said["seq"], said["says"])
        judgements = resolve(said, np.searchsorted(rows, about), output_seqs)
        for name, values in judgements.items():
            self._judgements[name][rows] = values

    # Saving, and comparing

    def take_cells(self) -> dict[str, str | None]:
        cells: dict[str, str | None] = {}
        for column, names in self.names.items():
            cells |= {f"name/{column}/{number}": name for number, name in names.take_unsaved()}
        cells |= {f"volume/{key}": value for key, value in self.volume.take_cells().items()}
        if (rated := self.rated_judge_examples()) != self._saved_rated:
            cells["count/rated_judge"], self._saved_rated = str(rated), rated
        if self.asks.rows or self.propensities.rows:
            cells["count/asked_judge"] = str(self.asked_judge_examples())
        cells |= self.awaiting.take_cells()
        return cells | {f"pending/{key}": value for key, value in self.aiming.pending.take_cells().items()}

    def restore(self, cells: Mapping[str, str]) -> None:
        """Takes up the saved cells and learns again from the tables, which the keeper has filled, what follows."""
        for column, names in self.names.items():
            names.restore((int(number), name) for number, name in _under(f"name/{column}/", cells).items())
        self.volume.restore(_under("volume/", cells))
        self._saved_rated = int(cells.get("count/rated_judge", 0))
        self.aiming.restore(_under("pending/", cells))
        self._index.add(self.keys["key"], np.arange(self.keys.rows))
        self._make_facts(self.keys.rows)
        self._learn_subjects(0)
        self._learn_outputs(0)
        self._learn_signals(0)
        self._learn_raters(0)
        self.awaiting.restore(cells.get("waiting"))

    def digest(self) -> str:
        key, ranks = self.keys["key"], {column: names.ranks() for column, names in self.names.items()}
        digest = hashlib.sha256(f"{self.name} {self.version}".encode())
        digest.update(np.sort(key).tobytes())
        of_several = (self.asks, self.served)
        for table in (self.outputs, self.signals, self.subjects, self.episodes, self.propensities, *of_several):
            order = np.lexsort((table["output_seq"], table["seq"])) if table in of_several else np.argsort(table["seq"])
            for column in table.types:
                values = table[column][order]
                if column == "example":
                    digest.update((values >= 0).tobytes())
                    values = np.where(values >= 0, key[values] if len(key) else 0, 0)
                digest.update((ranks[column][values] if column in ranks else values).tobytes())
        digest.update(json.dumps(self._small_state(), sort_keys=True).encode())
        return digest.hexdigest()

    def _small_state(self) -> list[Any]:
        types, seqs = self.names["artifact_type"].listed(), self.signals["seq"]
        volume = [
            [day, min(number, FIRST), types[number] or "", *counts]
            for (day, number), counts in self.volume.counts.items()
            if any(counts)
        ]
        return [
            {column: sorted(name for name in names.listed() if name) for column, names in self.names.items()},
            sorted(volume),
            sorted([int(seqs[row]), target_id] for row, target_id in self.aiming.pending.items()),
            self.awaiting.count,
        ]


def _served_in(page: Page) -> Ints:
    """The page's rows that tell of examples that served their last decision."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) == EXAMPLES_SERVED for kind in kinds])
    return np.flatnonzero(wanted[codes]) if wanted.any() else np.empty(0, np.int64)


def _tells_type_in_body(bits: NDArray[np.int32]) -> Mask:
    """Where an event from before the words for types says that there is one."""
    tells: Mask = ((bits & saying.TYPE) != 0) & ((bits & saying.WHICH_TYPE) == 0)
    return tells


def _with_older_types(page: Page) -> Ints:
    codes, says = page.coded("says")
    older = _tells_type_in_body(saying.all_bits(says))
    return np.flatnonzero(older[codes]) if older.any() else np.empty(0, np.int64)


def _keep_given(table: Columns, page: Page, rows: Ints) -> None:
    """What some of these rows give in the table's second column, beside their numbers."""
    name = list(table.types)[1]
    values = page.numbers(name)[rows]
    given = np.flatnonzero(np.isfinite(values) & (values != 0))
    if len(given):
        table.append(len(given), seq=page.whole("seq")[rows[given]], **{name: values[given]})


def _as_read(page: Page, columns: Iterable[str], rows: Ints) -> dict[str, NDArray[Any]]:
    return {column: page.numbers(column)[rows] for column in columns if column not in _MADE}


def _under(prefix: str, cells: Mapping[str, str]) -> dict[str, str]:
    return {key.removeprefix(prefix): value for key, value in cells.items() if key.startswith(prefix)}
