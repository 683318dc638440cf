"""This file knows when nights are: the windows of each weekday in a zone, as moments, whatever the clocks do.

A night belongs to the local date on which its window opens, and is opened once: the log has one `night_opened` per
date, and that it is there is how anybody knows. Nothing here asks the time, waits, or writes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adaptd.errors import AdaptdError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
CatchUp = Literal["wait", "at_once"]


class BadWindow(AdaptdError):
    """A window or zone that cannot be meant."""

    exit_code = 78


class Window(NamedTuple):
    """From one local time to another; one that is not later closes on the day after."""

    opens: time
    closes: time

    @property
    def length(self) -> timedelta:
        """As the clock on the wall counts it."""
        opens = timedelta(hours=self.opens.hour, minutes=self.opens.minute)
        closes = timedelta(hours=self.closes.hour, minutes=self.closes.minute)
        return closes - opens if closes > opens else closes + DAY - opens


class Night(NamedTuple):
    """One night: its local date, and from when to when, in microseconds UTC."""

    date: date
    opens_at: int
    closes_at: int
    late: bool = False  # opened after its window, since nobody was there

    @property
    def event_id(self) -> str:
        """The id of its `night_opened`: a second one for the date is a repeat."""
        return f"night-{self.date.isoformat()}"


def window_of(text: str) -> Window:
    """`"01:00-06:00"` as a window."""
    opens, dash, closes = text.partition("-")
    if not dash:
        raise BadWindow(f"window {text!r}: expected two times with a dash, as in 01:00-06:00")
    window = Window(_time_of(opens, text), _time_of(closes, text))
    if window.opens == window.closes and closes.strip() != "24:00":
        raise BadWindow(f"window {text!r}: opens and closes at once; for all day say 00:00-24:00")
    return window


def _time_of(text: str, whole: str) -> time:
    hours, colon, minutes = text.strip().partition(":")
    if colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and len(hours) <= 2:
        if (int(hours), int(minutes)) == (24, 0):
            return time(0)
        if int(hours) < 24 and int(minutes) < 60:
            return time(int(hours), int(minutes))
    raise BadWindow(f"window {whole!r}: found {text.strip()!r}, expected a time from 00:00 to 24:00")


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name, as the machine's time zone data knows it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if name == "UTC":
            return utc_without_data()
        step = "Is it spelt as in Europe/Berlin, and is the package tzdata installed?"
        raise BadWindow(
            f"timezone {name!r}: no zone of that name, expected one such as Europe/Berlin. {step}"
        ) from None


def utc_without_data() -> ZoneInfo:
    """UTC on a machine that knows no zones, as in a small container: the default must work there too."""
    counts = bytes(16) + b"\0\0\0\1" + b"\0\0\0\4"  # no changes, one offset (which is none), its name of four bytes
    file = b"TZif" + bytes(16) + counts + bytes(6) + b"UTC\0"
    return ZoneInfo.from_file(BytesIO(file), key="UTC")


class Nights(NamedTuple):
    """The windows of the week in their zone."""

    zone: ZoneInfo
    every_day: Window | None
    on: Mapping[str, Window | None] = {}

    @classmethod
    def of(cls, timezone: str, window: str, on: Mapping[str, str] | None = None) -> Nights:
        """As config.toml says it; `"off"` is no window."""
        unknown = [day for day in on or {} if day not in WEEKDAYS]
        if unknown:
            raise BadWindow(f"weekday {unknown[0]!r}: expected one of {', '.join(WEEKDAYS)}")
        days = {day: _window_or_none(text) for day, text in (on or {}).items()}
        return cls(zone_of(timezone), _window_or_none(window), days)

    def window_on(self, day: date) -> Window | None:
        """The window that opens on this date."""
        return self.on.get(WEEKDAYS[day.weekday()], self.every_day)

    def night_of(self, day: date) -> Night | None:
        """The night of this date; None where it has none.

        A time that the clock skips in spring is the moment at which it does so; of one that comes twice in autumn the
        first counts, so that nobody's machine is held longer than they said. A window inside the skipped hour opens
        when the hour is over, for as long as it would have been.
        """
        window = self.window_on(day)
        if window is None:
            return None
        opens = self._moment(day, window.opens)
        closes = self._moment(day if window.closes > window.opens else day + DAY, window.closes)
        if closes <= opens:
            closes = opens + window.length
        return Night(day, _microseconds(opens), _microseconds(closes))

    def _moment(self, day: date, at: time) -> datetime:
        """The first moment, in UTC, at which the clock on the wall shows at least this."""
        local = datetime.combine(day, at, self.zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment
        gap_before, gap_after = local.replace(fold=1).utcoffset(), local.utcoffset()
        assert gap_before is not None
        assert gap_after is not None
        low, high = sorted((moment, (local.replace(tzinfo=None) - gap_before).replace(tzinfo=UTC)))
        return _first_change(self.zone, low - DAY, high + DAY)

    def nights_around(self, now: int) -> Iterator[Night]:
        """Those that may be open: of yesterday, today and tomorrow in the zone."""
        today = self._local(now).date()
        for day in (today - DAY, today, today + DAY):
            night = self.night_of(day)
            if night is not None:
                yield night

    def open_at(self, now: int) -> Night | None:
        """The night whose window holds this moment; of two that overlap the one that opened later."""
        found = [night for night in self.nights_around(now) if night.opens_at <= now < night.closes_at]
        return max(found, key=lambda night: night.opens_at, default=None)

    def due(self, now: int, opened: Container[date], running_since: int, catch_up: CatchUp = "wait") -> Night | None:
        """The night to open now: one whose window is open and that was not opened yet.

        With `at_once` also the last one, if it was missed because the daemon came after it had begun (`running_since`
        says when): late, and for as long as it would have been.
        """
        night = self.open_at(now)
        if night is not None:
            return None if night.date in opened else night
        if catch_up == "wait":
            return None
        over = [night for night in self.nights_around(now) if night.closes_at <= now]
        last = max(over, key=lambda night: night.closes_at, default=None)
        if last is None or last.date in opened or last.opens_at >= running_since:
            return None
        return Night(last.date, now, now + last.closes_at - last.opens_at, late=True)

    def next_after(self, now: int) -> Night | None:
        """The next night that opens after this moment, within the coming weeks."""
        today = self._local(now).date()
        for days in range(-1, 16):
            night = self.night_of(today + days * DAY)
            if night is not None and night.opens_at > now:
                return night
        return None

    def _local(self, now: int) -> datetime:
        return datetime.fromtimestamp(now / 1_000_000, self.zone)


def _window_or_none(text: str) -> Window | None:
    return None if text == "off" else window_of(text)


def _first_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The moment between the two at which the zone's offset changes, found by halving, to the second."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000
