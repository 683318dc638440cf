"""Which feedback still stands when raters revise, retract and repeat themselves, as columns.

The newest by an explicit `supersedes` first, then by the counter within a writer, then by seq; never by a clock. What
is superseded or retracted is out for ever, and brings back nothing that it had replaced. (The event log of adaptd reads
its signals by the same rule.) One sort for all fields; a million signals in about a second.

It does not know what any of it is worth.

    >>> twice = Signals.of([0, 0], score=[90, 20], rater=[7, 7], seq=[1, 2])
    >>> current(twice, twice.scored).tolist()
    [1]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, same_length
from components.feedback_values import checked_scores

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NONE = -1


@dataclass(frozen=True, slots=True)
class Signals:
    """Feedback on outputs, a row each. -1 in a whole number: not given.

    `group` numbers the outputs; `words` are bits that the caller knows; `target` is the row that this one supersedes
    or, where `retracts` says so, retracts. Raters and writers may be hashes.
    """

    group: Ints
    score: Floats
    scored: Mask
    words: Ints
    rater: Ints
    seq: Ints
    writer: Ints
    counter: Ints
    target: Ints
    retracts: Mask
    superseded: Mask
    retracted: Mask
    voice: Ints  # one number for each rater of each output, and for each row without a rater
    order: Ints  # the rows of raters who said more than one thing: by voice, then writer, oldest first

    @classmethod
    def of(
        cls,
        group: ArrayLike,
        *,
        score: ArrayLike | None = None,
        scored: ArrayLike | None = None,
        words: ArrayLike | None = None,
        rater: ArrayLike | None = None,
        seq: ArrayLike | None = None,
        writer: ArrayLike | None = None,
        counter: ArrayLike | None = None,
        target: ArrayLike | None = None,
        retracts: ArrayLike | None = None,
    ) -> Signals:
        groups = _whole("group", group, 0, low=0)
        rows = len(groups)
        given = {"words": words, "rater": rater, "seq": seq, "writer": writer, "counter": counter, "target": target}
        whole = {name: _whole(name, value, rows) for name, value in given.items()}
        if words is None:
            whole["words"] = np.zeros(rows, np.int64)
        has_score: ArrayLike | None = np.zeros(rows, np.bool_) if score is None else scored
        scores, is_scored = checked_scores(np.zeros(rows) if score is None else score, has_score)
        retracting = np.zeros(rows, np.bool_) if retracts is None else np.asarray(retracts, np.bool_)
        same_length(group=groups, score=scores, retracts=retracting, **whole)
        superseded, retracted = _out(groups, whole["target"], retracting)
        voice = _voices(groups, whole["rater"])
        return cls(
            group=groups,
            score=scores,
            scored=is_scored,
            words=whole["words"],
            rater=whole["rater"],
            seq=whole["seq"],
            writer=whole["writer"],
            counter=whole["counter"],
            target=whole["target"],
            retracts=retracting,
            superseded=superseded,
            retracted=retracted,
            voice=voice,
            order=_order(voice, whole),
        )


def _whole(thing: str, given: ArrayLike | None, rows: int, low: int = NONE) -> Ints:
    if given is None:
        return np.full(rows, NONE, np.int64)
    numbers = np.asarray(given)
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and len(numbers)):
        raise BadInput(thing, f"an array of {numbers.dtype} and shape {numbers.shape}", "one whole number per row")
    if thing in ("group", "target", "seq", "counter") and len(numbers) and numbers.min() < low:
        raise BadInput(thing, int(numbers.min()), f"whole numbers of at least {low}")
    return numbers.astype(np.int64, copy=False)


def _out(group: Ints, target: Ints, retracts: Mask) -> tuple[Mask, Mask]:
    """Which rows another row of the same output supersedes, and which it retracts."""
    if len(target) and target.max() >= len(target):
        raise BadInput("target", int(target.max()), f"a row below {len(target)}, or {NONE}")
    aiming = np.flatnonzero(target != NONE)
    aiming = aiming[(target[aiming] != aiming) & (group[target[aiming]] == group[aiming])]
    superseded, retracted = np.zeros(len(group), np.bool_), np.zeros(len(group), np.bool_)
    superseded[target[aiming[~retracts[aiming]]]] = True
    retracted[target[aiming[retracts[aiming]]]] = True
    return superseded, retracted


def _voices(group: Ints, rater: Ints) -> Ints:
    voice = np.empty(len(group), np.int64)
    rated = rater != NONE
    raters, coded = np.unique(rater[rated], return_inverse=True)
    pairs = group[rated] * np.int64(max(len(raters), 1)) + coded
    known, voice[rated] = np.unique(pairs, return_inverse=True)
    voice[~rated] = len(known) + np.arange(np.count_nonzero(~rated))
    return voice


def _order(voice: Ints, whole: dict[str, Ints]) -> Ints:
    if not len(voice):
        return np.empty(0, np.int64)
    again = np.flatnonzero(np.bincount(voice)[voice] > 1)
    run, counter = _runs(again, whole["writer"], whole["counter"])
    order: Ints = again[np.lexsort((whole["seq"][again], counter, run, voice[again]))]
    return order


def _runs(rows: Ints, writer: Ints, counter: Ints) -> tuple[Ints, Ints]:
    """Rows of one writer share a run; a row without a counter is a run of its own."""
    counted = (writer[rows] != NONE) & (counter[rows] != NONE)
    writers, coded = np.unique(writer[rows][counted], return_inverse=True)
    run = len(writers) + rows
    run[counted] = coded
    return run, np.where(counted, counter[rows], 0)


def current(signals: Signals, speaks: Mask) -> Ints:
    """The rows that hold now in one field; `speaks` says which rows say anything in it."""
    ordered = signals.order[speaks[signals.order]]
    in_order = np.zeros(len(speaks), np.bool_)
    in_order[signals.order] = True
    once = np.flatnonzero(speaks & ~in_order & ~signals.superseded)
    chosen = np.concatenate((once, _one_per_voice(signals, ordered)))
    standing: Ints = np.sort(chosen[~signals.retracted[chosen]])
    return standing


def _one_per_voice(signals: Signals, rows: Ints) -> Ints:
    """Of rows in `order`: for each voice the one that counts, if any."""
    if not len(rows):
        return rows
    run, counter = _runs(rows, signals.writer, signals.counter)
    voice, seq = signals.voice[rows], signals.seq[rows]
    starts = np.flatnonzero(_changes(voice, run))
    _refuse_equals(rows, ~_changes(voice, run, counter, seq))
    latest = _latest_of_runs(signals, rows, starts)
    latest = latest[latest != NONE]
    latest = latest[np.lexsort((signals.seq[latest], signals.voice[latest]))]
    first_of_voice = _changes(signals.voice[latest])
    _refuse_equals(latest, ~first_of_voice & _not_after(signals.seq[latest]))
    chosen: Ints = latest[np.append(first_of_voice[1:], True)] if len(latest) else latest
    return chosen


def _latest_of_runs(signals: Signals, rows: Ints, starts: Ints) -> Ints:
    """What holds of each run, oldest first: its last row, or what superseded that; -1 where this is in another run."""
    ends, lengths = np.append(starts[1:], len(rows)) - 1, np.diff(np.append(starts, len(rows)))
    end_is_out = np.repeat(signals.superseded[rows[ends]], lengths)
    supersedes_end = (signals.target[rows] == np.repeat(rows[ends], lengths)) & ~signals.retracts[rows]
    may = ~signals.superseded[rows] & (~end_is_out | supersedes_end)
    last = np.maximum.reduceat(np.where(may, np.arange(len(rows)), NONE), starts)
    return np.where(last != NONE, rows[last], NONE)


def _changes(*columns: NDArray[Any]) -> Mask:
    """True where a row differs from the one before it in any column."""
    changes = np.ones(len(columns[0]), np.bool_)
    if len(changes):
        changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changes


def _not_after(seq: Ints) -> Mask:
    """True where it is not known whether a row came after the one before it."""
    unknown = np.zeros(len(seq), np.bool_)
    unknown[1:] = (seq[:-1] == NONE) | (seq[1:] == seq[:-1])
    return unknown


def _refuse_equals(rows: Ints, equal: Mask) -> None:
    if equal.any():
        place = int(np.flatnonzero(equal)[0])
        raise BadInput(
            "feedback of one rater on one output",
            f"rows {int(rows[place - 1])} and {int(rows[place])}, without a seq or counter that tells the newer one",
            "a seq (the place in the log) for each, or `supersedes`",
            "Clocks and the order of the list are not asked.",
        )
