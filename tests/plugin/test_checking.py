"""The battery for stages finds every way in which a stage can break its contract, and nothing in one that holds."""

import dataclasses
import random

import numpy as np
import pytest

from adaptd.plugin import Pool, StageRefused
from adaptd.plugin.checking import problems_of
from tests.contracts.any_stage import AnyStage


class Freshest:
    """A stage as an author writes it: the newest half, and why the others are not in it."""

    name = "freshest"

    @dataclasses.dataclass(frozen=True)
    class Settings:
        share: float = 0.5

    def __init__(self, settings):
        self.settings = settings

    def shape(self, pool, moment):
        age = pool["age_days"]
        limit = np.quantile(age, self.settings.share) if len(pool) else 0.0
        return pool.keep(age <= limit, self.name, "{0:.1f} days old", age)


class TestFreshest(AnyStage):
    def make(self):
        return Freshest(Freshest.Settings())


def stage(shape):
    """A stage that does this."""
    return lambda: type("Broken", (Freshest,), {"shape": lambda self, pool, moment: shape(pool, moment)})(None)


def _draw_globally(pool, moment):
    np.random.rand()
    return pool


def _draw_from_python(pool, moment):
    random.random()
    return pool


def _raise(pool, moment):
    raise KeyError("budget")


def _force(pool, moment):
    column = pool.columns["weight"]
    try:
        column.flags.writeable = True
    except ValueError:
        column = column.base
    column += 1
    return pool


calls = []


def _remember_calls(pool, moment):
    calls.append(1)
    return pool.with_columns(weight=np.full(len(pool), float(len(calls))))


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (_raise, "it raised KeyError: 'budget'; expected a pool, or StageRefused with the reason"),
        (lambda pool, moment: None, "it returned NoneType, expected a Pool"),
        (_force, "it changed the pool it was given"),
        (_remember_calls, "the same pool and moment gave two different pools"),
        (_draw_globally, "it drew from the global random generators; expected moment.rng"),
        (_draw_from_python, "it drew from the global random generators; expected moment.rng"),
        (lambda pool, moment: pool.take(np.arange(len(pool) // 2)), "examples were left out without a reason"),
        (lambda pool, moment: Pool.of({"example": np.arange(len(pool)) + 9000}), "an example came from nowhere"),
        (lambda pool, moment: pool.with_columns(reward=np.full(len(pool), 1.5)), "column 'reward' beyond -1 to 1"),
        (lambda pool, moment: pool.with_columns(weight=np.full(len(pool), np.nan)), "column 'weight' beyond 0 to inf"),
        (lambda pool, moment: pool.because("other", "x", [0]) if pool else pool, "in the name of 'other'"),
        (lambda pool, moment: pool.because("freshest", "{0}", [0]) if pool else pool, "cannot be said"),
        (
            lambda pool, moment: Pool({**pool.columns, "side": np.full(len(pool), 3, np.int8)}),
            "an example of another side than learn",
        ),
    ],
)
def test_each_broken_promise_is_found(shape, told):
    """And named, with what was expected."""
    assert any(told in problem for problem in problems_of(stage(shape))), problems_of(stage(shape))


def test_refusing_with_a_reason_is_within_the_contract():
    """A stage may say that it cannot work on this pool."""

    def refuse(pool, moment):
        raise StageRefused("freshest", "0 examples, expected at least 1")

    assert problems_of(stage(refuse)) == []
