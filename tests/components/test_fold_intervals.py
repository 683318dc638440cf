"""The interval of a mean over folds holds what it promises, which the plain one does not."""

import numpy as np
import pytest
from scipy import stats

from components.bad_input import BadInput
from components.fold_intervals import mean_of_folds


def test_it_is_students_interval_with_the_wider_variance():
    """By hand: 1/K + 1/(K - 1) in place of 1/K."""
    scores = [0.8, 0.82, 0.79, 0.85]
    found = mean_of_folds(scores)
    low, high = stats.t.interval(0.95, 3, np.mean(scores), stats.sem(scores) * np.sqrt(1 + 4 / 3))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(scores), low, high))


def test_folds_that_agree_leave_no_doubt():
    """And one fold says nothing of how far folds scatter."""
    assert mean_of_folds([0.5, 0.5]) == mean_of_folds([0.5, 0.5, 0.5])
    with pytest.raises(BadInput, match="scores: found '1 of them', expected one for each of at least two folds"):
        mean_of_folds([0.9])
