"""Embeddings laid out flat, so that one can see which texts lie near which.

Fifty principal directions, then t-SNE (van der Maaten and Hinton 2008) beginning from the first two of them: near rows
stay near, while distances between clusters and their sizes mean nothing. Equal rows and an equal seed give an equal
map on one machine. Needs scikit-learn.

>>> labels = np.array(["often"] * 9 + ["rare"] * 2)
>>> sorted(labels[same_of_each(labels, 6, np.random.default_rng(1))].tolist())
['often', 'often', 'often', 'rare', 'rare']
>>> flat_map(np.random.default_rng(1).standard_normal((12, 5))).shape
(12, 2)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput

DIRECTIONS = 50
PERPLEXITY = 30.0  # how many neighbours a row is seen among
_FEWEST = 4


def flat_map(vectors: NDArray[np.floating[Any]], seed: int = 0) -> NDArray[np.float64]:
    """(rows, 2): where each row lies."""
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or len(rows) < _FEWEST:
        raise BadInput("vectors", f"an array of shape {rows.shape}", f"at least {_FEWEST} rows of numbers")
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    near = PCA(min(DIRECTIONS, *unit.shape), svd_solver="full").fit_transform(unit)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    laid = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed, n_jobs=1)
    return np.asarray(laid.fit_transform(near), np.float64)


def same_of_each(labels: NDArray[Any], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of which no class has more than its even share of `most`; in a drawn order, so that none lies on top."""
    names, codes = np.unique(labels, return_inverse=True)
    share = max(1, most // max(1, len(names)))
    drawn = [rng.permutation(np.flatnonzero(codes == code))[:share] for code in range(len(names))]
    return rng.permutation(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
