"""Time and chance: the only module of the daemon that asks the clock or makes random bytes.

Everything else is handed a moment. Times are whole microseconds since 1970 in UTC. It does not schedule anything.
"""

from __future__ import annotations

import os
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from numpy.random import Generator

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """Says what time it is, in microseconds UTC."""

    def now(self) -> int: ...


class Chance(Protocol):
    """Gives bytes that nobody can guess (or, in tests, the same bytes every time)."""

    def secret_bytes(self, count: int) -> bytes: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


class StoppedClock:
    """A clock that moves only when it is told to."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> int:
        return self._at

    def advance(self, *, seconds: float) -> int:
        """Moves on (or back, with a negative number) and returns the new time."""
        self._at += round(seconds * MICROSECONDS)
        return self._at


class SystemChance:
    """The operating system's randomness."""

    def secret_bytes(self, count: int) -> bytes:
        return os.urandom(count)


class SeededChance:
    """The same bytes for the same seed, for tests and recorded logs."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawn = 0

    def secret_bytes(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            self._drawn += 1
            found += blake2b(b"%d/%d" % (self._seed, self._drawn)).digest()
        return found[:count]


def seeded_rng(*seed: int) -> Generator:
    """Numbers by chance, the same ones for the same seed: for batches, runs and searches, whose seeds the log knows."""
    from numpy.random import default_rng

    return default_rng(seed)


def new_id(now: int, chance: Chance) -> str:
    """A UUIDv7 for that moment."""
    number = (now // 1000) << 80 | int.from_bytes(chance.secret_bytes(10))
    number = number & ~(0xF << 76) | (0x7 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
