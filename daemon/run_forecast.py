"""This file knows when a run will end by its own measured speed, and whether that is before the window closes. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LEAST_SECONDS = 60.0
"""A run is not begun for less: starting Python and torch takes a good part of it."""
MICROSECONDS = 1_000_000


class Forecast:
    """`pauses_at` is None where the run ends before; shares are of the whole run, None where nobody knows."""

    def __init__(
        self, share: float | None, left_seconds: float | None, pauses_at: int | None, share_then: float | None
    ) -> None:
        self.share = share
        self.left_seconds = left_seconds
        self.pauses_at = pauses_at
        self.share_then = share_then


def forecast(step: int, steps: int | None, rate: float | None, until: int | None, now: int) -> Forecast:
    """From the step it is at and the steps a second it makes; `until` is when the window closes, None for never."""
    share = min(1.0, step / steps) if steps else None
    if not steps or not rate or rate <= 0:
        return Forecast(share, None, None, None)
    left = max(0, steps - step) / rate
    room = None if until is None else max(0.0, (until - now) / MICROSECONDS)
    if room is None or left <= room:
        return Forecast(share, left, None, None)
    return Forecast(share, left, until, min(1.0, (step + rate * room) / steps))


def too_little_left(record: Mapping[str, Any], closes_at: int | None, now: int) -> bool:
    """Whether a start is not worth while: less than a minute is left, or less than its checkpoint takes."""
    if closes_at is None:
        return False
    left = (closes_at - now) / MICROSECONDS
    return left < max(LEAST_SECONDS, float(record.get("checkpoint_seconds") or 0.0))
