"""What is told of per-example results in figures, each pinned against counting one by one."""

import random

import numpy as np
import pytest

from adaptd.plugin.workload import Metric
from daemon.judge_results import Answered, Results

CORRECT, SHARE, COST = Metric("correct", binary=True), Metric("overlap"), Metric("cost", higher_is_better=False)


def answered(rows, types, metric, draw):
    figures = [{metric.name: np.array([draw() for _ in range(rows)])} for _ in range(2)]
    kinds = [types[row % len(types)] for row in range(rows)]
    return Answered(np.arange(rows), kinds, np.ones(rows, np.bool_), np.ones(rows), *figures)


def slow_success(of, who, name, kind):
    """Row by row: how many of a hundred points, and are those 70?"""
    values = [
        value
        for value, one in zip(getattr(of, who)[name].tolist(), of.artifact_type, strict=True)
        if kind in (None, one)
    ]
    return sum(100 * value >= 70 for value in values) / len(values)


@pytest.mark.parametrize("metric", [CORRECT, SHARE])
def test_success_is_counted_per_artifact_type_and_model(metric):
    """Of shares at 70 and above; of right and wrong, those that are right."""
    rng = random.Random(4)
    draw = (lambda: float(rng.random() < 0.6)) if metric.binary else lambda: round(rng.random(), 1)
    of = answered(90, ("erd", "sql", None), metric, draw)
    told = Results(of, None).success(metric)
    assert set(told) == {"all", "type erd", "type sql"}
    for slice_, kind in (("all", None), ("type erd", "erd"), ("type sql", "sql")):
        for who in ("champion", "challenger"):
            found = told[slice_][who]
            assert found["mean"] == pytest.approx(slow_success(of, who, metric.name, kind), abs=1e-6)
            assert found["low"] < found["mean"] < found["high"]


def test_exactly_seventy_is_a_success():
    """At 70 and above, as the documents count."""
    of = answered(10, ("erd",), SHARE, lambda: 0.7)
    assert Results(of, None).success(SHARE)["all"]["champion"]["mean"] == 1.0


def test_the_golden_set_is_counted_by_itself():
    """Beside all that was judged."""
    of, golden = answered(10, ("erd",), CORRECT, lambda: 1.0), answered(4, (None,), CORRECT, lambda: 0.0)
    told = Results(of, golden).success(CORRECT)
    assert (told["all"]["champion"]["mean"], told["golden"]["champion"]["mean"]) == (1.0, 0.0)


@pytest.mark.parametrize(("metric", "value"), [(COST, 0.5), (SHARE, 1.5), (SHARE, -0.5)])
def test_what_has_no_scale_has_no_success(metric, value):
    """A cost, and what leaves 0 to 1: 70 of what hundred?"""
    assert Results(answered(10, ("erd",), metric, lambda: value), None).success(metric) is None


def test_without_an_example_nothing_is_said():
    """No share of nobody."""
    assert Results(answered(0, ("erd",), CORRECT, lambda: 1.0), None).success(CORRECT) is None
