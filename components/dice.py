"""Chance that hangs on a seed and a text alone, so that an example's children do not change with its neighbours.

>>> Dice(7, "some text").below(6) == Dice(7, "some text").below(6)
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
_MASK = (1 << 64) - 1


class Dice:
    """A small generator of its own (PCG's multiplier): making numpy's takes longer than an augmentation."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, text: str) -> None:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=str(seed).encode()[:64])
        self._state = int.from_bytes(digest.digest(), "little")

    def below(self, sides: int) -> int:
        """A whole number from 0 to sides - 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % sides

    def chance(self, share: float) -> bool:
        return self.below(1 << 20) < share * (1 << 20)

    def one_of(self, things: Sequence[_T]) -> _T:
        return things[self.below(len(things))]

    def shuffled(self, things: Sequence[_T]) -> list[_T]:
        """All of them in another order (Fisher and Yates)."""
        mixed = list(things)
        for place in range(len(mixed) - 1, 0, -1):
            other = self.below(place + 1)
            mixed[place], mixed[other] = mixed[other], mixed[place]
        return mixed
