"""A score and a word are worth a number between −1 and 1, and nothing is worth NaN."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.feedback_values import IMPLICIT_WORDS, KINDS, SHIFTS, WORDS, checked_scores, kind_shifts, worth

SCORES = st.one_of(st.none(), st.floats(0, 100))
WORD = st.sampled_from([None, *KINDS, "needs_review"])

ALL = np.ones(3, np.bool_)


def slow(score, word):
    """One row, by the formula."""
    shift = (WORDS | IMPLICIT_WORDS if score is None else WORDS).get(word)
    if score is None:
        return math.nan if shift is None else math.tanh(2 * shift)
    return math.tanh((score - 50) / 25 + (shift or 0.0))


@given(st.lists(st.tuples(SCORES, WORD), max_size=30))
def test_a_million_rows_are_worth_what_each_row_is(rows):
    """The columns agree with the formula to 1e-12, missing scores and words included."""
    scored = np.array([score is not None for score, _ in rows], bool)
    numbers = [math.nan if score is None else score for score, _ in rows]
    found = worth(*checked_scores(numbers, scored), kind_shifts([word for _, word in rows], scored))
    np.testing.assert_allclose(found, [slow(*row) for row in rows], rtol=0, atol=1e-12)


@given(st.floats(0, 100), st.floats(0, 100), WORD)
def test_a_higher_score_is_never_worth_less(one, other, word):
    """Whatever the word; and it stays within −1 and 1."""
    low, high = (slow(score, word) for score in sorted((one, other)))
    assert -1 < low <= high < 1


def test_the_words_are_in_the_order_that_their_meaning_has():
    """Rejected is worse than failure, that worse than corrected, that than partial; success and up are best."""
    by_shift = ["rejected", "failure", "corrected", "partial", "success"]
    assert [slow(None, word) for word in by_shift] == sorted(slow(None, word) for word in by_shift)
    assert abs(slow(None, "copy")) < abs(slow(None, "better")) < abs(slow(None, "up"))


def test_codes_are_places_among_the_kinds():
    """A column of codes and a column of words say the same; -1 says nothing; no column says nothing in any row."""
    codes, words = [3, -1, 0], ["failure", None, "success"]
    np.testing.assert_array_equal(kind_shifts(np.array(codes), ALL), kind_shifts(words, ALL))
    assert np.isnan(kind_shifts(None, ALL)).all()


def test_the_table_of_shifts_cannot_be_changed():
    """Views that are folded from a log come back equal."""
    with pytest.raises(ValueError, match="read-only"):
        SHIFTS[0] = 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: kind_shifts([0, 14], ALL[:2]),
            "kinds[1]: found 14, expected a code from -1 (none) to 13, a place in KINDS.",
        ),
        (lambda: kind_shifts(["up"], ALL[:2]), "columns: found {'scores': 2, 'kinds': 1}"),
        (lambda: checked_scores([1.0, math.nan]), "scores[1]: found nan, expected numbers from 0 to 100."),
        (
            lambda: checked_scores([1.0, 101.0], [False, True]),
            "scores[1]: found 101.0, expected numbers from 0 to 100.",
        ),
        (lambda: checked_scores([1.0], [1]), "scored: found [1], expected True or False for each row."),
        (lambda: checked_scores(["many"], [True]), "scores: found ['many'], expected numbers."),
        (lambda: checked_scores([1.0], [True, False]), "columns: found {'scores': 1, 'scored': 2}"),
    ],
)
def test_what_is_no_column_of_feedback_is_refused(call, message):
    """The row, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        call()
    assert str(told.value).startswith(message)
