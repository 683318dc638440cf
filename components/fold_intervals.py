"""The mean of what K folds reached, and how far from it the truth may lie.

Folds share most of what they learn from, so that K scores are not K independent ones: Student's interval over them is
too narrow. Nadeau and Bengio (2003, "Inference for the Generalization Error") widen its variance from 1/K to
1/K + tested/learnt, which for K folds is 1/K + 1/(K - 1).

>>> found = mean_of_folds([0.90, 0.91, 0.89, 0.90, 0.92])
>>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
(0.904, 0.883, 0.925)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.bad_input import BadInput, finite_numbers


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float


def mean_of_folds(scores: Sequence[float]) -> Mean:
    """Of one score for each fold. Needs scipy."""
    from scipy.stats import t

    found = finite_numbers("scores", scores)
    folds = len(found)
    if folds < 2:
        raise BadInput("scores", f"{folds} of them", "one for each of at least two folds")
    spread = float(found.std(ddof=1)) * (1 / folds + 1 / (folds - 1)) ** 0.5
    half = float(t.ppf(0.975, folds - 1)) * spread
    mean = float(found.mean())
    return Mean(mean, mean - half, mean + half)
