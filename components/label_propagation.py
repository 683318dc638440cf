"""Few labels spread over many texts along their nearest neighbours.

Label spreading (Zhou et al. 2004, "Learning with local and global consistency"): every text passes on what it believes
to its ten nearest by cosine, a labelled one keeps some of its own, and this is repeated until nothing moves. It knows
what it is asked about beforehand (texts, no labels). An encoder that was tuned on labels beyond the few makes its
figures worthless: give it one that was not.

>>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.3], [0.0, 1.0], [0.1, 0.9], [0.2, 0.8]])
>>> spread_labels(vectors, np.array([0, 3]), np.array(["a", "b"]), neighbours=2).tolist()
['a', 'a', 'a', 'b', 'b', 'b']
>>> neighbour_graph(vectors, neighbours=1).toarray()[0].round(2).tolist()
[0.0, 0.71, 0.0, 0.0, 0.0, 0.0]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, one_number, whole_number

NEIGHBOURS = 10
PASSED_ON = 0.2  # the rest stays as the labels say; scikit-learn's own. See docs/migrating.md
_TURNS, _SETTLED = 60, 1e-4
_AT_ONCE = 512

Vectors = NDArray[np.floating[Any]]


def spread_labels(
    vectors: Vectors,
    labelled: NDArray[np.int64],
    labels: NDArray[Any],
    *,
    neighbours: int = NEIGHBOURS,
    passed_on: float = PASSED_ON,
) -> NDArray[Any]:
    """An answer for every row of `vectors`, of which the rows `labelled` have these labels. Needs scipy.

    A row that no label reaches is answered with the commonest one.
    """
    if not len(labelled) or len(labelled) != len(labels):
        raise BadInput("labelled", f"{len(labelled)} rows with {len(labels)} labels", "one label for each, and some")
    one_number("passed_on", passed_on, 0.0, 1.0)
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    told = np.zeros((len(vectors), len(names)))
    told[labelled, codes] = 1.0
    graph = neighbour_graph(vectors, neighbours)
    believed = told
    for _ in range(_TURNS):
        before, believed = believed, passed_on * (graph @ believed) + (1 - passed_on) * told
        if np.abs(believed - before).max() < _SETTLED * (1 - passed_on):
            break
    answers = believed.argmax(1)
    return np.asarray(names[np.where(believed.any(1), answers, counts.argmax())])


def neighbour_graph(vectors: Vectors, neighbours: int = NEIGHBOURS) -> Any:
    """A sparse symmetric matrix: cosines of near rows, scaled by how much each row passes on in all."""
    from scipy import sparse

    rows = np.asarray(vectors, np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    count = min(whole_number("neighbours", neighbours, low=1), len(rows) - 1)
    near, values = _nearest(rows, count)
    starts = np.arange(len(rows) + 1) * count
    one_way = sparse.csr_array((values.ravel(), near.ravel(), starts), shape=(len(rows), len(rows)))
    both = one_way.maximum(one_way.T)
    scale = 1 / np.sqrt(np.maximum(both.sum(axis=1), 1e-12))
    return sparse.diags_array(scale) @ both @ sparse.diags_array(scale)


def _nearest(rows: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each row its nearest others and their cosines; what points away is no neighbour."""
    near, values = np.zeros((len(rows), count), np.int64), np.zeros((len(rows), count))
    for start in range(0, len(rows) if count else 0, _AT_ONCE):
        cosines = rows[start : start + _AT_ONCE] @ rows.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -np.inf
        found = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        near[start : start + _AT_ONCE] = found
        values[start : start + _AT_ONCE] = np.maximum(np.take_along_axis(cosines, found, axis=1), 0.0)
    return near, values
