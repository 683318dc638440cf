"""Is the challenger really better? Paired tests, bounds, and how much error a year of asking may cost.

Both models answered the same examples, so only where they differ counts. Right or wrong: McNemar's one-sided test with
mid-p (Fagerland, Lydersen and Laake 2013). Other figures: the signs of the differences are flipped at random (Fisher's
randomisation test); weights, such as one over the propensity, go with their example. Not worse by a margin: a one-sided
confidence bound. What asking night after night may cost is a budget of false promotions a year, spent evenly
(alpha-spending); a plain test at 5% promotes 18 equal models a year. Nothing here knows what a model is.

>>> round(mcnemar_mid_p(better=100, worse=50), 6), round(mcnemar_mid_p(better=55, worse=45), 3)
(2e-05, 0.16)
>>> bound = lower_bound([1.0] * 30 + [0.0] * 150 + [-1.0] * 20, level=0.05)
>>> round(bound.mean, 3), round(bound.low, 3)
(0.05, -0.008)
>>> round(level_now(per_year=1.0, sharing=1, days_since_last=1.0), 5)
0.00274
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, whole_number

Floats = NDArray[np.float64]
DAYS_A_YEAR = 365.0
MOST_AT_ONCE = 0.05  # however long nobody asked, one decision is never easier than this
RESAMPLES = 20_000
ENOUGH_FOUND = 400  # flips that come to as much: the chance is known to a twentieth of itself
_FIRST_LOOK = 2_000
_BLOCK = 1 << 22  # signs drawn at once
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Bound:
    """The mean of paired differences, and what it is at least at the level asked for."""

    mean: float
    low: float
    rows: int


# Is it better?


def mcnemar_mid_p(better: int, worse: int) -> float:
    """The chance, if both are equally good, of at least so many flips to the better; half of the tie is counted."""
    better, worse = whole_number("better", better), whole_number("worse", worse)
    flips = better + worse
    if flips == 0:
        return 1.0
    above = math.fsum(_halves(flips, count) for count in range(better + 1, flips + 1))
    return min(1.0, above + 0.5 * _halves(flips, better))


def _halves(flips: int, count: int) -> float:
    """The chance of exactly so many heads."""
    ways = math.lgamma(flips + 1) - math.lgamma(count + 1) - math.lgamma(flips - count + 1)
    return math.exp(ways - flips * math.log(2.0))


def sign_flip_p(
    differences: ArrayLike,
    rng: np.random.Generator,
    *,
    weights: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> float:
    """The chance, if differences are as often for as against, of a weighted mean of at least this; never quite 0.

    Its smallest value is 1 / (resamples + 1): choose them so that this is well below the level. Where it is plainly
    large, fewer are drawn (Besag and Clifford 1991).
    """
    weighted = _weighted(differences, weights)
    whole_number("resamples", resamples, low=1)
    moved = weighted[weighted != 0]
    if not len(moved):
        return 1.0
    limit = moved.sum() * (1 - 1e-12)  # equal sums in another order are equal
    found = drawn = 0
    for size in _pieces(resamples, len(moved)):
        heads = rng.integers(0, 2, (size, len(moved)), dtype=np.int8).astype(np.float64)
        found += int(np.count_nonzero(2.0 * (heads @ moved) - moved.sum() >= limit))
        drawn += size
        if found >= ENOUGH_FOUND:
            return found / drawn
    return (found + 1) / (drawn + 1)


def _pieces(resamples: int, rows: int) -> list[int]:
    size = max(1, min(_FIRST_LOOK, _BLOCK // rows))
    return [min(size, resamples - start) for start in range(0, resamples, size)]


def _weighted(differences: ArrayLike, weights: ArrayLike | None) -> Floats:
    found = finite_numbers("differences", differences)
    if weights is None:
        return found
    given = finite_numbers("weights", weights, low=0.0)
    if len(given) != len(found):
        raise BadInput("weights", f"{len(given)} of them", f"one for each of {len(found)} differences")
    return found * given


# Is it at least not worse?


def lower_bound(differences: ArrayLike, level: float, *, weights: ArrayLike | None = None) -> Bound:
    """What the mean difference is at least, but for the chance `level`; -inf below two rows.

    Student's bound; with weights that of the weighted mean, its variance linearised.
    """
    found = finite_numbers("differences", differences)
    _chance("level", level)
    weighted = _weighted(differences, weights)
    shares = np.ones(len(found)) if weights is None else finite_numbers("weights", weights, low=0.0)
    if len(found) < 2 or not shares.any():
        return Bound(float(found.mean()) if len(found) else math.nan, -math.inf, len(found))
    mean = float(weighted.sum() / shares.sum())
    spread = float(((shares * (found - mean)) ** 2).sum())
    error = math.sqrt(spread * len(found) / (len(found) - 1)) / float(shares.sum())
    return Bound(mean, mean - _student(1 - level, len(found) - 1) * error, len(found))


def _student(chance: float, degrees: int) -> float:
    """The quantile of Student's distribution, by Hill's expansion from the normal one (good to 1e-3 from 10 on)."""
    z = _NORMAL.inv_cdf(chance)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / degrees**power for power, term in enumerate(terms, 1))


# What could have been seen?


def smallest_gain(rows: int, spread: float, level: float, power: float = 0.8) -> float:
    """The smallest true mean difference that as many rows show with this power; inf for none.

    `spread` is the standard deviation of the differences: for right or wrong, the root of the share of flips.
    """
    whole_number("rows", rows)
    _chance("power", power)
    finite_numbers("spread", [spread], low=0.0)
    if rows == 0 or not 0 < level < 1:
        return math.inf
    needed = _NORMAL.inv_cdf(1 - level) * spread
    gain = (needed + _NORMAL.inv_cdf(power) * spread) / math.sqrt(rows)
    for _ in range(50):  # a gain takes its share of the spread
        left = math.sqrt(max(0.0, spread**2 - gain**2))
        gain = (needed + _NORMAL.inv_cdf(power) * left) / math.sqrt(rows)
    return gain


# What may a year of asking cost?


def level_now(per_year: float, sharing: int, days_since_last: float, *, left: float = math.inf) -> float:
    """The chance of a false promotion that the next decision of one workload may take.

    A workload's share of the budget grows evenly, day by day, since its last decision (count one day for its first).
    `left` is what all workloads together may still spend: see `left_of`.
    """
    finite_numbers("per_year", [per_year], low=0.0)
    finite_numbers("days_since_last", [days_since_last], low=0.0)
    whole_number("sharing", sharing, low=1)
    grown = per_year / DAYS_A_YEAR * days_since_last / sharing
    return max(0.0, min(MOST_AT_ONCE, grown, left))


def left_of(per_year: float, days: ArrayLike, levels: ArrayLike, now_days: float) -> float:
    """What all decisions so far leave, if they are never to spend faster than evenly, nor more than it in any year.

    `days` are when the decisions were taken and `levels` what each took. The first day's share is there at the start.
    """
    taken, at = finite_numbers("levels", levels, low=0.0), finite_numbers("days", days)
    finite_numbers("per_year", [per_year], low=0.0)
    if len(at) == 0:
        return per_year / DAYS_A_YEAR
    within = at > now_days - DAYS_A_YEAR
    begun = max(float(at.min()), now_days - DAYS_A_YEAR)
    even = per_year * min(1.0, (now_days - begun + 1.0) / DAYS_A_YEAR)
    return max(0.0, even - float(taken[within].sum()))


def _chance(thing: str, value: float) -> None:
    if not 0 < value < 1:
        raise BadInput(thing, value, "a chance above 0 and below 1")
