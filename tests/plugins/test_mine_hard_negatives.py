"""Failures get their share of the weight, the hardest most of it; what a wrong rating made hard gets none."""

import numpy as np
import pytest

from adaptd.plugin.checking import MOMENT, made_pool
from components.hard_examples import difficulties
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, pool_of, words_of


def shared_out(weight, hard, failed, share, most):
    """The weights, one by one in plain Python."""
    failures = sum(one for one, fails in zip(weight, failed, strict=True) if fails)
    others = sum(weight) - failures
    lacking = share / (1 - share) * others - failures
    pulls = sum(one * how for one, how in zip(weight, hard, strict=True))
    if lacking <= 0 or not pulls:
        return list(weight)
    raised = [one + lacking * one * how / pulls for one, how in zip(weight, hard, strict=True)]
    return [min(new, most * old) if how else old for new, old, how in zip(raised, weight, hard, strict=True)]


def test_weights_are_what_a_slow_count_gives():
    """Among new examples and among those learnt before, each for itself."""
    pool = made_pool(300).with_columns(times_learnt=np.arange(300) % 3, weight=np.linspace(0.1, 1, 300))
    shaped = made("mine_hard_negatives", share=0.6).shape(pool, MOMENT)
    failed = np.nan_to_num(pool["score"], nan=100) < 60
    for part in (pool["times_learnt"] == 0, pool["times_learnt"] > 0):
        weight, hard = pool["weight"][part].tolist(), shaped["hard"][part].tolist()
        wanted = shared_out(weight, hard, failed[part].tolist(), 0.6, 3.0)
        assert np.allclose(shaped["weight"][part], wanted)
        assert not np.allclose(wanted, weight)


def test_failures_come_to_their_share():
    """One in ten, whose hardness is alike, weighs 35% where nothing caps it."""
    pool = pool_of(score=[20.0] * 10 + [90.0] * 90)
    shaped = made("mine_hard_negatives", most_times=100.0).shape(pool, MOMENT)
    assert shaped["weight"][:10].sum() / shaped["weight"].sum() == pytest.approx(0.35)
    capped = made("mine_hard_negatives").shape(pool, MOMENT)
    assert capped["weight"].max() == pytest.approx(3.0)


def test_more_failures_than_the_share_are_left_as_they_are():
    """None is made less of, and nothing is said twice over."""
    shaped = made("mine_hard_negatives").shape(pool_of(score=[20.0] * 9 + [90.0]), MOMENT)
    assert shaped["weight"].tolist() == [1.0] * 10


def test_the_hardest_gains_most():
    """By depth, repetition and recency, as the component has it."""
    pool = pool_of(score=[10.0, 50.0, *[90.0] * 20], downs=[3, 1, *[0] * 20], age_days=[0.0, 40.0, *[0.0] * 20])
    shaped = made("mine_hard_negatives").shape(pool, MOMENT)
    assert shaped["hard"][:2].tolist() == difficulties([10, 50], [3, 1], [0, 40]).difficulty.tolist()
    assert shaped["weight"][0] > shaped["weight"][1] > 1
    assert words_of(shaped, 1) == ["hard 0.85: a score of 10; weight 3.00 times"]
    assert words_of(shaped, 3) == []


def test_an_unscored_failure_is_one_by_its_worth():
    """A thumb down is a failure; a middling worth is none."""
    shaped = made("mine_hard_negatives").shape(pool_of(worth=[-0.6, 0.0, 0.6, np.nan]), MOMENT)
    assert (shaped["hard"] > 0).tolist() == [True, False, False, False]


def test_what_was_also_rated_good_is_set_aside():
    """It gains no weight, and loses none."""
    pool = pool_of(score=[20.0, 20.0, *[90.0] * 8], ups=[2, 0, 1, *[0] * 7])
    shaped = made("mine_hard_negatives").shape(pool, MOMENT)
    assert shaped["weight"][0] == 1.0
    assert shaped["weight"][1] > 1.0
    assert words_of(shaped, 1) == ["failed, but its rating is probably wrong (67%): set aside"]


def test_what_never_came_right_is_set_aside():
    """After five times, unless config says otherwise."""
    pool = pool_of(score=[20.0, 20.0, 90.0, 90.0], times_learnt=[5, 4, 1, 1])
    assert (made("mine_hard_negatives").shape(pool, MOMENT)["hard"] > 0).tolist() == [False, True, False, False]
    patient = made("mine_hard_negatives", give_up_after=9).shape(pool, MOMENT)
    assert (patient["hard"] > 0).tolist() == [True, True, False, False]
    assert words_of(made("mine_hard_negatives").shape(pool, MOMENT), 1) == [
        "learnt 5 times and never came right: set aside"
    ]


def test_a_failure_among_successes_is_suspect_where_neighbours_are_asked():
    """Two clusters: one fails throughout, of the other a single one."""
    rng = np.random.default_rng(3)
    points = np.repeat(np.eye(2, 8, dtype=np.float32), 30, axis=0) + rng.normal(0, 0.01, (60, 8)).astype(np.float32)
    base = pool_of(score=[20.0] * 30 + [90.0] * 29 + [20.0], embedding_row=np.arange(60))
    pool = type(base)(base.columns, base.names, fetch_embeddings=lambda rows: points[rows])
    unasked = made("mine_hard_negatives").shape(pool, MOMENT)
    asked = made("mine_hard_negatives", compared=200).shape(pool, MOMENT)
    assert unasked["hard"][59] > 0
    assert asked["hard"][59] == 0
    assert (asked["hard"][:30] > 0).all()


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("share", 1.0, "share: found 1.0, expected a number at least 0 and at most 0.95"),
        ("failure_below", 0.0, "failure_below: found 0.0, expected a number above 0 and at most 100"),
        ("most_times", 0.5, "most_times: found 0.5, expected a number at least 1 and at most 100"),
        ("decay_per_day", 2.0, "decay_per_day: found 2.0, expected a number at least 0 and at most 1"),
        ("suspect_from", 0.0, "suspect_from: found 0.0, expected a number above 0 and at most 1"),
        ("give_up_after", 0, "give_up_after: found 0, expected a whole number of at least 1"),
        ("compared", 10**6, "compared: found 1000000, expected a whole number from 0 to 20000"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("mine_hard_negatives", **{setting: value})
    assert told in str(error.value)
