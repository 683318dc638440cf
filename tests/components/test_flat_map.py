"""A map keeps neighbours together, and is the same for the same seed."""

import numpy as np
import pytest

from components.bad_input import BadInput
from components.flat_map import flat_map, same_of_each


def test_what_is_far_apart_stays_apart():
    """Each row's nearest on the map is of its own cluster; the same seed draws the same map."""
    rng = np.random.default_rng(0)
    clusters = np.repeat([0, 1, 2], 20)
    vectors = 4 * np.eye(8)[clusters] + 0.3 * rng.standard_normal((60, 8))
    places = flat_map(vectors, seed=3)
    assert places.shape == (60, 2)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(60)
    assert (clusters[apart.argmin(1)] == clusters).all()
    assert np.array_equal(places, flat_map(vectors, seed=3))


def test_no_class_has_more_than_its_share():
    """And rows come in a drawn order, rare classes whole."""
    labels = np.array(["often"] * 90 + ["rare"] * 3)
    rows = same_of_each(labels, 20, np.random.default_rng(1))
    assert np.unique(labels[rows], return_counts=True)[1].tolist() == [10, 3]
    assert len(set(rows.tolist())) == 13
    assert len(same_of_each(labels[:0], 20, np.random.default_rng(1))) == 0


def test_too_few_rows_are_told():
    """Four at least."""
    with pytest.raises(BadInput, match=r"vectors: found 'an array of shape \(3, 2\)', expected at least 4 rows"):
        flat_map(np.zeros((3, 2)))
