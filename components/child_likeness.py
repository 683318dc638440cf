"""How alike a child and its source are: by letters, by words, and by meaning when embeddings are given.

Letters: the share that stays in place (the indel ratio of rapidfuzz). Words: the share of the shorter text's words that
the longer one has. Texts of more than 10,000 characters are compared by their minimal hashes (`near_duplicates`).

>>> alike, shared = likeness([("draw a shop", "please draw a shop")])
>>> alike.round(2).tolist(), shared.tolist()
([0.76], [1.0])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.near_duplicates import signatures, similarity

_LONGEST_COMPARED = 10_000  # characters; comparing letters takes the product of both lengths

Embed = Callable[[list[str]], NDArray[np.floating[Any]]]
_Numbers = NDArray[np.float64]


def likeness(pairs: Sequence[tuple[str, str]]) -> tuple[_Numbers, _Numbers]:
    """For each pair the likeness by letters and by words, 0 to 1."""
    from rapidfuzz import fuzz, process

    alike, shared = np.zeros(len(pairs)), np.zeros(len(pairs))
    long = np.array([max(map(len, pair)) > _LONGEST_COMPARED for pair in pairs], dtype=bool)
    short_rows, long_rows = np.flatnonzero(~long), np.flatnonzero(long)
    if len(short_rows):
        left, right = _sides(pairs, short_rows)
        alike[short_rows] = process.cpdist(left, right, scorer=fuzz.ratio, workers=1) / 100
        shared[short_rows] = process.cpdist(left, right, scorer=fuzz.token_set_ratio, workers=1) / 100
    if len(long_rows):
        left, right = _sides(pairs, long_rows)
        alike[long_rows] = shared[long_rows] = similarity(signatures(left), signatures(right))
    return alike, shared


def cosines(embed: Embed, pairs: Sequence[tuple[str, str]], asked: Sequence[bool]) -> _Numbers:
    """The cosine of each pair that is asked for; 1 for the others."""
    found = np.ones(len(pairs))
    rows = np.flatnonzero(np.array(asked, dtype=bool))
    if len(rows):
        left, right = (np.asarray(embed(side), dtype=np.float64) for side in _sides(pairs, rows))
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        found[rows] = np.einsum("ij,ij->i", left, right) / np.maximum(lengths, 1e-12)
    return found


def _sides(pairs: Sequence[tuple[str, str]], rows: NDArray[np.int64]) -> tuple[list[str], list[str]]:
    chosen = [pairs[row] for row in rows.tolist()]
    return [left for left, _ in chosen], [right for _, right in chosen]
