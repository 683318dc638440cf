"""A light probe: multinomial logistic regression on vectors that do not change.

The objective of scikit-learn's LogisticRegression(C=10): the mean cross-entropy of the rows plus |W|²/(2·C·rows), the
intercept free, by L-BFGS from where the last fit ended; two classes have a row of weights each, as more classes have.
Products are in float32, which halves their time, the optimiser's own state in float64. A class that no row carries
has probability 0: it is left out of the fit, since nothing would hold its intercept. tests/bench/test_probe.py
compares it with scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


class Probe:
    """Fits on what it is given, starting at what it knew before."""

    def __init__(self, classes: int, strength: float = 10.0, tolerance: float = 1e-4, iterations: int = 1000) -> None:
        self.classes, self.strength = classes, strength
        self.tolerance, self.iterations = tolerance, iterations
        self.seen: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.weights: NDArray[np.float64] | None = None  # (classes, dimensions + 1); the last column is the intercept
        self.steps = 0  # of the last fit

    def fit(self, vectors: Vectors, labels: Labels) -> Probe:
        from scipy.optimize import minimize

        rows, dimensions = vectors.shape
        if self.weights is None:
            self.weights = np.zeros((self.classes, dimensions + 1))
        self.seen, places = np.unique(labels, return_inverse=True)
        if len(self.seen) == 1:  # nothing to tell apart
            self.steps = 0
            return self
        start = self.weights[self.seen]
        result = minimize(
            _loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B",
            args=(vectors, places, len(self.seen), 1.0 / (self.strength * rows)),
            options={"gtol": self.tolerance, "ftol": 64 * np.finfo(float).eps, "maxiter": self.iterations, "maxls": 50},
        )  # fmt: skip
        self.weights[self.seen] = result.x.reshape(start.shape)
        self.steps = int(result.nit)
        return self

    def probabilities(self, vectors: Vectors) -> NDArray[np.float32]:
        """(rows, classes), each row summing to 1."""
        assert self.weights is not None, "fit comes first"
        given = np.zeros((len(vectors), self.classes), dtype=np.float32)
        if len(self.seen) == 1:
            given[:, self.seen[0]] = 1.0
            return given
        known = self.weights[self.seen].astype(np.float32)
        given[:, self.seen] = _softmax(vectors @ known[:, :-1].T + known[:, -1])
        return given


def _loss_and_gradient(
    flat: NDArray[np.float64], vectors: Vectors, places: Labels, classes: int, penalty: float
) -> tuple[float, NDArray[np.float64]]:
    rows = len(vectors)
    weights = flat.reshape(classes, -1)
    known = weights.astype(np.float32)
    chances = _softmax(vectors @ known[:, :-1].T + known[:, -1])  # (rows, classes)
    own = np.arange(rows), places
    loss = -float(np.log(np.maximum(chances[own], 1e-30), dtype=np.float64).mean())
    loss += 0.5 * penalty * float(np.square(weights[:, :-1]).sum())
    chances[own] -= 1.0
    gradient = np.empty_like(weights)
    gradient[:, :-1] = (chances.T @ vectors) / rows + penalty * weights[:, :-1]
    gradient[:, -1] = chances.sum(axis=0) / rows
    return loss, gradient.ravel()


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def accuracy(predicted: Labels, true: Labels) -> float:
    return float((predicted == true).mean())


def macro_f1(predicted: Labels, true: Labels, classes: int) -> float:
    """The mean F1 of the classes that occur in `true`."""
    table = np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits, truths, claims = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    present = truths > 0
    return float((2 * hits[present] / (truths + claims)[present]).mean())
