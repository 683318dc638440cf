"""The fast probe is logistic regression, and nothing else."""

import warnings

import numpy as np
import pytest

from bench.probe import Probe, accuracy, macro_f1


def _texts(rows=400, classes=7, dimensions=24, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dimensions))
    labels = rng.integers(0, classes, rows)
    vectors = centres[labels] + rng.normal(scale=1.3, size=(rows, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def _by_sklearn(vectors, labels):
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=10, tol=1e-9, max_iter=5000).fit(vectors.astype(np.float64), labels)


@pytest.mark.parametrize("classes", [2, 7])
def test_it_gives_scikit_learns_probabilities(classes):
    """Within 0.005 for every row and class, at the tolerance of the benches."""
    vectors, labels = _texts(classes=classes)
    own = Probe(classes, tolerance=1e-5).fit(vectors, labels).probabilities(vectors)
    theirs = _by_sklearn(vectors, labels).predict_proba(vectors)
    if classes == 2:  # scikit-learn has one row of weights for two classes, so its penalty is another one
        assert (own.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.99
    else:
        assert np.abs(own - theirs).max() < 0.005
    assert own.sum(axis=1) == pytest.approx(np.ones(len(vectors)), abs=1e-5)


def test_a_warm_start_ends_where_a_cold_one_does():
    """What it knew before costs no accuracy: the objective has one minimum."""
    vectors, labels = _texts()
    warm = Probe(7, tolerance=1e-6)
    for rows in (50, 120, 400):
        warm.fit(vectors[:rows], labels[:rows])
    cold = Probe(7, tolerance=1e-6).fit(vectors, labels)
    assert np.abs(warm.probabilities(vectors) - cold.probabilities(vectors)).max() < 0.005


def test_a_class_nobody_has_seen_gets_nothing():
    """Class 3 of 5 carries no row: probability 0, and nothing overflows."""
    vectors, labels = _texts(classes=5)
    kept = labels != 3
    probabilities = Probe(5).fit(vectors[kept], labels[kept]).probabilities(vectors)
    assert (probabilities[:, 3] == 0).all()
    assert np.isfinite(probabilities).all()


def test_one_class_alone_is_certain():
    """Nothing to tell apart is no error: a first random share may look so."""
    vectors, labels = _texts(classes=4)
    probe = Probe(4).fit(vectors[:10], np.full(10, 2))
    assert (probe.probabilities(vectors)[:, 2] == 1).all()
    assert probe.fit(vectors, labels).probabilities(vectors).argmax(axis=1).tolist() != [2] * len(vectors)


def test_macro_f1_is_scikit_learns_over_the_classes_that_occur():
    """Predictions of a class that the truth lacks cost precision elsewhere, and add no class."""
    from sklearn.metrics import f1_score

    true, predicted = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 3, 1, 1, 0, 1])
    assert macro_f1(predicted, true, 4) == pytest.approx(
        f1_score(true, predicted, average="macro", labels=[0, 1, 2], zero_division=0)
    )
    assert accuracy(predicted, true) == 0.5
