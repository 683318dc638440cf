"""A column of names becomes small whole numbers, whatever it is made of, and no two names become one."""

from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import category_columns
from components.bad_input import BadInput
from components.category_columns import Coded, coded

NAMES = st.lists(st.text(max_size=6), max_size=60)


def slow(values):
    """Numbers in order of first appearance, one value after the other."""
    numbers = {}
    return [numbers.setdefault(value, len(numbers)) for value in values], tuple(numbers)


@given(NAMES)
def test_an_array_of_text_is_numbered_as_the_slow_way_numbers_it(values):
    """Codes and names are those of a dictionary, for any text, emoji and the empty one included."""
    array = np.array(values, dtype=np.str_)
    found = coded("types", array)
    assert (found.codes.tolist(), found.names) == slow(array.tolist())


@given(NAMES)
def test_a_list_is_numbered_as_an_array(values):
    """What holds the names makes no difference."""
    found = coded("types", values)
    assert (found.codes.tolist(), found.names) == slow(values)


def test_names_that_share_a_place_stay_apart(monkeypatch):
    """With one single place for all hashes, every guess is a collision, and every code is still right."""
    monkeypatch.setattr(category_columns, "_hashed", lambda by_letter: np.zeros(by_letter.shape[1], np.uint32))
    values = np.array([f"type {n % 7}" for n in range(50_000)])
    found = coded("types", values)
    assert np.array_equal(np.array(found.names)[found.codes], values)
    assert len(found.names) == 7


def test_many_names_over_many_blocks_stay_apart():
    """Far more names than places, met in many blocks."""
    values = np.random.default_rng(0).permutation(np.array([f"n{n}" for n in range(30_000)] * 2))
    found = coded("types", values)
    assert np.array_equal(np.array(found.names)[found.codes], values)
    assert len(set(found.names)) == len(found.names) == 30_000


def test_a_view_with_gaps_is_read_as_it_is():
    """Every second row of an array is not contiguous."""
    assert coded("types", np.array(["a", "b", "c", "b"])[1::2]).names == ("b",)


def test_none_has_no_code_and_members_of_an_enum_are_their_values():
    """None is -1; an Enum's member is its value; a list of whole numbers is codes."""

    class Kind(Enum):
        GOOD = "good"

    assert coded("kinds", [Kind.GOOD, None, "good"]).codes.tolist() == [0, -1, 0]
    assert coded("kinds", [2, -1, np.int8(0)])[0].tolist() == [2, -1, 0]
    assert coded("kinds", []).names == ()


def test_what_is_coded_already_is_taken_as_it_is():
    """A Coded and an array of int64 are not copied."""
    codes = np.array([0, 1, -1])
    assert coded("kinds", codes).codes is codes
    assert coded("kinds", Coded(codes, ("a", "b"))).codes is codes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("erd", "types: found 'erd', expected one name or code per row."),
        (7, "types: found 7, expected one name or code per row."),
        (np.array([["a"]]), "types: found 'an array of shape (1, 1)', expected one name or code per row."),
        (np.array([0, -2]), "types[1]: found -2, expected a code from -1 (none) to 1048575."),
        (Coded(np.array([1]), ("a",)), "types[0]: found 1, expected a code from -1 (none) to 0."),
        (
            Coded(np.array([0.5]), ("a",)),
            "types: found 'an array of float64 and shape (1,)', expected one whole number per row.",
        ),
        (["a", 1], "types: found 1, expected texts, or whole numbers as codes, in every row."),
        ([1, 2.5], "types: found 1, expected texts, or whole numbers as codes, in every row."),
        ([["a"]], "types: found 'a value that cannot be a name', expected texts."),
    ],
)
def test_what_is_no_column_of_names_is_refused(values, message):
    """The message says what was found and what a column of names is."""
    with pytest.raises(BadInput) as told:
        coded("types", values)
    assert str(told.value) == message
