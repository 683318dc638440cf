"""A linear head that learns from weighed rows, some of which only say what is wrong.

The loss of a row is -log p of its label, or where that is wrong -log(1 - p): the weighted mean, as in the shared loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WRONG_WEIGHT = 0.5  # as the workloads have it
BATCH, RATE = 32, 0.02  # as in bench/training_order.py
Floats = NDArray[np.float32]


class WeighedHead:
    """Softmax regression with an intercept: to its end by L-BFGS, or a few steps of Adam."""

    def __init__(self, classes: int, strength: float = 10.0) -> None:
        self.classes, self.strength = classes, strength
        self.weights: Any = None  # (dimensions + 1, classes)

    def copy(self) -> WeighedHead:
        other = WeighedHead(self.classes, self.strength)
        other.weights = self.weights.copy()
        return other

    def scores(self, vectors: Floats) -> Any:
        return vectors @ self.weights[:-1] + self.weights[-1]

    def fit(self, vectors: Floats, labels: Any, right: Any, weights: Any) -> WeighedHead:
        from scipy.optimize import minimize

        rows, share = _rows(vectors), _shares(right, weights)
        shape, penalty = (rows.shape[1], self.classes), 1.0 / (self.strength * len(rows))

        def loss(flat: Any) -> tuple[float, Any]:
            given = flat.reshape(shape)
            value, gradient = loss_and_gradient(given.astype(np.float32), rows, labels, right, share)
            held = np.vstack([given[:-1], np.zeros((1, self.classes))])
            return value + 0.5 * penalty * float(np.square(held).sum()), (gradient + penalty * held).ravel()

        found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B",
                         options={"gtol": 1e-5, "maxiter": 500})  # fmt: skip
        self.weights = found.x.reshape(shape).astype(np.float32)
        return self

    def step_on(self, vectors: Floats, labels: Any, right: Any, weights: Any, *, steps: int, seed: int) -> WeighedHead:
        """In batches of 32, shuffled anew when all were seen; the rate falls to zero along a line."""
        rng, rows, order = np.random.default_rng(seed), _rows(vectors), np.zeros(0, np.int64)
        first, second = np.zeros_like(self.weights), np.zeros_like(self.weights)
        for step in range(1, steps + 1):
            while len(order) < BATCH:
                order = np.concatenate([order, rng.permutation(len(rows))])
            now, order = order[:BATCH], order[BATCH:]
            share = _shares(right[now], weights[now])
            _, gradient = loss_and_gradient(self.weights, rows[now], labels[now], right[now], share)
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            rate = RATE * (1 - (step - 1) / steps) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            self.weights = self.weights - (rate * first / (np.sqrt(second) + 1e-8)).astype(np.float32)
        return self


def loss_and_gradient(weights: Any, rows: Floats, labels: Any, right: Any, share: Any) -> tuple[float, Any]:
    """Of the mean by shares that sum to 1."""
    scores = rows @ weights
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)  # (rows, classes)
    own = np.arange(len(rows)), labels
    chance = chances[own].astype(np.float64)
    rest = np.maximum(1.0 - chance, 1e-6)
    loss = float(-(share * np.log(np.where(right, np.maximum(chance, 1e-30), rest))).sum())
    wanted = chances / rest[:, None]  # where it is wrong: the others, in proportion
    wanted[right] = 0.0
    wanted[own] = right
    return loss, rows.T @ (share[:, None] * (chances - wanted)).astype(np.float32)


def _rows(vectors: Floats) -> Floats:
    return np.hstack([vectors, np.ones((len(vectors), 1), np.float32)])


def _shares(right: Any, weights: Any) -> Any:
    whole = np.where(right, weights, WRONG_WEIGHT * weights)
    return whole / whole.sum()
