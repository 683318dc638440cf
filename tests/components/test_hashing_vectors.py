"""Hashed vectors know spelling: near texts are near, and a text's vector depends on nothing but the text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.hashing_vectors import hashed_vectors

TEXTS = st.lists(st.text(max_size=30), max_size=8)


@given(TEXTS)
def test_a_text_has_one_vector_whatever_stands_beside_it(texts) -> None:
    """Each row is the vector of its text alone: of length one, or zeros when there is nothing but white space."""
    together = hashed_vectors(texts)
    for row, text in zip(together, texts, strict=True):
        assert np.allclose(row, hashed_vectors([text])[0], atol=1e-7)
        length = float(np.linalg.norm(row))
        assert length == pytest.approx(1.0, abs=1e-5) if text.split() else length == 0.0


def test_vectors_do_not_change_from_one_release_to_the_next() -> None:
    """A cache made with version 1 stays right: these are its numbers."""
    row = hashed_vectors(["Straße 42 中文 😀 Straße 42 42"], 16)[0]
    assert row.tolist() == pytest.approx(PINNED, abs=6e-4)


def test_spelling_makes_texts_near() -> None:
    """A slip of the finger, another case or other spaces stay near; another text does not."""
    vectors = hashed_vectors(
        ["Reset my password", "reset  my pasword", "what is the weather like", "RESET MY PASSWORD"]
    )
    near = vectors @ vectors[0]
    assert near[1] > 0.6 > 0.2 > near[2]
    assert near[3] == pytest.approx(1.0, abs=1e-6)


def test_ideographs_and_emoji_are_words() -> None:
    """Texts without spaces share their characters' vectors, not only their runs."""
    vectors = hashed_vectors(["我要重置密码", "重置密码", "今天天气怎么样", "😀🎉", "🎉"])
    assert vectors[0] @ vectors[1] > 0.5 > 0.2 > vectors[0] @ vectors[2]
    assert vectors[3] @ vectors[4] > 0.1


def test_long_texts_and_many_texts_are_taken_in_pages() -> None:
    """A megabyte beside short texts: each row is still the vector of its text alone."""
    texts = ["short one", "a b c d e f g " * 20_000, "another short one"]
    together = hashed_vectors(texts)
    assert np.allclose(together, np.concatenate([hashed_vectors([text]) for text in texts]), atol=1e-6)


def test_places_and_signs_are_even() -> None:
    """Over many texts no place of the vector is preferred, and both signs come."""
    rng = np.random.default_rng(5)
    vectors = hashed_vectors(["".join(rng.choice(list("abcdefghijklm nop"), 20)) for _ in range(2000)], 64)
    share = (vectors**2).sum(axis=0) / (vectors**2).sum()
    assert share.max() < 1.5 / 64
    assert abs(float(np.sign(vectors).mean())) < 0.05


def test_a_dimension_is_a_count() -> None:
    """A vector of no numbers is refused."""
    with pytest.raises(BadInput, match="dimension: found 0, expected a whole number of at least 1"):
        hashed_vectors(["a"], 0)


PINNED = [
    0.473,
    0.198,
    0.024,
    0.198,
    0.094,
    -0.163,
    -0.117,
    0.204,
    -0.18,
    0.437,
    -0.146,
    0.315,
    -0.176,
    0.321,
    -0.314,
    -0.174,
]
