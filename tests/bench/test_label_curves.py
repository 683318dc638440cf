"""The arithmetic behind the figures of label efficiency, against numbers counted by hand and by other libraries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.label_curves import (
    area,
    better_by_more_than_chance,
    interval,
    labels_needed,
    labels_to,
    share_of_random,
)

COUNTS = [100, 200, 300, 400]
NAN = float("nan")


def test_the_area_is_the_mean_height_of_the_curve():
    """Trapezoids over unequal steps: (0.5·100 + 0.7·200) / 300."""
    assert area([100, 200, 400], [0.4, 0.6, 0.8]) == pytest.approx((0.5 * 100 + 0.7 * 200) / 300)


def test_a_curve_of_one_point_has_its_score_as_area():
    """A pool that is asked about at once has no width."""
    assert area([50], [0.7]) == 0.7


def test_the_target_is_reached_between_two_points():
    """0.70 lies halfway between 0.6 at 200 labels and 0.8 at 300."""
    assert labels_to(COUNTS, [0.4, 0.6, 0.8, 0.9], 0.7) == pytest.approx(250)


def test_the_first_crossing_counts():
    """A curve that falls back below the target had reached it."""
    assert labels_to(COUNTS, [0.5, 0.75, 0.6, 0.9], 0.7) == pytest.approx(180)


def test_a_target_that_is_met_at_once_costs_the_first_labels():
    """Nothing is known of what fewer labels would have given."""
    assert labels_to(COUNTS, [0.8, 0.9, 0.9, 0.9], 0.8) == 100


def test_a_target_that_is_never_met_costs_nobody_knows_how_many():
    """NaN, not the budget."""
    assert math.isnan(labels_to(COUNTS, [0.1, 0.2, 0.3, 0.4], 0.5))


def test_a_curve_without_points_or_with_too_few_scores_is_refused():
    """The message says both shapes."""
    with pytest.raises(ValueError, match=r"found \(4,\) and \(2,\)"):
        area(COUNTS, [0.1, 0.2])
    with pytest.raises(ValueError, match="a score for each number of labels"):
        labels_to([], [], 0.5)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0, 1))
def test_both_agree_with_a_dense_line(scores, target):
    """Against the slow way: the curve drawn as ten thousand points by np.interp."""
    counts = np.arange(1, len(scores) + 1) * 100
    dense = np.linspace(counts[0], counts[-1], 10_001)
    line = np.interp(dense, counts, scores)
    assert area(counts, scores) == pytest.approx(line.mean(), abs=0.02)
    found = labels_to(counts, scores, target)
    if math.isnan(found):
        assert line.max() < target
    else:
        assert np.interp(found, counts, scores) == pytest.approx(target, abs=1e-6) or found == counts[0]
        assert not (line[dense < found - 1e-6] >= target + 1e-9).any()


def test_the_interval_is_students():
    """Against scipy's own t interval of five values."""
    from scipy import stats

    values = [0.81, 0.84, 0.79, 0.86, 0.80]
    told = interval(values)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (told["low"], told["high"]) == pytest.approx((low, high), abs=1e-5)
    assert told["se"] == pytest.approx(stats.sem(values), abs=1e-5)


def test_one_seed_has_no_interval():
    """A mean, and no spread that nobody could know."""
    assert interval([0.5]) == {"mean": 0.5, "n": 1}


def test_a_target_that_some_seeds_missed_has_no_mean():
    """It says how many reached it instead."""
    assert labels_needed([300.0, NAN, 500.0]) == {"reached": 2, "n": 3}
    assert labels_needed([300.0, 500.0])["mean"] == 400


def test_shares_are_taken_seed_by_seed():
    """The mean of 0.5 and 0.25, not 400/1200."""
    assert share_of_random([200.0, 200.0], [400.0, 800.0], 2000)["mean"] == 0.375


def test_a_random_that_never_got_there_counts_with_the_budget_and_says_so():
    """The true share is smaller: `at_most`."""
    told = share_of_random([500.0, 500.0], [1000.0, NAN], 2000)
    assert (told["mean"], told["at_most"]) == (0.375, True)


def test_a_strategy_that_never_got_there_has_no_share():
    """Neither good nor infinite: None, with how many seeds got there."""
    assert share_of_random([500.0, NAN], [1000.0, 900.0], 2000) == {"mean": None, "reached": 1, "n": 2}


def test_better_means_by_more_than_its_own_standard_error():
    """A gain of 0.01 ± 0.005 is better, one of 0.01 ± 0.02 is not; equal ones are not."""
    ours = [0.80, 0.81, 0.82]
    assert better_by_more_than_chance([0.815, 0.82, 0.825], ours)["better"]
    assert not better_by_more_than_chance([0.86, 0.80, 0.80], ours)["better"]
    assert not better_by_more_than_chance(ours, ours)["better"]
