"""Likeness by letters: a plain table of Levenshtein's gives the same, and nothing hangs."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import edit_distance
from components.bad_input import BadInput
from components.edit_distance import aligned_likeness, pair_likeness

TEXTS = st.lists(st.text("ab é😀中", max_size=8) | st.text(max_size=8), max_size=5)


def plainly(text: str, other: str) -> float:
    """Levenshtein's table, row by row."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(text, 1):
        above, row[0] = row[0], i
        for j, other_letter in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other_letter))
    return 1.0 - row[-1] / max(len(text), len(other), 1)


@given(TEXTS, TEXTS)
def test_each_pair_is_as_the_plain_table_says(texts, others) -> None:
    """All pairs, and those in the same place; of empty lists nothing."""
    found, bounded = pair_likeness(texts, others)
    assert found.shape == (len(texts), len(others))
    assert np.allclose(found, [[plainly(text, other) for other in others] for text in texts] or found)
    shorter = min(len(texts), len(others))
    aligned, _ = aligned_likeness(texts[:shorter], others[:shorter])
    assert np.allclose(aligned, found[range(shorter), range(shorter)])
    assert bounded == 0


@given(TEXTS, TEXTS)
def test_long_pairs_are_compared_by_words_and_the_others_as_before(texts, others) -> None:
    """Only pairs whose product of lengths is above the limit, whatever stands beside them, in both forms."""
    exact, _ = pair_likeness(texts, others)
    before, edit_distance.LONGEST_PAIR = edit_distance.LONGEST_PAIR, 16
    try:
        found, bounded = pair_likeness(texts, others)
        shorter = min(len(texts), len(others))
        aligned, _ = aligned_likeness(texts[:shorter], others[:shorter])
    finally:
        edit_distance.LONGEST_PAIR = before
    long = np.array([[len(text) * len(other) > 16 for other in others] for text in texts], dtype=bool).reshape(
        found.shape
    )
    assert np.array_equal(found[~long], exact[~long])
    assert bounded == long.sum()
    assert np.array_equal(aligned, found[range(shorter), range(shorter)])


def test_words_without_order_are_never_less_alike(monkeypatch) -> None:
    """The bound for long texts is not below the distance over words; equal texts are 1."""
    monkeypatch.setattr(edit_distance, "LONGEST_PAIR", 1)
    (found,), bounded = pair_likeness(["a b c d"], ["d c b a", "a b c d", "a b x y", "  \n", "a a a b x"])
    assert (found.tolist(), bounded) == ([1.0, 1.0, 0.5, 0.0, 0.4], 5)
    assert aligned_likeness(["  "], ["\n\n"])[0].tolist() == [1.0]


def test_megabytes_do_not_hang() -> None:
    """Four pairs of a million letters: by words, in a moment."""
    long = ["letter by letter would be long " * 33_000, "another text which is as long as " * 31_000]
    began = time.monotonic()
    found, bounded = pair_likeness([*long, "short"], long)
    assert bounded == 4
    assert found[0, 0] == found[1, 1] == 1.0
    assert 0.0 <= found[2, 0] < found[0, 1] < 0.5
    assert time.monotonic() - began < 60  # letter by letter it would be minutes; no measurement


def test_more_than_minutes_of_work_is_refused(monkeypatch) -> None:
    """Before it begins, in both forms."""
    monkeypatch.setattr(edit_distance, "MOST_WORK", 50)
    words = (
        r"texts: found '1e\+02 pairs of letters', expected at most 5e\+01. Compare fewer or shorter texts at a time."
    )
    with pytest.raises(BadInput, match=words):
        pair_likeness(["12345"] * 2, ["1234567890"])
    with pytest.raises(BadInput, match=words):
        aligned_likeness(["12345"] * 2, ["1234567890"] * 2)


def test_workers_change_nothing() -> None:
    """Two threads give what one gives."""
    texts = [f"text number {i * i}" for i in range(40)]
    assert np.array_equal(pair_likeness(texts, texts)[0], pair_likeness(texts, texts, workers=2)[0])
