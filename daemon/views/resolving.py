"""From the set of an output's signals to what holds now: a pure function, the same for every order of arrival.

Out is what another signal of the same output supersedes or retracts, for ever. Of each field a rater has one current
signal: of each writer the newest by counter, of those the newest in the log; a signal without a rater stands for
itself. One that is out brings nothing older back: a retracted one leaves its rater without a word in that field; a
superseded one still hides what its writer said before it, other than the signal that supersedes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from daemon.views import saying
from daemon.views.hearing import Standing, hear
from daemon.views.page import Ints, Mask

Table = Mapping[str, NDArray[Any]]

JUDGEMENTS: dict[str, str] = {
    "signals": "<i4",
    "scores": "<i4",
    "mean_score": "<f8",
    "ups": "<i4",
    "downs": "<i4",
    "category_seq": "<i8",
    "correction_seq": "<i8",
    "preference_seq": "<i8",
    "newest_seq": "<i8",
    **dict.fromkeys(saying.IMPLICIT, "<i4"),
    "output_retracted": "|b1",
    "worth": "<f8",
    "heard_at": "<i8",
    "said": "<i4",
    "asked_propensity": "<f8",
}  # what is known of an example; a seq or moment of 0 is none, and the mean of no scores is nan


_SPOKEN = saying.FIELDS | {"type": saying.TYPE}


class _Marks(NamedTuple):
    superseded: Mask
    retracted: Mask


def resolve(signals: Table, group: Ints, output_seqs: Ints) -> dict[str, NDArray[Any]]:
    """The judgements of len(output_seqs) examples; `group` says for each signal which of them it is about.

    `output_seqs` are the numbers of the events that brought the outputs, 0 where none has come.
    """
    marks = _marks(signals, group)
    groups, says, seqs = len(output_seqs), signals["says"], signals["seq"]
    current = {name: _current(signals, group, (says & bits) != 0, marks) for name, bits in _SPOKEN.items()}
    uncancelled = ~(marks.superseded | marks.retracted)
    standing, retracted = np.flatnonzero(uncancelled), _outputs_retracted(signals, group, output_seqs)
    scores, mean = _mean_scores(group[current["score"]], signals["score"][current["score"]], groups)
    thumbs = current["thumb"]
    up = (says[thumbs] & saying.BIT["up"]) != 0
    return {
        "signals": np.bincount(group, minlength=groups),
        "scores": scores,
        "mean_score": mean,
        "ups": np.bincount(group[thumbs[up]], minlength=groups),
        "downs": np.bincount(group[thumbs[~up]], minlength=groups),
        "category_seq": _newest(seqs, group, current["category"], groups),
        "correction_seq": _newest(seqs, group, current["correction"], groups),
        "preference_seq": _newest(seqs, group, current["preference"], groups),
        "newest_seq": _newest(seqs, group, np.arange(len(seqs)), groups),
        **{
            name: np.bincount(group[standing[(says[standing] & saying.BIT[name]) != 0]], minlength=groups)
            for name in saying.IMPLICIT
        },
        "output_retracted": retracted,
        **hear(Standing(signals, group, current, uncancelled, groups), retracted),
    }


def stands(signals: Table, group: Ints) -> Mask:
    """Which signals nobody superseded or retracted, and are no retraction themselves; `group` as in `resolve`."""
    marks = _marks(signals, group)
    standing: Mask = ~(marks.superseded | marks.retracted) & ((signals["says"] & saying.RETRACT) == 0)
    return standing


def _marks(signals: Table, group: Ints) -> _Marks:
    seqs, targets = signals["seq"], signals["target_seq"]
    marks = _Marks(*(np.zeros(len(seqs), np.bool_) for _ in range(2)))
    aiming = np.flatnonzero(targets > 0)
    if not len(aiming):
        return marks
    by_seq = np.argsort(seqs)
    places = np.searchsorted(seqs, targets[aiming], sorter=by_seq)
    hit = by_seq[np.minimum(places, len(seqs) - 1)]
    same = (seqs[hit] == targets[aiming]) & (group[hit] == group[aiming]) & (hit != aiming)
    aiming, hit = aiming[same], hit[same]
    retracting = (signals["says"][aiming] & saying.RETRACT) != 0
    marks.retracted[hit[retracting]] = True
    marks.superseded[hit[~retracting]] = True
    return marks


def _current(signals: Table, group: Ints, speaks: Mask, marks: _Marks) -> Ints:
    """Which signals hold now in one field; `speaks` says which ones say anything in it."""
    rated = (signals["says"] & saying.HAS_RATER) != 0
    own = np.flatnonzero(speaks & ~rated & ~marks.superseded & ~marks.retracted)
    by_rater = np.flatnonzero(speaks & rated)
    if not len(by_rater):
        return own
    again = _said_again(group[by_rater], signals["rater_key"][by_rater])
    once, more = by_rater[~again], by_rater[again]
    once = once[~marks.superseded[once]]
    chosen = np.concatenate((once, _one_per_rater(signals, group, more, marks)))
    return np.concatenate((own, chosen[~marks.retracted[chosen]]))


def _said_again(group: Ints, rater: Ints) -> Mask:
    """True where the same rater may have said more than one thing of the same output; seldom true without need."""
    mixed = (rater ^ (group * np.int64(0x1E3779B97F4A7C15 | 1))) * np.int64(0x2545F4914F6CDD1D)
    order = np.argsort(mixed)
    same = mixed[order][1:] == mixed[order][:-1]
    again = np.zeros(len(mixed), np.bool_)
    again[order[1:][same]] = True
    again[order[:-1][same]] = True
    return again


def _one_per_rater(signals: Table, group: Ints, who: Ints, marks: _Marks) -> Ints:
    """Of the signals `who`, in one field: for each output and rater the one that counts, if any."""
    if not len(who):
        return who
    counted = (signals["says"][who] & saying.IS_COUNTED) != 0
    writer = np.where(counted, signals["writer"][who], signals["seq"][who])
    counter = np.where(counted, signals["counter"][who], 0)
    order = np.lexsort((signals["seq"][who], counter, writer, counted, signals["rater_key"][who], group[who]))
    who, writer, counted = who[order], writer[order], counted[order]
    new_rater = _changes(group[who], signals["rater_key"][who])
    new_writer = new_rater | _changes(writer, counted)
    latest = _latest_of_runs(signals, who, np.flatnonzero(new_writer), marks)
    rater_run = np.cumsum(new_rater)[np.flatnonzero(new_writer)]
    rater_run, latest = rater_run[latest >= 0], latest[latest >= 0]
    order = np.lexsort((signals["seq"][latest], rater_run))
    last = np.append(_changes(rater_run[order])[1:], [True])[: len(order)]
    chosen: Ints = latest[order[last]]
    return chosen


def _latest_of_runs(signals: Table, who: Ints, starts: Ints, marks: _Marks) -> Ints:
    """What holds of each run (one writer's, oldest first); -1 where the last one was superseded elsewhere."""
    ends, lengths = np.append(starts[1:], len(who)) - 1, np.diff(np.append(starts, len(who)))
    end_is_out = np.repeat(marks.superseded[who[ends]], lengths)
    supersedes_end = signals["target_seq"][who] == np.repeat(signals["seq"][who[ends]], lengths)
    supersedes_end &= (signals["says"][who] & saying.RETRACT) == 0
    may = ~marks.superseded[who] & (~end_is_out | supersedes_end)
    last = np.maximum.reduceat(np.where(may, np.arange(len(who)), -1), starts)
    latest: Ints = np.where(last >= 0, who[last], -1)
    return latest


def _changes(*columns: NDArray[Any]) -> Mask:
    changes = np.ones(len(columns[0]), np.bool_)
    if len(changes):
        changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changes


def _mean_scores(group: Ints, scores: NDArray[np.float64], groups: int) -> tuple[Ints, NDArray[np.float64]]:
    """Counts and means; summed from the smallest score up, so that the same set has the same mean to the last bit."""
    order = np.argsort(scores)
    counts = np.bincount(group, minlength=groups)
    sums = np.bincount(group[order], scores[order], groups)
    return counts, np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)


def _newest(seqs: Ints, group: Ints, who: Ints, groups: int) -> Ints:
    newest = np.zeros(groups, np.int64)
    np.maximum.at(newest, group[who], seqs[who])
    return newest


def _outputs_retracted(signals: Table, group: Ints, output_seqs: Ints) -> Mask:
    """Where a retraction names the event that brought the output."""
    retracted = np.zeros(len(output_seqs), np.bool_)
    aims = signals["target_seq"]
    retracting = ((signals["says"] & saying.RETRACT) != 0) & (aims > 0) & (aims == output_seqs[group])
    retracted[group[retracting]] = True
    return retracted
