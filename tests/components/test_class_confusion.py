"""Confused classes are ranked by what is sure, and negatives are drawn from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.class_confusion import confusable_classes, confusion_matrix, contrasts, draw_contrasts


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=50))
def test_the_matrix_counts_pairs(pairs):
    """Equal to counting one pair at a time."""
    slow = np.zeros((5, 5), dtype=int)
    for truth, answer in pairs:
        slow[truth, answer] += 1
    truth, answers = [t for t, _ in pairs], [a for _, a in pairs]
    assert confusion_matrix(np.array(truth, int), np.array(answers, int), classes=5).tolist() == slow.tolist()


def test_one_slip_in_two_answers_does_not_outrank_forty_in_a_hundred():
    """The lower end of the interval ranks, not the share."""
    found = confusable_classes([[60, 40, 0], [0, 10, 0], [1, 0, 1]], fewest=1)
    assert [(one.true, one.taken_for, one.count) for one in found] == [("0", "1", 40), ("2", "0", 1)]
    assert found[0].at_least == pytest.approx(0.3094, abs=1e-4)  # Wilson's lower end for 40 of 100
    assert found[0].why == "0 is taken for 1 in 40 of 100 answers (40%, at least 30.9%)"


def test_limits_and_no_confusion_give_short_lists():
    """Nothing confused, nothing told; a limit of one gives the surest."""
    assert confusable_classes(np.eye(3) * 9) == []
    assert len(confusable_classes([[5, 3], [4, 5]], limit=1)) == 1


def test_contrasts_count_both_directions():
    """Rows sum to 1, nothing is set against itself, and what is confused has the most weight."""
    weights = contrasts([[50, 8, 0], [2, 50, 0], [0, 0, 50]])
    assert weights.sum(axis=1) == pytest.approx([1, 1, 1])
    assert weights[0].tolist() == pytest.approx([0, 10.5 / 11, 0.5 / 11])
    assert weights[2].tolist() == pytest.approx([0.5, 0.5, 0])


@given(seed=st.integers(0, 1000), size=st.integers(2, 6), ratio=st.floats(0, 1))
def test_a_drawn_class_is_never_the_own_one(seed, size, ratio):
    """For any matrix and any ratio."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, size, 200)
    drawn = draw_contrasts(labels, rng.integers(0, 9, (size, size)), hard_ratio=ratio, rng=rng)
    assert not np.any(drawn == labels)
    assert drawn.min() >= 0
    assert drawn.max() < size


def test_the_ratio_decides_how_often_a_confused_class_is_drawn():
    """With .7 by confusion and the rest by chance, 10.5/11 · .7 + ½ · .3 of the draws are the confused class."""
    matrix = [[50, 8, 0], [2, 50, 0], [0, 0, 50]]
    drawn = draw_contrasts(np.zeros(40_000, int), matrix, rng=np.random.default_rng(0))
    assert (drawn == 1).mean() == pytest.approx(0.7 * 10.5 / 11 + 0.15, abs=0.01)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: confusable_classes([[1, 2]]), "matrix: found .*, expected as many columns as rows"),
        (lambda: confusable_classes([[1, -2], [0, 1]]), r"matrix\[1\]: found -2.0"),
        (lambda: confusable_classes(np.eye(2), names=["a"]), "names: found '1 names', expected one for each of 2"),
        (lambda: contrasts([[3]]), "matrix: found '1 class', expected at least two"),
        (lambda: confusion_matrix([0.5], [1]), "truth: found 'float64 of shape .*', expected whole numbers"),
        (lambda: confusion_matrix([0], [-1]), "answers: found -1, expected class numbers from 0"),
        (lambda: confusion_matrix([0], [3], classes=2), "classes: found 2, expected a whole number of at least 4"),
        (
            lambda: draw_contrasts([2], np.eye(2), rng=np.random.default_rng(0)),
            "labels: found .*, expected class numbers from 0 to 1",
        ),
    ],
)
def test_wrong_matrices_and_classes_are_told(call, told):
    """One class only, other shapes, unknown classes."""
    with pytest.raises(BadInput, match=told):
        call()
