"""A ridge on one-hot classes says what a linear reader of embeddings believes."""

import numpy as np
import pytest

from components.bad_input import BadInput
from components.light_probe import fit_probe
from tests.components.test_clustering import blobs


def test_each_row_is_predicted_by_a_model_that_has_not_seen_it():
    """The closed form equals leaving each row out in turn, with a peer's ridge of the same penalty."""
    linear = pytest.importorskip("sklearn.linear_model")
    rows, of_blob = blobs(1, [9, 8, 7], width=5, spread=1.0)
    probe = fit_probe(rows, of_blob)
    wanted = np.eye(3)[of_blob]
    slow = []
    for out in range(len(rows)):
        rest = np.arange(len(rows)) != out
        model = linear.Ridge(alpha=probe.penalty).fit(rows[rest].astype(float), wanted[rest])
        raw = np.exp(probe.sharpness * model.predict(rows[out : out + 1].astype(float))[0])
        slow.append(raw / raw.sum())
    assert np.allclose(probe.held_out, slow, atol=1e-4)


def test_beliefs_are_those_of_a_peers_ridge():
    """Weights and offset are the ridge's; probabilities are the softmax of its outputs."""
    linear = pytest.importorskip("sklearn.linear_model")
    rows, of_blob = blobs(2, [30, 20], width=6, spread=1.0)
    probe = fit_probe(rows, np.array(["no", "yes"])[of_blob])
    model = linear.Ridge(alpha=probe.penalty).fit(rows.astype(float), np.eye(2)[of_blob])
    raw = np.exp(probe.sharpness * model.predict(rows.astype(float)))
    assert np.allclose(probe.believe(rows), raw / raw.sum(axis=1, keepdims=True), atol=1e-4)
    assert probe.classes.tolist() == ["no", "yes"]


def test_far_blobs_are_told_apart_and_sums_are_one():
    """More dimensions than rows, and rows of half precision, are no trouble."""
    rows, of_blob = blobs(3, [6, 6, 6], width=40, spread=0.1)
    believed = fit_probe(rows.astype(np.float16), of_blob).believe(rows.astype(np.float16))
    assert np.array_equal(believed.argmax(axis=1), of_blob)
    assert np.allclose(believed.sum(axis=1), 1, atol=1e-5)


def test_noise_is_believed_less_than_signal():
    """Sharpness follows the log-loss: on labels drawn by chance the probe is hardly sure of anything."""
    rows, of_blob = blobs(4, [60, 60], spread=0.3)
    by_chance = np.random.default_rng(0).integers(0, 2, 120)
    assert fit_probe(rows, by_chance).held_out.max(axis=1).mean() < 0.7
    assert fit_probe(rows, of_blob).held_out.max(axis=1).mean() > 0.9


def test_one_class_and_unequal_columns_are_refused():
    """The message says which class, and what to do."""
    rows, _ = blobs(5, [3, 3])
    with pytest.raises(BadInput) as told:
        fit_probe(rows, ["a"] * 6)
    assert str(told.value) == "labels: found \"one class only (['a'])\", expected at least two. Label more rows first."
    with pytest.raises(BadInput, match="'rows': 6, 'labels': 2"):
        fit_probe(rows, ["a", "b"])
