"""Tables that only grow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.views.columns import Columns, places_of


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=900), max_size=6))
def test_rows_come_back_from_their_packed_form(pages):
    """Whatever the sizes in which they were added."""
    table = Columns({"a": "<i8", "b": "<i4"})
    for page in pages:
        table.append(len(page), a=np.array(page, np.int64) * 3, b=np.array(page, np.int64))
    copy = Columns({"a": "<i8", "b": "<i4"})
    middle = table.rows // 2
    copy.append_packed(table.packed(0, middle))
    copy.append_packed(table.packed(middle, table.rows))
    flat = [value for page in pages for value in page]
    assert copy["a"].tolist() == [3 * value for value in flat]
    assert copy["b"].tolist() == flat


def test_one_value_fills_all_new_rows():
    """As for a default."""
    table = Columns({"a": "<i8"})
    table.append(3, a=7)
    assert table["a"].tolist() == [7, 7, 7]


def test_bytes_that_are_no_whole_rows_are_refused():
    """With how many there are and what was expected."""
    with pytest.raises(ValueError, match="13 bytes, expected a multiple of 12"):
        Columns({"a": "<i8", "b": "<i4"}).append_packed(b"x" * 13)


def test_places_of_numbers_among_others():
    """In any order; those that are not there are left out."""
    known, at = places_of(np.array([5, 9, 1, 5]), np.array([7, 5, 1]))
    assert (known.tolist(), at.tolist()) == ([0, 2, 3], [1, 2, 1])
    for wanted, among in (([], [1]), ([1], []), ([9], [1])):
        assert [part.tolist() for part in places_of(np.array(wanted), np.array(among))] == [[], []]
