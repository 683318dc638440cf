"""How typical rows are found among a million: clusters are fitted on some rows, and picks are made among many or all.

A shortlist takes one row by chance from each of many equal stretches of the pool: rows stand in the order in which they
were recorded, so the shortlist is stratified over time and is read in order. Clusters are fitted on fifty rows for
each; then the rows of the shortlist, or all rows of the pool, go to their nearest centre, and the typical ones of each
cluster are taken. What a shortlist loses against all rows is measured by bench/selection_cost.py.

It keeps no row in memory beside the shortlist and one block: the embeddings may be a mapped file of float16.

>>> stretches(10, 5, np.random.default_rng(0)).tolist()
[1, 2, 4, 6, 9]
"""

from __future__ import annotations

import numpy as np

from components.clustering import Clusters, Places, Rows, kmeans, nearest
from components.typicality import TypicalRows, clusters_wanted, most_typical

EXACT_UP_TO = 50_000  # rows; up to here every pool is worked on whole
SHORTLIST_PER_PICK, FIT_PER_CLUSTER = 300, 50
LEAST_SHORTLIST = 50_000
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


def typical_of_many(embeddings: Rows, labelled: Places, budget: int, rng: np.random.Generator) -> TypicalRows:
    """As typical_rows, with clusters fitted on some rows and an election in each; reads every row once."""
    count = clusters_wanted(len(labelled), budget)
    some = stretches(len(embeddings), max(EXACT_UP_TO, FIT_PER_CLUSTER * count), rng)
    centres = kmeans(embeddings[some], count, rng, in_haste=True).centres
    clusters = Clusters(centres, *nearest(embeddings, centres))
    return most_typical(embeddings, clusters, labelled, budget, all_pairs_up_to=_ALL_PAIRS_UP_TO)
