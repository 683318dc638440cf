"""What the feedback on an output comes to: the worth of it, when it was said, and what of it stands.

The rule is components/feedback_folding.py's, over signals that are resolved already; tests hold the two to each other,
event by event. A worth is stored undecayed: whoever forms a batch counts its age from `heard_at`, to that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.feedback_values import ALONE, IMPLICIT_WORDS, worth
from components.feedback_words import FIELDS as WORDED
from components.feedback_words import SHIFT
from daemon.views import saying
from daemon.views.page import Ints, Mask, Reals

Table = Mapping[str, NDArray[Any]]
_STAND_ALONE = ("comment", *saying.IMPLICIT)  # of these, nothing takes the place of another


class Standing(NamedTuple):
    """Signals of some examples: which of them hold in each field, and which were neither superseded nor retracted."""

    signals: Table
    group: Ints  # which example each is about
    current: Mapping[str, Ints]
    uncancelled: Mask
    groups: int


def hear(standing: Standing, output_retracted: Mask) -> dict[str, NDArray[Any]]:
    """The columns `worth`, `heard_at`, `said` and `asked_propensity` of the examples."""
    shifts = {name: _shifts(standing.signals["says"], name, standing.current[name]) for name in WORDED}
    values, owners = _voices(standing, shifts)
    spoken = np.bincount(owners, minlength=standing.groups) > 0
    implicit, done = _implicit(standing)
    worths = np.where(spoken, _means(values, owners, standing.groups), implicit)
    worths[output_retracted] = np.nan
    return {
        "worth": worths,
        "heard_at": _heard_at(standing, shifts, spoken, done),
        "said": _said(standing),
        "asked_propensity": _propensities(standing),
    }


def _shifts(says: NDArray[Any], name: str, rows: Ints) -> Reals:
    """What the word of each of these rows shifts; nan for one that says nothing of quality."""
    bits, shift = says[rows], np.full(len(rows), np.nan)
    for word in WORDED[name]:
        shift[(bits & saying.BIT[word]) != 0] = SHIFT[word]
    return shift


def _voices(standing: Standing, shifts: Mapping[str, Reals]) -> tuple[Reals, Ints]:
    """The worth of each voice that says something of quality, and the example it speaks of."""
    scored = standing.current["score"]
    telling = {name: standing.current[name][~np.isnan(shift)] for name, shift in shifts.items()}
    speaks = np.zeros(len(standing.group), np.bool_)
    for rows in (scored, *telling.values()):
        speaks[rows] = True
    voice, voices, owners = _numbered(standing, np.flatnonzero(speaks))
    score, has_score = np.zeros(voices), np.zeros(voices, np.bool_)
    score[voice[scored]], has_score[voice[scored]] = standing.signals["score"][scored], True
    total, words = np.zeros(voices), np.zeros(voices, np.int64)
    for name, rows in telling.items():
        total[voice[rows]] += shifts[name][~np.isnan(shifts[name])]  # of a voice at most one row
        words[voice[rows]] += 1
    return worth(score, has_score, np.divide(total, words, out=np.full(voices, np.nan), where=words > 0)), owners


def _numbered(standing: Standing, rows: Ints) -> tuple[Ints, int, Ints]:
    """For each signal the number of its voice, how many there are, and the example of each; a rater is one voice."""
    group, rater = standing.group[rows], standing.signals["rater_key"][rows]
    rated = (standing.signals["says"][rows] & saying.HAS_RATER) != 0
    number = np.arange(len(rows))
    again = np.flatnonzero(rated)
    if len(again):
        order = again[np.lexsort((rater[again], group[again]))]
        new = np.ones(len(order), np.bool_)
        new[1:] = (group[order][1:] != group[order][:-1]) | (rater[order][1:] != rater[order][:-1])
        number[order] = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    distinct = number == np.arange(len(rows))
    voice = np.full(len(standing.group), -1)
    voice[rows] = (np.cumsum(distinct) - 1)[number]
    return voice, int(np.count_nonzero(distinct)), group[distinct]


def _means(values: Reals, owners: Ints, groups: int) -> Reals:
    """Summed from the lowest up, so that the same set has the same mean to the last bit."""
    order = np.argsort(values)
    counts = np.bincount(owners, minlength=groups)
    sums = np.bincount(owners[order], values[order], groups)
    means = np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)
    return np.asarray(np.clip(means, -1.0, 1.0))


def _implicit(standing: Standing) -> tuple[Reals, Ints]:
    """What was done with each output, nan for nothing, and the signals that say so."""
    says = standing.signals["says"]
    done = np.flatnonzero(standing.uncancelled & ((says & sum(saying.BIT[word] for word in saying.IMPLICIT)) != 0))
    shift, seen = np.zeros(standing.groups), np.zeros(standing.groups, np.bool_)
    for word, amount in IMPLICIT_WORDS.items():
        has = np.zeros(standing.groups, np.bool_)
        has[standing.group[done[(says[done] & saying.BIT[word]) != 0]]] = True
        shift[has] += amount
        seen |= has
    return np.where(seen, np.tanh(ALONE * shift), np.nan), done


def _heard_at(standing: Standing, shifts: Mapping[str, Reals], spoken: Mask, done: Ints) -> Ints:
    """The newest moment among what the worth rests on; where it rests on nothing, among all that stands; 0 for none."""
    group, moment = standing.group, standing.signals["moment"]
    at = np.zeros(standing.groups, np.int64)
    for rows in (standing.current["score"], *(standing.current[name][~np.isnan(shifts[name])] for name in shifts)):
        np.maximum.at(at, group[rows], moment[rows])
    rows = done[~spoken[group[done]]]
    np.maximum.at(at, group[rows], moment[rows])
    if (missing := at == 0).any():
        rows = np.flatnonzero(standing.uncancelled & missing[group])
        np.maximum.at(at, group[rows], moment[rows])
    return at


def _said(standing: Standing) -> NDArray[np.int32]:
    """The words that stand, as bits."""
    says, said = standing.signals["says"], np.zeros(standing.groups, np.int32)
    for name, rows in standing.current.items():
        for word in saying.TYPE_WORDS if name == "type" else saying.WORDS_OF[name]:
            said[standing.group[rows[(says[rows] & saying.BIT[word]) != 0]]] |= saying.BIT[word]
    for word in _STAND_ALONE:
        said[standing.group[standing.uncancelled & ((says & saying.BIT[word]) != 0)]] |= saying.BIT[word]
    return said


def _propensities(standing: Standing) -> Reals:
    """How likely a rating of each output was, as its newest judgement with a propensity has it; nan for none."""
    found, given = np.full(standing.groups, np.nan), standing.signals["propensity"]
    rows = np.unique(np.concatenate([standing.current[name] for name in saying.FIELDS]))
    rows = rows[~np.isnan(given[rows])]
    rows = rows[np.argsort(standing.signals["seq"][rows])]
    found[standing.group[rows]] = given[rows]  # of several the last, which is the newest
    return found
