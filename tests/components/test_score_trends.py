"""A direction is claimed only where the line is surer than its noise, and a plateau only after patience."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.score_trends import Drop, Plateau, drop_of, plateau_of, trend_of

SERIES = st.lists(st.floats(0, 100).map(lambda score: round(score, 2)), min_size=3, max_size=20)


@given(SERIES)
def test_the_slope_is_that_of_the_standard_library(scores):
    """Least squares over the numbers of the evaluations, to 1e-9."""
    assert trend_of(scores).slope == pytest.approx(
        statistics.linear_regression(range(len(scores)), scores).slope, abs=1e-9
    )


@given(SERIES)
def test_the_mirror_of_a_rise_is_a_fall(scores):
    """And what is steady stays so."""
    other = {"rising": "falling", "falling": "rising", "steady": "steady"}
    assert trend_of([100 - score for score in scores]).direction == other[trend_of(scores).direction]


def test_the_standard_error_is_the_textbook_s():
    """Pinned: 61, 64, 68, 70 slope 3.1 with residuals of .4, -.2 …"""
    trend = trend_of([61, 64, 68, 70])
    left = [score - (65.75 + 3.1 * (place - 1.5)) for place, score in enumerate([61, 64, 68, 70])]
    assert trend.error == pytest.approx(math.sqrt(sum(part**2 for part in left) / 2 / 5))


@pytest.mark.parametrize(
    ("scores", "direction"),
    [
        ([], "unknown"),
        ([50], "unknown"),
        ([50, 90], "unknown"),
        ([50, 50, 50], "steady"),
        ([50, 90, 40, 95, 45], "steady"),
        ([1, 2, 3], "rising"),
        ([3, 2, 1], "falling"),
    ],
)
def test_a_direction_needs_three_evaluations_and_more_than_noise(scores, direction):
    """Two points make a line, and a zigzag has a slope; neither is a trend."""
    assert trend_of(scores).direction == direction


def slow_plateau(scores, patience, gain):
    """Looks at every evaluation from the start: how many since the last gain?"""
    since, mark = 0, scores[0]
    for score in scores[1:]:
        since += 1
        if score > mark and score >= mark + gain:
            since, mark = 0, score
    return since >= patience


@given(SERIES, st.integers(1, 5), st.floats(0, 5))
def test_a_plateau_is_patience_without_a_gain(scores, patience, gain):
    """As counted from the first evaluation on."""
    assert plateau_of(scores, patience=patience, least_gain=gain).reached == slow_plateau(scores, patience, gain)


def test_small_steps_that_add_up_are_a_gain():
    """0.3 and 0.3 beat what was last a gain by 0.6: the mark does not creep up with each small step."""
    assert plateau_of([70, 70.3, 70.6], patience=2, least_gain=0.5).reached is False
    assert plateau_of([70, 70.2, 70.4], patience=2, least_gain=0.5) == Plateau(reached=True, best=2, since=2)


def test_equal_scores_are_no_gain_even_where_none_is_asked():
    """With a least gain of 0 a score must still be higher."""
    assert plateau_of([70, 70, 70, 70], least_gain=0).reached


def test_a_plateau_says_how_long():
    """In one line; and before any evaluation there is none."""
    assert plateau_of([70, 71, 69]).why() == "1 evaluations without a gain; the best is number 2"
    assert plateau_of([]) == Plateau(reached=False, best=None, since=0)
    assert plateau_of([]).why() == "no evaluation yet"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trend_of([1, math.nan]), "scores[1]: found nan, expected finite numbers."),
        (lambda: plateau_of([1], patience=0), "patience: found 0, expected a whole number of at least 1."),
        (lambda: plateau_of([1], least_gain=-1), "least_gain[0]: found -1.0, expected numbers from 0 to inf."),
    ],
)
def test_what_is_no_series_is_refused(call, message):
    """The message names the place."""
    with pytest.raises(BadInput) as told:
        call()
    assert str(told.value).startswith(message)


# Drops

MEASURED = st.lists(
    st.tuples(st.integers(0, 400).map(lambda quarter: quarter / 4), st.sampled_from((0.5, 1.0, 2.0, 4.0, math.nan))),
    max_size=40,
)


def slow_drop(measured, least=1.0, risk=0.05, back=30):
    """Each of those before by itself, from the newest back: is it surer than the one found so far?"""
    *before, (newest, newest_error) = measured
    before = list(enumerate(before))[-back:]
    found, by_most = None, 0.0
    for place, (score, error) in reversed(before):
        needed = statistics.NormalDist().inv_cdf(1 - risk / len(before)) * math.sqrt(error**2 + newest_error**2)
        if score - newest >= least and score - newest - needed > by_most:
            found, by_most = Drop(place, score - newest), score - newest - needed
    return found


@given(MEASURED)
def test_a_drop_is_what_is_found_one_by_one(measured):
    """Which evaluation it fell from, and by how much; a score without an error is never part of one."""
    scores, errors = [score for score, _ in measured], [error for _, error in measured]
    found = drop_of(scores, errors)
    assert found == (slow_drop(measured) if measured else None)
    assert found is None or not math.isnan(errors[found.since] + errors[-1])


@pytest.mark.parametrize(
    ("scores", "errors", "drop"),
    [
        ([], [], None),
        ([80], [1], None),
        ([80, 79.5], [0.1, 0.1], None),  # less than a point is nothing to call somebody for
        ([80, 74], [1, 1], Drop(0, 6.0)),
        ([80, 74], [4, 4], None),
        ([80, 80, 74], [1, 1, 1], Drop(1, 6.0)),
        ([95, 80, 74], [20, 1, 1], Drop(1, 6.0)),  # one high score of which little is known
        ([90] + [74] * 31, [1] * 32, None),  # long ago
        ([90] + [74] * 30, [1] * 31, Drop(0, 16.0)),
        ([70, 80, 81], [1, 1, 1], None),
    ],
)
def test_a_drop_is_more_than_noise(scores, errors, drop):
    """Beyond what both errors explain, and within the evaluations looked back at."""
    assert drop_of(scores, errors) == drop


def test_where_nothing_changed_a_drop_is_seldom_claimed():
    """At most at the risk given, however many evaluations there are: 4,000 series of thirty with equal means."""
    rng = np.random.default_rng(6)
    series = rng.normal(70, 2, (4_000, 30))
    claimed = sum(drop_of(one, np.full(30, 2.0), least_drop=0.0) is not None for one in series)
    assert 0.005 < claimed / 4_000 <= 0.05


def test_a_real_drop_is_claimed():
    """Six points at an error of 1.2, which is some 700 examples: in more than nine of ten series of thirty."""
    rng = np.random.default_rng(7)
    series = rng.normal(84, 1.2, (1_000, 30))
    series[:, -1] -= 6
    claimed = sum(drop_of(one, np.full(30, 1.2)) is not None for one in series)
    assert claimed / 1_000 > 0.9


def test_a_drop_refuses_what_is_no_risk():
    """The value and what was expected."""
    with pytest.raises(BadInput, match=r"risk: found 1\.5, expected a probability between 0 and 1"):
        drop_of([1, 2], [1, 1], risk=1.5)
