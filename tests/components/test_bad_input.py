"""Every technique's complaint names the thing, the value, what was expected and the next step."""

import numpy as np
import pytest

from components.bad_input import BadInput, finite_numbers, one_number, one_of, same_length, scores, whole_number


def test_the_first_wrong_score_is_named_by_its_place() -> None:
    """A NaN among good scores is found, and the message says where and what to do."""
    with pytest.raises(BadInput) as told:
        scores("scores", [50.0, float("nan"), 101.0])
    assert str(told.value) == ("scores[1]: found nan, expected numbers from 0 to 100. Leave the row out, or mend it.")


@pytest.mark.parametrize("wrong", [[101.0], [-0.5], [float("inf")], ["many"], [[1.0]], [None]])
def test_what_is_no_score_is_refused(wrong: list[object]) -> None:
    """Out of range, infinite, no number, or more than one column: never clipped, never passed on."""
    with pytest.raises(BadInput, match=r"scores.*found.*expected"):
        scores("scores", wrong)


def test_good_numbers_come_back_as_they_are() -> None:
    """The bounds themselves are allowed."""
    assert scores("scores", (0, 100)).tolist() == [0.0, 100.0]
    assert finite_numbers("gains", np.array([-3], dtype=np.int8)).dtype == np.float64


@pytest.mark.parametrize("wrong", [True, 3.0, -1, "3", None, 11])
def test_a_count_is_a_whole_number_within_its_bounds(wrong: object) -> None:
    """True and 3.0 are no counts."""
    with pytest.raises(BadInput, match=r"budget: found .*, expected a whole number from 0 to 10"):
        whole_number("budget", wrong, high=10)


@pytest.mark.parametrize("wrong", [True, 0, 2.5, -1, "1", None, float("nan"), float("inf")])
def test_a_number_lies_within_its_bounds(wrong: object) -> None:
    """The lower one may be left out; True is no number."""
    with pytest.raises(BadInput, match=r"share: found .*, expected a number above 0 and at most 2"):
        one_number("share", wrong, 0.0, 2.0, above=True)
    assert one_number("share", 2, 0.0, 2.0) == 2.0
    with pytest.raises(BadInput, match=r"times: found 0.5, expected a number at least 1\."):
        one_number("times", 0.5, 1.0)


def test_names_and_lengths_that_do_not_fit_are_told() -> None:
    """An unknown name lists the known ones; unequal columns are listed with their lengths."""
    with pytest.raises(BadInput, match="strategy: found 'best', expected one of random, margin"):
        one_of("strategy", "best", ("random", "margin"))
    with pytest.raises(BadInput, match="'ids': 1, 'scores': 2"):
        same_length(ids=[1], scores=[1, 2])


def test_a_huge_value_is_cut_in_the_message() -> None:
    """A megabyte of text does not end up in a log line."""
    assert len(str(BadInput("text", "x" * 1_000_000, "less"))) < 200
