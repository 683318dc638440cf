"""Measures of how well embeddings keep classes apart are those that scikit-learn gives."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from components import class_separation as separation
from components.bad_input import BadInput


@pytest.fixture
def drawn():
    rng = np.random.default_rng(4)
    labels = rng.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1])
    centres = {"a": 0, "b": 1, "c": 2}
    vectors = rng.standard_normal((300, 6)) + 1.2 * np.eye(6)[[centres[one] for one in labels]]
    return vectors.astype(np.float32), labels


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_f1_is_scikit_learns():
    """Of each class, and their mean; a class that is never answered has 0."""
    truth, answers = np.array(["a", "a", "b", "c", "c"]), np.array(["a", "b", "b", "a", "a"])
    each = f1_score(truth, answers, average=None, labels=["a", "b", "c"])
    assert list(separation.f1_of_classes(truth, answers).values()) == pytest.approx(each)
    assert separation.macro_f1(truth, answers) == pytest.approx(each.mean())
    assert separation.macro_f1([], []) == 0.0


def test_neighbours_are_scikit_learns(drawn):
    """By cosine, five of them; ties alone may fall otherwise."""
    vectors, labels = drawn
    theirs = KNeighborsClassifier(5, metric="cosine").fit(vectors[:200], labels[:200]).predict(vectors[200:])
    ours = separation.knn_answers(vectors[:200], labels[:200], vectors[200:])
    assert (ours == theirs).mean() > 0.95
    one = KNeighborsClassifier(1, metric="cosine").fit(vectors[:200], labels[:200]).predict(vectors[200:])
    assert (separation.knn_answers(vectors[:200], labels[:200], vectors[200:], k=1) == one).all()


def test_the_silhouette_is_scikit_learns(drawn):
    """By cosine distance; a class of one text counts 0."""
    vectors, labels = drawn
    assert separation.silhouette(vectors, labels) == pytest.approx(silhouette_score(vectors, labels, metric="cosine"))
    few, alone = vectors[:4], np.array(["a", "a", "a", "z"])
    assert separation.silhouette(few, alone) == pytest.approx(silhouette_score(few, alone, metric="cosine"), abs=1e-6)


def test_purity_is_the_share_of_the_commonest_class_of_each_cluster(drawn):
    """At least the share of the largest class; of classes drawn equally, at least one of all classes."""
    vectors, labels = drawn
    found = separation.purity(vectors, labels, np.random.default_rng(1))
    balanced = separation.balanced_purity(vectors, labels, np.random.default_rng(1))
    assert (labels == "a").mean() <= found < 1
    assert 1 / 3 <= balanced < found
    apart = np.repeat(np.eye(6)[:2], 20, axis=0)
    assert separation.purity(apart, np.repeat(["x", "y"], 20), np.random.default_rng(1), clusters=2) == 1.0


def test_a_line_and_a_bag_of_words_answer(drawn):
    """With balanced classes the rare one is answered more often."""
    vectors, labels = drawn
    plain = separation.regression_answers(vectors[:200], labels[:200], vectors[200:])
    balanced = separation.regression_answers(vectors[:200], labels[:200], vectors[200:], balanced=True)
    assert (balanced == "c").sum() > (plain == "c").sum()
    texts, told = ["my parcel is late", "give my money back"] * 5, np.array(["parcel", "money"] * 5)
    asked = ["where is the parcel", "money please"]
    assert separation.bag_of_words_answers(texts, told, asked).tolist() == ["parcel", "money"]


def test_the_interval_holds_the_gain():
    """Of two ways of answering the same rows; of the same answers it is nothing."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 500)
    before = np.where(rng.random(500) < 0.6, truth, (truth + 1) % 3)
    after = np.where(rng.random(500) < 0.8, truth, (truth + 1) % 3)
    found = separation.interval_of_difference(truth, before, after, np.random.default_rng(0), draws=300)
    gain = separation.accuracy(truth, after) - separation.accuracy(truth, before)
    assert found["accuracy"][0] < gain < found["accuracy"][1]
    assert found["accuracy"][0] > 0.05
    gain = separation.macro_f1(truth, after) - separation.macro_f1(truth, before)
    assert found["macro_f1"][0] < gain < found["macro_f1"][1]
    assert separation.interval_of_difference(truth, after, after, np.random.default_rng(0), 50)["macro_f1"] == (0, 0)


def test_what_cannot_be_measured_is_told():
    """No neighbours, one class, answers that do not fit."""
    with pytest.raises(BadInput, match="known: found 'no rows', expected at least one"):
        separation.knn_answers(np.zeros((0, 2)), np.zeros(0), np.zeros((1, 2)))
    with pytest.raises(BadInput, match="labels: found '1 class', expected at least two"):
        separation.silhouette(np.eye(2), np.array(["a", "a"]))
    with pytest.raises(BadInput, match=r"answers: found 'an array of shape \(1,\)', expected one for each of 2 rows"):
        separation.f1_of_classes([1, 2], [1])
    with pytest.raises(BadInput, match=r"vectors: found .*, expected a row of numbers for each text"):
        separation.silhouette(np.zeros(3), np.array(["a", "b", "a"]))
