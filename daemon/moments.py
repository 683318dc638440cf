"""This file knows how a moment of the log is written for people and programs: in UTC, never a local time.

Standard library alone, and little of it: `status` comes here.
"""

from __future__ import annotations

import time


def moment_of(microseconds: int) -> str:
    """ISO 8601 in UTC, to the microsecond."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06d}Z"


def short_moment_of(microseconds: int) -> str:
    """Date and time in UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(microseconds // 1_000_000))
