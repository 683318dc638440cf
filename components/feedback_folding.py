"""What several feedbacks on one output come to: who counts, and one worth between −1 and 1.

The rule, in this order; the same set gives the same worth to the last bit, in whatever order it arrives:

1. What another feedback names by `supersedes` or `retracts` is out, for ever, and brings back nothing that it had
   replaced: a rater who retracts his newest word has no word left.
2. Of what one rater says in one field (score, type, thumb, correction, preference) the newest counts: of each writer
   the one with the highest counter, of several writers' the one with the highest seq. Never a clock. Feedback
   without a rater stands for itself.
3. A rater's score and the mean shift of his words make his voice (components/feedback_values.py). The worth of the
   output is the **mean of the voices**: it lies between the lowest and the highest, so that only bad feedback is
   bad and nothing is lost at zero. (A maximum that starts from a smallest positive number, as one well-known
   system has it, answers with its default when every reward is negative.)
4. Implicit signals speak only where nobody has spoken: `copy` and `regenerate` once each, however often they came;
   `dwell` and `silence` say that there was a chance to speak, and are worth 0. A late word takes their place.
5. Nobody spoke and nothing was seen, or the output itself was retracted: NaN, which is not 0.

It does not weigh raters against each other, and does not decay: what it gives is stored as it is, with the newest
moment among the feedback that counts, and ages from there.

    >>> folded = fold_feedback([
    ...     {"id": "a", "rater": "ann", "score": 90, "seq": 1},
    ...     {"id": "b", "rater": "bob", "thumb": "down", "seq": 2},
    ...     {"id": "c", "rater": "ann", "score": 40, "supersedes": "a", "seq": 3},
    ...     {"id": "d", "implicit": "copy", "seq": 4},
    ... ])
    >>> round(folded.worth, 4), [(voice.rater, round(voice.worth, 4)) for voice in folded.voices]
    (-0.5708, [('bob', -0.7616), ('ann', -0.3799)])
    >>> folded.left_out
    {0: 'superseded', 3: 'implicit, and somebody has spoken'}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, whole_number
from components.event_times import event_seconds
from components.example_fields import field
from components.feedback_standing import NONE, Floats, Ints, Mask, Signals, current
from components.feedback_values import ALONE, IMPLICIT_WORDS, worth
from components.feedback_words import BIT, FIELDS, IMPLICIT_BITS, OTHER, SHIFT, words_of

NOTHING, IMPLICIT, SPOKEN = 0, 1, 2
_HEARD = {NOTHING: "nothing", IMPLICIT: "implicit", SPOKEN: "spoken"}


@dataclass(frozen=True, slots=True)
class Folded:
    """What the outputs' feedback comes to, as columns; `counts` and `voice_*` say whose.

    `heard` is NOTHING, IMPLICIT or SPOKEN for each output; `counts` marks the rows that the worth rests on.
    """

    worth: Floats
    heard: NDArray[np.int8]
    voices: Ints  # how many voices each output has
    counts: Mask  # per row
    voice_worth: Floats  # per voice, as Signals.voice numbers them; NaN where it says nothing of quality


def fold_columns(signals: Signals, groups: int, output_retracted: ArrayLike | None = None) -> Folded:
    """Folds the feedback of outputs 0 to groups-1; `output_retracted` marks the outputs that were taken back."""
    voice_worth, counts = _voices(signals)
    group = np.zeros(len(voice_worth), np.int64)
    group[signals.voice] = signals.group
    heard_voices = np.flatnonzero(~np.isnan(voice_worth))
    means, voices = _means(group[heard_voices], voice_worth[heard_voices], groups)
    implicit, done = _implicit(signals, groups)
    heard = np.where(voices > 0, SPOKEN, np.where(np.isnan(implicit), NOTHING, IMPLICIT)).astype(np.int8)
    if output_retracted is not None:
        heard[np.asarray(output_retracted, np.bool_)] = NOTHING
    value = np.where(heard == SPOKEN, means, np.where(heard == IMPLICIT, implicit, np.nan))
    counts = np.where(done, heard[signals.group] == IMPLICIT, False) | (counts & (heard[signals.group] == SPOKEN))
    return Folded(value, heard, np.where(heard == SPOKEN, voices, 0), counts, voice_worth)


def _voices(signals: Signals) -> tuple[Floats, Mask]:
    """The worth of each voice, NaN for none, and the rows that it rests on."""
    voices = int(signals.voice.max()) + 1 if len(signals.voice) else 0
    score, scored = np.zeros(voices), np.zeros(voices, np.bool_)
    rows = current(signals, signals.scored)
    score[signals.voice[rows]], scored[signals.voice[rows]] = signals.score[rows], True
    counts = np.zeros(len(signals.group), np.bool_)
    counts[rows] = True
    total, spoken = np.zeros(voices), np.zeros(voices, np.int64)
    for words in FIELDS.values():
        shift = _shift(signals, words)
        rows = current(signals, (signals.words & sum(BIT[word] for word in words)) != 0)
        rows = rows[~np.isnan(shift[rows])]
        total[signals.voice[rows]] += shift[rows]  # at most one row of each voice
        spoken[signals.voice[rows]] += 1
        counts[rows] = True
    means = np.divide(total, spoken, out=np.full(voices, np.nan), where=spoken > 0)
    return worth(score, scored, means), counts


def _shift(signals: Signals, words: Iterable[str]) -> Floats:
    shift = np.full(len(signals.words), np.nan)
    for word in words:
        shift[(signals.words & BIT[word]) != 0] = SHIFT[word]
    return shift


def _means(group: Ints, value: Floats, groups: int) -> tuple[Floats, Ints]:
    """Means and counts, summed from the lowest up: the same set has the same mean to the last bit."""
    order = np.argsort(value)
    counts = np.bincount(group, minlength=groups)
    sums = np.bincount(group[order], value[order], groups)
    means = np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)
    return np.clip(means, -1.0, 1.0), counts


def _implicit(signals: Signals, groups: int) -> tuple[Floats, Mask]:
    """What was done with each output, NaN for nothing, and the rows that say so."""
    standing = ~(signals.superseded | signals.retracted)
    done = standing & ((signals.words & IMPLICIT_BITS) != 0)
    shift, seen = np.zeros(groups), np.zeros(groups, np.bool_)
    for word, amount in IMPLICIT_WORDS.items():
        has = np.zeros(groups, np.bool_)
        has[signals.group[done & ((signals.words & BIT[word]) != 0)]] = True
        shift[has] += amount
        seen |= has
    return np.where(seen, np.tanh(ALONE * shift), np.nan), done


def newest(moments: Floats, signals: Signals, folded: Folded) -> Floats:
    """The newest moment among the feedback that counts, for each output: what its reward ages from. NaN for none."""
    found = np.full(len(folded.worth), -np.inf)
    known = folded.counts & np.isfinite(moments)
    np.maximum.at(found, signals.group[known], moments[known])
    return np.where(np.isfinite(found), found, np.nan)


# Events: one output at a time


@dataclass(frozen=True, slots=True)
class Voice:
    """What one rater holds now; `places` are those of his feedback that count."""

    rater: str | None
    worth: float
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoldedFeedback:
    """What the feedback on one output comes to, who said so, and why the rest does not count."""

    worth: float  # −1 to 1; NaN where nothing is known
    heard: str  # "spoken", "implicit" or "nothing"
    voices: tuple[Voice, ...]  # from the lowest up
    left_out: Mapping[int, str]  # place in the given feedback → the reason
    moment: float | None  # unix seconds: the newest moment among the feedback that counts

    def why(self) -> str:
        """One line: the voices, or that there are none."""
        if self.heard != "spoken":
            return f"{self.heard}: {self.worth:+.3f}" if self.heard == "implicit" else "nothing is known"
        told = ", ".join(f"{voice.rater or 'somebody'} {voice.worth:+.3f}" for voice in self.voices)
        return f"mean of {len(self.voices)}: {told} = {self.worth:+.3f}"


def fold_feedback(events: Iterable[Any], output_id: str | None = None) -> FoldedFeedback:
    """Fold all feedback on one output; an event that came twice, with the same id and content, counts once.

    `seq` is an event's place in the log, `writer` and `counter` (or `n`) what its writer numbered it. They are needed
    only where a rater spoke twice of one thing without saying `supersedes`; then their absence is refused.
    """
    given = list(events)
    about = _one_output(given, output_id)
    place_of, taken_back = _places(given), _takes_back(given, about)
    kept = [place for place, event in enumerate(given) if place_of.get(field(event, "id"), place) == place]
    signals = _signals(given, kept, place_of)
    folded = fold_columns(signals, 1, [taken_back])
    moments = np.array([_moment(given[place]) for place in kept], np.float64)
    moment = float(newest(moments, signals, folded)[0])
    return FoldedFeedback(
        worth=float(folded.worth[0]),
        heard=_HEARD[int(folded.heard[0])],
        voices=_told_voices(given, kept, signals, folded),
        left_out=_reasons(len(given), kept, signals, folded, taken_back=taken_back),
        moment=None if np.isnan(moment) else moment,
    )


def _moment(event: Any) -> float:
    moment = event_seconds(event)
    return np.nan if moment is None else moment


def _one_output(events: Sequence[Any], output_id: str | None) -> str | None:
    """The id of the output that the events are about, where any of them says it."""
    brought = {field(event, "id") for event in events if field(event, "output") is not None}
    said = {field(event, "output_id") for event in events} | brought | {output_id}
    said.discard(None)
    if len(said) > 1:
        raise BadInput("feedback", f"feedback on {len(said)} outputs: {sorted(map(str, said))}", "feedback on one")
    return next(iter(said), None)


def _places(events: Sequence[Any]) -> dict[Any, int]:
    """The place of each id; one id with two contents is refused."""
    place_of: dict[Any, int] = {}
    for place, event in enumerate(events):
        name = field(event, "id")
        if name is None:
            continue
        first = place_of.setdefault(name, place)
        if first != place and _content(events[first]) != _content(event):
            raise BadInput(f"feedback {name!r}", "two different feedbacks with this id", "the same content each time")
    return place_of


def _content(event: Any) -> list[Any]:
    names = ("score", "feedback_type", "thumb", "correction", "verdict", "implicit", "rater", "supersedes", "retracts")
    return [field(event, name) for name in names]


def _signals(events: Sequence[Any], kept: Sequence[int], place_of: Mapping[Any, int]) -> Signals:
    chosen = [events[place] for place in kept]
    row_of = {place: row for row, place in enumerate(kept)}
    targets = [_target(event) for event in chosen]
    scores = [field(event, "score") for event in chosen]
    return Signals.of(
        np.zeros(len(chosen), np.int64),
        score=[0.0 if score is None else _number(score) for score in scores],
        scored=np.array([score is not None for score in scores], np.bool_),
        words=np.array([words_of(event) for event in chosen], np.int64),
        rater=_numbered(field(event, "rater") for event in chosen),
        seq=_counts("seq", (field(event, "seq") for event in chosen)),
        writer=_numbered(field(event, "writer") for event in chosen),
        counter=_counts("counter", (field(event, "counter", field(event, "n")) for event in chosen)),
        target=np.array([row_of.get(place_of.get(target, NONE), NONE) for target in targets], np.int64),
        retracts=np.array([field(event, "retracts") is not None for event in chosen], np.bool_),
    )


def _number(score: Any) -> float:
    if isinstance(score, bool | str):
        raise BadInput("score", score, "a number from 0 to 100")
    try:
        return float(score)
    except (TypeError, ValueError):
        raise BadInput("score", score, "a number from 0 to 100") from None


def _numbered(names: Iterable[Any]) -> Ints:
    number: dict[Any, int] = {}
    return np.array([NONE if name is None else number.setdefault(name, len(number)) for name in names], np.int64)


def _counts(thing: str, given: Iterable[Any]) -> Ints:
    return np.array([NONE if count is None else whole_number(thing, count) for count in given], np.int64)


def _target(event: Any) -> Any:
    return field(event, "supersedes", field(event, "retracts"))


def _takes_back(events: Sequence[Any], output_id: str | None) -> bool:
    return output_id is not None and any(field(event, "retracts") == output_id for event in events)


def _told_voices(events: Sequence[Any], kept: Sequence[int], signals: Signals, folded: Folded) -> tuple[Voice, ...]:
    counted: dict[int, list[int]] = {}
    for row in np.flatnonzero(folded.counts & ~np.isnan(folded.voice_worth[signals.voice])).tolist():
        counted.setdefault(int(signals.voice[row]), []).append(row)
    told = [
        Voice(
            rater=None if signals.rater[rows[0]] == NONE else str(field(events[kept[rows[0]]], "rater")),
            worth=float(folded.voice_worth[voice]),
            places=tuple(kept[row] for row in rows),
        )
        for voice, rows in counted.items()
    ]
    return tuple(sorted(told, key=lambda voice: (voice.worth, voice.rater or "", voice.places)))


def _reasons(events: int, kept: Sequence[int], signals: Signals, folded: Folded, *, taken_back: bool) -> dict[int, str]:
    rows = {place: row for row, place in enumerate(kept)}
    reasons = {place: "came before with the same id" for place in range(events) if place not in rows}
    for place, row in rows.items():
        if not folded.counts[row]:
            reasons[place] = "its output was taken back" if taken_back else _reason(signals, row)
    return dict(sorted(reasons.items()))


def _reason(signals: Signals, row: int) -> str:
    """Why a row does not count, though its output stands."""
    told = signals.scored[row] or signals.words[row] & ~(IMPLICIT_BITS | BIT[OTHER])
    for holds, reason in (
        (signals.superseded[row], "superseded"),
        (signals.retracted[row], "retracted"),
        (signals.retracts[row], "takes another back"),
        (told, "the same rater said something newer"),
        (signals.words[row] & IMPLICIT_BITS, "implicit, and somebody has spoken"),
    ):
        if holds:
            return reason
    return "says nothing of quality"
