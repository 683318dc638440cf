"""Words of the log as bits."""

import pytest

from daemon.views.saying import BIT, JUDGEMENT, UnknownWord, all_bits, bits_of


def test_each_word_has_a_bit_of_its_own():
    """And nothing said is none."""
    assert sorted(BIT.values()) == [1 << place for place in range(16)]
    assert all_bits(["score+up", None, "retract"]).tolist() == [BIT["score"] | BIT["up"], 0, BIT["retract"]]


def test_judgements_are_what_a_rater_says_and_not_what_a_user_does():
    """A copy or a comment rates nothing."""
    assert not any(bits_of(word) & JUDGEMENT for word in ("copy", "regenerate", "dwell", "silence", "comment", "type"))
    assert all(bits_of(word) & JUDGEMENT for word in ("score", "up", "down", "category", "correction", "tie"))


def test_an_unknown_word_names_itself():
    """With all that would have been known."""
    with pytest.raises(UnknownWord, match=r"'score\+applauded': 'applauded' is unknown"):
        bits_of("score+applauded")
