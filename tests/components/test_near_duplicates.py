"""Near-equal texts are found as an all-pairs comparison finds them, in time that grows with their length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import near_duplicates
from components.bad_input import BadInput
from components.near_duplicates import as_compared, equal_groups, near_duplicate_groups, signatures, similarity


def runs(text):
    text = as_compared(text).ljust(5, "\0")
    return {text[i : i + 5] for i in range(len(text) - 4)}


def jaccard(left, right):
    return len(runs(left) & runs(right)) / len(runs(left) | runs(right))


def variations(seed, sources=25, each=4):
    """Sentences of made words, each with versions in which a few letters are changed."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    texts = []
    for _ in range(sources):
        words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(rng.integers(3, 30))]
        for version in range(each):
            text = list(" ".join(words))
            for place in rng.integers(0, len(text), version):
                text[place] = str(rng.choice(letters))
            texts.append("".join(text))
    return texts


def test_the_estimate_is_jaccards_similarity():
    """Within four standard errors of the exact similarity for each of many pairs, and unbiased over all of them."""
    texts = variations(0)
    signature = signatures(texts)
    errors = []
    for left in range(0, len(texts), 4):
        for right in range(left + 1, left + 4):
            exact = jaccard(texts[left], texts[right])
            error = float(similarity(signature[left], signature[right])) - exact
            assert abs(error) <= 4 * np.sqrt(exact * (1 - exact) / 128) + 1e-9
            errors.append(error)
    assert abs(np.mean(errors)) < 0.015


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_those_of_all_pairs(seed):
    """Pairs clearly above the threshold share a group; pairs clearly below are only joined by others between them."""
    texts = variations(seed)
    groups = near_duplicate_groups(texts)
    exact = np.array([[jaccard(a, b) for b in texts] for a in texts])
    assert all(groups[a] == groups[b] for a, b in np.argwhere(exact >= 0.92))
    bridged = exact >= 0.68
    for _ in range(6):
        bridged = (bridged.astype(int) @ bridged.astype(int)) > 0
    together = groups[:, None] == groups[None, :]
    assert not np.any(together & ~bridged)


def test_memory_heaps_do_not_change_the_result(monkeypatch):
    """A text at a time or all at once: the same hashes."""
    texts = [*variations(1), "", "a", "😀 图书馆 Ünïcode"]
    whole = signatures(texts)
    monkeypatch.setattr(near_duplicates, "_CHARACTERS_AT_ONCE", 1)
    assert np.array_equal(signatures(texts), whole)


@given(st.lists(st.text(max_size=30), max_size=30))
@settings(deadline=None)
def test_any_texts_are_grouped(texts):
    """Equal texts always share a group; groups are numbered in order of first appearance; case does not count."""
    groups = near_duplicate_groups(texts).tolist()
    equal = equal_groups(texts).tolist()
    assert len(groups) == len(texts)
    for a, one in enumerate(equal):
        assert all(groups[a] == groups[b] for b in range(a) if equal[b] == one)
    seen = list(dict.fromkeys(groups))
    assert seen == list(range(len(seen)))


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_components_are_what_a_walk_finds(pairs):
    """Joined over any number of pairs; each has the smallest row as its name."""
    left, right = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    slow = list(range(20))
    for _ in range(20):
        for a, b in pairs:
            slow[a] = slow[b] = min(slow[a], slow[b])
    assert near_duplicates.connected(20, left, right).tolist() == slow


def test_a_megabyte_and_halves_of_characters_are_texts():
    """Long and broken texts are compared like others."""
    long = "lorem ipsum dolor " * 60_000
    assert near_duplicate_groups([long, long + "x", "\ud800 half", ""]).tolist() == [0, 0, 1, 2]


def test_a_lone_text_is_refused():
    """It would be compared letter by letter."""
    with pytest.raises(BadInput, match=r"texts: found 'abc', expected a list of texts. Write \[text\]."):
        near_duplicate_groups("abc")


def test_no_texts_have_no_groups():
    """Nothing in, nothing out."""
    assert near_duplicate_groups([]).tolist() == []
