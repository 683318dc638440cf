"""Doubt is read from probabilities, and what are none is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.uncertainty import chances_of_scores, check_probabilities, entropies, margins


def chances(seed, rows=30, classes=4, dtype=np.float64):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows).astype(dtype)


@given(st.integers(0, 1000), st.integers(2, 9), st.sampled_from([np.float16, np.float32, np.float64]))
def test_margin_and_entropy_are_as_a_slow_loop_has_them(seed, classes, dtype):
    """Best less second best, and the sum of -p log p, one row after another."""
    given = chances(seed, classes=classes, dtype=dtype)
    before = given.copy()
    slow_margins = [max(row) - sorted(row)[-2] for row in given.tolist()]
    slow_entropies = [-sum(p * np.log(p) for p in row if p > 0) for row in given.tolist()]
    assert np.allclose(margins(given), slow_margins, atol=1e-3)
    assert np.allclose(entropies(given), slow_entropies, atol=1e-3)
    assert np.array_equal(given, before)


def test_a_certain_row_has_a_margin_of_one_and_no_entropy():
    """Zero probabilities make no NaN."""
    sure = np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert margins(sure).tolist() == [1.0, 0.0]
    assert np.allclose(entropies(sure), [0, np.log(3)])


def test_many_rows_are_read_in_blocks(monkeypatch):
    """The pieces give what the whole gives."""
    given = chances(1, rows=100)
    whole = margins(given), entropies(given)
    monkeypatch.setattr("components.uncertainty._BLOCK", 7)
    assert np.array_equal(margins(given), whole[0])
    assert np.array_equal(entropies(given), whole[1])
    assert check_probabilities(given, 100) is given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((3, 2), 0.6), "probabilities[0]: found [0.6000000238418579, 0.6000000238418579], expected finite"),
        (
            np.array([[0.5, 0.5], [np.nan, 1.0], [0.5, 0.5]]),
            "probabilities[1]: found [nan, 1.0], expected finite numbers of",
        ),
        (
            np.array([[0.5, 0.5], [0.5, 0.5], [-0.5, 1.5]]),
            "probabilities[2]: found [-0.5, 1.5], expected finite numbers of",
        ),
        (np.array([[0.5, 0.5], [0.5, 0.5], [np.inf, 0]]), "probabilities[2]: found [inf, 0.0], expected"),
        (
            np.ones((3, 1)),
            "probabilities: found 'one class only', expected at least two. A model of one class is never",
        ),
        (np.ones(3), "probabilities: found 'an array of shape (3,)', expected one row for each of the 3 rows"),
        (
            np.full((2, 2), 0.5),
            "probabilities: found 'an array of shape (2, 2)', expected one row for each of the 3 rows",
        ),
    ],
)
def test_what_are_no_probabilities_is_refused(given, message):
    """The first wrong row is named with its numbers."""
    with pytest.raises(BadInput) as told:
        check_probabilities(given, 3)
    assert str(told.value).startswith(message)


def test_a_score_of_seventy_is_a_toss_up():
    """Ratings as beliefs: 0 is a failure, 100 a success, and the order is kept."""
    found = chances_of_scores(np.array([0.0, 35.0, 70.0, 85.0, 100.0]))
    assert found[:, 1].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert margins(found).tolist() == [1.0, 0.5, 0.0, 0.5, 1.0]
