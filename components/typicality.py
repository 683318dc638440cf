"""Which rows are typical: near to many others. TypiClust (Hacohen, Dekel, Weinshall 2022, arXiv 2202.02794).

Cluster into as many clusters as there are labels and picks together; go to the largest clusters that nobody has
labelled; take from each the row whose mean distance to its nearest neighbours within the cluster is the smallest. The
paper's 20 neighbours, or a quarter of the cluster where that is more: what is typical should not depend on how many
rows there are, and on CLINC150 and Davidson the quarter chose as well or better.

It looks at no label and at no model, only at which rows are labelled: right while labels are few, wasteful afterwards.

>>> rows = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]], dtype=np.float32)
>>> typicality(rows, neighbours=2).round(2).tolist()
[0.67, 1.0, 0.67, 0.22, 0.2]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.clustering import Clusters, Floats, Places, Rows, groups, kmeans, squared_distances
from components.side_by_side import in_one_thread

NEIGHBOURS = 20  # the paper's
MOST_CLUSTERS = 600  # with more, a step on 15,000 rows takes longer than training on its labels
ALL_PAIRS_UP_TO = 2_048  # rows of a cluster; in a larger one some stand for election and some speak for all
_CANDIDATES, _VOTERS = 32, 128
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


def typicality(members: Floats, neighbours: int | None = None) -> NDArray[np.float64]:
    """One over the mean distance to the nearest others among the members; the more, the more typical.

    Of a stack of clusters, with as many members each, in each.
    """
    size = members.shape[-2]
    count = min(neighbours or _neighbours(size), size - 1)
    means = np.full(members.shape[:-1], np.inf)
    for start in range(0, size if count > 0 else 0, _BLOCK):
        block = members[..., start : start + _BLOCK, :]
        apart = squared_distances(block, members)
        own = np.arange(block.shape[-2])
        apart[..., own, own + start] = np.inf  # a row is no neighbour of itself
        means[..., start : start + _BLOCK] = _mean_of_least(apart, count)
    typical: NDArray[np.float64] = 1.0 / np.maximum(means, 1e-6)
    return typical


def clusters_wanted(labelled: int, budget: int) -> int:
    """One for each label and each pick, as far as that is affordable."""
    return min(labelled + budget, max(MOST_CLUSTERS, budget))


def typical_rows(embeddings: Rows, labelled: Places, budget: int, rng: np.random.Generator) -> TypicalRows:
    """The typical rows of the largest clusters with the fewest labels; clusters are made for this call."""
    clusters = kmeans(embeddings, clusters_wanted(len(labelled), budget), rng)
    return most_typical(embeddings, clusters, labelled, budget)


def most_typical(
    embeddings: Rows, clusters: Clusters, labelled: Places, budget: int, *, all_pairs_up_to: int = ALL_PAIRS_UP_TO
) -> TypicalRows:
    """The same from clusters that are there; every pick counts as a label for the picks after it."""
    order, starts = groups(clusters.of_row, len(clusters.centres))
    sizes = np.diff(starts)
    taken = np.zeros(len(embeddings), dtype=bool)
    taken[labelled] = True
    labels = np.bincount(clusters.of_row[labelled], minlength=len(sizes))
    turns = _turns(labels, sizes - labels, budget)
    whole = (turns > 0) & (sizes <= np.maximum(all_pairs_up_to, turns))
    parts: list[tuple[Places, NDArray[np.float64]]] = []
    with in_one_thread():  # many small products: beside other work, sharing them took seconds
        for size in np.unique(sizes[whole]).tolist():
            parts += _of_equal_clusters(embeddings, order[starts[:-1][whole & (sizes == size), None] + np.arange(size)])
        for cluster in np.flatnonzero((turns > 0) & ~whole).tolist():
            members = order[starts[cluster] : starts[cluster + 1]]
            near = members[np.argsort(clusters.distances[members], kind="stable")]
            candidates = near[~taken[near]][: max(_CANDIDATES, int(turns[cluster]))]
            parts.append((candidates, _elected(embeddings, candidates, near)))
    rows, worths = (np.concatenate(column) for column in zip(*parts, strict=True))
    rows, worths = rows[~taken[rows]], worths[~taken[rows]]
    best = np.lexsort((-worths, clusters.of_row[rows]))
    rows, worths, cluster_of = rows[best], worths[best], clusters.of_row[rows[best]]
    place = np.arange(len(rows)) - np.searchsorted(cluster_of, cluster_of)  # within its cluster
    turn = labels[cluster_of] + place
    kept = np.flatnonzero(place < turns[cluster_of])
    first = kept[np.lexsort((cluster_of[kept], -sizes[cluster_of[kept]], turn[kept]))][:budget]
    return TypicalRows(rows[first], worths[first], cluster_of[first], sizes[cluster_of[first]], turn[first])


def _of_equal_clusters(embeddings: Rows, members: Places) -> Iterator[tuple[Places, NDArray[np.float64]]]:
    """Rows and their typicality, of clusters with as many members each, some clusters at once."""
    at_once = max(1, _BLOCK // members.shape[1])
    for start in range(0, len(members), at_once):
        some = members[start : start + at_once]
        yield some.ravel(), typicality(np.asarray(embeddings[some], dtype=np.float32)).ravel()


def _turns(labels: Places, free: Places, budget: int) -> Places:
    """How many picks each cluster may have when the one with the fewest labels is always next: at least the budget."""
    low, high = int(labels.min()), int(labels.max()) + budget  # levels to which labels and picks are filled up
    while low < high:
        level = (low + high) // 2
        if np.clip(level - labels, 0, free).sum() < budget:
            low = level + 1
        else:
            high = level
    return np.clip(low - labels, 0, free)


def _elected(embeddings: Rows, candidates: Places, near: Places) -> NDArray[np.float64]:
    """Typicality of the rows nearest to the centre, by rows that speak for all: evenly spread over the distances."""
    voters = near[np.linspace(0, len(near) - 1, _VOTERS).astype(np.int64)]
    apart = squared_distances(
        np.asarray(embeddings[candidates], dtype=np.float32), np.asarray(embeddings[voters], dtype=np.float32)
    )
    apart[candidates[:, None] == voters] = np.inf
    return 1.0 / np.maximum(_mean_of_least(apart, _neighbours(_VOTERS)), 1e-6)


def _neighbours(members: int) -> int:
    return max(NEIGHBOURS, members // 4)


def _mean_of_least(apart: Floats, count: int) -> NDArray[np.float64]:
    nearest = np.partition(apart, count - 1, axis=-1)[..., :count]
    return np.sqrt(nearest).mean(axis=-1)  # type: ignore[no-any-return]
