"""Evaluations are measured for each artifact type and remembered as a value; the best is the highest mean score."""

import copy
import json
import math
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.performance_tracker import PerformanceTracker

ROW = st.tuples(
    st.floats(0, 100),
    st.sampled_from(["erd", "code", None]),
    st.one_of(st.just(math.nan), st.floats(-1, 1)),
    st.one_of(st.just(math.nan), st.floats(0, 1e4)),
)


def slow(rows):
    """The metrics of each type by the standard library."""
    for name in ["all", *sorted({kind for _, kind, _, _ in rows if kind})]:
        part = [row for row in rows if name in ("all", row[1])]
        scores = [row[0] for row in part]
        rewards = [row[2] for row in part if not math.isnan(row[2])]
        latencies = [row[3] for row in part if not math.isnan(row[3])]
        yield (
            name,
            [
                len(part),
                statistics.fmean(scores),
                statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else math.nan,
                sum(score >= 70 for score in scores) / len(scores),
                statistics.fmean(rewards) if rewards else math.nan,
                statistics.fmean(latencies) if latencies else math.nan,
                statistics.quantiles([*latencies, *latencies[:1]][: max(2, len(latencies))], n=20, method="inclusive")[
                    -1
                ]
                if latencies
                else math.nan,
            ],
        )


@given(st.lists(ROW, min_size=1, max_size=30))
def test_the_metrics_are_those_of_the_standard_library(rows):
    """Every artifact type and all of them, to 1e-9; what is not known of a row drops out."""
    found = PerformanceTracker().measure(*(list(column) for column in zip(*rows, strict=True)))
    expected = dict(slow(rows))
    assert list(found) == list(expected)
    for name, metrics in found.items():
        values = [getattr(metrics, field) for field in type(metrics).__dataclass_fields__]
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-9)


def test_seventy_is_a_success():
    """The threshold itself counts."""
    assert PerformanceTracker().measure([69.99, 70, 70.01, 0])["all"].success_rate == 0.5
    assert PerformanceTracker(success_score=80).measure([70, 80])["all"].success_rate == 0.5


def test_a_split_hands_back_the_callers_own_examples_in_their_order():
    """80 and 20 of each type; both spellings of an example; nothing is changed, doubled or lost."""
    examples = [{"input_data": f"ask {n}", "artifact_type": "erd"} for n in range(50)]
    examples += [SimpleNamespace(input=f"say {n}", artifact_type="code") for n in range(50)]
    kept = copy.deepcopy(examples)
    train, validation = PerformanceTracker().split_train_validation(examples)
    assert (len(train), len(validation)) == (80, 20)
    assert sum(isinstance(example, dict) for example in validation) == 10
    assert [id(example) for example in examples if example in train] == [id(example) for example in train]
    assert {id(example) for example in train + validation} == {id(example) for example in examples}
    assert examples == kept


def test_the_same_question_is_never_on_both_sides():
    """Twenty answers to five questions: the questions are split, not the answers."""
    examples = [{"input": f"Question {n % 5}", "artifact_type": "erd", "output": str(n)} for n in range(20)]
    train, validation = PerformanceTracker().split_train_validation(examples)
    assert {one["input"] for one in train}.isdisjoint({one["input"] for one in validation})
    assert len(validation) == 4


def test_a_type_with_one_example_is_trained_on():
    """And an empty pool is split into nothing."""
    tracker = PerformanceTracker()
    assert tracker.split_train_validation([{"input": "x", "artifact_type": "poem"}])[1] == []
    assert tracker.split_train_validation([]) == ([], [])


def test_an_example_without_input_is_known_by_its_id():
    """The id takes the input's place."""
    train, validation = PerformanceTracker().split_train_validation([{"id": str(n)} for n in range(10)])
    assert (len(train), len(validation)) == (8, 2)


def test_the_best_is_the_highest_mean_and_the_earliest_of_equals():
    """For each artifact type and for all; before the first evaluation there is none."""
    tracker = PerformanceTracker()
    assert tracker.best_model() is None
    first = tracker.record_evaluation("m1", [80, 60], ["erd", "code"])
    second = tracker.record_evaluation("m2", [60, 80], ["erd", "code"])
    assert (first.is_best, second.is_best) == (True, False)
    assert [tracker.best_model(kind).model for kind in ("all", "erd", "code")] == ["m1", "m1", "m2"]
    assert tracker.best_model("poem") is None


def test_a_trend_is_the_series_of_evaluations_of_one_type():
    """As `trend["scores"]` reads it; an evaluation without the type is not in it."""
    tracker = PerformanceTracker()
    for number, score in enumerate([50, 60, 70], start=1):
        tracker.record_evaluation(f"m{number}", [score, 90], ["erd", "code"], [0.1 * number, 1], [100.0 * number, 5])
    tracker.record_evaluation("m4", [10], ["code"])
    trend = tracker.get_performance_trend("erd")
    assert trend["scores"] == [50.0, 60.0, 70.0]
    assert trend["success_rates"] == [0.0, 0.0, 1.0]
    assert trend["rewards"] == pytest.approx([0.1, 0.2, 0.3])
    assert trend["latencies_ms"] == [100.0, 200.0, 300.0]
    assert (trend["models"], trend["examples"]) == (["m1", "m2", "m3"], [1, 1, 1])
    assert (trend["slope"], trend["direction"], trend["best_score"]) == (10.0, "rising", 70.0)
    assert len(tracker.get_performance_trend()["scores"]) == 4


def test_a_type_that_was_never_evaluated_has_an_empty_trend():
    """No error: a page that prints it prints an empty list."""
    trend = PerformanceTracker().get_performance_trend("poem")
    assert (trend["scores"], trend["direction"], trend["best_score"], trend["plateaued"]) == (
        [],
        "unknown",
        None,
        False,
    )


def test_training_stops_on_a_plateau():
    """Three evaluations without half a point more than the best before them."""
    tracker = PerformanceTracker()
    stops = [tracker.record_evaluation("m", [score]).plateau.reached for score in (60, 70, 70.4, 69, 70.3, 72)]
    assert stops == [False, False, False, False, True, False]
    assert tracker.should_stop() is False


def test_examples_may_carry_what_is_measured():
    """Score, type, reward and latency are read from the examples, in either spelling."""
    examples = [
        {"validation_score": 80, "artifact_type": "erd", "reward": 0.5, "latency_ms": 12},
        SimpleNamespace(score=60, artifact_type="code"),
    ]
    noted = PerformanceTracker().record_examples("m", examples)
    assert (noted.metrics["all"].mean_score, noted.metrics["erd"].mean_latency_ms) == (70.0, 12.0)
    assert math.isnan(noted.metrics["code"].mean_reward)


def test_the_state_is_a_value_that_is_stored_and_restored():
    """Through JSON and back, the tracker goes on as if nothing had happened; an old state is not changed by it."""
    tracker = PerformanceTracker()
    tracker.record_evaluation("m1", [80], ["erd"])
    before, stored = tracker.state, json.loads(json.dumps(tracker.state_as_json(), allow_nan=False))
    other = PerformanceTracker()
    other.restore(stored)
    assert [
        tracker.record_evaluation("m2", [90], ["erd"]).number,
        other.record_evaluation("m2", [90], ["erd"]).number,
    ] == [2, 2]
    assert tracker.state_as_json() == other.state_as_json()
    assert len(before) == 1
    assert PerformanceTracker(state=before).get_performance_trend("erd")["scores"] == [80.0]


def test_codes_without_names_are_their_digits():
    """A column of codes is measured by code."""
    assert list(PerformanceTracker().measure([1, 2], np.array([0, 2]))) == ["all", "0", "2"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.measure([]), "scores: found 'no evaluated example', expected at least one."),
        (lambda t: t.measure([math.nan]), "scores[0]: found nan, expected numbers from 0 to 100."),
        (lambda t: t.measure([101]), "scores[0]: found 101.0, expected numbers from 0 to 100."),
        (lambda t: t.measure([1], ["a", "b"]), "columns: found {'scores': 1, 'artifact_types': 2}"),
        (lambda t: t.measure([1], None, [2.0]), "rewards[0]: found 2.0, expected numbers from -1 to 1."),
        (
            lambda t: t.measure([1], None, ["good"]),
            "rewards: found ['good'], expected numbers, or NaN where there is none.",
        ),
        (lambda t: t.measure([1], None, None, [-1]), "latencies_ms[0]: found -1.0, expected numbers from 0 to inf."),
        (lambda t: t.measure([1], None, None, [1, 2]), "columns: found {'scores': 1, 'latencies_ms': 2}"),
        (lambda t: t.measure([1], ["all"]), "artifact_types: found 'all', expected a name other than 'all'"),
        (lambda t: t.record_evaluation("", [1]), "model: found '', expected the model's name."),
        (lambda t: t.record_examples("m", [{"artifact_type": "a"}]), "scores[0]: found nan"),
        (
            lambda t: t.split_train_validation([{"output": "x"}]),
            "example: found {'output': 'x'}, expected an input, or an",
        ),
        (lambda t: t.restore({}), "tracker state: found None, expected version 1."),
        (
            lambda t: t.restore({"version": 1, "evaluations": [{}]}),
            "tracker state: found {}, expected an evaluation as `state_as_json` writes it.",
        ),
        (lambda t: type(t)(validation_share=80), "share: found 80, expected a number between 0 and 1."),
        (lambda t: type(t)(success_score=700), "success_score[0]: found 700.0, expected numbers from 0 to 100."),
        (lambda t: type(t)(patience=0), "patience: found 0, expected a whole number of at least 1."),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    """The message names the column and the row."""
    with pytest.raises(BadInput) as told:
        call(PerformanceTracker())
    assert str(told.value).startswith(message)
