"""Words of the log as bits."""

import pytest

from daemon.received import FEEDBACK_TYPES, type_word
from daemon.views.saying import BIT, HAS_RATER, JUDGEMENT, UnknownWord, all_bits, bits_of

TYPE_NAMES = ("success", "Partial", "CORRECTED", "failure", "rejected", "needs_review")


def test_each_feedback_type_has_a_word():
    """Whatever its case; one of the host's own is another."""
    assert [type_word(name) for name in TYPE_NAMES] == list(FEEDBACK_TYPES)
    assert type_word(None) == "other"


def test_facts_do_not_share_a_bit_with_words():
    """There is room for more words."""
    assert max(BIT.values()) < HAS_RATER


def test_each_word_has_a_bit_of_its_own():
    """And nothing said is none."""
    assert sorted(BIT.values()) == [1 << place for place in range(22)]
    assert all_bits(["score+up", None, "retract"]).tolist() == [BIT["score"] | BIT["up"], 0, BIT["retract"]]


def test_judgements_are_what_a_rater_says_and_not_what_a_user_does():
    """A copy or a comment rates nothing."""
    assert not any(bits_of(word) & JUDGEMENT for word in ("copy", "regenerate", "dwell", "silence", "comment", "type"))
    assert all(bits_of(word) & JUDGEMENT for word in ("score", "up", "down", "category", "correction", "tie"))


def test_an_unknown_word_names_itself():
    """With all that would have been known."""
    with pytest.raises(UnknownWord, match=r"'score\+applauded': 'applauded' is unknown"):
        bits_of("score+applauded")
