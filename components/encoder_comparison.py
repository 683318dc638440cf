"""Which of several encoders keeps classes apart better, and which differences are more than chance.

Each encoder is looked at on the same texts, text by text: is it of the commonest class of its cluster (k-means from
five starts), how does its class lie beside the nearest other (silhouette), do its five nearest others name its class,
does a line that was drawn without it. Two encoders are then compared text by text; intervals hold for all comparisons
together (Bonferroni). How many of ten neighbours two encoders share says whether they see the same. It tunes nothing,
and an encoder that was tuned on these very labels looks better than it is.

>>> rng = np.random.default_rng(1)
>>> labels = np.repeat(["a", "b"], 60)
>>> loose, tight = (rng.standard_normal((120, 8)) + far * np.eye(8)[(labels == "b") * 1] for far in (1.0, 4.0))
>>> seen = [look_at(vectors, labels, clusters=4, seed=0) for vectors in (loose, tight)]
>>> [round(one.figures()["knn"], 2) for one in seen]
[0.68, 1.0]
>>> compared(seen[0], seen[1], comparisons=4)["knn"].beyond_chance
True
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # so that the file runs by itself too

import numpy as np
from numpy.typing import NDArray

from components import class_separation as separation
from components.bad_input import whole_number
from components.clustering import kmeans

STARTS = 5
NEIGHBOURS = 10
_FOLDS = 5
_AT_ONCE = 512

MEASURES = {
    "purity": "purity of clusters",
    "silhouette": "silhouette of classes",
    "knn": "five nearest neighbours",
    "regression": "logistic regression",
}

Vectors = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """One encoder, text by text: (texts,) each; `pure` has a column for each start of k-means."""

    pure: NDArray[np.bool_]
    silhouettes: Floats
    knn: NDArray[Any]  # answers
    regression: NDArray[Any]
    near: NDArray[np.int64]  # (texts, NEIGHBOURS)
    truth: NDArray[Any]
    balanced_purity: float
    cluster_silhouette: float

    def figures(self) -> dict[str, float]:
        """One number for each measure; those of the documents."""
        told = {name: float(column.mean()) for name, column in self.columns().items()}
        for way, answers in (("knn", self.knn), ("regression", self.regression)):
            told[f"{way}_macro_f1"] = separation.macro_f1(self.truth, answers)
        return told | {"balanced_purity": self.balanced_purity, "cluster_silhouette": self.cluster_silhouette}

    def columns(self) -> dict[str, Floats]:
        """What is compared, text by text."""
        return {
            "purity": self.pure.mean(1),
            "silhouette": self.silhouettes,
            "knn": (self.knn == self.truth).astype(np.float64),
            "regression": (self.regression == self.truth).astype(np.float64),
        }

    def of_starts(self) -> float:
        """How much the mean purity of one start scatters, as the variance of the mean over all of them."""
        return float(self.pure.mean(0).var(ddof=1) / self.pure.shape[1])


@dataclass(frozen=True, slots=True)
class Difference:
    """What the second encoder gains, and the interval that holds with all others at 95%."""

    gain: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        return self.low > 0 or self.high < 0


def look_at(vectors: Vectors, labels: NDArray[Any], *, clusters: int = separation.CLUSTERS, seed: int = 0) -> Seen:
    """One encoder's embeddings of labelled texts. Needs scikit-learn."""
    whole_number("clusters", clusters, low=2)
    unit = _unit(vectors)
    near = nearest_others(unit, NEIGHBOURS)
    parts = [kmeans(unit, clusters, np.random.default_rng([seed, start])).of_row for start in range(STARTS)]
    balanced = [
        separation.balanced_purity(unit, labels, np.random.default_rng([seed, 7, start]), clusters)
        for start in range(STARTS)
    ]
    return Seen(
        pure=np.stack([_commonest(part, labels) for part in parts], axis=1),
        silhouettes=separation.silhouettes(unit, labels),
        knn=_voted(near[:, : separation.NEIGHBOURS], labels),
        regression=out_of_fold(unit, labels, seed),
        near=near,
        truth=labels,
        balanced_purity=float(np.mean(balanced)),
        cluster_silhouette=float(separation.silhouettes(unit, parts[0]).mean()) if len(set(parts[0])) > 1 else 0.0,
    )


def compared(before: Seen, after: Seen, *, comparisons: int = 1) -> Mapping[str, Difference]:
    """By each measure; `comparisons` is how many intervals are looked at in all."""
    z = NormalDist().inv_cdf(1 - 0.025 / whole_number("comparisons", comparisons, low=1))
    first, second = before.columns(), after.columns()
    found = {}
    for name in MEASURES:
        moved = second[name] - first[name]
        variance = float(moved.var(ddof=1)) / len(moved)
        variance += before.of_starts() + after.of_starts() if name == "purity" else 0.0
        gain, half = float(moved.mean()), z * variance**0.5
        found[name] = Difference(gain, gain - half, gain + half)
    return found


def neighbours_shared(before: Seen, after: Seen) -> float:
    """The share of each text's ten nearest that both encoders name, 0 to 1."""
    shared = [len(np.intersect1d(one, other)) for one, other in zip(before.near, after.near, strict=True)]
    return float(np.mean(shared) / before.near.shape[1])


def nearest_others(unit: Vectors, count: int) -> NDArray[np.int64]:
    """For each row its nearest others by cosine, the nearest first."""
    count = min(count, len(unit) - 1)
    found = np.empty((len(unit), count), np.int64)
    for start in range(0, len(unit), _AT_ONCE):
        cosines = unit[start : start + _AT_ONCE] @ unit.T
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -np.inf
        near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(cosines, near, axis=1), axis=1, kind="stable")
        found[start : start + _AT_ONCE] = np.take_along_axis(near, order, axis=1)
    return found


def out_of_fold(rows: Any, labels: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """For each row what logistic regression over the others' folds answers; rows may be sparse."""
    answers, fold = labels.copy(), _folds(labels, seed)
    for number in range(_FOLDS):
        asked, known = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if len(asked):
            answers[asked] = separation.regression_answers(rows[known], labels[known], rows[asked])
    return answers


def _folds(labels: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Each class is dealt to all folds; one that is met once is asked where nothing knows it."""
    rng, fold, dealt = np.random.default_rng([seed, 11]), np.zeros(len(labels), np.int64), 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold[members] = (dealt + np.arange(len(members))) % _FOLDS
        dealt += len(members)
    return fold


def _commonest(part: NDArray[np.int64], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each row is of the commonest class of its cluster."""
    _, codes = np.unique(labels, return_inverse=True)
    table = np.zeros((int(part.max()) + 1, int(codes.max()) + 1))
    np.add.at(table, (part, codes), 1)
    return np.asarray(table.argmax(1)[part] == codes)


def _voted(near: NDArray[np.int64], labels: NDArray[Any]) -> NDArray[Any]:
    """The class of most neighbours; of equally many, that of the nearer ones."""
    names, codes = np.unique(labels, return_inverse=True)
    votes = np.zeros((len(near), len(names)))
    for place in range(near.shape[1]):
        votes[np.arange(len(near)), codes[near[:, place]]] += 1 - 1e-3 * place
    return np.asarray(names[votes.argmax(1)])


def _unit(vectors: Vectors) -> NDArray[np.float32]:
    rows = np.asarray(vectors, np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _example() -> str:
    rng, labels = np.random.default_rng(3), np.repeat(["billing", "delivery", "other"], 60)
    places = np.unique(labels, return_inverse=True)[1]
    seen = [
        look_at(rng.standard_normal((180, 12)) + far * np.eye(12)[places], labels, clusters=6) for far in (1.5, 2.5)
    ]
    lines = ["Three classes of 60 texts; the second encoder holds them farther apart.", ""]
    for name, one in compared(*seen, comparisons=len(MEASURES)).items():
        star = " *" if one.beyond_chance else ""
        lines.append(f"  {MEASURES[name]:<26}{one.gain:+.3f}  ({one.low:+.3f} … {one.high:+.3f}){star}")
    lines += ["", f"Of ten neighbours they share {10 * neighbours_shared(*seen):.1f}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_example())
