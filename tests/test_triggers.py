"""What fires a run: each question with its figures, and all of them against a slow table."""

import random

import numpy as np
import pytest

from adaptd.plugin import FiresAt, Moment, Pool
from daemon.night_settings import TriggerSettings
from daemon.triggers import (
    DRIFT_AT_LEAST,
    WORTH_AT_LEAST,
    WORTH_WINDOW,
    days_passed,
    decide,
    enough_new,
    inputs_drifted,
    worth_fell,
    worth_figures,
)

DAY = 86_400_000_000
NOW = 1_763_600_000_000_000
MOMENT = Moment(NOW, 1000, 7)


def pool_of(times, worth=None, ages=None, vectors=None):
    rows = len(times)
    vectors = np.zeros((rows, 2), np.float32) if vectors is None else np.asarray(vectors, np.float32)
    return Pool.of(
        {
            "example": np.arange(1, rows + 1),
            "times_learnt": times,
            "worth": np.full(rows, np.nan) if worth is None else worth,
            "age_days": np.zeros(rows) if ages is None else ages,
            "embedding_row": np.arange(rows),
        },
        fetch_embeddings=lambda places: vectors[places],
    )


def test_new_examples_are_told_beside_how_many_are_wanted():
    """With the words of who says how many, and how many are missing."""
    assert enough_new(31, FiresAt(40, "accuracy 0.71, so 40"))[1:] == (
        False,
        "31 of 40 new examples; accuracy 0.71, so 40",
        9,
    )
    assert enough_new(2000, FiresAt(1500, ""))[1:] == (True, "2,000 of 1,500 new examples", 0)
    assert not enough_new(0, FiresAt(0, "")).fires  # on nothing new nothing fires


def test_days_count_from_the_last_batch_and_need_something_new():
    """From the first feedback where there was none."""
    assert days_passed(1, 7, 7.0, True) == ("days", True, "7.0 of 7 days since the last batch", 0)
    assert days_passed(1, 7, 6.9, False) == ("days", False, "6.9 of 7 days since the first feedback", 0)
    assert days_passed(0, 7, 30.0, True).words == "30.0 of 7 days since the last batch, and no new example"


def test_worth_is_of_the_newest_feedback_alone():
    """Of as many as the window holds; an example of which nothing is said counts for none."""
    worth = np.concatenate((np.full(WORTH_WINDOW, 0.25), np.full(100, -1.0), [np.nan]))
    ages = np.concatenate((np.full(WORTH_WINDOW, 1.0), np.full(100, 2.0), [0.0]))
    assert worth_figures(pool_of([0] * 301, worth, ages)) == {"worth_mean": 0.25, "worth_count": WORTH_WINDOW}
    assert worth_figures(pool_of([0])) == {"worth_mean": None, "worth_count": 0}


def test_a_fall_of_worth_needs_enough_on_both_sides():
    """And a batch to compare with."""

    def figures(mean, count=WORTH_AT_LEAST):
        return {"worth_mean": mean, "worth_count": count}

    assert worth_fell(0.2, figures(0.1), figures(0.3))[1:3] == (
        True,
        "worth of feedback +0.10, +0.30 at the last batch; drop 0.2",
    )
    assert not worth_fell(0.2, figures(0.11), figures(0.3)).fires
    assert worth_fell(0.2, figures(0.1), None).words == "worth of feedback: no batch yet to compare with"
    assert worth_fell(0.2, figures(0.1, 49), figures(0.9)).words == (
        "worth of feedback: 49 now and 50 at the last batch, expected 50 examples that feedback says something of"
    )


def test_inputs_drift_when_their_means_point_elsewhere():
    """The cosine distance of the two means; with too few of either it cannot be said."""
    half = DRIFT_AT_LEAST
    vectors = [[1, 0]] * half + [[0, 1]] * half
    drifted = inputs_drifted(0.9, pool_of([0] * half + [1] * half, vectors=vectors))
    assert (drifted.fires, drifted.words) == (True, "drift of inputs 1.000 of 0.9")
    assert not inputs_drifted(0.1, pool_of([0] * half + [1] * half, vectors=[[1, 0]] * 2 * half)).fires
    few = inputs_drifted(0.1, pool_of([0] * (half - 1) + [1] * half))
    assert few.words == "drift: 19 new and 20 learnt inputs, expected 20 of each"
    assert inputs_drifted(0.9, pool_of([0] * half + [1] * half)).fires  # all zeros: nearness to nothing


def test_without_triggers_nothing_but_a_hand_starts_a_run():
    """And the words say so."""
    off = TriggerSettings(new_examples=0)
    assert decide(off, pool_of([0]), MOMENT, None, None).why_not == [
        "no trigger is set: only `adaptd train now` starts a run"
    ]
    by_hand = decide(off, pool_of([0]), MOMENT, None, None, by_hand=True)
    assert (by_hand.fires, by_hand.by) == (True, ["asked for by hand"])


def test_without_a_stage_that_sizes_there_is_a_number_all_the_same():
    """The words say where it is from."""
    found = decide(TriggerSettings(), pool_of([0] * 19), MOMENT, None, None)
    assert (found.fires, found.missing) == (False, 1)
    assert found.why_not == [
        "19 of 20 new examples; the smallest batch of the V2 document; no stage sizes batches",
    ]


def slow_table(settings, new, sized, days, worths):
    """The same decisions, spelt out."""
    answers = []
    if settings.new_examples == "sized":
        answers.append(new >= sized)
    elif settings.new_examples:
        answers.append(new >= settings.new_examples)
    if settings.days is not None:
        answers.append(new > 0 and days >= settings.days)
    if settings.reward_drop is not None:
        answers.append(worths[0] - worths[1] >= settings.reward_drop)
    if not answers:
        return False
    return any(answers) if settings.combine == "any" else all(answers)


@pytest.mark.parametrize("seed", range(100))
def test_any_settings_decide_as_the_slow_table_does(seed):
    """New examples, days and worth in any combination, fired by any or by all."""
    rng = random.Random(seed)
    settings = TriggerSettings(
        new_examples=rng.choice(["sized", 0, 1, 10, 40]),
        days=rng.choice([None, 1, 7]),
        reward_drop=rng.choice([None, 0.1, 0.5]),
        combine=rng.choice(["any", "all"]),
    )
    new, sized, days = rng.choice([0, 1, 9, 10, 39, 40, 60]), rng.choice([20, 40]), rng.choice([0, 1, 6, 7, 30])
    before, now = rng.choice([0.0, 0.25, 0.5]), rng.choice([-0.25, 0.0, 0.25])
    pool = pool_of([0] * new + [1] * (60 - new), worth=np.full(60, now))
    last = {"at": NOW - days * DAY, "figures": {"worth_mean": before, "worth_count": 60}}
    found = decide(settings, pool, MOMENT, FiresAt(sized, "so many"), last)
    assert found.fires == slow_table(settings, new, sized, days, (before, now))
    assert len(found.by) + len(found.why_not) == len(found.triggers)
