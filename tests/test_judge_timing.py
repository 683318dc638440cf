"""How long a model takes for an example, by artifact type: by a clock that only models move."""

import numpy as np
import pytest

from adaptd.plugin.pool import Pool
from adaptd.plugin.workload import Judged
from daemon.judge_timing import by_type, timed

OF_A_CALL, OF_ONE = 0.5, {"quick": 0.001, "slow": 0.01, "rare": 0.001}
TYPES = ["slow"] * 20 + ["quick"] * 80 + ["rare"] * 19 + [None] * 81


class Clock:
    """And how many examples each call was given."""

    def __init__(self, hiccups=()):
        self.now, self.calls, self.hiccups = 0.0, [], list(hiccups)

    def __call__(self):
        return self.now

    def model(self, slower=1.0):
        """Loading it takes a while, and each example its own time."""

        def says(dataset):
            self.calls.append(len(dataset))
            self.now += slower * (OF_A_CALL + sum(OF_ONE[name] for name in dataset))
            self.now += self.hiccups.pop(0) if self.hiccups else 0.0
            return Judged({"correct": np.zeros(len(dataset))}, {})

        return says


def pool_of(types):
    return Pool.of({"example": np.arange(len(types))})


def examples(pool):
    return [TYPES[example] for example in pool["example"].tolist()]


def measured(clock, types=TYPES, examples_of=examples, **models):
    return by_type(models, examples_of, pool_of(types), types, ["quick"], clock)


def test_each_type_with_enough_examples_has_its_own():
    """What every call costs is shared by all examples alike, so that a small type does not seem slow."""
    clock = Clock()
    found = measured(clock, challenger=clock.model(), champion=clock.model(2.0))
    assert list(found) == ["type quick", "type slow"]
    assert list(found["type slow"]) == ["challenger", "champion"]
    for name in ("quick", "slow"):
        took = found[f"type {name}"]
        assert took["challenger"] == pytest.approx(OF_ONE[name] + OF_A_CALL / len(TYPES), rel=0.05)
        assert took["champion"] == pytest.approx(2 * took["challenger"])


def test_the_quickest_of_three_passes_counts():
    """Whatever else the machine did."""
    clock = Clock(hiccups=[3.0, 0.0, 7.0])
    judged, took = timed(clock.model(), ["quick"] * 100, clock)
    assert took == pytest.approx(0.6)
    assert clock.calls == [100] * 3
    assert len(judged.per_example["correct"]) == 100


def test_what_takes_long_is_done_once_and_the_largest_types_come_first():
    """After ten seconds in all no other type is measured."""
    clock = Clock(hiccups=[0.0, 0.0, 0.0, 11.0])
    assert list(measured(clock, challenger=clock.model())) == ["type quick"]
    assert clock.calls == [1, 1, 1, 80]


def test_a_workload_that_can_do_nothing_with_a_part_is_not_measured_on_it(capsys):
    """It has answered the whole. Why is said, without the error's words: they may hold what somebody wrote."""

    def only_slow(pool):
        if "quick" in examples(pool):
            raise ValueError("of an example")
        return examples(pool)

    clock = Clock()
    assert list(measured(clock, examples_of=only_slow, challenger=clock.model())) == ["type slow"]
    assert capsys.readouterr().err == (
        "latency of type quick: not measured, its 80 examples alone gave ValueError; expected answers, as for all "
        "examples together. The verdict does not hang on it.\n"
    )


def test_without_an_example_to_begin_with_nothing_is_taken_off():
    """The workload may have no use for the first one."""
    clock = Clock()
    found = by_type({"challenger": clock.model()}, examples, pool_of(TYPES), TYPES, [], clock)
    assert found["type slow"]["challenger"] == pytest.approx(OF_ONE["slow"] + OF_A_CALL / 20)


@pytest.mark.parametrize("types", [[], [None] * 40, ["rare"] * 19])
def test_without_a_type_of_enough_examples_nothing_is_measured(types):
    """No call is made for it."""
    clock = Clock()
    assert measured(clock, types, challenger=clock.model()) == {}
    assert clock.calls == []
