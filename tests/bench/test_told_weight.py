"""The head of the bench learns what others learn from weighed rows, and people say what the bench says they do."""

import numpy as np
import pytest

from bench.told_weight import BASELINE, WEIGHTS, Start, confirmed, lived, rated_by, summary, weights_of
from bench.weighed_head import WRONG_WEIGHT, WeighedHead, loss_and_gradient


@pytest.fixture
def points():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 200)
    vectors = (rng.standard_normal((4, 6))[labels] + rng.standard_normal((200, 6))).astype(np.float32)
    return vectors, labels, rng.uniform(0.1, 3.0, 200)


def test_loss_and_slope_are_torchs(points):
    """Of right rows and of wrong ones, by their shares."""
    torch = pytest.importorskip("torch")
    vectors, labels, share = points
    right = np.arange(200) % 3 > 0
    weights = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    chances = torch.log_softmax(torch.tensor(vectors, dtype=torch.float64) @ weights, dim=1)
    own = chances[torch.arange(200), torch.tensor(labels)]
    lost = torch.where(torch.tensor(right), -own, -torch.log1p(-own.exp()))
    whole = (torch.tensor(share) * lost).sum()
    whole.backward()
    found, slope = loss_and_gradient(weights.detach().numpy(), vectors, labels, right, share)
    assert found == pytest.approx(whole.item(), rel=1e-6)
    assert slope == pytest.approx(weights.grad.numpy(), abs=1e-3)


def test_to_its_end_it_is_scikit_learns(points):
    """Weighed rows, an intercept that is not held back, the same answers."""
    linear = pytest.importorskip("sklearn.linear_model")
    vectors, labels, weights = points
    head = WeighedHead(4).fit(vectors, labels, np.ones(200, np.bool_), weights)
    shares = weights * 200 / weights.sum()
    theirs = linear.LogisticRegression(C=10, tol=1e-8, max_iter=2000).fit(vectors, labels, sample_weight=shares)
    scores, wanted = head.scores(vectors), theirs.decision_function(vectors)
    centred = [given - given.mean(axis=1, keepdims=True) for given in (scores, wanted)]
    assert centred[0] == pytest.approx(centred[1], abs=0.02)


def test_what_is_called_wrong_becomes_less_likely(points):
    """A few steps on from where it was; the head that it began from stays as it is."""
    vectors, labels, weights = points
    head = WeighedHead(4).fit(vectors, labels, np.ones(200, np.bool_), weights)
    before, answered = head.weights.copy(), head.scores(vectors).argmax(1)
    moved = head.copy().step_on(vectors, answered, np.zeros(200, np.bool_), weights, steps=50, seed=1)
    assert (moved.scores(vectors).argmax(1) == answered).mean() < 0.9
    assert (head.weights == before).all()
    assert pytest.importorskip("plugins.workloads.tiny_classifier").TinySettings().wrong_weight == WRONG_WEIGHT


class _Data:
    classes = tuple("abcd")
    labels = np.arange(4000) % 4


class _Learner:
    """Says `a` to everything, and keeps what it learnt from."""

    in_use = 10

    def learnt(self, ratings, base, seed):
        return ratings

    def answers(self, model, rows):
        return np.zeros(len(rows), np.int64)


def test_people_say_of_answers_what_the_bench_says():
    """A thumb up where it is right; of the others five in eight are corrected, some of them wrongly if asked to."""
    rows = np.arange(4000)
    told = rated_by(_Data, _Learner(), None, rows, BASELINE, 0.1, 1)
    up, truth = _Data.labels == 0, _Data.labels
    assert (told.right[up] & (told.labels[up] == 0)).all()
    corrected = ~up & told.right
    assert corrected.sum() / (~up).sum() == pytest.approx(5 / 8, abs=0.03)
    assert (told.labels[~up & ~told.right] == 0).all()
    assert (told.labels[corrected] != truth[corrected]).mean() == pytest.approx(0.1, abs=0.02)
    honest = rated_by(_Data, _Learner(), None, rows, BASELINE, 0.0, 1)
    assert (honest.labels[honest.right] == truth[honest.right]).all()


@pytest.mark.parametrize(
    ("how", "wanted"), [(BASELINE, (0.76, 0.46, 0.76)), ("told_1", (0.76, 1.0, 0.76)), ("uniform", (1.0, 1.0, 1.0))]
)
def test_the_weights_are_those_of_the_stage(how, wanted):
    """Of a thumb up, a correction, a bare thumb down."""
    given = weights_of(np.array([True, False, False]), np.array([False, True, False]), WEIGHTS[how])
    assert given == pytest.approx(wanted, abs=0.005)


def test_a_quarter_of_a_night_was_learnt_before():
    """Each night eighty new ones, and what was rated before them."""
    known = confirmed(np.arange(3990, 4000), _Data.labels[3990:], BASELINE)
    start = Start(None, known, np.arange(3000), np.arange(0), np.zeros(0))
    first, *_, last = lived(_Data, _Learner(), start, BASELINE, 1)
    assert (len(first.rows), len(last.rows)) == (90, 107)
    assert first.rows[:80].tolist() == list(range(80))
    assert set(first.rows[80:]) == set(range(3990, 4000))
    assert set(last.rows[80:]) <= set(range(13 * 80)) | set(range(3990, 4000))


def test_gains_are_counted_seed_by_seed():
    """What all seeds gained alike has no spread, however far they lie apart."""
    runs = [{how: {"at once": seed / 10 + (how == "told_1") / 100} for how in WEIGHTS} for seed in range(3)]
    told = summary(runs)["told_1"]["at once"]
    assert told["gain"]["low"] == told["gain"]["high"] == pytest.approx(0.01)
    assert told["score"]["mean"] == pytest.approx(0.11)
