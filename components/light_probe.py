"""What a light model on embeddings believes, where there is no model to ask: ridge regression on one-hot classes.

Rifkin and Lippert (2007): one SVD gives the ridge for every penalty, and each row's prediction by a model that has not
seen it (leave-one-out) in closed form. Penalty and sharpness are those with the least leave-one-out log-loss, so that
the softmax of the outputs can be read as probabilities.

It does not replace a model: it says where a linear reader of these embeddings would be unsure.

>>> rows = np.array([[0.0], [0.2], [1.0], [1.2]])
>>> probe = fit_probe(rows, ["no", "no", "yes", "yes"])
>>> probe.classes.tolist(), probe.believe(np.array([[0.1], [0.6]])).round(1).tolist()
(['no', 'yes'], [[1.0, 0.0], [0.5, 0.5]])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, same_length
from components.clustering import Rows, blocks

_PENALTIES = np.geomspace(0.01, 100, 9)
_SHARPNESS = np.geomspace(1, 64, 13)
_BLOCK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A linear reader of embeddings: class names, weights (d, classes), offset (classes), and how sure to sound."""

    classes: NDArray[Any]
    weights: NDArray[np.float32]
    offset: NDArray[np.float32]
    sharpness: float
    penalty: float
    held_out: NDArray[np.float32]  # (labelled rows, classes): each by the probe that has not seen it

    def believe(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities (rows, classes)."""
        found = np.empty((len(rows), len(self.classes)), dtype=np.float32)
        for at, block in blocks(rows, _BLOCK):
            found[at] = _softmax((block @ self.weights + self.offset) * self.sharpness)
        return found


def fit_probe(rows: Rows, labels: Sequence[Any] | NDArray[Any]) -> Probe:
    """A probe of labelled rows; raises BadInput when they are of one class only."""
    same_length(rows=rows, labels=labels)
    classes, of_row = np.unique(np.asarray(labels), return_inverse=True)
    if len(classes) < 2:
        raise BadInput("labels", f"one class only ({classes.tolist()})", "at least two", "Label more rows first.")
    points = np.asarray(rows, dtype=np.float64)
    middle = points.mean(axis=0)
    wanted = np.eye(len(classes))[of_row]
    left, sizes, right = np.linalg.svd(points - middle, full_matrices=False)
    share = wanted.mean(axis=0)
    turned = left.T @ (wanted - share)
    best: tuple[float, float, float, NDArray[np.float64]] | None = None
    for penalty in _PENALTIES:
        shrink = sizes**2 / (sizes**2 + penalty)
        fitted = share + left @ (shrink[:, None] * turned)
        leverage = np.minimum(1 / len(points) + np.einsum("ij,j,ij->i", left, shrink, left), 1 - 1e-6)
        unseen = wanted - (wanted - fitted) / (1 - leverage)[:, None]
        for sharpness in _SHARPNESS:
            loss = -np.log(np.maximum(_softmax(unseen * sharpness)[np.arange(len(points)), of_row], 1e-9)).mean()
            if best is None or loss < best[0]:
                best = (float(loss), float(penalty), float(sharpness), unseen)
    assert best is not None
    _, penalty, sharpness, unseen = best
    weights = right.T @ ((sizes / (sizes**2 + penalty))[:, None] * turned)
    return Probe(
        classes=classes,
        weights=weights.astype(np.float32),
        offset=(share - middle @ weights).astype(np.float32),
        sharpness=sharpness,
        penalty=penalty,
        held_out=_softmax(unseen * sharpness).astype(np.float32),
    )


def _softmax(numbers: NDArray[Any]) -> NDArray[Any]:
    numbers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
    numbers /= numbers.sum(axis=1, keepdims=True)
    return numbers
