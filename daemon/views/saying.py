"""What a feedback says, as bits: the words of the log's column `says`, and what else a fold must know of a signal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from daemon.received import FEEDBACK_TYPES

WORDS = (
    "output", "score", "up", "down", "type", "category", "comment", "correction", "better", "worse", "tie",
    "copy", "regenerate", "dwell", "silence", "retract", *FEEDBACK_TYPES,
)  # fmt: skip
BIT = {word: 1 << place for place, word in enumerate(WORDS)}

BRINGS_OUTPUT = BIT["output"]
RETRACT = BIT["retract"]
WORDS_OF = {
    "score": ("score",),
    "thumb": ("up", "down"),
    "category": ("category",),
    "correction": ("correction",),
    "preference": ("better", "worse", "tie"),
}
FIELDS = {name: sum(BIT[word] for word in words) for name, words in WORDS_OF.items()}
"""Of these, and of feedback types, a rater has one current signal each."""
JUDGEMENT = sum(FIELDS.values())  # what makes an example rated
TYPE = BIT["type"]
TYPE_WORDS = ("type", *FEEDBACK_TYPES)
WHICH_TYPE = sum(BIT[word] for word in FEEDBACK_TYPES)  # older events say which in their bodies alone
IMPLICIT = ("copy", "regenerate", "dwell", "silence")

# Not words, but facts of the same signal.
HAS_RATER = 1 << 24
IS_COUNTED = 1 << 25  # has a writer and a counter
HAS_OWN_TYPE = 1 << 26  # names an artifact type itself


class UnknownWord(ValueError):
    """A signal says something that this version does not know."""

    def __init__(self, says: str, word: str) -> None:
        super().__init__(
            f"a feedback in the log says {says!r}: {word!r} is unknown here, expected words of {', '.join(WORDS)}. "
            "The log was written by a newer adaptd: upgrade this one."
        )


def bits_of(says: str | None) -> int:
    bits = 0
    for word in says.split("+") if says else ():
        if word not in BIT:
            raise UnknownWord(str(says), word)
        bits |= BIT[word]
    return bits


def all_bits(values: Iterable[str | None]) -> NDArray[np.int32]:
    return np.array([bits_of(value) for value in values], np.int32)
