"""Difficulty is a weighted mean of the signals that are known, between 0 and 1, and each can be looked at."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.example_difficulty import (
    COMPLEXITY,
    HALF,
    SIGNALS,
    WEIGHTS,
    complexities,
    difficulties,
    explain_difficulty,
    lengths_as_signals,
    signals_of,
    weighed,
)

TEXT = st.one_of(st.none(), st.text(max_size=40), st.just("😀 groß " * 2_000))
EXAMPLE = st.fixed_dictionaries(
    {
        "input": TEXT,
        "output": TEXT,
        "context": st.one_of(st.none(), st.just({}), st.just({"rag": "…" * 500})),
        "artifact_type": st.sampled_from([None, "erd", "architecture", "sonnet"]),
        "score": st.one_of(st.none(), st.floats(0, 100)),
    }
)


def slow(example):
    """One example, one signal after the other."""
    known = {}
    for name, key in (("input_length", "input"), ("output_length", "output")):
        if example[key] is not None:
            known[name] = len(example[key]) / (len(example[key]) + HALF[name])
    if example["context"] is not None:
        length = 2 if not example["context"] else 500 + len('{"rag": ""}')
        known["context_length"] = length / (length + HALF["context_length"])
    if example["artifact_type"] in COMPLEXITY:
        known["artifact_type"] = COMPLEXITY[example["artifact_type"]]
    if example["score"] is not None:
        known["past_score"] = 1 - example["score"] / 100
    total = sum(WEIGHTS[name] for name in known)
    return sum(WEIGHTS[name] * value for name, value in known.items()) / total if known else 0.5


@given(st.lists(EXAMPLE, max_size=8))
def test_the_columns_are_what_each_example_is(examples):
    """Every row agrees with the slow way to 1e-12 and lies within 0 and 1."""
    found = weighed(signals_of(examples))
    np.testing.assert_allclose(found, [slow(example) for example in examples], rtol=0, atol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()


@given(EXAMPLE)
def test_an_example_is_explained_by_what_it_was_made_of(example):
    """The terms add up to the difficulty, and their weights to 1."""
    told = explain_difficulty(example)
    if told.signals:
        assert sum(told.weights.values()) == pytest.approx(1)
        assert sum(told.signals[name] * told.weights[name] for name in told.signals) == pytest.approx(told.difficulty)
    else:
        assert told.why() == "0.50: nothing is known of it"


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_longer_input_is_never_easier(one, other):
    """The V2 document: easy is short, hard is long."""
    low, high = difficulties(input_lengths=sorted((one, other)))
    assert low <= high


def test_a_complex_type_is_harder_and_an_unknown_one_says_nothing():
    """A type that the table does not name drops out; the caller's own table is read instead of it."""
    easy, hard = difficulties(artifact_types=["erd", "architecture"])
    assert (easy, hard) == (0.4, 0.8)
    assert difficulties(artifact_types=["sonnet", None]).tolist() == [0.5, 0.5]
    assert difficulties(artifact_types=["sonnet"], complexity={"sonnet": 0.75}).tolist() == [0.75]
    assert difficulties(artifact_types=np.array([0, 1]), input_lengths=[400, np.nan]).tolist() == [0.5, 0.5]


def test_one_weight_makes_one_signal_all():
    """Signals that are not named weigh nothing."""
    found = difficulties(input_lengths=[400], scores=[10], scored=[True], weights={"past_score": 2.0})
    assert found.tolist() == [0.9]


def test_a_signal_that_weighs_nothing_is_not_told():
    """Only what made the difficulty is named."""
    told = explain_difficulty({"input": "x" * 400, "score": 10}, weights={"input_length": 1})
    assert (told.why(), told.signals) == ("0.50: input_length 0.50 × 1.00", {"input_length": 0.5})


def test_a_megabyte_of_text_is_hard_and_an_empty_one_is_easy():
    """Length 0 and length 1,000,000 have their place at the ends."""
    lengths = explain_difficulty({"input": ""}), explain_difficulty({"input": "x" * 1_000_000})
    assert [told.difficulty for told in lengths] == [0.0, pytest.approx(0.9996)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: difficulties(input_lengths=[-1]), "input_lengths[0]: found -1.0, expected numbers from 0 to inf."),
        (
            lambda: difficulties(input_lengths=[1], weights={"luck": 1}),
            f"difficulty signal: found 'luck', expected one of {', '.join(SIGNALS)}.",
        ),
        (
            lambda: difficulties(input_lengths=[1], weights={"past_score": 0}),
            "difficulty weights: found {'past_score': 0}, expected at least one above 0.",
        ),
        (
            lambda: difficulties(artifact_types=["a"], complexity={"a": math.nan}),
            "complexity[0]: found nan, expected numbers from 0 to 1.",
        ),
        (lambda: difficulties(input_lengths=[1], scores=[1, 2]), "columns: found {'input_length': 1, 'past_score': 2}"),
        (lambda: signals_of([{"score": 101}]), "scores[0]: found 101.0, expected numbers from 0 to 100."),
        (lambda: signals_of([{"artifact_type": 3}]), "artifact_type: found 3, expected a text or a member of an Enum."),
    ],
)
def test_what_cannot_be_weighed_is_refused(call, message):
    """The message names the signal."""
    with pytest.raises(BadInput) as told:
        call()
    assert str(told.value).startswith(message)


def test_complexities_are_those_of_the_names():
    """A type without a name, or whose complexity nobody said, or beyond the names: not known."""
    found = complexities([0, 1, 2, 3], [None, "erd", "poem"])
    assert found[1] == 0.4
    assert np.isnan(found[[0, 2, 3]]).all()
    assert complexities([1], [None, "poem"], {"poem": 0.9}).tolist() == [0.9]
    assert len(complexities([], [])) == 0


def test_lengths_become_signals():
    """Half at the signal's own length; what is not known stays so."""
    found = lengths_as_signals({"input_length": [400, np.nan], "output_length": [1200, 0]})
    assert found["input_length"][0] == 0.5
    assert np.isnan(found["input_length"][1])
    assert found["output_length"].tolist() == [0.5, 0.0]
    with pytest.raises(BadInput, match="length: found 'title', expected one of input_length"):
        lengths_as_signals({"title": [1]})
