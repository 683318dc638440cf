"""What a model reaches on texts that it has not seen, beside the untuned encoder and a bag of words.

Three ways to answer from embeddings: the head, the five nearest neighbours, logistic regression; and how the classes
lie: purity as it is and with classes drawn equally, silhouette. Neighbours and regression know the training texts,
whose labels a tuned encoder has seen too: they say how useful the embeddings are, not how few labels would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import class_separation as separation
from components.class_confusion import confusion_matrix

Labels = NDArray[Any]


def measured(
    known: NDArray[np.float32],
    known_labels: Labels,
    asked: NDArray[np.float32],
    truth: Labels,
    head_answers: Labels | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Of one encoder: `known` are the embeddings of the training texts, `asked` those of the test texts."""
    answers = {} if head_answers is None else {"head": head_answers}
    answers["knn"] = separation.knn_answers(known, known_labels, asked)
    answers["regression"] = separation.regression_answers(_unit(known), known_labels, _unit(asked))
    found: dict[str, Any] = {name: figures(truth, one) for name, one in answers.items()}
    several = len(np.unique(truth)) > 1
    found["purity"] = separation.purity(asked, truth, np.random.default_rng([seed, 1]))
    found["balanced_purity"] = separation.balanced_purity(asked, truth, np.random.default_rng([seed, 2]))
    found["silhouette"] = separation.silhouette(asked, truth, np.random.default_rng([seed, 3])) if several else 0.0
    return found


def bag_of_words(texts: Sequence[str], labels: Labels, asked: Sequence[str], truth: Labels) -> dict[str, Any]:
    """What TF-IDF with logistic regression reaches on the same texts, as it is and with balanced classes."""
    return {
        name: figures(truth, separation.bag_of_words_answers(texts, labels, asked, balanced=balanced))
        for name, balanced in (("tfidf", False), ("tfidf_balanced", True))
    }


def figures(truth: Labels, answers: Labels) -> dict[str, Any]:
    """Accuracy, macro-F1, F1 of each class, and which class was answered for which."""
    names, codes = np.unique(np.concatenate([truth, answers]), return_inverse=True)
    true, given = codes[: len(truth)], codes[len(truth) :]
    return {
        "accuracy": separation.accuracy(truth, answers),
        "macro_f1": separation.macro_f1(truth, answers),
        "per_class": separation.f1_of_classes(truth, answers),
        "confusion": {"classes": names.tolist(), "counts": confusion_matrix(true, given, classes=len(names)).tolist()},
        "answers": answers,
    }


def gains(truth: Labels, results: Mapping[str, Any], *, seed: int = 0) -> list[dict[str, Any]]:
    """What the fine-tuned model gained on the base, way by way, and its head on a bag of words; with 95% intervals.

    Pairs of answers to the same test texts are drawn again, 1,000 times.
    """
    pairs = [("base", way, way) for way in ("knn", "regression") if "base" in results]
    pairs += [("bag of words", way, "head") for way in ("tfidf", "tfidf_balanced")]
    return [_gain(truth, results, pair, np.random.default_rng([seed, 4])) for pair in pairs]


def _gain(
    truth: Labels, results: Mapping[str, Any], pair: tuple[str, str, str], rng: np.random.Generator
) -> dict[str, Any]:
    name, before, after = pair
    first, second = results[name][before], results["fine-tuned"][after]
    inside = separation.interval_of_difference(truth, first["answers"], second["answers"], rng)
    told = {one: {"gain": second[one] - first[one], "low": low, "high": high} for one, (low, high) in inside.items()}
    return {"from": f"{name}, {before}", "to": f"fine-tuned, {after}", **told}


def without_answers(found: Any) -> Any:
    """The same without each single answer: what is written down."""
    if not isinstance(found, Mapping):
        return found
    return {name: without_answers(one) for name, one in found.items() if name != "answers"}


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)
