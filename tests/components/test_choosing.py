"""What every choice asks of its pool, and what a choice says."""

from enum import Enum

import numpy as np
import pytest

from components.bad_input import BadInput
from components.choosing import (
    Choice,
    check_budget,
    check_finite,
    check_labelled,
    check_labels,
    check_pool,
    check_weights,
)


def test_each_pick_has_its_terms():
    """Plain Python values, by the pick's place in the order."""
    choice = Choice(np.array([7, 3]), {"margin": np.array([0.1, 0.2]), "class": np.array(["a", "b"])}, "margin")
    assert choice.why(1) == {"margin": 0.2, "class": "b"}
    assert choice.how == "exact"


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (
            np.empty((0, 4), np.float32),
            "embeddings: found 'an empty pool', expected at least one row. Record outputs first.",
        ),
        (
            np.empty((4, 0), np.float32),
            "embeddings: found 'an empty pool', expected at least one row. Record outputs first.",
        ),
        (
            np.zeros(4),
            "embeddings: found 'float64 of shape (4,)', expected floating numbers of shape (rows, dimensions).",
        ),
        (
            np.zeros((2, 2), int),
            "embeddings: found 'int64 of shape (2, 2)', expected floating numbers of shape (rows, dim",
        ),
    ],
)
def test_what_is_no_pool_is_refused(pool, message):
    """Empty, flat, or of whole numbers."""
    with pytest.raises(BadInput) as told:
        check_pool(pool)
    assert str(told.value).startswith(message)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_named(wrong):
    """By its place, or by the number it has in the whole pool."""
    rows = np.ones((5, 3), dtype=np.float16)
    rows[3, 1] = wrong
    with pytest.raises(BadInput) as told:
        check_finite(rows)
    assert str(told.value) == (
        "embeddings[3]: found 'NaN or infinite numbers', expected finite ones. Embed the row again."
    )
    with pytest.raises(BadInput, match=r"embeddings\[80\]"):
        check_finite(rows, np.array([10, 20, 30, 80, 90]))


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        ([1, 9], "labelled: found 'row 9', expected row numbers from 0 to 4."),
        ([-1], "labelled: found 'row -1', expected row numbers from 0 to 4."),
        ([2, 3, 2], "labelled: found 'row 2 more than once', expected each row once."),
        ([0.5], "labelled: found 'float64 of shape (1,)', expected row numbers."),
        ([[1]], "labelled: found 'int64 of shape (1, 1)', expected row numbers."),
        (np.array([True, False]), "labelled: found 'bool of shape (2,)', expected row numbers."),
    ],
)
def test_wrong_row_numbers_are_refused(labelled, message):
    """Outside, twice, or a mask."""
    with pytest.raises(BadInput) as told:
        check_labelled(labelled, 5)
    assert str(told.value) == message


def test_classes_are_texts_or_numbers_and_an_enumeration_counts_as_its_values():
    """Arrays pass through; what is missing or mixed is refused by name."""
    colour = Enum("colour", {"RED": "red", "BLUE": "blue"})
    assert check_labels([colour.RED, colour.BLUE]).tolist() == ["red", "blue"]
    assert check_labels((3, 1)).tolist() == [3, 1]
    given = np.array(["a", "b"])
    assert check_labels(given) is given
    for wrong in (["a", 1], [["a"], ["b"]], [object()]):
        with pytest.raises(BadInput, match=r"labels: found .*, expected classes of one kind, texts or numbers"):
            check_labels(wrong)
    for missing in (["a", None], np.array([1.0, np.nan])):
        with pytest.raises(BadInput, match=r"labels\[1\]: found (None|.*nan.*), expected a class"):
            check_labels(missing)


def test_a_budget_is_a_count_within_what_can_be_chosen():
    """Zero asks for nothing; more than there is cannot be had."""
    assert check_budget(5, 5) == 5
    with pytest.raises(BadInput) as told:
        check_budget(6, 5)
    assert str(told.value) == (
        "budget: found 6, expected at most 5, the rows that can be chosen. Lower it, or wait for more."
    )
    for wrong in (0, -1, 2.0, True, "3"):
        with pytest.raises(BadInput, match=r"budget: found .* expected a whole number of at least 1"):
            check_budget(wrong, 5)


@pytest.mark.parametrize("wrong", [(0, 0, 0), (1, 2), (1, 2, -3), (1, 2, float("nan"))])
def test_weights_are_three_numbers_that_are_not_all_zero(wrong):
    """No weight below zero."""
    with pytest.raises(BadInput, match="weights"):
        check_weights(wrong)
    assert check_weights([0, 1, 0]) == (0.0, 1.0, 0.0)
