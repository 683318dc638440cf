"""A batch is 20 to 100 examples, each factor moves it in the direction that the document names, and says so."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.batch_manager_adaptive import AdaptiveBatchManager, rarity_of

AVAILABLE = st.integers(0, 10**6)
SHARE = st.floats(0, 1)
TREND = st.floats(-100, 100)
MANAGER = st.builds(
    lambda low, more, default, target: AdaptiveBatchManager(low, low + more, low + round(default * more), target),
    st.integers(1, 40),
    st.integers(0, 200),
    SHARE,
    SHARE,
)


def slow(manager, available, quality, rarity, trend):
    """One size, by the formula of the module."""
    size = manager.default_batch_size * math.sqrt(available / 2 / manager.default_batch_size)
    size *= (1 + (manager.target_quality - quality) / 2) * (1 - 0.4 * rarity) * (1 + 0.3 * math.tanh(trend / 5))
    return size


@given(manager=MANAGER, available=AVAILABLE, quality=SHARE, rarity=SHARE, trend=TREND)
def test_the_size_is_the_formula_within_its_bounds(manager, available, quality, rarity, trend):
    """Rounded to the nearest; the V2 call, its explanation and the columns agree."""
    told = manager.explain_batch_size("erd", available, quality, rarity, trend)
    size = slow(manager, available, quality, rarity, trend)
    assert told.unbounded == pytest.approx(size, rel=1e-9)
    assert told.size == manager.calculate_optimal_batch_size("erd", available, quality, rarity, trend)
    assert [told.size] == manager.calculate_batch_sizes([available], [quality], [rarity], [trend]).tolist()
    assert abs(told.size - min(max(size, manager.min_batch_size), manager.max_batch_size)) <= 0.5 + 1e-6
    assert manager.min_batch_size <= told.size <= manager.max_batch_size


@given(manager=MANAGER, pair=st.tuples(AVAILABLE, AVAILABLE), quality=SHARE, rarity=SHARE, trend=TREND)
def test_more_examples_never_make_a_smaller_batch(manager, pair, quality, rarity, trend):
    """Availability: more examples, larger batches."""
    fewer, more = sorted(pair)
    args = ([quality] * 2, [rarity] * 2, [trend] * 2)
    small, large = manager.calculate_batch_sizes([fewer, more], *args)
    assert small <= large


@given(manager=MANAGER, available=AVAILABLE, pair=st.tuples(SHARE, SHARE), rarity=SHARE, trend=TREND)
def test_better_examples_never_make_a_larger_batch(manager, available, pair, rarity, trend):
    """Quality: high quality, smaller batches."""
    large, small = manager.calculate_batch_sizes([available] * 2, sorted(pair), [rarity] * 2, [trend] * 2)
    assert small <= large


@given(manager=MANAGER, available=AVAILABLE, quality=SHARE, pair=st.tuples(SHARE, SHARE), trend=TREND)
def test_a_rarer_type_never_waits_for_a_larger_batch(manager, available, quality, pair, trend):
    """Rarity: rare artifacts train sooner."""
    large, small = manager.calculate_batch_sizes([available] * 2, [quality] * 2, sorted(pair), [trend] * 2)
    assert small <= large


@given(manager=MANAGER, available=AVAILABLE, quality=SHARE, rarity=SHARE, pair=st.tuples(TREND, TREND))
def test_a_better_trend_never_makes_a_smaller_batch(manager, available, quality, rarity, pair):
    """Trend: improving, larger batches."""
    small, large = manager.calculate_batch_sizes([available] * 2, [quality] * 2, [rarity] * 2, sorted(pair))
    assert small <= large


def test_the_document_s_defaults_hold():
    """20, 100, 50 and 0.7; at a hundred examples of target quality every factor is 1."""
    manager = AdaptiveBatchManager()
    told = manager.explain_batch_size("erd", 100, 0.7)
    assert (told.size, [one.factor for one in told.factors], told.bound) == (50, [1.0] * 4, None)
    assert manager.calculate_optimal_batch_size("erd", 0, 0.7) == 20
    assert manager.calculate_optimal_batch_size("erd", 10**6, 0.7) == 100


def test_every_factor_is_told_in_words():
    """What was not given is named as such, and has no effect; a bound that decided is named."""
    told = AdaptiveBatchManager().explain_batch_size("erd", 5, 0.7, trend=-2.5)
    assert [(one.name, one.words) for one in told.factors] == [
        ("availability", "5 available"),
        ("quality", "quality 0.70, target 0.7"),
        ("rarity", "not given"),
        ("trend", "-2.5 a turn"),
    ]
    assert told.why().endswith("× 0.86 (-2.5 a turn) = 9.6, held by min_batch_size")
    assert (told.bound, told.enough) == ("min_batch_size", False)
    assert AdaptiveBatchManager().explain_batch_size("erd", 900, 0.7).bound == "max_batch_size"


def test_rarity_is_counted_from_the_examples_of_each_type():
    """0 at the average and above, 1 for a type that there is nothing of; without any example nothing is rare."""
    counts = {"erd": 10, "code": 50, "poem": 30}
    assert [rarity_of(kind, counts) for kind in counts] == [1 - 10 / 30, 0.0, 0.0]
    assert (rarity_of("new", counts), rarity_of("new", {}), rarity_of("new", {"erd": 0})) == (1.0, 0.0, 0.0)
    told = AdaptiveBatchManager().explain_batch_size("erd", 100, 0.7, type_counts=counts)
    assert told.factors[2].value == pytest.approx(2 / 3)


def test_a_trend_may_be_the_scores_so_far():
    """Their slope is taken."""
    manager = AdaptiveBatchManager()
    by_scores = manager.explain_batch_size("erd", 100, 0.7, trend=[70, 74, 78])
    assert by_scores.factors == manager.explain_batch_size("erd", 100, 0.7, trend=4.0).factors
    assert manager.explain_batch_size("erd", 100, 0.7, trend=[]).factors[3].factor == 1.0


def test_an_empty_column_has_no_sizes():
    """And that is no mistake."""
    sizes = AdaptiveBatchManager().calculate_batch_sizes([], [])
    assert (sizes.tolist(), sizes.dtype) == ([], np.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m.explain_batch_size("erd", 60, 75),
            "avg_quality: found 75, expected a share from 0 to 1. Divide a score of 0 to 100 by 100.",
        ),
        (lambda m: m.explain_batch_size("erd", 60, math.nan), "avg_quality: found nan, expected a share from 0 to 1."),
        (
            lambda m: m.explain_batch_size("erd", -1, 0.5),
            "available_examples: found -1, expected a whole number from 0",
        ),
        (
            lambda m: m.explain_batch_size("", 60, 0.5),
            "artifact_type: found '', expected the name of an artifact type.",
        ),
        (lambda m: m.explain_batch_size("erd", 60, 0.5, 1.5), "rarity: found 1.5, expected a share from 0 to 1."),
        (
            lambda m: m.explain_batch_size("erd", 60, 0.5, trend=math.inf),
            "trend[0]: found inf, expected finite numbers.",
        ),
        (
            lambda m: m.explain_batch_size("erd", 60, 0.5, trend=[101]),
            "trend[0]: found 101.0, expected numbers from 0 to",
        ),
        (
            lambda m: m.explain_batch_size("erd", 60, 0.5, type_counts={"erd": -1}),
            "type_counts['erd']: found -1, expected a whole number of at least 0.",
        ),
        (lambda m: m.calculate_batch_sizes([1], [0.5, 0.5]), "columns: found {'availability': 1, 'quality': 2}"),
        (lambda m: m.calculate_batch_sizes([1], [1.5]), "avg_qualities[0]: found 1.5, expected numbers from 0 to 1."),
        (lambda m: type(m)(min_batch_size=0), "min_batch_size: found 0, expected a whole number of at least 1."),
        (lambda m: type(m)(max_batch_size=10), "max_batch_size: found 10, expected a whole number of at least 20."),
        (
            lambda m: type(m)(default_batch_size=200),
            "default_batch_size: found 200, expected a whole number from 20 to",
        ),
        (lambda m: type(m)(target_quality=70), "target_quality: found 70, expected a share from 0 to 1."),
    ],
)
def test_what_makes_no_batch_is_refused(call, message):
    """The message names the argument, the value and what was expected."""
    with pytest.raises(BadInput) as told:
        call(AdaptiveBatchManager())
    assert str(told.value).startswith(message)
