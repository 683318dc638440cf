"""What a score and a word of feedback are worth, between −1 and 1.

A score is centred at 50 and measured in steps of 25; the word beside it shifts it; tanh makes a reward of the sum. The
tanh follows the V2 document («continuous score mapping, not discrete buckets»). A word without a score counts twice:
it is then all that is known.

    >>> scored, shifts = np.array([True, True, False, True]), np.array([np.nan, 0.5, 0.5, -0.75])
    >>> worth(np.array([85, 85, 0, 0]), scored, shifts).round(3).tolist()
    [0.885, 0.956, 0.762, -0.992]

are 85; 85 and "success"; "success" alone; 0 and "rejected".

A row that has neither is worth NaN: nothing is known of it, which is not the same as a reward of 0. These numbers are
constants, since views that are folded from a log must come back equal whatever the configuration says.

It does not ask who spoke, when, or how often: components/feedback_folding.py does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, same_length, scores
from components.category_columns import NONE, Coded, coded

MIDPOINT = 50.0  # the score that deserves neither praise nor blame
SPREAD = 25.0  # scores this far from it are worth tanh(±1) = ±0.76
ALONE = 2.0  # how much more a word counts where no score stands beside it

WORDS: dict[str, float] = {
    "success": 0.5,
    "partial": 0.0,
    "corrected": -0.25,  # somebody took the trouble: what was there was of some use
    "failure": -0.5,
    "rejected": -0.75,
    "up": 0.5,
    "down": -0.5,
    "better": 0.25,
    "worse": -0.25,
    "tie": 0.0,
}  # what somebody said; any other word may be recorded, and shifts nothing
# What somebody did rather than said
IMPLICIT_WORDS: dict[str, float] = {"copy": 0.15, "regenerate": -0.15, "dwell": 0.0, "silence": 0.0}
KINDS: tuple[str, ...] = (*WORDS, *IMPLICIT_WORDS)  # their places are the codes of a column of kinds
SHIFTS: NDArray[np.float64] = np.array([*WORDS.values(), *IMPLICIT_WORDS.values()])
SHIFTS.setflags(write=False)


def worth(given: NDArray[np.float64], scored: NDArray[np.bool_], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """A number from −1 to 1 per row. Where `scored` is False the score is not read; a shift of NaN says nothing."""
    spoken = np.isfinite(shifts)
    shifted = np.where(spoken, shifts, 0.0)
    centred = np.where(scored, (given - MIDPOINT) / SPREAD + shifted, ALONE * shifted)
    return np.where(scored | spoken, np.tanh(centred), np.nan)


def checked_scores(given: ArrayLike, scored: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores from 0 to 100 and which rows have one; without `scored` every row must."""
    if scored is None:
        numbers = scores("scores", given)
        return numbers, np.ones(len(numbers), np.bool_)
    has = np.asarray(scored)
    if has.dtype != np.bool_ or has.ndim != 1:
        raise BadInput("scored", scored, "True or False for each row")
    try:
        raw = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput("scores", given, "numbers") from error
    same_length(scores=raw, scored=has)
    return scores("scores", np.where(has, raw, 0.0)), has


def kind_shifts(kinds: Any, scored: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What each row's word shifts: NaN for no word, or one that says nothing of quality.

    `kinds` are codes into KINDS (-1: none), or words; None where no row has a word. What was done rather than said
    counts only where no score stands beside it.
    """
    if kinds is None:
        return np.full(len(scored), np.nan)
    found = coded("kinds", kinds)
    same_length(scores=scored, kinds=found.codes)
    alone, beside = _shifts_of(found)
    shifts: NDArray[np.float64] = beside[found.codes]
    return shifts if scored.all() else np.where(scored, shifts, alone[found.codes])


def _shifts_of(found: Coded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each code shifts alone and beside a score; the code of none, -1, reads the NaN at the end."""
    if found.names:
        places = [KINDS.index(name) if name in KINDS else NONE for name in found.names]
    else:
        _refuse_codes_above(found.codes)
        places = list(range(len(KINDS)))
    alone = np.append(SHIFTS, np.nan)
    beside = np.where(np.arange(len(alone)) < len(WORDS), alone, np.nan)
    return np.append(alone[places], np.nan), np.append(beside[places], np.nan)


def _refuse_codes_above(codes: NDArray[np.int64]) -> None:
    if len(codes) and codes.max() >= len(KINDS):
        wrong = int(np.argmax(codes >= len(KINDS)))
        expected = f"a code from {NONE} (none) to {len(KINDS) - 1}, a place in KINDS"
        raise BadInput(f"kinds[{wrong}]", int(codes[wrong]), expected)
