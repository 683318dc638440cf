"""Planted wrong labels are found; right ones are mostly left alone."""

import numpy as np
import pytest

from components import label_noise
from components.bad_input import BadInput
from components.label_noise import neighbour_probabilities, out_of_fold_probabilities, suspect_labels


def blobs(seed, *, classes=5, each=120, noise=0.1, spread=0.5):
    """Clouds of points with a share of the labels changed: vectors, given labels, true labels."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((classes, 16))
    truth = np.repeat(np.arange(classes), each)
    vectors = centres[truth] + spread * rng.standard_normal((len(truth), 16))
    wrong = rng.random(len(truth)) < noise
    given = np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)
    return vectors, given, truth


def slowly(labels, chances):
    """Confident learning by hand: suspects with what they are suspected to be."""
    classes = len(chances[0])
    thresholds = []
    for k in range(classes):
        own = [p[k] for p, label in zip(chances, labels, strict=True) if label == k]
        thresholds.append(sum(own) / len(own) if own else float("inf"))
    found = {}
    for row, (label, p) in enumerate(zip(labels, chances, strict=True)):
        reached = [k for k in range(classes) if p[k] >= thresholds[k] - 1e-12]
        best = max(reached, key=lambda k: p[k], default=label)
        if best != label and p[best] > p[label]:
            found[row] = best
    return found


def test_confident_suspects_are_those_of_the_definition():
    """Equal to a loop over random probabilities."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        chances = rng.dirichlet(np.full(4, 0.5), 60)
        labels = rng.integers(0, 4, 60)
        found = suspect_labels(labels, chances, rule="confident")
        told = {row: int(found.suggested[row]) for row in found.rows.tolist()}
        assert told == slowly(labels.tolist(), chances.tolist())


def test_a_lead_of_one_half_makes_suspect():
    """Equal to a loop: the most probable class leads the label's by at least a half, or by what is asked for."""
    rng = np.random.default_rng(0)
    chances, labels = rng.dirichlet(np.full(4, 0.5), 200), rng.integers(0, 4, 200)
    for least in (0.5, 0.2):
        leads = [max(p) - p[label] for p, label in zip(chances.tolist(), labels.tolist(), strict=True)]
        found = suspect_labels(labels, chances, suspect_from=least)
        assert sorted(found.rows.tolist()) == [row for row, lead in enumerate(leads) if lead >= least]
        assert found.suspicion.tolist() == pytest.approx(leads)
    never = suspect_labels([0], [[0.5, 0.5]], suspect_from=0.0)
    assert never.rows.tolist() == []  # no other class leads


@pytest.mark.parametrize("way", [neighbour_probabilities, out_of_fold_probabilities])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_planted_noise_is_found(way, share):
    """Of wrong labels in clear clouds at least 85% are found, and at least 90% of what is found is wrong."""
    vectors, given, truth = blobs(1, noise=share)
    found = suspect_labels(given, way(vectors, given))
    suspect, wrong = found.suspect, given != truth
    assert (suspect & wrong).sum() / wrong.sum() >= 0.85
    assert (suspect & wrong).sum() / suspect.sum() >= 0.9
    assert (found.suggested[suspect & wrong] == truth[suspect & wrong]).mean() >= 0.95
    assert found.noise_share == pytest.approx(wrong.mean(), abs=0.03)


def test_the_most_suspect_come_first():
    """Rows are ordered by suspicion, which is how much more probable the other label is."""
    vectors, given, _ = blobs(2)
    found = suspect_labels(given, neighbour_probabilities(vectors, given))
    assert np.all(np.diff(found.suspicion[found.rows]) <= 0)
    assert found.suspicion.min() == 0
    assert found.suspicion.max() <= 1


def test_a_row_does_not_vouch_for_itself():
    """The one wrong label inside a cloud gets no vote for itself, whatever the block it falls in."""
    vectors, given, _ = blobs(3, noise=0.0)
    given[7] = 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_noise, "_AT_ONCE", 3)
        chances = neighbour_probabilities(vectors, given)
    assert chances[7, 4] == 0
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(given)))


def test_neighbours_are_those_of_a_full_matrix():
    """Blocks and partial sorting change nothing: cosine-weighted votes of the ten nearest others."""
    vectors, given, _ = blobs(4, each=30)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    for row, chances in enumerate(neighbour_probabilities(vectors, given)):
        near = np.argsort(-similarity[row])[:10]
        weights = np.maximum(similarity[row, near], 0) + 1e-3
        expected = np.bincount(given[near], weights=weights, minlength=5) / weights.sum()
        assert chances == pytest.approx(expected, abs=1e-5)


def test_folds_repeat_with_their_seed():
    """The same seed deals the same folds; another deals others."""
    vectors, given, _ = blobs(5, each=20, spread=1.5)
    first, again, other = (out_of_fold_probabilities(vectors, given, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: suspect_labels([0], [[0.5, 0.5]], rule="best"), "rule: found 'best', expected one of margin, conf"),
        (lambda: suspect_labels([0], [[1.0]]), "probabilities: found .*, expected a row per example, a column per"),
        (lambda: suspect_labels([0], [[0.7, 0.7]]), r"probabilities\[0\]: found \[0.7, 0.7\], expected numbers from"),
        (lambda: suspect_labels([0], [[np.nan, 1.0]]), r"probabilities\[0\]: found \[nan, 1.0\]"),
        (lambda: suspect_labels([2], [[0.5, 0.5]]), "labels: found 2, expected class numbers from 0 to 1"),
        (lambda: suspect_labels([0, 1], [[0.5, 0.5]]), "labels: found .*, expected a class number for each of 1 rows"),
        (lambda: neighbour_probabilities([[1.0]], [0]), "embeddings: found '1 rows', expected at least two"),
        (lambda: neighbour_probabilities([], []), "embeddings: found .*, expected at least one row"),
        (lambda: neighbour_probabilities([[np.inf], [1.0]], [0, 1]), r"embeddings\[0\]: found inf, expected finite"),
        (lambda: out_of_fold_probabilities(np.eye(4), [0, 0, 0, 0]), "labels: found .*, expected at least two"),
    ],
)
def test_what_cannot_be_judged_is_told(call, told):
    """One class only, no rows, numbers that are no probabilities."""
    with pytest.raises(BadInput, match=told):
        call()


def test_no_rows_have_no_suspects():
    """Nothing is suspect where nothing is."""
    found = suspect_labels(np.zeros(0, int), np.zeros((0, 3)))
    assert found.rows.tolist() == []
    assert found.noise_share == 0
