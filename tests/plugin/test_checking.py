"""The battery for stages finds every way in which a stage can break its contract, and nothing in one that holds."""

import dataclasses
import itertools
import random

import numpy as np
import pytest

from adaptd.plugin import FiresAt, Pool, StageRefused
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


def _read_all(pool, moment):
    pool.texts(np.arange(len(pool)))
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
            lambda pool, moment: pool.because("freshest", "gone", [0], kept=False) if pool else pool,
            "a reason says that an example was left out, and it is there",
        ),
        (
            lambda pool, moment: pool.because("freshest", "{0}", [0], np.full(len(pool), "x")) if pool else pool,
            "has values that are not numbers; reasons are stored unsealed",
        ),
        (
            lambda pool, moment: (
                pool.because("freshest", f"says {pool.texts([0])[0].get('output')}", [0]) if pool else pool
            ),
            "quotes a text of the pool; expected the stage's own words and numbers",
        ),
        (
            lambda pool, moment: pool.with_columns(times_learnt=pool["times_learnt"] + 1),
            "it changed times_learnt; expected the log's own count",
        ),
        (
            _read_all,
            "a large pool: it read 20000 texts of 20000, expected at most 5000: choose by columns first",
        ),
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


def test_what_is_derived_from_what_was_derived_holds():
    """Its source is in the pool that comes back."""

    def derive(pool, moment):
        once = pool.derive([0], [{}], "freshest", "made") if len(pool) else pool
        return once.derive([len(pool)], [{}], "freshest", "made of it") if len(pool) else pool

    assert problems_of(stage(derive)) == []


def sizing(fires_at):
    """A stage that says when it is enough, like this."""
    return lambda: type("Sized", (Freshest,), {"fires_at": lambda self, pool, moment: fires_at(pool, moment)})(
        Freshest.Settings()
    )


drawn = itertools.count(1)


@pytest.mark.parametrize(
    ("fires_at", "told"),
    [
        (lambda pool, moment: 50, "fires_at returned int, expected FiresAt"),
        (lambda pool, moment: FiresAt(0, "none"), "expected a whole number of at least 1, and words"),
        (lambda pool, moment: FiresAt(50.0, "fifty"), "expected a whole number of at least 1, and words"),
        (lambda pool, moment: FiresAt(50, ""), "expected a whole number of at least 1, and words"),
        (lambda pool, moment: FiresAt(next(drawn), "more"), "for one pool and moment, expected the same"),
        (lambda pool, moment: FiresAt(1 // len(pool), "one"), "fires_at raised ZeroDivisionError"),
    ],
)
def test_each_way_to_size_wrongly_is_found(fires_at, told):
    """A number of examples with its words, the same each time."""
    assert any(told in problem for problem in problems_of(sizing(fires_at))), problems_of(sizing(fires_at))


def test_a_stage_that_sizes_holds():
    """As the document's rule does."""
    assert problems_of(sizing(lambda pool, moment: FiresAt(20 + len(pool), "twenty, and as many"))) == []


class Counting(Freshest):
    """A stage that remembers how many examples it was shown, and weighs by it."""

    seen = 0

    def remember(self, page):
        self.seen += len(page["example"])

    def memory(self):
        return str(self.seen).encode()

    def restore(self, memory):
        self.seen = int(memory)

    def shape(self, pool, moment):
        return pool.with_columns(weight=np.full(len(pool), 1.0 + self.seen))


def _change(self, page):
    column = page["weight"]
    (column if column.flags.writeable else column.base)[:] = 9


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"memory": lambda self: self.seen}, "memory() returned int, expected bytes"),
        ({"restore": lambda self, memory: None}, "memory() after restore() is another"),
        (
            {
                "restore": lambda self, memory: setattr(self, "kept", memory),
                "memory": lambda self: getattr(self, "kept", b"x"),
            },
            "a stage that was restored shapes otherwise",
        ),
        ({"remember": _change}, "remember() changed the page it was given"),
        ({"remember": lambda self, page: page["nothing"]}, "remembering raised KeyError: 'nothing'"),
    ],
)
def test_each_way_to_remember_wrongly_is_found(changed, told):
    """What was learnt is had back from its bytes, and the page is nobody's to change."""

    def make():
        return type("Broken", (Counting,), changed)(Freshest.Settings())

    assert any(told in problem for problem in problems_of(make)), problems_of(make)


def test_a_stage_that_remembers_holds():
    """With what it saves and restores."""
    assert problems_of(lambda: Counting(Freshest.Settings())) == []


def test_a_library_that_draws_when_it_is_loaded_is_not_the_stage():
    """Only what happens at each call is the stage's doing."""
    loaded = []

    def load_once(pool, moment):
        if not loaded:
            loaded.append(random.random())
        return pool

    assert problems_of(stage(load_once)) == []
