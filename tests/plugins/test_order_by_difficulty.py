"""Difficulties from what is known, and the curriculum's order where it is wanted."""

import numpy as np
import pytest

from adaptd.plugin import StageRefused
from adaptd.plugin.checking import MOMENT, made_pool
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, pool_of, words_of


def test_difficulty_is_the_weighted_mean_of_what_is_known():
    """The type's complexity and the score for all; lengths of those whose texts were looked at."""
    texts = [{"input": "x" * 400, "output": "y" * 1200}, {"input": "x" * 400}, {}]
    pool = pool_of(texts, artifact_type=[1, 3, 2], score=[50.0, np.nan, np.nan], times_learnt=[0, 1, 0])
    shaped = made("order_by_difficulty").shape(pool, MOMENT)
    whole = (0.5 * 0.3 + 0.5 * 0.2 + 0.4 * 0.3 + 0.5 * 0.1) / 0.9
    assert shaped["difficulty"].tolist() == [pytest.approx(whole), pytest.approx(0.7), 0.5]
    assert words_of(shaped, 3) == ["difficulty 0.50"]


def test_switched_off_it_orders_nothing():
    """It says how difficult, for those who ask."""
    pool = made_pool(50)
    shaped = made("order_by_difficulty").shape(pool, MOMENT)
    assert shaped["example"].tolist() == pool["example"].tolist()


def with_scores(score, rows=120):
    """So many scored examples, of which a third is of each type: easy, middling and hard."""
    complexity = {"erd": 0.1, "chat": 0.5, "code_prototype": 0.9}
    pool = pool_of(score=np.full(rows, score), artifact_type=1 + np.arange(rows) % 3, age_days=np.arange(rows))
    return pool, {"mode": "stages", "complexity": complexity, "evaluation_size": 10, "batch_size": 5}


@pytest.mark.parametrize(
    ("score", "rows", "stage", "types"),
    [(70.0, 120, "easy", {1}), (80.0, 30, "medium", {1, 2}), (80.0, 60, "hard", {3}), (80.0, 120, "mixed", {1, 2, 3})],
)
def test_each_stage_trains_on_its_own(score, rows, stage, types):
    """Three evaluations in a row above 75 lead on; what is left out is told the stage."""
    pool, settings = with_scores(score, rows)
    shaped = made("order_by_difficulty", **settings).shape(pool, MOMENT)
    assert set(shaped["artifact_type"].tolist()) == types
    assert stage in words_of(shaped, 1)[0]
    assert len(shaped) + sum(len(reason.examples) for reason in shaped.reasons if not reason.kept) == rows


def test_the_easiest_come_first():
    """In the order of their difficulty."""
    pool = pool_of(score=[50.0, 90.0, 70.0], artifact_type=[1, 1, 1])
    shaped = made("order_by_difficulty", mode="stages", medium_threshold=0.9, easy_threshold=0.9).shape(pool, MOMENT)
    assert shaped["example"].tolist() == [2, 3, 1]


def test_a_short_stage_is_filled_up_and_what_was_learnt_stays():
    """The nearest in difficulty; earlier examples are for replay, whatever the stage."""
    pool, settings = with_scores(70.0, 30)
    pool = pool.with_columns(times_learnt=np.arange(30) % 2)
    shaped = made("order_by_difficulty", **{**settings, "batch_size": 8}).shape(pool, MOMENT)
    new = shaped["times_learnt"] == 0
    assert new.sum() == 8
    assert (~new).sum() == 15
    assert shaped["artifact_type"][new].tolist() == [1] * 5 + [2] * 3


def test_evaluations_are_of_the_oldest_first():
    """So many each, and what is left over waits."""
    settings = {"mode": "stages", "evaluation_size": 10, "batch_size": 1}
    pool = pool_of(score=[80.0] * 30 + [0.0] * 5, age_days=np.arange(35)[::-1])
    shaped = made("order_by_difficulty", **settings).shape(pool, MOMENT)
    assert "stage medium" in words_of(shaped, 1)[0]  # three above 75; the five of 0 make none yet
    turned = made("order_by_difficulty", **settings).shape(pool.with_columns(age_days=np.arange(35)), MOMENT)
    assert "stage easy" in words_of(turned, 1)[0]  # they spoil the first


def test_by_loss_needs_losses():
    """An earlier stage has to give them; their rank is the difficulty."""
    pool = pool_of(score=[1.0, 2.0, 3.0])
    with pytest.raises(StageRefused, match="mode = 'by_loss' without a column 'loss', expected a stage that gives one"):
        made("order_by_difficulty", mode="by_loss").shape(pool, MOMENT)
    shaped = made("order_by_difficulty", mode="by_loss").shape(pool.with_columns(loss=[0.9, 0.1, 0.5]), MOMENT)
    assert shaped["example"].tolist() == [2, 3, 1]
    assert shaped["difficulty"].tolist() == [0.0, 0.5, 1.0]


def test_few_texts_are_read():
    """The newest so many of those that are new."""
    read = []
    base = made_pool(300)
    pool = type(base)(base.columns, base.names, fetch_texts=lambda rows: read.extend(rows) or [{} for _ in rows])
    made("order_by_difficulty", most_texts=7).shape(pool, MOMENT)
    assert sorted(read) == sorted(np.argsort(base["age_days"])[:7])


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("mode", "hard", "mode: found 'hard', expected one of stages, off, by_loss"),
        ("easy_threshold", 0.9, "easy_threshold: found 0.9, expected at most the medium_threshold, 0.65"),
        ("progression_score", 101.0, "found 101.0, expected numbers from 0 to 100"),
        ("evaluations_to_advance", 0, "evaluations_to_advance: found 0, expected a whole number of at least 1"),
        ("evaluation_size", 0, "evaluation_size: found 0, expected a whole number of at least 1"),
        ("batch_size", 0, "batch_size: found 0, expected a whole number of at least 1"),
        ("most_texts", -1, "most_texts: found -1, expected a whole number of at least 0"),
        ("complexity", {"erd": -1.0}, "complexity[0]: found -1.0, expected numbers from 0 to 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("order_by_difficulty", **{setting: value})
    assert told in str(error.value)
