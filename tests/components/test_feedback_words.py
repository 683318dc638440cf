"""What one feedback event says is read alike in every spelling."""

from enum import Enum, IntEnum

import pytest

from adaptd.records import FeedbackType
from components.bad_input import BadInput
from components.feedback_words import BIT, OTHER, words_of


class Kind(Enum):
    SUCCESS = "success"


class Number(IntEnum):
    SUCCESS = 1


@pytest.mark.parametrize("kind", ["success", "SUCCESS", Kind.SUCCESS, Number.SUCCESS, FeedbackType.SUCCESS])
def test_a_feedback_type_is_a_text_or_a_member(kind):
    """By the member's value, or by its name where the value is a number."""
    assert words_of({"feedback_type": kind}) == BIT["success"]


def test_one_event_may_say_several_things():
    """Each thing is one bit; nothing at all is 0."""
    event = {"thumb": False, "correction": "", "verdict": "tie", "implicit": "copy", "feedback_type": "needs_review"}
    assert words_of(event) == sum(BIT[word] for word in ("down", "correction", "tie", "copy", OTHER))
    assert words_of({"score": 5, "comment": "why?", "category": "tone"}) == 0
    assert words_of({"thumb": "up"}) == words_of({"thumb": True})


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"feedback_type": 3}, "feedback_type: found 3, expected a text or a member of an Enum."),
        ({"thumb": "sideways"}, "thumb: found 'sideways', expected 'up', 'down', True or False."),
        ({"verdict": "best"}, "verdict: found 'best', expected one of better, worse, tie."),
        ({"implicit": "sigh"}, "implicit: found 'sigh', expected one of copy, regenerate, dwell, silence."),
    ],
)
def test_a_word_that_nobody_knows_is_refused(event, message):
    """The message lists the words."""
    with pytest.raises(BadInput) as told:
        words_of(event)
    assert str(told.value) == message
