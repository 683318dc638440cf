"""The head of the order bench is plain Adam, and each order gives the rows that it says."""

import numpy as np
import pytest

from bench.subset_selection import Rated
from bench.training_order import BATCH, RATE, Head, _in_stages, _mined, _shuffled, _with_hard_ones


def test_a_step_is_adams():
    """Ten steps against torch's own Adam on the same loss."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    head, weights = Head(5, 3), torch.zeros(6, 3, requires_grad=True)
    adam = torch.optim.Adam([weights], lr=RATE)
    for _ in range(10):
        vectors, labels = rng.normal(size=(8, 5)).astype(np.float32), rng.integers(0, 3, 8)
        head.step(vectors, labels)
        adam.zero_grad()
        scores = torch.tensor(vectors) @ weights[:-1] + weights[-1]
        torch.nn.functional.cross_entropy(scores, torch.tensor(labels)).backward()
        adam.step()
    assert head.weights == pytest.approx(weights.detach().numpy(), abs=1e-4)


@pytest.fixture
def rated():
    rng = np.random.default_rng(1)
    rows = 640
    labels = rng.integers(0, 4, rows)
    probabilities = rng.dirichlet(np.ones(4), rows).astype(np.float32)
    vectors = rng.normal(size=(rows, 6)).astype(np.float32)
    return Rated(vectors, labels, probabilities, labels * 1.0, vectors, labels, labels, np.arange(rows), 4, seed=5)


def _order(rated, way):
    return np.array(list(way(rated, np.arange(len(rated.labels)) * 1.0, Head(6, 4))))


def test_every_order_has_the_same_steps(rated):
    """One pass in batches of 32, whatever the order; mining replaces rows and adds none."""
    for way in (_shuffled, _in_stages(lambda rated, lengths: lengths), _with_hard_ones, _mined):
        assert _order(rated, way).shape == (len(rated.labels) // BATCH, BATCH)


def test_stages_come_in_order_and_each_row_once(rated):
    """A third of the rows, then the next third, shuffled within."""
    order = _order(rated, _in_stages(lambda rated, lengths: lengths)).ravel()
    assert sorted(order) == list(range(640))
    third = 640 // 3
    assert set(order[:third]) <= set(range(third + 1))
    assert list(order[:third]) != sorted(order[:third])


def test_hard_ones_are_35_percent_of_a_batch(rated):
    """From the tenth of the rows that the model in use believes least."""
    belief = rated.probabilities[np.arange(640), rated.labels]
    hard = set(np.argsort(belief, kind="stable")[:64].tolist())
    shares = [np.isin(rows[-11:], list(hard)).all() for rows in _order(rated, _with_hard_ones)]
    assert all(shares)
    assert round(0.35 * BATCH) == 11


def test_mined_rows_have_the_largest_losses_of_those_that_were_looked_at(rated):
    """With a head that has learnt something, their mean loss is above that of the others."""
    head = Head(6, 4)
    head.step(rated.vectors, rated.labels)
    losses = head.losses(rated.vectors, rated.labels)
    batches = np.array(list(_mined(rated, None, head)))
    assert losses[batches[:, -11:]].mean() > losses[batches[:, :-11]].mean() + losses.std() / 2
