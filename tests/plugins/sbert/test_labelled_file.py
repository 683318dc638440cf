"""Rows are split within each class, equal texts together."""

import numpy as np
import pytest

from components.bad_input import BadInput
from plugins.workloads.sbert.labelled_file import LabelledFile, few_of, folds_of, split_of


def many(rows=1000):
    labels = ["rare" if row % 10 == 0 else "often" for row in range(rows)]
    return LabelledFile(tuple(f"text {row}" for row in range(rows)), tuple(labels))


def test_splits_are_70_9_21_within_each_class():
    """As the document has them; every row is on one side."""
    file = many()
    split = split_of(file, 42)
    assert [len(rows) for rows in (split.train, split.validate, split.test)] == [700, 90, 210]
    labels = np.array(file.labels)
    assert [(labels[rows] == "rare").sum() for rows in (split.train, split.validate, split.test)] == [70, 9, 21]
    assert sorted(np.concatenate([split.train, split.validate, split.test])) == list(range(1000))


def test_sizes_are_shares_of_all_rows_and_the_seed_draws():
    """The same seed the same rows."""
    file = many()
    split = split_of(file, 1, test_size=0.2, val_size=0.1)
    assert [len(rows) for rows in (split.train, split.validate, split.test)] == [700, 100, 200]
    assert np.array_equal(split.test, split_of(file, 1, 0.2, 0.1).test)
    assert not np.array_equal(split.test, split_of(file, 2, 0.2, 0.1).test)


def test_equal_texts_are_on_one_side():
    """But for case and spaces; else the test would be of what was learnt."""
    texts = tuple(f"{'Text' if row % 2 else 'text  '} {row // 2}" for row in range(400))
    split = split_of(LabelledFile(texts, ("a",) * 400), 3)
    for rows in (split.train, split.validate, split.test):
        assert {row ^ 1 for row in rows.tolist()} == set(rows.tolist())


@pytest.mark.parametrize("sizes", [(0.0, 0.1), (0.5, 0.5), (1.2, 0.1)])
def test_sizes_that_leave_nothing_are_told(sizes):
    """In the options' own words."""
    with pytest.raises(
        BadInput, match=r"--test-size and --val-size: found .*, expected shares above 0 that leave some"
    ):
        split_of(many(), 1, *sizes)


def test_too_few_rows_are_told():
    """By what they would leave empty."""
    with pytest.raises(
        BadInput, match="--data: found '3 rows', expected enough of them that some are left to validate"
    ):
        split_of(many(3), 1)


def test_a_class_of_one_text_is_learnt_from():
    """However large the shares are."""
    file = LabelledFile(tuple(f"text {row}" for row in range(41)), ("often",) * 40 + ("once",))
    assert 40 in split_of(file, 1, test_size=0.6, val_size=0.2).train


def test_each_row_is_tested_on_in_one_fold():
    """With as many of each class, as evenly as they go; validation comes of the rest."""
    file = many(103)
    splits = list(folds_of(file, 7, 5))
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(103))
    assert {len(split.test) for split in splits} == {20, 21}
    labels = np.array(file.labels)
    assert {(labels[split.test] == "rare").sum() for split in splits} == {2, 3}
    for split in splits:
        assert sorted(np.concatenate([split.train, split.validate, split.test])) == list(range(103))
        assert len(split.validate) == 9
    again = [split.test.tolist() for split in folds_of(file, 7, 5)]
    assert again == [split.test.tolist() for split in splits]


def test_equal_texts_are_in_one_fold():
    """As on one side of a split."""
    texts = tuple(f"{'Text' if row % 2 else 'text '} {row // 2}" for row in range(100))
    for split in folds_of(LabelledFile(texts, ("a", "a", "b", "b") * 25), 3, 4):
        for rows in (split.train, split.validate, split.test):
            assert {row ^ 1 for row in rows.tolist()} == set(rows.tolist())


def test_folds_that_cannot_be_are_told():
    """Too few of them, or a validation that leaves nothing."""
    with pytest.raises(BadInput, match="--folds: found 1, expected a whole number of at least 2"):
        list(folds_of(many(50), 1, 1))
    with pytest.raises(
        BadInput, match=r"--val-size: found 0\.8, expected a share above 0 that leaves some to learn from"
    ):
        list(folds_of(many(50), 1, 5, 0.8))
    with pytest.raises(BadInput, match="--data: found '3 rows', expected enough of them that some are left to"):
        list(folds_of(many(3), 1, 5))


def test_few_are_drawn_of_each_class():
    """At least one."""
    labels = np.array(["often"] * 95 + ["rare"] * 5)
    few = few_of(labels, 0.1, 1)
    assert np.unique(labels[few], return_counts=True)[1].tolist() == [10, 1]
    assert few.tolist() == few_of(labels, 0.1, 1).tolist() != few_of(labels, 0.1, 2).tolist()
