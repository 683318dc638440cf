"""This file knows which moment somebody means who says `06:00`, `2026-11-26 06:00` or `3h`, by a clock on the wall."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import MICROSECONDS

SPAN = re.compile(r"(\d{1,6})\s*([mhd])")
SECONDS = {"m": 60, "h": 3600, "d": 86_400}
DAY = timedelta(days=1)


class NotAMoment(AdaptdError):
    """What was said is no moment, or one that is over."""

    exit_code = 2


def moment_meant(text: str, now: int, zone: ZoneInfo) -> int:
    """The moment, in microseconds UTC; a time of day is the next one of its kind."""
    span = SPAN.fullmatch(text.strip())
    meant = now + int(span[1]) * SECONDS[span[2]] * MICROSECONDS if span else _on_the_wall(text.strip(), now, zone)
    if meant <= now:
        shown = datetime.fromtimestamp(now / MICROSECONDS, zone)
        raise NotAMoment(f"{text!r} is over: it is {shown:%Y-%m-%d %H:%M} {zone.key}. Say a later moment")
    return meant


def _on_the_wall(text: str, now: int, zone: ZoneInfo) -> int:
    today = datetime.fromtimestamp(now / MICROSECONDS, zone)
    try:
        if len(text) <= len("00:00"):
            time = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 the zone is added below
            meant = datetime.combine(today.date(), time, zone)
            return _microseconds(meant if _microseconds(meant) > now else meant + DAY)
        return _microseconds(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=zone))
    except (ValueError, OverflowError):
        expected = "06:00, 2026-11-26 06:00, or a span such as 90m, 3h or 2d"
        raise NotAMoment(f"{text!r} is no moment, expected one as in {expected}") from None


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * MICROSECONDS
