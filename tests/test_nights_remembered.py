"""Nights that were counted before, beside nights that are counted now."""

import json
import os

import pytest

from daemon.nights import Nights
from daemon.nights_remembered import MOST, nights_at
from tests.test_nights import at

HOUR = 3_600_000_000
WEEK = {"sat": "off", "sun": "22:00-08:00"}


@pytest.fixture
def environ(tmp_path):
    return {"XDG_CACHE_HOME": str(tmp_path)}


def counted(now, window="01:00-06:00", on=WEEK, timezone="Europe/Berlin"):
    nights = Nights.of(timezone, window, on)
    is_open, following = nights.open_at(now), nights.next_after(now)
    return (
        is_open.closes_at if is_open else None,
        following.opens_at if following else None,
        following.closes_at if following else None,
    )


def told(now, environ, window="01:00-06:00", on=WEEK, timezone="Europe/Berlin"):
    found = nights_at(timezone, window, on, now, environ)
    return found["open_until"], found["next_opens_at"], found["next_closes_at"]


@pytest.mark.parametrize("window", ["01:00-06:00", "22:30-02:30", "00:00-24:00", "off"])
def test_what_is_remembered_is_what_would_be_counted(window, environ):
    """Every twenty minutes of a week in which the clocks change, through every opening and closing."""
    for step in range(7 * 72):
        now = at(2026, 10, 22) + step * HOUR // 3
        assert told(now, environ, window) == counted(now, window)


def test_what_was_counted_is_not_counted_again(environ):
    """Up to the next change; a clock that was set back counts anew, and so does another window."""
    now = at(2026, 11, 20, 21)
    laters = (0, 1, 2 * HOUR, 3 * HOUR - 1, 3 * HOUR, 3 * HOUR + 1, -1)
    since = [nights_at("Europe/Berlin", "01:00-06:00", {}, now + later, environ)["from"] - now for later in laters]
    assert since == [0, 0, 0, 0, 3 * HOUR, 3 * HOUR, -1]
    assert nights_at("Europe/Berlin", "02:00-06:00", {}, now, environ)["from"] == now


def test_nothing_is_remembered_for_more_than_a_day(environ):
    """The rules of a zone may change under it."""
    now = at(2026, 11, 20, 21)
    found = nights_at("Europe/Berlin", "off", {"wed": "01:00-06:00"}, now, environ)
    assert found["next_opens_at"] > now + MOST
    assert found["until"] == now + MOST


def test_a_cache_that_is_damaged_or_cannot_be_written_costs_only_time(environ, tmp_path):
    """What is counted is right all the same."""
    now, kept = at(2026, 11, 20, 21), tmp_path / "adaptd" / "nights.json"
    told(now, environ)
    stamp = json.loads(kept.read_text())["stamp"]
    for text in ("{", "[]", json.dumps({"stamp": stamp, "table": {}})):
        kept.write_text(text)
        assert told(now, environ) == counted(now)
    assert told(now, {"XDG_CACHE_HOME": os.devnull}) == counted(now)
