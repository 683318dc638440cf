"""A short series of scores, one for each evaluation: is it rising, has it stopped rising, did it fall?

The slope is that of the least-squares line, with its standard error; a direction is claimed only where the slope is
more than twice that, since four noisy evaluations always slope somewhere. A plateau is the usual patience rule of early
stopping (Prechelt 1998, «Early stopping - but when?»): the last `patience` evaluations brought nothing that beats
the best before them by at least `least_gain`. A drop is claimed of the newest score against one before it where the
difference is more than both their standard errors explain, at a level divided by how many were looked at (Bonferroni):
the best of many noisy scores always lies above the newest. It knows nothing of how the scores were come by.

    >>> trend_of([61, 64, 68, 70]).direction, round(trend_of([61, 64, 68, 70]).slope, 2)
    ('rising', 3.1)
    >>> plateau_of([60, 70, 70.2, 69, 70.4], patience=3, least_gain=0.5).reached
    True
    >>> drop_of([80, 81, 74], [1, 1, 1])
    Drop(since=1, points=7.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from components.bad_input import BadInput, finite_numbers, same_length, whole_number

FEWEST = 3  # of two points, any line is exact
LOOKED_BACK = 30  # evaluations: what was better before these is another story


@dataclass(frozen=True, slots=True)
class Trend:
    """Points per evaluation, how sure that is, and the word for it: "rising", "falling", "steady" or "unknown"."""

    slope: float
    error: float  # standard error of the slope; NaN below three evaluations
    direction: str


@dataclass(frozen=True, slots=True)
class Plateau:
    """Whether the scores stopped rising; `best` is the place of the best one, None where there is none."""

    reached: bool
    best: int | None
    since: int  # evaluations after the last one that was a gain

    def why(self) -> str:
        """One line."""
        if self.best is None:
            return "no evaluation yet"
        return f"{self.since} evaluations without a gain; the best is number {self.best + 1}"


@dataclass(frozen=True, slots=True)
class Drop:
    """That the newest score lies below an earlier one by more than noise: the place of that one, and by how much."""

    since: int
    points: float


def trend_of(scores: ArrayLike) -> Trend:
    """The slope of the scores over their numbers; "unknown" below three of them."""
    values = finite_numbers("scores", scores)
    if len(values) < FEWEST:
        return Trend(float(values[-1] - values[0]) if len(values) else 0.0, np.nan, "unknown")
    places = np.arange(len(values)) - (len(values) - 1) / 2
    spread = float(places @ places)
    slope = float(places @ values) / spread
    left = values - values.mean() - slope * places
    error = float(np.sqrt((left @ left) / (len(values) - 2) / spread))
    if abs(slope) <= 2 * error or slope == 0:
        return Trend(slope, error, "steady")
    return Trend(slope, error, "rising" if slope > 0 else "falling")


def plateau_of(scores: ArrayLike, *, patience: int = 3, least_gain: float = 0.5) -> Plateau:
    """Whether none of the last `patience` scores beat the best before it by at least `least_gain`."""
    values = finite_numbers("scores", scores)
    patience = whole_number("patience", patience, low=1)
    gain = float(finite_numbers("least_gain", [least_gain], low=0.0)[0])
    if not len(values):
        return Plateau(reached=False, best=None, since=0)
    last_gain, mark = 0, values[0]
    for place, value in enumerate(values.tolist()):
        if value > mark and value >= mark + gain:
            last_gain, mark = place, value
    since = len(values) - 1 - last_gain
    return Plateau(reached=since >= patience, best=int(values.argmax()), since=since)


def drop_of(
    scores: ArrayLike, errors: ArrayLike, *, least_drop: float = 1.0, risk: float = 0.05, looked_back: int = LOOKED_BACK
) -> Drop | None:
    """Where the newest score fell from, the surest of them, the latest of equals; None where it did not.

    `errors` are the scores' standard errors; NaN is not known, and nothing is claimed of such a score. `risk` is that
    of claiming a drop where nothing changed.
    """
    values, known = finite_numbers("scores", scores), np.asarray(errors, np.float64)
    same_length(scores=values, errors=known)
    if not 0 < risk < 1:
        raise BadInput("risk", risk, "a probability between 0 and 1")
    first = max(0, len(values) - 1 - whole_number("looked_back", looked_back, low=1))
    before = np.arange(first, len(values) - 1)
    if not len(before):
        return None
    sure = NormalDist().inv_cdf(1 - risk / len(before))
    fell = values[before] - values[-1]
    beyond = np.where(fell >= least_drop, fell - sure * np.hypot(known[before], known[-1]), -np.inf)
    beyond = np.where(np.isnan(beyond), -np.inf, beyond)
    place = len(before) - 1 - int(beyond[::-1].argmax())
    return Drop(int(before[place]), float(fell[place])) if beyond[place] > 0 else None
