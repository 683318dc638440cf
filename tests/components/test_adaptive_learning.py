"""V1 as the V2 document describes it: buckets, characters, fifty at random, and no split."""

import math
from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.adaptive_learning import BUCKETS, TYPES, AdaptiveLearningLoop
from components.bad_input import BadInput


class Kind(Enum):
    SUCCESS = "success"


def feed(loop, count, kind="erd"):
    for number in range(count):
        loop.record_feedback(f"ask {number}", "answer", kind, "m", validation_score=number % 101)


@given(st.lists(st.floats(0, 100), max_size=30))
def test_a_score_falls_into_a_bucket(scores):
    """The reward of the highest bucket that the score reaches, for a column and for one score."""
    slow = [[worth for start, worth in BUCKETS if score >= start][-1] for score in scores]
    loop = AdaptiveLearningLoop()
    assert loop.rewards(scores).tolist() == slow
    assert [loop.calculate_reward(score) for score in scores] == slow


def test_a_feedback_without_a_score_counts_by_its_type():
    """Text or a member of an Enum; what V1 does not know is worth 0."""
    loop = AdaptiveLearningLoop()
    assert loop.record_feedback("a", "b", "erd", "m", feedback_type=Kind.SUCCESS) == TYPES["success"] == 0.5
    assert loop.record_feedback("a", "b", "erd", "m", feedback_type="needs_review") == 0.0
    assert loop.calculate_reward(10, "success") == -1.0  # a score speaks louder


@given(st.text(max_size=30), st.text(max_size=30))
def test_similarity_is_counted_character_by_character(one, other):
    """At the same places, over the longer text, 1 for two empty ones; the order of the two makes no difference."""
    loop, longer = AdaptiveLearningLoop(), max(len(one), len(other))
    slow = sum(a == b for a, b in zip(one, other, strict=False)) / longer if longer else 1.0
    assert loop.calculate_similarity(one, other) == loop.calculate_similarity(other, one) == slow


def test_similarity_takes_texts_of_any_length():
    """A megabyte of emoji is compared as well, and half an emoji is a character."""
    loop = AdaptiveLearningLoop()
    assert loop.calculate_similarity("😀" * 1_000_000, "😀" * 500_000) == 0.5
    assert loop.calculate_similarity("\ud83d", "\ud83d") == 1.0


def test_a_batch_is_fifty_of_all_that_its_type_has():
    """Every fiftieth feedback of a type forms one; the second is drawn from a hundred, old and new."""
    given_to, loop = [], AdaptiveLearningLoop()
    loop.train = given_to.append
    feed(loop, 49)
    feed(loop, 60, "code")
    assert [batch.artifact_type for batch in loop.batches] == ["code"]
    feed(loop, 51)
    assert [(batch.number, batch.artifact_type, len(batch.examples)) for batch in given_to] == [
        (1, "code", 50),
        (2, "erd", 50),
        (3, "erd", 50),
    ]
    assert loop.get_statistics()["waiting"] == {"erd": 0, "code": 10}


def test_no_example_is_twice_in_a_batch():
    """Drawn without putting back."""
    loop = AdaptiveLearningLoop()
    feed(loop, 100)
    for batch in loop.batches:
        assert len({example.input_data for example in batch.examples}) == 50
    assert {int(one.input_data.split()[1]) < 50 for one in loop.batches[1].examples} == {True, False}


def test_a_batch_is_drawn_by_the_seed_alone():
    """The same seed draws the same rows, none of them twice; a small pool is drawn whole."""
    one, again, other = (AdaptiveLearningLoop(seed=seed).draw(1_000) for seed in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()
    assert len(set(one.tolist())) == 50
    assert sorted(AdaptiveLearningLoop().draw(3).tolist()) == [0, 1, 2]
    assert AdaptiveLearningLoop().draw(0).tolist() == []


def test_every_row_is_drawn_about_as_often():
    """Random sampling: of 2,000 batches from 100 rows each row is in about a half."""
    loop, drawn = AdaptiveLearningLoop(), np.zeros(100)
    for _ in range(2_000):
        drawn[loop.draw(100)] += 1
    assert drawn.min() > 880
    assert drawn.max() < 1_120


def test_the_statistics_count_what_was_recorded():
    """And of nothing, nothing."""
    loop = AdaptiveLearningLoop(batch_size=2)
    assert loop.get_statistics()["mean_reward"] == 0.0
    feed(loop, 2)
    loop.record_feedback("a", "b", "code", "m", validation_score=95)
    assert loop.get_statistics() == {
        "feedback_events": 3,
        "training_batches": 1,
        "waiting": {"erd": 0, "code": 1},
        "feedback_by_artifact_type": {"erd": 2, "code": 1},
        "mean_reward": -1 / 3,
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: v.calculate_reward(math.nan), "scores[0]: found nan, expected numbers from 0 to 100."),
        (lambda v: v.rewards([1, 101]), "scores[1]: found 101.0, expected numbers from 0 to 100."),
        (
            lambda v: v.record_feedback("a", "b", "", "m", 5),
            "artifact_type: found '', expected the name of an artifact",
        ),
        (lambda v: v.calculate_similarity("a", None), "text2: found None, expected a text."),
        (lambda v: v.draw(-1), "rows: found -1, expected a whole number of at least 0."),
        (lambda v: type(v)(batch_size=0), "batch_size: found 0, expected a whole number of at least 1."),
    ],
)
def test_what_v1_cannot_use_is_refused(call, message):
    """The same plain messages as elsewhere."""
    with pytest.raises(BadInput) as told:
        call(AdaptiveLearningLoop())
    assert str(told.value).startswith(message)
