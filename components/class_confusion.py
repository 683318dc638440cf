"""Which classes are taken for each other, and which class to set against which.

Confusions are counted in a matrix (row: the true class, column: the answer) and ranked by the lower end of Wilson's
interval of their share, so that one slip in two answers does not outrank forty in a hundred. Contrasting a class with
those that it is taken for is what the classifier-backed chat calls `hard_negative_ratio`.

It does not say why two classes are confused, nor whether a label is wrong: `label_noise` does.

>>> found = confusable_classes([[90, 10, 0], [4, 95, 1], [0, 0, 50]], names=("hate", "offensive", "neither"))
>>> print(found[0].why)
hate is taken for offensive in 10 of 100 answers (10%, at least 5.5%)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, whole_number

HARD_NEGATIVE_RATIO = 0.7  # the classifier-backed chat's own
_NORMAL = 1.959964  # 95%, both sides

_Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """One class that is taken for another."""

    true: str
    taken_for: str
    count: int
    share: float  # of the true class's answers, 0 to 1
    at_least: float  # the lower end of its 95% interval

    @property
    def why(self) -> str:
        of = round(self.count / self.share)
        return (
            f"{self.true} is taken for {self.taken_for} in {self.count} of {of} answers "
            f"({self.share:.0%}, at least {self.at_least:.1%})"
        )


def confusion_matrix(truth: ArrayLike, answers: ArrayLike, *, classes: int | None = None) -> NDArray[np.int64]:
    """How often each class (row) was answered with each class (column); both are given as numbers from 0."""
    rows, columns = np.asarray(truth), np.asarray(answers)
    for thing, codes in (("truth", rows), ("answers", columns)):
        if codes.shape != rows.shape or codes.ndim != 1 or (codes.size and not np.issubdtype(codes.dtype, np.integer)):
            raise BadInput(thing, f"{codes.dtype} of shape {codes.shape}", "whole numbers, one per row of both")
        if codes.size and codes.min() < 0:
            raise BadInput(thing, int(codes.min()), "class numbers from 0")
    most = int(max(rows.max(), columns.max())) + 1 if rows.size else 0
    size = most if classes is None else whole_number("classes", classes, low=most)
    flat = np.bincount(rows.astype(np.int64) * size + columns.astype(np.int64), minlength=size * size)
    return flat.reshape(size, size).astype(np.int64)


def confusable_classes(
    matrix: ArrayLike, *, names: Sequence[str] | None = None, limit: int = 20, fewest: int = 2
) -> list[Confusion]:
    """The confusions that happened at least `fewest` times, the surest first."""
    counts = _square(matrix)
    labels = [str(number) for number in range(len(counts))] if names is None else list(names)
    if len(labels) != len(counts):
        raise BadInput("names", f"{len(labels)} names", f"one for each of {len(counts)} classes")
    share, lower = _shares(counts)
    rows, columns = np.nonzero(_off_diagonal(counts) >= whole_number("fewest", fewest, low=1))
    order = np.lexsort((columns, rows, -lower[rows, columns]))[: whole_number("limit", limit)]
    return [
        Confusion(labels[r], labels[c], int(counts[r, c]), float(share[r, c]), float(lower[r, c]))
        for r, c in zip(rows[order], columns[order], strict=True)
    ]


def contrasts(matrix: ArrayLike) -> _Counts:
    """For each class (row) how its negatives are best shared out among the others: rows sum to 1, the diagonal is 0.

    Both directions of a confusion count, and every other class keeps the weight of one confusion among all of them.
    """
    counts = _off_diagonal(_square(matrix))
    if len(counts) < 2:
        raise BadInput("matrix", f"{len(counts)} class", "at least two: one class has nothing to be set against")
    weights = counts + counts.T + _off_diagonal(np.ones_like(counts)) / (len(counts) - 1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def draw_contrasts(
    labels: ArrayLike, matrix: ArrayLike, *, hard_ratio: float = HARD_NEGATIVE_RATIO, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A wrong class for each row: by confusion for that share of the rows, by chance among the others for the rest."""
    by_confusion = contrasts(matrix)
    size = len(by_confusion)
    codes = np.asarray(labels)
    if codes.ndim != 1 or (codes.size and (codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= size)):
        raise BadInput("labels", labels, f"class numbers from 0 to {size - 1}")
    (ratio,) = finite_numbers("hard_ratio", [hard_ratio], low=0.0, high=1.0)
    evenly = _off_diagonal(np.ones((size, size))) / (size - 1)
    ladder = np.cumsum(ratio * by_confusion + (1 - ratio) * evenly, axis=1)
    ladder += np.arange(size)[:, None] - (ladder[:, -1:] - 1)  # one ladder over all classes: row r holds r … r+1
    codes = codes.astype(np.int64)
    drawn = np.searchsorted(ladder.ravel(), codes + rng.random(len(codes)), side="right") - codes * size
    return _never_itself(np.minimum(drawn, size - 1), codes, size)


def _never_itself(drawn: NDArray[np.int64], codes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The last bit of a sum can point at the class itself; its neighbour is meant then."""
    return np.where(drawn == codes, np.where(codes + 1 < size, codes + 1, codes - 1), drawn)


def _square(matrix: ArrayLike) -> _Counts:
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise BadInput("matrix", f"an array of shape {counts.shape}", "as many columns as rows: truth by answer")
    finite_numbers("matrix", counts.ravel(), low=0.0)
    return counts


def _off_diagonal(counts: _Counts) -> _Counts:
    return np.asarray(np.where(np.eye(len(counts), dtype=bool), 0.0, counts))


def _shares(counts: _Counts) -> tuple[_Counts, _Counts]:
    """Each cell as a share of its row, and the lower end of Wilson's interval of it."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    share, z2 = counts / total, _NORMAL**2
    centre = share + z2 / (2 * total)
    half = _NORMAL * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return share, np.maximum(0.0, (centre - half) / (1 + z2 / total))
