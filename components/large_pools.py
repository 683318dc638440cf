"""How typical rows are found among a million: clusters are fitted on some rows, and picks are made among many or all.

A shortlist takes one row by chance from each of many equal stretches of the pool: rows stand in the order in which they
were recorded, so the shortlist is stratified over time and is read in order. Clusters are fitted on twenty-five rows
for each; then the rows of the shortlist, or all rows of the pool, go to their nearest centre, and the typical ones of
each cluster are taken. What a shortlist loses against all rows is measured by bench/selection_cost.py.

It keeps no row in memory beside the shortlist and one block: the embeddings may be a mapped file of float16.

>>> stretches(10, 5, np.random.default_rng(0)).tolist()
[1, 2, 4, 6, 9]
"""

from __future__ import annotations

import numpy as np

from components.choosing import check_finite
from components.clustering import Clusters, Places, Rows, centres_in_haste, nearest
from components.typicality import TypicalRows, clusters_wanted, most_typical

EXACT_UP_TO = 50_000  # rows; up to here every pool is worked on whole
SHORTLIST_PER_PICK = 300  # keeps 0.93 of the gain of all rows; 200 keeps 0.91, 50 some 0.8
FIT_PER_CLUSTER = 25  # picks are as near to the rows as with 50, for half the time; 15 are too few
LEAST_SHORTLIST, LEAST_FITTED = 50_000, 25_000
_ALL_PAIRS_UP_TO = 128  # a shortlist's clusters are of some 200 rows, a pool's of thousands


def stretches(rows: int, size: int, rng: np.random.Generator) -> Places:
    """One of each of `size` equal stretches of the rows, in order; all when there are no more."""
    if size >= rows:
        return np.arange(rows)
    edges = np.linspace(0, rows, size + 1).astype(np.int64)
    return edges[:-1] + (rng.random(size) * np.diff(edges)).astype(np.int64)


def shortlist_of(rows: int, labelled: Places, budget: int, rng: np.random.Generator) -> Places:
    """The rows that picks are made among: some of each stretch, and all that are labelled."""
    size = max(LEAST_SHORTLIST, SHORTLIST_PER_PICK * budget)
    return np.union1d(stretches(rows, size, rng), labelled)


def typical_of_many(
    embeddings: Rows, labelled: Places, budget: int, rng: np.random.Generator, *, places: Places | None = None
) -> TypicalRows:
    """As typical_rows, with clusters fitted on some rows and an election in each; reads every row once.

    `places` are the rows' own numbers, by which the first with a NaN or an infinite number is named in BadInput.
    """
    count = clusters_wanted(len(labelled), budget)
    some = np.asarray(embeddings[stretches(len(embeddings), _fitted_on(count), rng)], dtype=np.float32)
    if not np.isfinite(some.sum()):
        check_finite(embeddings, places)
    centres = centres_in_haste(some, count, rng)
    with np.errstate(invalid="ignore"):  # it is told below
        clusters = Clusters(centres, *nearest(embeddings, centres))
    if not np.isfinite(clusters.distances).all():  # a second pass for this alone would cost a tenth of all
        check_finite(embeddings, places)
    return most_typical(embeddings, clusters, labelled, budget, all_pairs_up_to=_ALL_PAIRS_UP_TO)


def _fitted_on(clusters: int) -> int:
    return max(LEAST_FITTED, FIT_PER_CLUSTER * clusters)
