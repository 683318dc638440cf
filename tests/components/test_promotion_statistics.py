"""Paired tests, bounds and the year's budget, beside scipy and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from components.bad_input import BadInput
from components.promotion_statistics import (
    DAYS_A_YEAR,
    MOST_AT_ONCE,
    left_of,
    level_now,
    lower_bound,
    mcnemar_mid_p,
    sign_flip_p,
    smallest_gain,
)


def rng(seed=3):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("better", "worse"), [(1, 0), (0, 1), (7, 3), (55, 45), (100, 50), (900, 700), (3, 400)])
def test_mcnemar_is_the_binomial_test_with_half_a_tie(better, worse):
    """As scipy counts it."""
    flips = stats.binom(better + worse, 0.5)
    assert mcnemar_mid_p(better, worse) == pytest.approx(flips.sf(better) + 0.5 * flips.pmf(better), rel=1e-9)


def test_without_a_flip_there_is_no_evidence():
    """Equal answers, and equal numbers of answers."""
    assert mcnemar_mid_p(0, 0) == 1.0
    assert mcnemar_mid_p(40, 40) == pytest.approx(0.5)


def test_signs_flipped_agree_with_every_sign_flipped():
    """On ten differences all 1,024 ways can be counted."""
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.0, 0.5, -0.2, 0.1, 0.6, 0.35])
    moved = differences[differences != 0]
    ways = np.array(np.meshgrid(*[[-1, 1]] * len(moved))).reshape(len(moved), -1)
    exact = np.mean(moved @ ways >= moved.sum() - 1e-12)
    assert sign_flip_p(differences, rng(), resamples=200_000) == pytest.approx(exact, abs=0.002)


def test_signs_flipped_agree_with_scipy_on_many_rows():
    """Its permutation test of paired samples."""
    one, other = rng(1).normal(0.07, 1, 400), np.zeros(400)
    told = stats.permutation_test(
        (one, other), lambda x, y: np.mean(x - y), permutation_type="samples", alternative="greater", n_resamples=20_000
    )
    assert sign_flip_p(one - other, rng()) == pytest.approx(told.pvalue, abs=0.01)


def test_weights_count_as_rows_would():
    """A difference of weight 3 moves the sum as much as one that is three times as large."""
    differences, weights = rng(5).normal(0.1, 1, 50), rng(6).integers(1, 4, 50).astype(float)
    assert sign_flip_p(differences, rng(), weights=weights) == sign_flip_p(differences * weights, rng())


def test_equal_models_have_no_evidence_of_a_difference():
    """Whatever the draw."""
    assert sign_flip_p(np.zeros(100), rng()) == 1.0


def test_the_flips_hold_their_level_where_differences_are_skewed():
    """A tenth of large gains beside nine tenths of small losses, of mean 0."""
    draw, nights = rng(7), 2000
    p_values = [sign_flip_p(np.where(draw.random(300) < 0.1, 0.9, -0.1), draw, resamples=400) for _ in range(nights)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("rows", [12, 40, 400])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_the_bound_is_students(rows, level):
    """As scipy's distribution has it."""
    differences = rng(rows).normal(0.02, 0.4, rows)
    wanted = differences.mean() - stats.t.ppf(1 - level, rows - 1) * differences.std(ddof=1) / math.sqrt(rows)
    assert lower_bound(differences, level).low == pytest.approx(wanted, abs=2e-4)


def test_the_bound_with_weights_holds_what_it_says():
    """In 95 of 100 draws the true mean is above it."""
    draw, held = rng(11), 0
    for _ in range(1500):
        chance = draw.choice([0.2, 0.9], 400)
        seen = draw.random(400) < chance
        differences = draw.normal(np.where(chance < 0.5, 0.3, 0.0), 0.5)[seen]
        held += lower_bound(differences, 0.05, weights=1 / chance[seen]).low <= 0.15
    assert held / 1500 == pytest.approx(0.95, abs=0.02)


def test_one_row_bounds_nothing():
    """Nor does none."""
    assert lower_bound([0.5], 0.05).low == -math.inf
    assert lower_bound([], 0.05).low == -math.inf


def test_the_smallest_gain_is_the_one_that_is_seen_as_often_as_said():
    """800 rows, 15% flips, a budget of one a year: simulated with the very test."""
    level = level_now(1.0, 1, 1.0)
    gain = smallest_gain(800, math.sqrt(0.15), level)
    draw, seen = rng(13), 0
    for _ in range(1500):
        flips = draw.multinomial(800, [(0.15 + gain) / 2, (0.15 - gain) / 2, 0.85])
        seen += mcnemar_mid_p(int(flips[0]), int(flips[1])) <= level
    assert seen / 1500 == pytest.approx(0.8, abs=0.04)


def test_nothing_can_be_seen_without_rows_or_level():
    """An empty judge set, and a spent budget."""
    assert smallest_gain(0, 0.4, 0.05) == math.inf
    assert smallest_gain(100, 0.4, 0.0) == math.inf


def test_a_year_of_nights_spends_the_budget_and_no_more():
    """One decision each night, by one workload and by five that share."""
    for sharing in (1, 5):
        days, levels = [], []
        for night in range(365):
            for _ in range(sharing):
                left = left_of(1.0, days, levels, float(night))
                levels.append(level_now(1.0, sharing, 1.0, left=left))
                days.append(float(night))
        assert sum(levels) == pytest.approx(1.0)
        assert max(levels) == pytest.approx(1 / 365 / sharing)


def test_who_asks_seldom_may_take_more_at_once():
    """A week's share after a week; never more than a twentieth."""
    assert level_now(1.0, 1, 7.0) == pytest.approx(7 / DAYS_A_YEAR)
    assert level_now(1.0, 1, 300.0) == MOST_AT_ONCE


def test_asking_many_times_a_day_takes_no_more():
    """`train now`, twenty times in one night: together one night's share."""
    days, levels = [], []
    for _ in range(20):
        levels.append(level_now(1.0, 1, 1.0, left=left_of(1.0, days, levels, 0.0)))
        days.append(0.0)
    assert sum(levels) == pytest.approx(1 / DAYS_A_YEAR)


def test_what_was_spent_more_than_a_year_ago_is_over():
    """The year moves along."""
    days = [float(day) for day in range(730)]
    assert left_of(1.0, days, [1 / DAYS_A_YEAR] * 730, 730.0) == pytest.approx(1 / DAYS_A_YEAR)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: mcnemar_mid_p(-1, 3), "better: found -1, expected a whole number of at least 0."),
        (lambda: sign_flip_p([0.1, math.nan], rng()), "differences[1]: found nan, expected finite numbers."),
        (
            lambda: sign_flip_p([0.1, 0.2], rng(), weights=[1.0]),
            "weights: found '1 of them', expected one for each of 2",
        ),
        (lambda: lower_bound([0.1, 0.2], 0.0), "level: found 0.0, expected a chance above 0 and below 1."),
        (lambda: level_now(1.0, 0, 1.0), "sharing: found 0, expected a whole number of at least 1."),
        (lambda: level_now(-1.0, 1, 1.0), "per_year[0]: found -1.0, expected numbers from 0 to inf."),
    ],
)
def test_what_cannot_be_meant_is_told(call, told):
    """With the thing, the value and what was expected."""
    with pytest.raises(BadInput) as raised:
        call()
    assert told in str(raised.value)
