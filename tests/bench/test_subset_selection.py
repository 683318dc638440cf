"""Which rule is shipped is decided by arithmetic, not by taste."""

import numpy as np
import pytest

from bench.label_curves import interval
from bench.labelled_texts import LabelledTexts
from bench.subset_selection import IN_USE, RATED, rated_examples, summary, told_of_winner, verdict, winner


def _rule(*gains):
    gain = interval(gains)
    return {"gain": gain, "verdict": verdict(gain)}


RANDOM = _rule(0.0, 0.0, 0.0)


def test_better_means_that_the_interval_is_above_zero():
    """Worse, that it is below; else no difference was seen."""
    assert verdict(interval([0.02, 0.03, 0.025])) == "better"
    assert verdict(interval([-0.02, -0.03, -0.025])) == "worse"
    assert verdict(interval([0.02, -0.01, 0.03])) == "no difference seen"


def test_the_winner_has_the_largest_mean_gain_of_those_that_are_nowhere_below_random():
    """`flashy` gains more on one set and loses on the other; `all` is no rule."""
    sets = {
        "a": {"rules": {"random": RANDOM, "all": _rule(0.2, 0.2, 0.21), "steady": _rule(0.02, 0.03, 0.025),
                        "flashy": _rule(0.10, 0.11, 0.12)}},
        "b": {"rules": {"random": RANDOM, "all": _rule(0.2, 0.2, 0.21), "steady": _rule(0.00, 0.01, -0.005),
                        "flashy": _rule(-0.02, -0.02, -0.03)}},
    }  # fmt: skip
    found = winner(sets)
    assert (found["rule"], found["beats_random"]) == ("steady", True)
    assert found["mean_gain"] == pytest.approx(0.01333, abs=1e-4)
    assert told_of_winner(found) == "steady is to be shipped: +1.3 points on random over all sets"


def test_nothing_beats_random_is_an_answer():
    """Said in a sentence."""
    found = winner({"a": {"rules": {"random": RANDOM, "worse": _rule(-0.02, -0.03, -0.025)}}})
    assert found == {"rule": "random", "mean_gain": 0.0, "beats_random": False}
    assert told_of_winner(found).startswith("no rule beats random")


def test_gains_are_taken_seed_by_seed():
    """A rule that is one point above random on every seed has a gain without spread."""
    costs = {"choosing_seconds": 0.0, "training_seconds": 1.0, "passes": 2.0}
    taken = {
        "random": [{"score": score, **costs} for score in (0.5, 0.7)],
        "rule": [{"score": score + 0.01, **costs} for score in (0.5, 0.7)],
    }
    assert summary(taken)["rule"]["gain"] == {"mean": 0.01, "sd": 0, "se": 0, "low": 0.01, "high": 0.01, "n": 2}


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, RATED + 2000)
    vectors = (np.eye(4)[labels] + rng.normal(scale=0.5, size=(len(labels), 4))).astype(np.float32)
    data = LabelledTexts("x", ("",) * len(labels), labels, ("a", "b", "c", "d"), np.arange(RATED + 1000),
                         np.arange(RATED + 1000, RATED + 2000))  # fmt: skip
    return data, vectors


def test_a_rule_sees_nothing_of_the_test_and_a_model_that_saw_none_of_its_rows(drawn):
    """Ten thousand rated rows of the pool; the model in use learnt from others; scores are its belief in the label."""
    data, vectors = drawn
    rated = rated_examples(data, vectors, 0.0, 3)
    assert len(rated.rows) == RATED
    assert len(data.pool) >= IN_USE + RATED
    assert np.isin(rated.rows, data.pool).all()
    assert (rated.labels == data.labels[rated.rows]).all()
    assert rated.scores == pytest.approx(100 * rated.probabilities[np.arange(RATED), rated.labels])
    assert rated.probabilities.argmax(axis=1).tolist() != rated.labels.tolist()


def test_a_tenth_of_the_ratings_is_wrong_when_asked_for(drawn):
    """Another class than the true one, for a tenth of the rows; the test keeps its labels."""
    data, vectors = drawn
    rated = rated_examples(data, vectors, 0.1, 3)
    assert (rated.labels != data.labels[rated.rows]).mean() == pytest.approx(0.1, abs=0.01)
    assert (rated.test_labels == data.labels[data.test]).all()
