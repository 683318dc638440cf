"""Which moment somebody means."""

from zoneinfo import ZoneInfo

import pytest

from daemon.moments_meant import NotAMoment, moment_meant
from tests.night_world import HOUR, at

BERLIN = ZoneInfo("Europe/Berlin")
NOW = at(2026, 11, 25, 2)  # three in the morning in Berlin


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("06:00", at(2026, 11, 25, 5)),
        ("6:00", at(2026, 11, 25, 5)),
        ("02:59", at(2026, 11, 26, 1, 59)),
        ("03:00", at(2026, 11, 26, 2)),
        ("2026-11-26 06:00", at(2026, 11, 26, 5)),
        ("2027-07-01 06:00", at(2027, 7, 1, 4)),
        ("3h", NOW + 3 * HOUR),
        (" 90 m", NOW + 90 * 60_000_000),
        ("2d", NOW + 48 * HOUR),
    ],
)
def test_a_time_of_day_a_date_or_a_span(text, meant):
    """By the clock on the wall of the zone; a time of day that is over today is tomorrow's."""
    assert moment_meant(text, NOW, BERLIN) == meant


@pytest.mark.parametrize("text", ["", "6", "25:00", "tomorrow", "3 weeks", "2026-13-01 06:00", "2026-11-26T06:00"])
def test_what_is_no_moment_is_told(text):
    """With what would be one."""
    expected = "is no moment, expected one as in 06:00, 2026-11-26 06:00, or a span such as 90m, 3h or 2d"
    with pytest.raises(NotAMoment) as wrong:
        moment_meant(text, NOW, BERLIN)
    assert str(wrong.value) == f"{text!r} {expected}"


@pytest.mark.parametrize("text", ["2026-11-25 02:59", "0h"])
def test_what_is_over_is_told_with_the_time(text):
    """As the zone has it: that may be what was mistaken."""
    with pytest.raises(NotAMoment) as wrong:
        moment_meant(text, NOW, BERLIN)
    assert str(wrong.value) == f"{text!r} is over: it is 2026-11-25 03:00 Europe/Berlin. Say a later moment"
