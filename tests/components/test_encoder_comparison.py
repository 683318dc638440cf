"""Two encoders are told apart where they differ, and are not where chance alone does."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier

from components import encoder_comparison as comparison
from components.bad_input import BadInput
from components.class_separation import silhouettes


def drawn(far, seed=0, rows=240):
    """Three classes whose centres are so far apart."""
    rng = np.random.default_rng(seed)
    labels = np.array(["a", "b", "c"])[np.random.default_rng(9).integers(0, 3, rows)]
    centres = np.eye(10)[np.unique(labels, return_inverse=True)[1]]
    return (far * centres + rng.standard_normal((rows, 10))).astype(np.float32), labels


def without(unit, labels, row):
    """What scikit-learn answers for a row that it does not know."""
    known = KNeighborsClassifier(5, metric="cosine").fit(np.delete(unit, row, 0), np.delete(labels, row))
    return known.predict(unit[[row]])[0]


def test_each_text_is_looked_at_as_scikit_learn_does():
    """Neighbours among the others, silhouettes text by text."""
    vectors, labels = drawn(2.0)
    seen = comparison.look_at(vectors, labels)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    theirs = [without(unit, labels, row) for row in range(60)]
    assert (seen.knn[:60] == theirs).mean() > 0.9  # where two classes have as many, theirs is the first by name
    assert seen.silhouettes == pytest.approx(silhouette_samples(unit, labels, metric="cosine"), abs=1e-5)
    assert silhouettes(unit, labels) == pytest.approx(seen.silhouettes, abs=1e-6)


def test_purity_counts_the_commonest_of_each_cluster():
    """By loops, for one start of k-means."""
    vectors, labels = drawn(2.0)
    seen = comparison.look_at(vectors, labels, clusters=5)
    unit = comparison._unit(vectors)
    part = comparison.kmeans(unit, 5, np.random.default_rng([0, 0])).of_row
    whole = sum(max(list(labels[part == one]).count(name) for name in "abc") for one in set(part.tolist()))
    assert seen.pure[:, 0].mean() == pytest.approx(whole / len(labels))
    assert seen.figures()["purity"] == pytest.approx(seen.pure.mean())
    assert 1 / 3 < seen.figures()["balanced_purity"] <= 1


def test_the_interval_is_that_of_drawing_texts_again():
    """A slow bootstrap over texts and starts comes to the same width."""
    before, after = (comparison.look_at(*drawn(far, seed), clusters=6) for far, seed in ((1.0, 1), (1.6, 2)))
    found = comparison.compared(before, after)
    rng = np.random.default_rng(5)
    for name in ("purity", "knn", "regression", "silhouette"):
        gains = []
        for _ in range(1500):
            rows = rng.integers(0, 240, 240)
            if name == "purity":
                first, second = (
                    one.pure[rows][:, rng.integers(0, comparison.STARTS, comparison.STARTS)] for one in (before, after)
                )
            else:
                first, second = before.columns()[name][rows], after.columns()[name][rows]
            gains.append(second.mean() - first.mean())
        low, high = np.quantile(gains, [0.025, 0.975])
        assert found[name].high - found[name].low == pytest.approx(high - low, rel=0.12)
        assert found[name].gain == pytest.approx(np.mean(gains), abs=0.01)


def test_what_is_better_is_beyond_chance_and_what_is_equal_is_not():
    """Equal encoders: twenty comparisons, of which with intervals for all together hardly one is told apart."""
    loose, tight = comparison.look_at(*drawn(1.0)), comparison.look_at(*drawn(3.0, 1))
    better = comparison.compared(loose, tight, comparisons=4)
    assert all(one.beyond_chance and one.gain > 0 for one in better.values())
    worse = comparison.compared(tight, loose, comparisons=4)
    assert all(one.beyond_chance and one.gain < 0 for one in worse.values())
    equal = [comparison.look_at(*drawn(1.5, seed, rows=120), clusters=6) for seed in range(10)]
    told = [
        one.beyond_chance
        for first, second in zip(equal[:5], equal[5:], strict=True)
        for one in comparison.compared(first, second, comparisons=20).values()
    ]
    assert sum(told) <= 1


def test_neighbours_are_shared_by_equal_encoders_alone():
    """All of ten, or about as many as chance gives."""
    one, other = comparison.look_at(*drawn(0.0)), comparison.look_at(*drawn(0.0, 4))
    assert comparison.neighbours_shared(one, one) == 1.0
    assert comparison.neighbours_shared(one, other) == pytest.approx(10 / 239, abs=0.02)


def test_clusters_that_cannot_be_are_told():
    """Two at least."""
    with pytest.raises(BadInput, match="clusters: found 1, expected a whole number of at least 2"):
        comparison.look_at(*drawn(1.0), clusters=1)
