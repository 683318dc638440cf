"""Rewards are those of the component, row by row; a weight is a magnitude."""

import math

import numpy as np
import pytest

from adaptd.plugin.checking import MOMENT, pools
from daemon.plugin_loading import BadSettings
from daemon.presets import preset_settings
from tests.plugins.stages_made import made, pool_of, said, words_of

UP, DOWN, CORRECTED = math.tanh(1), -math.tanh(1), -math.tanh(0.5)  # worths, of a word without a score


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


def told_pool(**columns):
    """A thumb up, a bare thumb down, a correction, and a thumb down with a category."""
    says = [said("up"), said("down"), said("correction"), said("down", "category")]
    return pool_of(feedback=says, worth=[UP, DOWN, CORRECTED, DOWN], **columns)


def test_whose_right_answer_was_told_weighs_as_much_as_can_be():
    """It is what is learnt, and most certain; the reward stays the output's, and a category says no less beside a thumb
    than it does alone."""
    shaped = made("reward_feedback").shape(told_pool(), MOMENT)
    assert shaped["reward"] == pytest.approx([UP, DOWN, CORRECTED, DOWN])
    assert shaped["weight"] == pytest.approx([UP, UP, 1.0, 1.0])
    alone = made("reward_feedback").shape(pool_of(feedback=[said("category")], worth=[np.nan]), MOMENT)
    assert alone["weight"].tolist() == [1.0]


def test_a_correction_of_what_was_found_middling_weighs_no_less():
    """A score of 56.25 beside it is worth nothing; the right answer is as right as any."""
    middling = pool_of(feedback=[said("correction", "score")], worth=[0.0], score=[56.25])
    assert made("reward_feedback").shape(middling, MOMENT)["weight"].tolist() == [1.0]
    assert made("reward_feedback", told_weight=0.0).shape(middling, MOMENT)["weight"].tolist() == [0.1]


def test_a_preference_weighs_what_its_reward_says():
    """The better one of two may be wrong all the same."""
    preferred = pool_of(feedback=[said("better"), said("worse")], worth=[-CORRECTED, CORRECTED])
    assert made("reward_feedback").shape(preferred, MOMENT)["weight"] == pytest.approx([-CORRECTED] * 2)


def test_a_told_weight_is_a_floor():
    """What was found excellent or dreadful keeps its own."""
    pool = pool_of(feedback=[said("correction", "score")] * 2, worth=[0.9, -0.4])
    assert made("reward_feedback", told_weight=0.5).shape(pool, MOMENT)["weight"] == pytest.approx([0.9, 0.5])


def test_a_told_weight_fades_where_weights_fade():
    """By age and type, as the reward does; where the stage weighs nothing, neither does what was told."""
    pool = told_pool(age_days=np.full(4, 10.0))
    faded = made("reward_feedback", weight="reward").shape(pool, MOMENT)
    assert faded["weight"] == pytest.approx(np.array([UP, UP, 1.0, 1.0]) * 0.95**10)
    unweighed = made("reward_feedback", weight="none").shape(pool, MOMENT)
    assert unweighed["weight"].tolist() == [1, 1, 1, 1]
    assert words_of(unweighed, 3) == ["reward -0.28, of a worth of -0.46 at 10.0 days; weight 1.00"]


@pytest.mark.parametrize(("preset", "corrected"), [("v1", 0.5), ("v2", -CORRECTED)])
def test_the_documents_weigh_a_correction_by_its_reward(preset, corrected):
    """As they say it; only the shipped default is ours."""
    shaped = made("reward_feedback", **preset_settings(preset, "reward_feedback")).shape(told_pool(), MOMENT)
    assert shaped["weight"][2] == pytest.approx(corrected)
    assert shaped["weight"][0] > shaped["weight"][2]


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


def test_the_reason_says_why_a_correction_weighs_what_it_does():
    """So that nobody looks for it in the reward; a weight that is the reward's needs no other word."""
    shaped = made("reward_feedback").shape(told_pool(), MOMENT)
    reward = "reward -0.46, of a worth of -0.46 at 0.0 days; weight"
    assert words_of(shaped, 3) == [f"{reward} 1.00, since what is right was told"]
    assert words_of(shaped, 1) == ["reward +0.76, of a worth of +0.76 at 0.0 days; weight 0.76"]
    plain = made("reward_feedback", told_weight=0.0).shape(told_pool(), MOMENT)
    assert words_of(plain, 3) == [f"{reward} 0.46"]


@pytest.mark.parametrize(("named", "pool"), list(pools()), ids=[named for named, _ in pools()])
def test_every_row_stays(named, pool):
    """It weighs; it leaves nobody out."""
    assert made("reward_feedback").shape(pool, MOMENT)["example"].tolist() == pool["example"].tolist()


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("shape", "round", "x.shape: found 'round', expected one of smooth, steps"),
        ("weight", "all", "weight: found 'all', expected one of undecayed, reward, none"),
        ("told_weight", -1.0, "told_weight: found -1.0, expected a number at least 0"),
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
