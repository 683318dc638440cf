"""What an example may be used for: learn, validate or judge, drawn once when its input first enters.

The draw is a keyed hash of what the split is by, cut to twenty bits: enough to divide by, too little to give a text
back. A bucket keeps the side of its first draw for ever, so that the shares may change and no input ever moves.
"""

from __future__ import annotations

from hashlib import blake2b

BUCKETS = 1 << 20
SIDES = ("", "learn", "validate", "judge")  # the place in this tuple is the side's number
JUDGE_WANTED = 500  # rated judge examples, from which on judge takes 10% instead of 40%

_LEARN_BELOW = 0.8 * BUCKETS
_EARLY_LEARN_BELOW = 0.5 * BUCKETS
_JUDGE_FROM = 0.9 * BUCKETS


class Buckets:
    """Numbers from 0 to 2^20 − 1, the same for the same key in the same log."""

    def __init__(self, salt: bytes) -> None:
        self._hash = blake2b(key=salt, digest_size=4, person=b"side")

    def of(self, key: bytes) -> int:
        hashed = self._hash.copy()
        hashed.update(key)
        return int.from_bytes(hashed.digest()) & (BUCKETS - 1)


def draw(bucket: int, rated_judge_examples: int) -> int:
    """The side's number: 50 / 10 / 40 until judge has enough, 80 / 10 / 10 from then on."""
    learn_below = _LEARN_BELOW if rated_judge_examples >= JUDGE_WANTED else _EARLY_LEARN_BELOW
    if bucket < learn_below:
        return 1
    return 2 if _LEARN_BELOW <= bucket < _JUDGE_FROM else 3
