"""Which rows of a file of labelled texts are learnt from, validated and tested on.

Drawn within each class: 70% to learn from, 9% to validate, 21% to test, as the document has it; or in folds, each of
which is tested on once. Texts that are equal but for case and spaces stay on one side.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, whole_number
from components.labelled_file import LabelledFile, as_compared, read_file

__all__ = ["LabelledFile", "Split", "few_of", "folds_of", "read_file", "split_of"]

TEST_SIZE, VAL_SIZE = 0.21, 0.09

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a file by what they are for; no row is in two."""

    train: Rows
    validate: Rows
    test: Rows


def split_of(file: LabelledFile, seed: int, test_size: float = TEST_SIZE, val_size: float = VAL_SIZE) -> Split:
    """Drawn within each class, equal texts together; both sizes are shares of all rows."""
    if not (0 < test_size < 1 and 0 < val_size < 1 and test_size + val_size < 1):
        raise BadInput(
            "--test-size and --val-size", (test_size, val_size), "shares above 0 that leave some to learn from"
        )
    rng = np.random.default_rng([seed, zlib.crc32(b"sbert split")])
    labels, group = _different(file)
    side = np.zeros(len(labels), np.int64)
    for members in _classes(labels, rng):
        tested, validated = round(test_size * len(members)), round(val_size * len(members))
        tested = min(tested, len(members) - 1)  # what is never learnt cannot be asked
        side[members[:tested]] = 2
        side[members[tested : min(tested + validated, len(members) - 1)]] = 1
    of_row = side[group]
    return _checked(file, Split(*(np.flatnonzero(of_row == number) for number in range(3))))


def folds_of(file: LabelledFile, seed: int, folds: int, val_size: float = VAL_SIZE) -> Iterator[Split]:
    """As many splits, in which each row is tested on once; `val_size` is a share of all rows here too."""
    whole_number("--folds", folds, low=2)
    if not 0 < val_size < 1 - 1 / folds:
        raise BadInput("--val-size", val_size, f"a share above 0 that leaves some to learn from in {folds} folds")
    labels, group = _different(file)
    fold = _dealt(labels, folds, np.random.default_rng([seed, zlib.crc32(b"sbert folds")]))
    for number in range(folds):
        rng = np.random.default_rng([seed, number, zlib.crc32(b"sbert fold")])
        side = np.where(fold == number, 2, 0)
        for members in _classes(labels, rng):
            left = members[side[members] == 0]
            side[left[: min(round(val_size * len(members)), len(left) - 1)]] = 1
        of_row = side[group]
        yield _checked(file, Split(*(np.flatnonzero(of_row == place) for place in range(3))))


def few_of(labels: NDArray[np.str_], share: float, seed: int) -> Rows:
    """The places of this share of the rows, drawn within each class, at least one of each."""
    rng = np.random.default_rng([seed, zlib.crc32(b"sbert few labels")])
    drawn = [members[: max(1, round(share * len(members)))] for members in _classes(labels, rng)]
    return np.sort(np.concatenate(drawn))


def _different(file: LabelledFile) -> tuple[NDArray[np.str_], Rows]:
    """The labels of the texts that differ, and for each row which of them it is; the first of equals decides."""
    _, first, group = np.unique([as_compared(one) for one in file.texts], return_index=True, return_inverse=True)
    return np.array(file.labels, np.str_)[first], group


def _classes(labels: NDArray[Any], rng: np.random.Generator) -> Iterator[Rows]:
    """The members of each class in a drawn order."""
    for label in np.unique(labels):
        yield rng.permutation(np.flatnonzero(labels == label))


def _dealt(labels: NDArray[Any], folds: int, rng: np.random.Generator) -> Rows:
    """The fold of each text. Dealing goes on from class to class, so that no fold gets the odd ones of all."""
    fold, dealt = np.zeros(len(labels), np.int64), 0
    for members in _classes(labels, rng):
        fold[members] = (dealt + np.arange(len(members))) % folds
        dealt += len(members)
    return fold


def _checked(file: LabelledFile, split: Split) -> Split:
    for name, rows in (("learn from", split.train), ("validate on", split.validate), ("test on", split.test)):
        if not len(rows):
            raise BadInput("--data", f"{len(file)} rows", f"enough of them that some are left to {name}")
    return split
