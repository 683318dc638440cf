"""Rewards are those of the component, row by row; a weight is a magnitude."""

import math

import numpy as np
import pytest

from adaptd.plugin.checking import MOMENT, pools
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, pool_of, words_of


def by_hand(worth, hard, days, alike, types):
    """The reward of one example, in plain Python."""
    boost = 1 + 0.5 * hard
    credited = max(-1.0, min(1.0, worth * boost if worth >= 0 else worth / boost))
    limit = max(100.0, sum(types) / len(types))
    return credited, credited * 0.95**days * math.sqrt(limit / max(alike, limit))


def test_each_reward_is_what_a_slow_count_gives():
    """Worth, credited for difficulty, decayed by age, balanced by type; the weight is the undecayed magnitude."""
    rng = np.random.default_rng(2)
    rows = 600
    types = np.where(rng.random(rows) < 0.8, 1, 2)
    pool = pool_of(
        worth=rng.uniform(-1, 1, rows),
        age_days=rng.uniform(0, 60, rows),
        artifact_type=types,
        difficulty=np.where(rng.random(rows) < 0.5, rng.random(rows), np.nan),
    )
    shaped = made("reward_feedback").shape(pool, MOMENT)
    counts = np.bincount(types)[1:].tolist()
    for row in range(rows):
        difficulty = pool["difficulty"][row]
        hard = (0.4 if types[row] == 1 else 0.0) if np.isnan(difficulty) else difficulty
        credited, reward = by_hand(pool["worth"][row], hard, pool["age_days"][row], counts[types[row] - 1], counts)
        assert shaped["reward"][row] == pytest.approx(reward)
        assert shaped["weight"][row] == pytest.approx(max(abs(credited), 0.1))


def test_what_was_judged_bad_stays_with_its_sign_and_its_weight():
    """A workload may learn from it; the weight alone would have it imitated."""
    shaped = made("reward_feedback").shape(pool_of(worth=[0.8, -0.8]), MOMENT)
    assert np.allclose(shaped["reward"], [0.8, -0.8])
    assert np.allclose(shaped["weight"], [0.8, 0.8])


def test_of_which_nothing_tells_the_quality_keeps_its_weight():
    """A bare category is a label, not a judgement."""
    shaped = made("reward_feedback").shape(pool_of(worth=[np.nan], weight=[0.7]), MOMENT)
    assert np.isnan(shaped["reward"][0])
    assert shaped["weight"].tolist() == [0.7]
    assert words_of(shaped, 1) == ["no reward: nothing that was said tells of quality; the weight stays"]


@pytest.mark.parametrize(("which", "weight"), [("undecayed", 0.8), ("reward", 0.8 * 0.95**10), ("none", 1.0)])
def test_the_weight_is_whose_magnitude_was_asked_for(which, weight):
    """An old example keeps its weight unless decay is asked for: replay would count for nothing."""
    shaped = made("reward_feedback", weight=which).shape(pool_of(worth=[0.8], age_days=[10.0]), MOMENT)
    assert shaped["weight"].tolist() == [pytest.approx(weight)]
    assert shaped["reward"].tolist() == [pytest.approx(0.8 * 0.95**10)]


def test_steps_are_v1_s_rewards():
    """Buckets of the score; without one, the worth to the nearest half."""
    pool = pool_of(score=[95, 85, 65, 5, np.nan, np.nan], worth=[0, 0, 0, 0, -0.6, 0.9])
    assert made("reward_feedback", shape="steps").shape(pool, MOMENT)["reward"].tolist() == [1, 0.5, 0, -1, -0.5, 1]


def test_the_reason_has_the_numbers_of_its_row():
    """Reward, worth, age and weight."""
    shaped = made("reward_feedback").shape(pool_of(worth=[0.8], age_days=[10.0]), MOMENT)
    assert words_of(shaped, 1) == ["reward +0.48, of a worth of +0.80 at 10.0 days; weight 0.80"]


@pytest.mark.parametrize(("named", "pool"), list(pools()), ids=[named for named, _ in pools()])
def test_every_row_stays(named, pool):
    """It weighs; it leaves nobody out."""
    assert made("reward_feedback").shape(pool, MOMENT)["example"].tolist() == pool["example"].tolist()


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("shape", "round", "x.shape: found 'round', expected one of smooth, steps"),
        ("weight", "all", "weight: found 'all', expected one of undecayed, reward, none"),
        ("least_weight", 2.0, "least_weight: found 2.0, expected a number at least 0 and at most 1"),
        ("negative_difficulty", "x", "negative_difficulty: found 'x', expected one of soften, boost, leave"),
        ("time_decay_rate", 0.0, "time_decay_rate: found 0.0, expected a number above 0 and at most 1"),
        ("difficulty_weight", 0.5, "difficulty_weight: found 0.5, expected a number at least 1"),
        ("balance_threshold", 0, "balance_threshold: found 0, expected a whole number of at least 1"),
        ("complexity", {"erd": 3.0}, "complexity[0]: found 3.0, expected numbers from 0 to 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("reward_feedback", **{setting: value})
    assert told.removeprefix("x.") in str(error.value)
