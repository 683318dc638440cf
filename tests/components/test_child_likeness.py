"""Likeness by letters is an edit distance, by words what both share; long texts are estimated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.child_likeness import cosines, likeness


def by_letters(left, right):
    """The indel ratio by the textbook's table."""
    if not left and not right:
        return 1.0
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(before[j - 1] if a == b else 1 + min(before[j], row[j - 1]))
    return 1 - row[-1] / (len(left) + len(right))


@given(st.lists(st.tuples(st.text("abc ", max_size=12), st.text("abc ", max_size=12)), max_size=5))
@settings(deadline=None)
def test_letters_are_counted_as_by_the_textbook(pairs):
    """Every pair in its place."""
    alike, _ = likeness(pairs)
    assert alike.tolist() == pytest.approx([by_letters(*pair) for pair in pairs], abs=1e-6)


def test_words_that_both_have_count_whatever_surrounds_them():
    """A frame around a request leaves its words shared."""
    _, shared = likeness([("draw a shop", "could you please draw a shop"), ("draw a shop", "sell me one boat")])
    assert shared[0] == 1.0
    assert shared[1] < 0.6


def test_long_texts_are_estimated():
    """Over 10,000 characters by minimal hashes: near 1 for nearly the same, near 0 for others, in no time."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    long, other = ("".join(rng.choice(letters, 40_000)) for _ in range(2))
    alike, shared = likeness([(long, long + " end"), (long, other), ("a", "b")])
    assert alike[0] > 0.95
    assert alike[1] < 0.5
    assert alike[2] == 0
    assert shared[0] == alike[0]


def test_cosines_are_those_of_the_embeddings_where_asked():
    """Only pairs that are asked for are embedded; a vector of noughts has a cosine of nought."""
    table = {"a": [1.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 0.0]}
    seen = []

    def embed(texts):
        seen.extend(texts)
        return np.array([table[text] for text in texts])

    found = cosines(embed, [("a", "b"), ("a", "c"), ("x", "y")], [True, True, False])
    assert found.tolist() == pytest.approx([np.sqrt(0.5), 0.0, 1.0])
    assert set(seen) == {"a", "b", "c"}
