"""Which rows are typical: near to many others. TypiClust (Hacohen, Dekel, Weinshall 2022, arXiv 2202.02794).

Cluster into as many clusters as there are labels and picks together; go to the largest clusters that nobody has
labelled; take from each the row whose mean distance to its 20 nearest neighbours within the cluster is the smallest.

It looks at no label and at no model, only at which rows are labelled: right while labels are few, wasteful afterwards.

>>> rows = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]], dtype=np.float32)
>>> typicality(rows, neighbours=2).round(2).tolist()
[0.67, 1.0, 0.67, 0.22, 0.2]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.clustering import Clusters, Floats, Places, Rows, groups, kmeans, squared_distances

NEIGHBOURS = 20  # the paper's
MOST_CLUSTERS = 600  # beside this a step on 15,000 rows takes longer than training on its labels
_ROWS_PER_CLUSTER = 2_000  # at least so many clusters that none needs all pairs of more rows than this
_BLOCK = 2_048


@dataclass(frozen=True, slots=True, eq=False)
class TypicalRows:
    """Rows in order of choice, and for each its typicality, its cluster, the cluster's size and its labels so far."""

    rows: Places
    typicality: NDArray[np.float64]
    cluster: Places
    cluster_size: Places
    labelled_in_cluster: Places

    def terms(self) -> dict[str, NDArray[np.generic]]:
        return {
            "typicality": self.typicality,
            "cluster": self.cluster,
            "cluster_size": self.cluster_size,
            "labelled_in_cluster": self.labelled_in_cluster,
        }


def typicality(members: Floats, neighbours: int = NEIGHBOURS) -> NDArray[np.float64]:
    """One over the mean distance to the nearest others among the members; the more, the more typical."""
    count = min(neighbours, len(members) - 1)
    if count < 1:
        return np.zeros(len(members))
    means = np.empty(len(members))
    for start in range(0, len(members), _BLOCK):
        block = members[start : start + _BLOCK]
        apart = squared_distances(block, members)
        apart[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf  # a row is no neighbour of itself
        means[start : start + _BLOCK] = np.sqrt(np.partition(apart, count - 1, axis=1)[:, :count]).mean(axis=1)
    return 1.0 / np.maximum(means, 1e-6)


def typical_rows(embeddings: Rows, labelled: Places, budget: int, rng: np.random.Generator) -> TypicalRows:
    """The typical rows of the largest clusters with the fewest labels; clusters are made for this call."""
    most = max(MOST_CLUSTERS, budget)
    wanted = max(min(len(labelled) + budget, most), len(embeddings) // _ROWS_PER_CLUSTER)
    return most_typical(embeddings, kmeans(embeddings, wanted, rng), labelled, budget)


def most_typical(embeddings: Rows, clusters: Clusters, labelled: Places, budget: int) -> TypicalRows:
    """The same from clusters that are there; every pick counts as a label for the picks after it."""
    order, starts = groups(clusters.of_row, len(clusters.centres))
    sizes = np.diff(starts)
    taken = np.zeros(len(embeddings), dtype=bool)
    taken[labelled] = True
    labels = np.bincount(clusters.of_row[taken], minlength=len(sizes))
    # A pick raises its cluster's count, so no cluster behind the first `budget` can have its turn; and more are looked
    # at only when these have too few rows without a label.
    line = np.lexsort((-sizes, labels))
    line = line[sizes[line] > labels[line]]
    enough = np.searchsorted(np.cumsum((sizes - labels)[line]), budget) + 1
    parts = []
    for cluster in line[: max(budget, int(enough))].tolist():
        members = order[starts[cluster] : starts[cluster + 1]]
        worth = typicality(np.asarray(embeddings[members], dtype=np.float32))
        free = np.flatnonzero(~taken[members])
        best = free[np.argsort(-worth[free], kind="stable")][:budget]
        parts.append((members[best], worth[best], cluster, labels[cluster] + np.arange(len(best))))
    rows = np.concatenate([part[0] for part in parts])
    worth = np.concatenate([part[1] for part in parts])
    turn = np.concatenate([part[3] for part in parts])
    cluster_of = np.repeat([part[2] for part in parts], [len(part[0]) for part in parts])
    first = np.lexsort((-worth, cluster_of, -sizes[cluster_of], turn))[:budget]
    return TypicalRows(rows[first], worth[first], cluster_of[first], sizes[cluster_of[first]], turn[first])
