"""Labels spread as scikit-learn spreads them over the same graph."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.semi_supervised import LabelSpreading

from components.bad_input import BadInput
from components.label_propagation import neighbour_graph, spread_labels


def moons(rows=200):
    """Two classes around two centres on a sphere, of which six rows have labels."""
    rng = np.random.default_rng(6)
    labels = np.repeat(["left", "right", "up"], rows)
    centres = np.repeat(np.eye(5)[:3], rows, axis=0)
    return (centres + 0.35 * rng.standard_normal((3 * rows, 5))).astype(np.float32), labels


def dense_graph(vectors, neighbours):
    """Row by row, as the definition has it."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    weights = np.zeros_like(cosines)
    for row in range(len(unit)):
        others = [other for other in np.argsort(-cosines[row]) if other != row][:neighbours]
        for other in others:
            weights[row, other] = weights[other, row] = max(cosines[row, other], 0.0)
    return weights


def test_answers_are_scikit_learns():
    """Label spreading with the same weights, as far as both have settled."""
    vectors, labels = moons()
    few = np.arange(0, len(vectors), 30)
    told = np.full(len(vectors), -1)
    names, told[few] = np.unique(labels[few], return_inverse=True)
    weights = dense_graph(vectors, 10)
    theirs = LabelSpreading(kernel=lambda a, b: weights, alpha=0.8, max_iter=500, tol=1e-9).fit(vectors, told)
    ours = spread_labels(vectors, few, labels[few], neighbours=10, passed_on=0.8)
    assert (ours == names[theirs.transduction_]).mean() > 0.995
    assert (ours == labels).mean() > 0.9


def test_the_graph_is_the_one_of_the_definition():
    """Symmetric, without a row that is its own neighbour."""
    vectors, _ = moons(40)
    weights = dense_graph(vectors, 4)
    scale = 1 / np.sqrt(weights.sum(1))
    found = neighbour_graph(vectors, 4)
    assert sparse.issparse(found)
    assert found.toarray() == pytest.approx(scale[:, None] * weights * scale[None, :], abs=1e-5)


def test_few_rows_are_enough_and_rows_out_of_reach_get_the_commonest_label():
    """One row alone has no neighbour."""
    assert spread_labels(np.eye(1), np.array([0]), np.array(["a"])).tolist() == ["a"]
    vectors = np.array([[1.0, 0], [1, 0.1], [1, 0.2], [-1, 0], [-1, 0.1]])
    found = spread_labels(vectors, np.array([0, 1, 2]), np.array(["a", "b", "b"]), neighbours=1)
    assert found.tolist() == ["a", "b", "b", "b", "b"]


def test_labels_that_do_not_fit_are_told():
    """None, or another number than of rows."""
    with pytest.raises(BadInput, match="labelled: found '0 rows with 0 labels', expected one label for each, and some"):
        spread_labels(np.eye(2), np.zeros(0, int), np.zeros(0))
    with pytest.raises(BadInput, match=r"passed_on: found 1\.5, expected a number at least 0 and at most 1"):
        spread_labels(np.eye(2), np.array([0]), np.array(["a"]), passed_on=1.5)
