"""How well embeddings keep classes apart: by their neighbours, by a line between them, by clusters.

What a fine-tuned encoder is looked at with, beside what a bag of words reaches on the same texts: k nearest neighbours
by cosine, logistic regression, purity of k-means clusters (as they are, and with all classes drawn equally often, since
the purity of anything is at least the share of the largest class), silhouette by cosine (Rousseeuw 1987). Figures on
texts whose labels an encoder was tuned on say little: give it others. It trains no encoder.

>>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
>>> labels = np.array(["a", "a", "b", "b"])
>>> knn_answers(vectors, labels, np.array([[0.8, 0.3]]), k=3).tolist()
['a']
>>> round(silhouette(vectors, labels), 2)
0.99
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(
        Path(__file__).resolve().parent.parent
    )  # so that `python components/class_separation.py` runs too

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, whole_number
from components.clustering import kmeans

NEIGHBOURS = 5
CLUSTERS = 12
_AT_ONCE = 512
_SILHOUETTE_ROWS = 3000

Vectors = NDArray[np.floating[Any]]
Labels = NDArray[Any]


def accuracy(truth: ArrayLike, answers: ArrayLike) -> float:
    """The share of answers that are right, 0 to 1."""
    return float((np.asarray(truth) == np.asarray(answers)).mean())


def f1_of_classes(truth: ArrayLike, answers: ArrayLike) -> dict[Any, float]:
    """The F1 of every class that is true or was answered."""
    true, given = np.asarray(truth), np.asarray(answers)
    if true.shape != given.shape or true.ndim != 1:
        raise BadInput("answers", f"an array of shape {given.shape}", f"one for each of {len(true)} rows")
    found: dict[Any, float] = {}
    for label in np.unique(np.concatenate([true, given])):
        hits = float(np.count_nonzero((true == label) & (given == label)))
        found[label.item()] = 2 * hits / (np.count_nonzero(true == label) + np.count_nonzero(given == label))
    return found


def macro_f1(truth: ArrayLike, answers: ArrayLike) -> float:
    """The mean of the classes' F1, each class counting the same."""
    each = f1_of_classes(truth, answers)
    return float(np.mean(list(each.values()))) if each else 0.0


def knn_answers(known: Vectors, labels: Labels, asked: Vectors, k: int = NEIGHBOURS) -> Labels:
    """For each asked row the label of most of its k nearest by cosine; of equally many, that of the nearer ones."""
    k = min(whole_number("k", k, low=1), len(known))
    if not len(known):
        raise BadInput("known", "no rows", "at least one")
    names, codes = np.unique(labels, return_inverse=True)
    ours, theirs = _unit(known), _unit(asked)
    answers = np.empty(len(theirs), np.int64)
    for start in range(0, len(theirs), _AT_ONCE):
        near = theirs[start : start + _AT_ONCE] @ ours.T  # (asked, known)
        rows = np.argpartition(-near, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(near, rows, axis=1)
        votes = np.zeros((len(near), len(names)))
        for place in range(k):
            votes[np.arange(len(near)), codes[rows[:, place]]] += 1 + 1e-3 * values[:, place]
        answers[start : start + _AT_ONCE] = votes.argmax(1)
    return np.asarray(names[answers])


def regression_answers(known: Any, labels: Labels, asked: Any, *, c: float = 10.0, balanced: bool = False) -> Labels:
    """What logistic regression over the rows answers; rows may be sparse. Needs scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=1000, class_weight="balanced" if balanced else None)
    return np.asarray(model.fit(known, labels).predict(asked))


def bag_of_words_answers(
    texts: Sequence[str], labels: Labels, asked: Sequence[str], *, balanced: bool = False
) -> Labels:
    """What TF-IDF of words and pairs of words with logistic regression answers: what an encoder has to beat."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(texts) > 1000 else 1, sublinear_tf=True)
    known = words.fit_transform(texts)
    return regression_answers(known, labels, words.transform(asked), balanced=balanced)


def purity(vectors: Vectors, labels: Labels, rng: np.random.Generator, clusters: int = CLUSTERS) -> float:
    """The share of rows that are of the commonest class of their cluster (k-means over unit rows)."""
    _, codes = np.unique(labels, return_inverse=True)
    of_row = kmeans(_unit(vectors).astype(np.float32), min(clusters, len(codes)), rng).of_row
    table = np.zeros((int(of_row.max()) + 1, int(codes.max()) + 1))
    np.add.at(table, (of_row, codes), 1)
    return float(table.max(axis=1).sum() / len(codes))


def balanced_purity(vectors: Vectors, labels: Labels, rng: np.random.Generator, clusters: int = CLUSTERS) -> float:
    """The same with as many rows of each class as the rarest has, so that 1 / classes is chance."""
    names, counts = np.unique(labels, return_counts=True)
    rows = np.concatenate([rng.choice(np.flatnonzero(labels == name), counts.min(), replace=False) for name in names])
    return purity(vectors[rows], labels[rows], rng, clusters)


def silhouette(vectors: Vectors, labels: Labels, rng: np.random.Generator | None = None) -> float:
    """The mean silhouette by cosine distance, -1 to 1; of many rows, of 3,000 drawn ones."""
    rows = np.arange(len(vectors))
    if len(rows) > _SILHOUETTE_ROWS:
        rows = (np.random.default_rng(0) if rng is None else rng).choice(rows, _SILHOUETTE_ROWS, replace=False)
    return float(silhouettes(vectors[rows], labels[rows]).mean())


def silhouettes(vectors: Vectors, labels: Labels) -> NDArray[np.float64]:
    """That of each row; 0 where its class has no other."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise BadInput("labels", f"{len(counts)} class", "at least two")
    unit = _unit(vectors)
    sums = np.stack([unit[codes == code].sum(0) for code in range(len(counts))])  # (classes, size)
    apart = counts - unit @ sums.T  # (rows, classes): the sum of distances to each class
    every = np.arange(len(unit))
    within = apart[every, codes] / np.maximum(counts[codes] - 1, 1)
    apart = apart / counts
    apart[every, codes] = np.inf
    nearest = apart.min(axis=1)
    score = (nearest - within) / np.maximum(np.maximum(nearest, within), 1e-12)
    return np.where(counts[codes] > 1, score, 0.0)


def interval_of_difference(
    truth: ArrayLike, before: ArrayLike, after: ArrayLike, rng: np.random.Generator, draws: int = 1000
) -> Mapping[str, tuple[float, float]]:
    """The 95% intervals of what `after` gains on `before` in accuracy and macro-F1, drawing rows again in pairs."""
    _, codes = np.unique(np.concatenate([np.asarray(one) for one in (truth, before, after)]), return_inverse=True)
    true, first, second = np.split(codes, 3)
    gains = np.empty((draws, 2))
    for draw in range(draws):
        rows = rng.integers(0, len(true), len(true))
        gains[draw] = [
            accuracy(true[rows], second[rows]) - accuracy(true[rows], first[rows]),
            _macro_f1_of_codes(true[rows], second[rows]) - _macro_f1_of_codes(true[rows], first[rows]),
        ]
    low, high = np.quantile(gains, [0.025, 0.975], axis=0)
    return {name: (float(low[at]), float(high[at])) for at, name in enumerate(("accuracy", "macro_f1"))}


def _macro_f1_of_codes(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    size = int(max(truth.max(), answers.max())) + 1
    true, given = np.bincount(truth, minlength=size), np.bincount(answers, minlength=size)
    hits = np.bincount(truth[truth == answers], minlength=size)
    met = true + given > 0
    return float((2 * hits[met] / (true + given)[met]).mean())


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2:
        raise BadInput("vectors", f"an array of shape {rows.shape}", "a row of numbers for each text")
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _example() -> str:
    rng = np.random.default_rng(3)
    labels = np.repeat(["billing", "delivery"], 60)
    lines = ["Two classes, 60 texts each; half of them known, asked about the others.", ""]
    for apart in (0.5, 1.0, 2.0):
        vectors = rng.standard_normal((120, 8)) + apart * (labels == "billing")[:, None] * np.eye(8)[0] * 2
        known = np.arange(120) % 2 == 0
        answers = knn_answers(vectors[known], labels[known], vectors[~known])
        found = accuracy(labels[~known], answers), purity(vectors, labels, rng, 2), silhouette(vectors, labels)
        told = "k-NN {:.2f}   purity {:.2f}   silhouette {:.2f}".format(*found)
        lines.append(f"  {apart:.1f} apart: {told}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_example())
