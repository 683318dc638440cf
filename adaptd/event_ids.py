"""Ids of events: UUID version 7 (RFC 9562) made by hand, so that `uuid` is not imported."""

from __future__ import annotations

import os

# 18 random hex digits per id (72 bits within its millisecond), fetched from the system 4 kB at a time
_DIGITS_OF_ONE_ID = 18
_unused: list[str] = []


def new_id(at: int) -> str:
    """Return a new id for the time `at` (microseconds since 1970)."""
    try:
        digits = _unused.pop()
    except IndexError:
        digits = _refill()
    moment = f"{at // 1000:012x}"
    return f"{moment[:8]}-{moment[8:]}-7{digits[:3]}-a{digits[3:6]}-{digits[6:]}"


def new_writer() -> str:
    """Return the random name of one process's spool: 16 hex digits."""
    return os.urandom(8).hex()


def _refill() -> str:
    digits = os.urandom(4095).hex()
    mine, *others = (digits[i : i + _DIGITS_OF_ONE_ID] for i in range(0, len(digits), _DIGITS_OF_ONE_ID))
    _unused.extend(others)
    return mine


# a forked child must not use the digits that its parent will use
os.register_at_fork(after_in_child=_unused.clear)
