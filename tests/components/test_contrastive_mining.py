"""Negatives are near, never nearer than 95% of the positive, and found without a matrix of all against all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import contrastive_mining
from components.bad_input import BadInput
from components.contrastive_mining import mine_negatives, nearest_of_same_label


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slowly(anchors, candidates, positives, *, count, margin=0.05, labels=None, skip=0, absolute=None, highest=None):
    """The same by hand, one candidate at a time."""
    anchors, candidates = unit(anchors), unit(candidates)
    found = []
    for a, anchor in enumerate(anchors):
        own = [p for p in np.atleast_1d(positives[a]) if p >= 0]
        if not own:
            found.append([-1] * count)
            continue
        least = min(float(anchor @ candidates[p]) for p in own)
        ceiling = least - abs(least) * margin
        if absolute is not None:
            ceiling = min(ceiling, least - absolute)
        if highest is not None:
            ceiling = min(ceiling, highest)
        allowed = []
        for c, candidate in enumerate(candidates):
            similarity = float(anchor @ candidate)
            same = labels is not None and labels[0][a] == labels[1][c]
            if c not in own and not same and similarity <= ceiling:
                allowed.append((-similarity, c))
        rows = [c for _, c in sorted(allowed)][skip : skip + count]
        found.append(rows + [-1] * (count - len(rows)))
    return found


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    m=st.integers(2, 60),
    count=st.integers(1, 6),
    skip=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_blocks_find_what_a_loop_finds(seed, n, m, count, skip):
    """Whatever the sizes and however small the blocks, the rows are those of the loop, in its order."""
    rng = np.random.default_rng(seed)
    anchors, candidates = rng.standard_normal((n, 8)), rng.standard_normal((m, 8))
    positives = rng.integers(-1, m, (n, 2))
    labels = rng.integers(0, 4, n), rng.integers(0, 4, m)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrastive_mining, "_ANCHORS_AT_ONCE", 7)
        patch.setattr(contrastive_mining, "_CANDIDATES_AT_ONCE", 11)
        mined = mine_negatives(
            anchors,
            candidates,
            positives,
            num_negatives=count,
            range_min=skip,
            anchor_labels=labels[0],
            candidate_labels=labels[1],
        )
    assert mined.rows.tolist() == slowly(anchors, candidates, positives, count=count, skip=skip, labels=labels)


def test_absolute_margin_and_highest_similarity_narrow_it_further():
    """Each limit counts; the narrowest holds."""
    rng = np.random.default_rng(3)
    anchors, candidates, positives = rng.standard_normal((20, 4)), rng.standard_normal((50, 4)), np.arange(20)
    mined = mine_negatives(anchors, candidates, positives, absolute_margin=0.2, max_similarity=0.3)
    assert mined.rows.tolist() == slowly(anchors, candidates, positives, count=3, absolute=0.2, highest=0.3)


def test_a_negative_is_at_most_95_percent_as_similar_as_the_positive():
    """At .95 of the positive's similarity a candidate stays; a hair above, it may be a right answer and goes."""
    at = lambda cosine: [cosine, np.sqrt(1 - cosine**2)]  # noqa: E731
    mined = mine_negatives([[1.0, 0.0]], [at(0.8), at(0.7601), at(0.7599), at(0.1)], [0], num_negatives=4)
    assert mined.rows.tolist() == [[2, 3, -1, -1]]
    assert mined.too_near.tolist() == [1]
    assert mined.ceilings[0] == pytest.approx(0.76)
    assert np.isnan(mined.similarities[0, 2:]).all()


def test_the_margin_of_a_positive_with_negative_similarity_goes_down():
    """5% of the magnitude is taken away, so that a bad positive does not let worse candidates in."""
    mined = mine_negatives([[1.0, 0.0]], [[-0.5, 0.866], [-0.49, 0.8717], [-0.6, 0.8]], [0], num_negatives=2)
    assert mined.rows.tolist() == [[2, -1]]


def test_triplets_carry_every_positive_with_every_negative():
    """An anchor with two positives and two negatives makes four."""
    anchors, candidates = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [1.0, 0.2], [0.3, 1.0], [0.0, -1.0]]
    mined = mine_negatives(anchors, candidates, [[0, 1], [2, -1]], num_negatives=1)
    assert mined.triplets().tolist() == [[0, 0, 2], [0, 1, 2], [1, 2, 1]]


def test_an_anchor_without_a_positive_gets_nothing_and_that_is_said():
    """Nothing can be told from a right answer there."""
    mined = mine_negatives(np.eye(2), np.eye(2), [-1, 1], num_negatives=1)
    assert mined.rows.tolist() == [[-1], [0]]
    assert mined.why() == "1 of 2 negatives for 2 anchors; 1 anchors have no positive to compare with"


def test_random_sampling_stays_in_the_window_and_repeats_with_its_seed():
    """Three of the ten nearest, nearest first, the same for the same generator."""
    rng = np.random.default_rng(0)
    anchors, candidates, positives = rng.standard_normal((40, 6)), rng.standard_normal((90, 6)), np.arange(40)
    window = mine_negatives(anchors, candidates, positives, num_negatives=10, relative_margin=0.0)
    draws = [
        mine_negatives(
            anchors,
            candidates,
            positives,
            relative_margin=0.0,
            sampling="random",
            range_max=10,
            rng=np.random.default_rng(seed),
        )
        for seed in (5, 5, 6)
    ]
    assert draws[0].rows.tolist() == draws[1].rows.tolist() != draws[2].rows.tolist()
    for drawn, near, similarities in zip(draws[0].rows, window.rows, draws[0].similarities, strict=True):
        assert set(drawn.tolist()) <= set(near.tolist())
        assert np.all(np.diff(similarities[drawn >= 0]) <= 0)


def test_the_positive_of_a_row_is_the_nearest_of_its_label():
    """Compared with a loop; the only one of a label has none."""
    rng = np.random.default_rng(1)
    vectors, labels = rng.standard_normal((60, 5)), np.append(rng.integers(0, 4, 59), 9)
    similarity = unit(vectors) @ unit(vectors).T
    expected = []
    for row in range(60):
        others = [other for other in range(60) if other != row and labels[other] == labels[row]]
        expected.append(max(others, key=lambda other: similarity[row, other]) if others else -1)
    assert nearest_of_same_label(vectors, labels).tolist() == expected
    assert expected[-1] == -1


def test_memory_stays_a_block():
    """40,000 rows against each other would be 6.4 GB; a traced run keeps under 300 MB. Few anchors keep it quick."""
    import tracemalloc

    rng = np.random.default_rng(0)
    candidates = rng.standard_normal((40_000, 16)).astype(np.float32)
    tracemalloc.start()
    mined = mine_negatives(candidates[:4_000], candidates, np.arange(4_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mined.rows.shape == (4_000, 3)
    assert peak < 120e6  # 4,000 × 40,000 similarities alone would be 640 MB


@pytest.mark.slow
def test_the_rows_are_those_of_sentence_transformers():
    """The same negatives as their `mine_hard_negatives`, where anchors have one positive or two."""
    pytest.importorskip("datasets")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives

    rng = np.random.default_rng(7)
    table = {f"q{i}": rng.standard_normal(12) for i in range(40)} | {
        f"d{i}": rng.standard_normal(12) for i in range(80)
    }
    pairs = [(f"q{i}", f"d{i}") for i in range(40)] + [(f"q{i}", f"d{i + 40}") for i in range(0, 40, 2)]
    for anchor, positive in pairs:
        table[positive] = table[positive] + 1.5 * table[anchor]
    corpus = [f"d{i}" for i in range(80)]
    given = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [p for _, p in pairs]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = mine_hard_negatives(
            given,
            _Lookup(table),
            corpus=corpus,
            relative_margin=0.05,
            num_negatives=4,
            range_max=len(corpus),
            output_format="triplet",
            verbose=False,
        )
    positives = [[i, i + 40 if i % 2 == 0 else -1] for i in range(40)]
    anchors, candidates = [table[f"q{i}"] for i in range(40)], [table[name] for name in corpus]
    ours = mine_negatives(anchors, candidates, positives, num_negatives=4).triplets()
    told = {(row["anchor"], row["positive"], row["negative"]) for row in theirs}
    assert {(f"q{a}", f"d{p}", f"d{n}") for a, p, n in ours.tolist()} == told
    assert len(told) == len(ours) > 100


class _Lookup:
    """As much of a SentenceTransformer as their function asks for: vectors out of a table."""

    device = "cpu"

    def __init__(self, table):
        self.table = table

    def encode_document(self, texts, **_):
        return unit([self.table[text] for text in texts]).astype(np.float32)

    encode_query = encode_document

    @staticmethod
    def similarity(left, right):
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    @staticmethod
    def similarity_pairwise(left, right):
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(dim=1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"anchors": []}, r"anchors: found 'an array of shape \(0,\)', expected at least one row"),
        ({"anchors": "text"}, r"anchors: found 'text', expected rows of numbers"),
        (
            {"anchors": [[0.0, 0.0]]},
            r"anchors\[0\]: found 0.0, expected a vector of finite length above 0",
        ),
        ({"anchors": [[np.nan, 1.0]]}, r"anchors\[0\]: found nan"),
        ({"candidates": [[1.0, 2.0, 3.0]]}, "candidates: found '3 dimensions', expected 2, as the anchors have"),
        ({"positives": [0.5]}, "positives: found 'float64 of shape .*', expected one or more rows for each of 1"),
        ({"positives": [7]}, "positives: found 7, expected rows of the 2 candidates, or -1 for none"),
        ({"relative_margin": 1.5}, r"relative_margin\[0\]: found 1.5, expected numbers from 0 to 1"),
        ({"range_max": 1}, "range_max: found 1, expected a whole number of at least 3"),
        ({"sampling": "best"}, "sampling: found 'best', expected one of top, random"),
        ({"anchor_labels": [1]}, "candidate_labels: found None, expected labels of both sides or of neither"),
        ({"anchor_labels": [1], "candidate_labels": [1]}, "labels: found .*, expected 1 and 2 labels"),
    ],
)
def test_what_cannot_be_mined_is_told(change, told):
    """Each wrong value is named with what was expected."""
    good = {"anchors": [[1.0, 0.0]], "candidates": [[1.0, 0.0], [0.0, 1.0]], "positives": [0]}
    with pytest.raises(BadInput, match=told):
        mine_negatives(**(good | change))


def test_a_label_for_each_row_is_asked_for():
    """The labels of other rows are of no use."""
    with pytest.raises(BadInput, match=r"labels: found .*, expected one label for each of 2 rows"):
        nearest_of_same_label(np.eye(2), [1, 2, 3])
