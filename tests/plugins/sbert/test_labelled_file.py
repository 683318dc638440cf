"""Rows are split within each class, equal texts together."""

import numpy as np
import pytest

from components.bad_input import BadInput
from plugins.workloads.sbert.labelled_file import LabelledFile, split_of


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
