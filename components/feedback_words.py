"""What one feedback event says of quality, as bits of a whole number.

A word is a feedback type, a thumb, a correction, a verdict on a pair, or something that was done (copied, asked for
again, dwelt on, passed over in silence). Any other feedback type may be recorded; it says nothing of quality.

    >>> words_of({"feedback_type": "success", "thumb": True}) == BIT["success"] | BIT["up"]
    True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.bad_input import BadInput, one_of
from components.example_fields import field
from components.feedback_values import IMPLICIT_WORDS, WORDS

OTHER = "other"  # a feedback type that says nothing of quality, and still takes the place of an older one
FIELDS: dict[str, tuple[str, ...]] = {
    "type": ("success", "partial", "corrected", "failure", "rejected", OTHER),
    "thumb": ("up", "down"),
    "correction": ("correction",),
    "preference": ("better", "worse", "tie"),
}  # of these and of the score, a rater has one current word each
TOLD = tuple(word for words in FIELDS.values() for word in words)
BIT: dict[str, int] = {word: 1 << place for place, word in enumerate((*TOLD, *IMPLICIT_WORDS))}
SHIFT: dict[str, float] = {**WORDS, "correction": WORDS["corrected"], OTHER: np.nan}

IMPLICIT_BITS = sum(BIT[word] for word in IMPLICIT_WORDS)


def words_of(event: Any) -> int:
    """The bits of all that an event says."""
    said = {_type(event), _thumb(event), _known(event, "verdict", FIELDS["preference"])}
    said.add(_known(event, "implicit", tuple(IMPLICIT_WORDS)))
    if field(event, "correction") is not None:
        said.add("correction")
    return sum(BIT[word] for word in said if word is not None)


def _type(event: Any) -> str | None:
    """An event's feedback type: a text or a member of an Enum, by its value or else its name."""
    kind = field(event, "feedback_type")
    if kind is None:
        return None
    text = getattr(kind, "value", kind)
    if not isinstance(text, str):
        text = getattr(kind, "name", None)
    if not isinstance(text, str):
        raise BadInput("feedback_type", kind, "a text or a member of an Enum")
    return text.lower() if text.lower() in FIELDS["type"] else OTHER


def _thumb(event: Any) -> str | None:
    thumb = field(event, "thumb")
    if thumb is None:
        return None
    if isinstance(thumb, bool):
        return "up" if thumb else "down"
    if thumb not in FIELDS["thumb"]:
        raise BadInput("thumb", thumb, "'up', 'down', True or False")
    return str(thumb)


def _known(event: Any, name: str, words: tuple[str, ...]) -> str | None:
    word = field(event, name)
    return None if word is None else one_of(name, word, words)
