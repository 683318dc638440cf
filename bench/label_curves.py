"""What a curve of scores over numbers of labels says: its area, the labels to a target, and how sure both are.

Plain arithmetic on arrays; it knows nothing of texts, models or strategies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def area(counts: ArrayLike, scores: ArrayLike) -> float:
    """The mean score between the first number of labels and the last (trapezoids); of one point, its score."""
    x, y = _curve(counts, scores)
    return float(np.trapezoid(y, x) / (x[-1] - x[0])) if len(x) > 1 else float(y[0])


def labels_to(counts: ArrayLike, scores: ArrayLike, target: float) -> float:
    """How many labels until the score first reaches the target, between two points by a straight line.

    The first number of labels when the curve begins there already, NaN when it never gets there.
    """
    x, y = _curve(counts, scores)
    reached = np.flatnonzero(y >= target)
    if not len(reached):
        return float("nan")
    at = int(reached[0])
    if at == 0:
        return float(x[0])
    return float(x[at - 1] + (x[at] - x[at - 1]) * (target - y[at - 1]) / (y[at] - y[at - 1]))


def _curve(counts: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(counts, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(f"a curve has a score for each number of labels: found {x.shape} and {y.shape}")
    return x, y


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation, standard error and the 95% interval of Student's t over the seeds."""
    from scipy.stats import t

    given = np.asarray(values, dtype=np.float64)
    mean, n = float(given.mean()), len(given)
    if n < 2:
        return {"mean": _round(mean), "n": n}
    sd = float(given.std(ddof=1))
    half = float(t.ppf(0.975, n - 1)) * sd / n**0.5
    figures = {"mean": mean, "sd": sd, "se": sd / n**0.5, "low": mean - half, "high": mean + half}
    return {name: _round(value) for name, value in figures.items()} | {"n": n}


def labels_needed(reached: Sequence[float]) -> dict[str, Any]:
    """Over the seeds: the mean where all reached the target, else how many did."""
    got = [value for value in reached if not np.isnan(value)]
    if len(got) < len(reached):
        return {"reached": len(got), "n": len(reached)}
    return interval(got) | {"reached": len(got)}


def share_of_random(ours: Sequence[float], randoms: Sequence[float], budget: int) -> dict[str, Any]:
    """Labels as a share of random's, seed by seed.

    A seed in which random never got there within the budget counts with the budget, which makes our share look larger
    than it is: `at_most` says so. None when a seed of ours never got there.
    """
    if any(np.isnan(value) for value in ours):
        return {"mean": None, "reached": int(np.sum(~np.isnan(ours))), "n": len(ours)}
    shares = [own / (budget if np.isnan(other) else other) for own, other in zip(ours, randoms, strict=True)]
    return interval(shares) | {"at_most": bool(np.isnan(randoms).any())}


def better_by_more_than_chance(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, Any]:
    """Their areas less ours, seed by seed: `better` when the mean is above its own standard error."""
    gained = interval([a - b for a, b in zip(theirs, ours, strict=True)])
    error = gained.get("se", 0.0)
    return {"gain": gained["mean"], "se": error, "better": gained["mean"] > error}


def _round(value: float) -> float:
    return round(value, 5)


def surely_behind(theirs: Sequence[float], ours: Sequence[float], all_of_ours: Sequence[float]) -> bool:
    """On each of two seeds or more, by over five times what one seed's area of ours differs from another's."""
    if len(theirs) < 2 or len(all_of_ours) < 2:
        return False
    spread = float(np.std(np.asarray(all_of_ours, dtype=np.float64), ddof=1))
    return all(a < b - 5 * spread for a, b in zip(theirs, ours, strict=True))
