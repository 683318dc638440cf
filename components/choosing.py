"""What a choice of rows is, whoever made it: the rows in order, and for each why it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, finite_numbers, whole_number
from components.clustering import Places, Rows, blocks


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Rows in order of choice; terms, each aligned with rows; the strategy's name; "exact" or what shortlist."""

    rows: Places
    terms: dict[str, NDArray[Any]]
    strategy: str
    how: str = "exact"

    def why(self, place: int) -> dict[str, Any]:
        """The terms of one pick, by its place in the order."""
        return {name: values[place].item() for name, values in self.terms.items()}


def check_pool(embeddings: Any) -> Rows:
    """The embeddings, when they are at least one row of floating numbers; check_finite reads them."""
    given = np.asanyarray(embeddings)
    if given.ndim != 2 or given.dtype.kind != "f":
        found = f"{given.dtype} of shape {given.shape}"
        raise BadInput("embeddings", found, "floating numbers of shape (rows, dimensions)")
    if not given.size:
        raise BadInput("embeddings", "an empty pool", "at least one row", "Record outputs first.")
    return cast(Rows, given)


def check_finite(embeddings: Rows, places: Places | None = None) -> None:
    """Raises BadInput for the first row with a NaN or an infinite number; places are the rows' own numbers."""
    for at, block in blocks(embeddings, 65_536):
        wrong = ~np.isfinite(block.sum(axis=1))  # one sum per row: a NaN or an infinity comes through it
        if wrong.any():
            row = at.start + int(np.flatnonzero(wrong)[0])
            row = row if places is None else int(places[row])
            raise BadInput(f"embeddings[{row}]", "NaN or infinite numbers", "finite ones", "Embed the row again.")


def check_labelled(labelled: Any, rows: int) -> Places:
    """The row numbers, when they are whole, within the pool, and each there once."""
    given = np.asarray(labelled)
    if not given.size:
        return np.empty(0, dtype=np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise BadInput("labelled", f"{given.dtype} of shape {given.shape}", "row numbers")
    if given.min() < 0 or given.max() >= rows:
        wrong = int(given[(given < 0) | (given >= rows)][0])
        raise BadInput("labelled", f"row {wrong}", f"row numbers from 0 to {rows - 1}")
    if len(np.unique(given)) < len(given):
        values, counts = np.unique(given, return_counts=True)
        raise BadInput("labelled", f"row {int(values[counts > 1][0])} more than once", "each row once")
    return given.astype(np.int64)


def check_labels(labels: Any) -> NDArray[Any]:
    """The classes as an array of texts or of numbers; an enumeration's members count as their values."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "biuUS":
        return labels
    given = [getattr(label, "value", label) for label in labels]
    for place, label in enumerate(given):
        if label is None or label != label:  # NaN is not itself
            raise BadInput(f"labels[{place}]", label, "a class", "Leave rows without one out.")
    texts = sum(isinstance(label, str) for label in given)
    found = np.asarray(given)
    if texts not in (0, len(given)) or found.dtype.kind not in "biufUS" or found.ndim != 1:
        raise BadInput("labels", given, "classes of one kind, texts or numbers")
    return found


def check_budget(budget: Any, available: int) -> int:
    """The budget, when the pool has so many rows to choose from."""
    asked = whole_number("budget", budget, low=1)
    if asked > available:
        raise BadInput(
            "budget", asked, f"at most {available}, the rows that can be chosen", "Lower it, or wait for more."
        )
    return asked


def check_weights(weights: Any) -> tuple[float, float, float]:
    """Three weights of at least 0, not all of them 0."""
    numbers = finite_numbers("weights", weights, low=0.0)
    if len(numbers) != 3 or not numbers.any():
        raise BadInput("weights", weights, "three numbers of at least 0, one of them above")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])
