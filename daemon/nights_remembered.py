"""This file knows which night is open and which is next, without loading what counts them when that was done before.

What counts them loads the zone's clock, which costs more than all else that `status` does. What was found holds until a
night opens or closes, and a day at most: the rules of a zone may change under it.
"""

from __future__ import annotations

import os

from adaptd.locating import cache_folder, from_cache, into_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

COUNTED_BY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nights.py")
MOST = 86_400_000_000  # microseconds


def nights_at(
    timezone: str, window: str, on: Mapping[str, str], now: int, environ: Mapping[str, str]
) -> Mapping[str, Any]:
    """`open_until`, `next_opens_at` and `next_closes_at`, each None where there is no such night."""
    stamp = [timezone, window, dict(on), os.stat(COUNTED_BY).st_mtime_ns]
    kept = os.path.join(cache_folder(environ), "nights.json")
    found = from_cache(kept, stamp)
    if found is None or not found.get("from", 0) <= now < found.get("until", 0):
        found = _counted(timezone, window, on, now)
        into_cache(kept, stamp, found)
    return found


def _counted(timezone: str, window: str, on: Mapping[str, str], now: int) -> dict[str, Any]:
    from daemon.nights import Nights

    nights = Nights.of(timezone, window, on)
    is_open, following = nights.open_at(now), nights.next_after(now)
    changes = [night for night in (is_open and is_open.closes_at, following and following.opens_at) if night]
    return {
        "from": now,
        "until": min([*changes, now + MOST]),
        "open_until": is_open and is_open.closes_at,
        "next_opens_at": following and following.opens_at,
        "next_closes_at": following and following.closes_at,
    }
