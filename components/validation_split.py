"""Which rated examples a model is validated on: a share of each artifact type, the same for the same seed.

Stratified by artifact type. What is drawn are inputs, not rows: equal inputs lie on one side together, since a model
that has seen the question has seen the exam. Each input has its place in a shuffled order that depends on the seed and
the input alone, and the first of each type are validated on; so the order of the rows makes no difference, and new
examples move few old ones across.

A type with one input is trained on, not validated on. A type with two or more validates on at least one. An input
that stands under several types is drawn under the first of them.

This is the split of a notebook. adaptd's own sides are drawn once for each input, when it first enters, and stay.

    >>> types = np.array(["erd"] * 10 + ["poem"])
    >>> validated = split_rows(types, np.arange(11), seed=1)
    >>> np.flatnonzero(validated).tolist()
    [4, 7]
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, same_length, whole_number
from components.category_columns import coded

Mask = NDArray[np.bool_]
Keys = NDArray[np.uint64]


def split_rows(artifact_types: Any, inputs: ArrayLike, *, share: float = 0.2, seed: int = 0) -> Mask:
    """True for the rows to validate on.

    `inputs` is a whole number per row, equal for equal inputs: a hash (`input_key`), or codes; None in a list of
    artifact types is a type of its own.
    """
    part = _share(share)
    given = np.asarray(inputs)
    if given.ndim != 1 or (given.dtype.kind not in "iu" and len(given)):
        raise BadInput("inputs", f"an array of {given.dtype} and shape {given.shape}", "one whole number per row")
    types = _in_name_order(artifact_types)
    same_length(artifact_types=types, inputs=given)
    units, unit = np.unique(given.astype(np.uint64, casting="unsafe"), return_inverse=True)
    stratum = np.full(len(units), np.iinfo(np.int64).max)
    np.minimum.at(stratum, unit, types)
    chosen: Mask = _first_of_each(stratum, _shuffled(units, whole_number("seed", seed)), part)[unit]
    return chosen


def _share(share: Any) -> float:
    number = isinstance(share, int | float | np.floating) and not isinstance(share, bool)
    if not number or not 0 < share < 1:
        raise BadInput("share", share, "a number between 0 and 1")
    return float(share)


def _in_name_order(artifact_types: Any) -> NDArray[np.int64]:
    """A number per row that orders the types by name, whatever the order of the rows; no type comes first."""
    found = coded("artifact_types", artifact_types)
    if not found.names:
        return found.codes + 1
    rank = np.empty(len(found.names), np.int64)
    rank[np.argsort(np.array(found.names))] = np.arange(len(found.names))
    ranks: NDArray[np.int64] = np.append(rank, -1)[found.codes] + 1
    return ranks


def _shuffled(units: Keys, seed: int) -> Keys:
    """A number for each input that looks drawn: splitmix64 of the input and the seed."""
    mixed: Keys = units ^ np.uint64(int.from_bytes(blake2b(str(seed).encode(), digest_size=8).digest(), "big"))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _first_of_each(stratum: NDArray[np.int64], place: Keys, share: float) -> Mask:
    """True for the inputs that come first in their stratum: the share of them, rounded, and one at least of two."""
    order = np.lexsort((place, stratum))
    sizes = np.unique(stratum, return_counts=True)[1]
    wanted = np.minimum(np.maximum(np.rint(sizes * share).astype(np.int64), 1), sizes - 1)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.zeros(len(stratum), np.bool_)
    chosen[order] = np.arange(len(stratum)) - starts < np.repeat(wanted, sizes)
    return chosen


def input_key(text: str) -> int:
    """A 64-bit number of a text; case and spaces at its ends make no difference."""
    digest = blake2b(text.strip().casefold().encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")
