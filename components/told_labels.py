"""Which label people say is right for a text, and which one they say is wrong, when answers are labels.

What somebody said of an answer names a label in one of five ways, of which the first that is there counts:

1. a correction is the right label;
2. a category is, where it is one of the labels that answers, corrections and preferences name: any other word in that
   field is a remark;
3. of two labels the preferred one is, unless it is the answer and the answer was called wrong: the better of two may be
   wrong all the same;
4. a good score, or more thumbs up than down, confirm the answer; a score counts before thumbs;
5. a bad score, or more thumbs down than up, say that the answer is wrong. Which one is right nobody knows: a model
   learns it as a negative, from the probability of all other labels.

The rest teaches nothing and is in no row. Where the right label stands against another one, as in a correction or a
preference, that is the `rejected` one: comparisons draw negatives from it.

It weighs nothing, does not ask who spoke, and leaves equal texts with different labels as they are
(components/label_noise.py doubts labels, the stage reward_feedback weighs examples).

    >>> said = [{"output": "refund", "correction": "parcel"}, {"output": "parcel"}, {"output": "login"},
    ...         {"output": "login", "category": "parcel"}, {"output": "login", "category": "rude"}]
    >>> judged = judgements(scores=[np.nan, 90, np.nan, np.nan, 55], ups=[0, 0, 1, 0, 0], downs=[0, 1, 3, 1, 0])
    >>> judged
    array([ 0,  1, -1, -1,  0], dtype=int8)
    >>> told = told_labels(said, judged)
    >>> told.rows.tolist(), told.labels, told.right.tolist()
    ([0, 1, 2, 3], ('parcel', 'parcel', 'login', 'parcel'), [True, True, False, True])
    >>> told.rejected
    ('refund', '', '', 'login')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, same_length
from components.example_fields import as_text, field

GOOD_SCORE, BAD_SCORE = 70.0, 40.0


class ToldLabels(NamedTuple):
    """What is taught: the places of the examples that teach something, and for each of them a label.

    `right` is False where the label is the wrong one. `rejected` is the label that the right one stands against, ""
    where there is none.
    """

    rows: NDArray[np.int64]
    labels: tuple[str, ...]
    right: NDArray[np.bool_]
    rejected: tuple[str, ...]


class _Said(NamedTuple):
    """What one example names, each "" where it does not."""

    output: str
    correction: str
    category: str
    preferred: str = ""
    other: str = ""  # that the preferred one was compared with


def told_labels(examples: Iterable[Any], judged: ArrayLike, *, preferences: bool = True) -> ToldLabels:
    """The labels of examples with `output`, `correction`, `category` and so on: mappings, or objects with attributes.

    `judged` is 1 where the answer was confirmed, -1 where it was called wrong, else 0, as `judgements` has it. Verdicts
    (`verdict` and `compared_with`) and pairs (`chosen` and `rejected`) are read unless `preferences` says not to.
    """
    said = [_said(example, preferences=preferences) for example in examples]
    signs = _signs(judged, len(said))
    known = {label for one in said for label in (one.output, one.correction, one.preferred, one.other) if label}
    told = [_told(one, sign, known) for one, sign in zip(said, signs.tolist(), strict=True)]
    labels = [right or one.output for right, one in zip(told, said, strict=True)]
    right = np.array([bool(one) for one in told], np.bool_) | (signs > 0)
    named = np.array([bool(label) for label in labels], np.bool_)
    rows = np.flatnonzero(named & (right | (signs < 0)))
    return ToldLabels(
        rows=rows,
        labels=tuple(labels[row] for row in rows),
        right=right[rows],
        rejected=tuple(_rejected(said[row], told[row]) for row in rows),
    )


def judgements(
    scores: ArrayLike,
    ups: ArrayLike,
    downs: ArrayLike,
    *,
    said_up: ArrayLike | None = None,
    said_down: ArrayLike | None = None,
    good_score: float = GOOD_SCORE,
    bad_score: float = BAD_SCORE,
) -> NDArray[np.int8]:
    """1 where the answer was confirmed, -1 where it was called wrong, 0 where neither; a score before thumbs.

    `scores` are 0 to 100, NaN where nobody gave one; `ups` and `downs` count thumbs. `said_up` and `said_down` say that
    there were thumbs where none are counted.
    """
    low, high = finite_numbers("bad_score and good_score", [bad_score, good_score], low=0.0, high=100.0).tolist()
    if low > high:
        raise BadInput("bad_score", bad_score, f"at most good_score, {good_score:g}")
    score = np.asarray(scores, np.float64)
    finite_numbers("scores", np.where(np.isnan(score), 0.0, score), low=0.0, high=100.0)
    thumbs = _thumbs(ups, downs, said_up, said_down)
    same_length(score=score, thumbs=thumbs)
    by_score = (score >= high).astype(int) - (score < low)  # NaN compares as neither
    return np.where(by_score != 0, by_score, thumbs).astype(np.int8)


def _thumbs(
    ups: ArrayLike, downs: ArrayLike, said_up: ArrayLike | None, said_down: ArrayLike | None
) -> NDArray[np.float64]:
    """Positive where more are up, negative where more are down."""
    above, below = finite_numbers("ups", ups, low=0.0), finite_numbers("downs", downs, low=0.0)
    rows = same_length(ups=above, downs=below)
    up, down = (np.zeros(rows, np.bool_) if one is None else np.asarray(one, np.bool_) for one in (said_up, said_down))
    same_length(ups=above, said_up=up, said_down=down)
    uncounted = (above == 0) & (below == 0)
    return np.where(uncounted, up.astype(float) - down, np.sign(above - below))


def _signs(judged: ArrayLike, rows: int) -> NDArray[np.int8]:
    given = np.asarray(judged)
    if given.shape != (rows,) or not np.isin(given, (-1, 0, 1)).all():
        raise BadInput("judged", judged, f"1, 0 or -1 for each of {rows} examples, as `judgements` gives them")
    return given.astype(np.int8)


def _said(example: Any, *, preferences: bool) -> _Said:
    """A pair has its two labels under names of their own, and no answer."""
    output, correction, category = (_label(field(example, name)) for name in ("output", "correction", "category"))
    if not preferences:
        return _Said(output, correction, category)
    if field(example, "chosen") is not None:
        return _Said("", correction, category, _label(field(example, "chosen")), _label(field(example, "rejected")))
    compared = _label(field(example, "compared_with"))
    two = {"better": (output, compared), "worse": (compared, output)}.get(field(example, "verdict"), ("", ""))
    return _Said(output, correction, category, *(two if all(two) else ("", "")))


def _told(said: _Said, judged: int, known: set[str]) -> str:
    """The label that somebody said is right; "" where nobody named one."""
    category = said.category if said.category in known else ""
    preferred = "" if said.preferred == said.output and judged < 0 else said.preferred
    return said.correction or category or preferred


def _rejected(said: _Said, told: str) -> str:
    if not told:
        return ""
    against = said.other if told == said.preferred else said.output
    return against if against != told else ""


def _label(value: Any) -> str:
    return as_text(value).strip()
