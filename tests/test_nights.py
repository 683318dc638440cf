"""A night has one moment at which it opens and one at which it closes, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.event_kinds import NIGHT_OPENED
from daemon.nights import BadWindow, Nights, window_of, zone_of
from tests.night_world import HOUR, MINUTE, World, at, settings_for

CHANGES = {
    ("Europe/Berlin", "spring"): date(2026, 3, 29),
    ("Europe/Berlin", "autumn"): date(2026, 10, 25),
    ("America/New_York", "spring"): date(2026, 3, 8),
    ("America/New_York", "autumn"): date(2026, 11, 1),
    ("Australia/Lord_Howe", "spring"): date(2026, 10, 4),  # by half an hour
    ("Australia/Lord_Howe", "autumn"): date(2026, 4, 5),
}
OPENINGS = ("00:00-05:00", "01:30-05:00", "02:00-05:00", "02:30-05:00", "03:00-05:00", "23:00-02:30")


def stepped(nights, start, stop, every=5 * MINUTE):
    """What a daemon would open, asked at every step."""
    opened, found = set(), []
    for now in range(start, stop, every):
        night = nights.due(now, opened, running_since=start)
        if night is not None:
            opened.add(night.date)
            found.append((night, now))
    return found


def slow_opening(nights, day):
    """The first minute at which the clock on the wall shows the window's opening or later, minute by minute."""
    wanted = datetime.combine(day, nights.window_on(day).opens)
    now = at(day.year, day.month, day.day) - 16 * HOUR
    while datetime.fromtimestamp(now / 1e6, nights.zone).replace(tzinfo=None) < wanted:
        now += MINUTE
    return now


@pytest.mark.parametrize(("zone", "season"), CHANGES)
@pytest.mark.parametrize("window", OPENINGS)
def test_each_date_is_opened_once_when_the_clocks_change(zone, season, window):
    """Also where the opening hour is skipped, or comes twice."""
    nights, change = Nights.of(zone, window), CHANGES[zone, season]
    start = at(change.year, change.month, change.day) - 48 * HOUR
    found = stepped(nights, start, start + 120 * HOUR)
    dates = [night.date for night, _ in found]
    assert dates == sorted(set(dates))
    assert {change - timedelta(days=1), change, change + timedelta(days=1)} <= set(dates)
    for night, now in found[1:]:
        assert night.opens_at == slow_opening(nights, night.date)
        assert 0 <= now - night.opens_at < 5 * MINUTE
        assert night.closes_at > night.opens_at


def test_a_skipped_hour_ends_when_the_clock_skips():
    """02:30 is not on the wall on that day; at 03:00 it is past."""
    night = Nights.of("Europe/Berlin", "02:30-06:00").night_of(date(2026, 3, 29))
    assert night.opens_at == at(2026, 3, 29, 1, 0)
    assert night.closes_at == at(2026, 3, 29, 4, 0)


def test_a_window_inside_the_skipped_hour_keeps_its_length():
    """It opens when the hour is over."""
    night = Nights.of("Europe/Berlin", "02:15-02:45").night_of(date(2026, 3, 29))
    assert (night.opens_at, night.closes_at) == (at(2026, 3, 29, 1, 0), at(2026, 3, 29, 1, 30))


def test_of_an_hour_that_comes_twice_the_first_counts():
    """For opening and for closing."""
    nights = Nights.of("Europe/Berlin", "01:00-02:30")
    assert nights.night_of(date(2026, 10, 25)).closes_at == at(2026, 10, 25, 0, 30)
    assert Nights.of("Europe/Berlin", "02:30-06:00").night_of(date(2026, 10, 25)).opens_at == at(2026, 10, 25, 0, 30)
    assert nights.open_at(at(2026, 10, 25, 1, 15)) is None  # 02:15 for the second time


def test_a_clock_that_is_set_back_opens_nothing_twice():
    """That the date was opened is what counts."""
    nights = Nights.of("Europe/Berlin", "01:00-06:00")
    now = at(2026, 11, 21, 1, 0)
    night = nights.due(now, set(), running_since=0)
    assert night.date == date(2026, 11, 21)
    assert nights.due(now - HOUR, {night.date}, running_since=0) is None
    assert nights.due(now + HOUR, {night.date}, running_since=0) is None


def test_a_window_over_midnight_belongs_to_the_date_on_which_it_opens():
    """And is open on both sides of midnight."""
    nights = Nights.of("UTC", "23:00-05:00")
    for now in (at(2026, 11, 21, 23, 30), at(2026, 11, 22, 4, 59)):
        assert nights.open_at(now).date == date(2026, 11, 21)
    assert nights.open_at(at(2026, 11, 22, 5, 0)) is None


def test_weekdays_have_windows_of_their_own_or_none():
    """A saturday that is longer and a sunday without."""
    nights = Nights.of("UTC", "01:00-06:00", {"sat": "00:00-10:00", "sun": "off"})
    assert nights.night_of(date(2026, 11, 21)).closes_at == at(2026, 11, 21, 10)
    assert nights.night_of(date(2026, 11, 22)) is None
    assert nights.next_after(at(2026, 11, 21, 12)).date == date(2026, 11, 23)
    assert Nights.of("UTC", "off").next_after(at(2026, 11, 21)) is None


@pytest.mark.parametrize(("catch_up", "late"), [("wait", None), ("at_once", date(2026, 11, 21))])
def test_what_was_missed_waits_or_is_caught_up_by_policy(catch_up, late):
    """Late, and for as long as it would have been; a daemon that was there missed nothing."""
    nights, now = Nights.of("UTC", "01:00-06:00"), at(2026, 11, 21, 9)
    night = nights.due(now, set(), running_since=now, catch_up=catch_up)
    assert (night and night.date) == late
    if night:
        assert (night.opens_at, night.closes_at, night.late) == (now, now + 5 * HOUR, True)
        assert nights.due(now, {night.date}, running_since=now, catch_up=catch_up) is None
    assert nights.due(now, set(), running_since=at(2026, 11, 20), catch_up=catch_up) is None


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.sampled_from(OPENINGS), st.sampled_from(list(CHANGES))
)
def test_a_night_that_is_open_holds_its_moment(moment, window, place):
    """For any moment, window and zone; and the next one opens later."""
    nights, now = Nights.of(place[0], window), round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000
    night = nights.open_at(now)
    if night is not None:
        assert night.opens_at <= now < night.closes_at
        assert nights.due(now, set(), running_since=0) == night
    following = nights.next_after(now)
    assert following.opens_at > now
    assert nights.open_at(following.opens_at).opens_at == following.opens_at


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0100", "window '0100': expected two times with a dash, as in 01:00-06:00"),
        ("1-2", "found '1', expected a time from 00:00 to 24:00"),
        ("01:00-25:00", "found '25:00', expected a time from 00:00 to 24:00"),
        ("01:60-02:00", "found '01:60', expected a time"),
        ("01:00-01:00", "opens and closes at once; for all day say 00:00-24:00"),
    ],
)
def test_a_window_that_cannot_be_meant_is_told(text, told):
    """With the part that is wrong."""
    with pytest.raises(BadWindow, match=told):
        window_of(text)


def test_a_zone_or_weekday_that_is_none_is_told():
    """With what was expected."""
    with pytest.raises(BadWindow, match="timezone 'Berlin': no zone of that name, expected one such as Europe/Berlin"):
        Nights.of("Berlin", "01:00-06:00")
    with pytest.raises(BadWindow, match="weekday 'sunday': expected one of mon, tue"):
        Nights.of("UTC", "01:00-06:00", {"sunday": "off"})
    assert window_of("00:00-24:00").length == timedelta(days=1)


def test_utc_needs_no_data_of_the_machine(monkeypatch):
    """The default works where there are no zones at all; any other zone is told as missing."""

    def nothing(name):
        raise ZoneInfoNotFoundError(name)

    nothing.from_file = ZoneInfo.from_file
    monkeypatch.setattr("daemon.nights.ZoneInfo", nothing)
    night = Nights.of("UTC", "01:00-06:00").night_of(date(2026, 11, 21))
    assert (night.opens_at, night.closes_at) == (at(2026, 11, 21, 1), at(2026, 11, 21, 6))
    assert zone_of("UTC").key == "UTC"
    with pytest.raises(BadWindow, match=r"is the package tzdata installed\?"):
        zone_of("Europe/Berlin")


# Through the shift: what stands in the log


def opened_by_the_shift(world, start, stop, every=10 * MINUTE, restart_every=7):
    """Turn after turn with a stopped clock, and another process now and then; returns what was opened, and when."""
    found = []
    for number, now in enumerate(range(start, stop, every)):
        if number % restart_every == 0:
            world.start(now)
        before = len(world.told(NIGHT_OPENED)) if number == 0 else len(found)
        world.turn(now)
        found += [(night["date"], now) for night in world.told(NIGHT_OPENED)[before:]]
    return found


@pytest.mark.parametrize("hour", ["00:00", "01:00", "02:00", "02:30", "03:00"])
@pytest.mark.parametrize("season", ["spring", "autumn"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_log_has_one_night_for_each_local_date_whatever_the_clock_does(zone, season, hour):
    """Two zones, two changes, five hours, and a process that is killed every seventy minutes."""
    world, change = World(settings_for(zone, f"{hour}-06:00")), CHANGES[zone, season]
    start = at(change.year, change.month, change.day) - 36 * HOUR
    found = opened_by_the_shift(world, start, start + 96 * HOUR)
    dates = [day for day, _ in found]
    assert dates == sorted(set(dates))
    days = [(change + timedelta(days=shift)).isoformat() for shift in (-1, 0, 1)]
    assert [day for day in dates if day in days] == days
    nights = Nights.of(zone, f"{hour}-06:00")
    for day, now in found[1:]:
        assert 0 <= now - slow_opening(nights, date.fromisoformat(day)) < 10 * MINUTE


def test_half_past_two_in_the_autumn_night_opens_once():
    """It is on the wall twice; a timer by the wall's clock would fire twice. Asked every second round both of them."""
    world = World(settings_for("Europe/Berlin", "02:30-06:00"))
    first, second = at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 30)
    world.start(first - HOUR)
    for half_past in (first, second):
        for second_of_it in range(-5, 6):
            world.turn(half_past + second_of_it * 1_000_000)
    (night,) = world.told(NIGHT_OPENED)
    assert (night["date"], night["opens_at"]) == ("2026-10-25", first)


@pytest.mark.parametrize(
    ("zone", "day", "first_moment"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4), at(2018, 11, 4, 3)),
        ("Asia/Beirut", date(2022, 3, 27), at(2022, 3, 26, 22)),
    ],
)
def test_a_spring_night_without_a_midnight_is_opened_all_the_same(zone, day, first_moment):
    """The clock goes from 23:59 to 01:00; a job for 00:00 would skip the date."""
    world = World(settings_for(zone, "00:00-05:00"))
    found = opened_by_the_shift(world, first_moment - 40 * HOUR, first_moment + 40 * HOUR)
    assert [found_day for found_day, _ in found if found_day == day.isoformat()] == [day.isoformat()]
    (night,) = [night for night in world.told(NIGHT_OPENED) if night["date"] == day.isoformat()]
    assert night["opens_at"] == first_moment


def test_a_turn_that_comes_late_opens_the_night_still():
    """Hours after the window's opening, as after a machine that slept; a timer's grace would have run out."""
    world = World()
    world.start(at(2026, 11, 20, 12))
    world.turn(at(2026, 11, 20, 12))
    world.turn(at(2026, 11, 21, 5, 59))
    (night,) = world.told(NIGHT_OPENED)
    assert (night["opens_at"], night["closes_at"], night["late"]) == (at(2026, 11, 21, 1), at(2026, 11, 21, 6), False)


def test_a_night_opens_at_the_first_turn_of_its_window():
    """There is no jitter that could be drawn: the same moments give the same log, to the hash."""
    heads = []
    for _ in range(2):
        world = World()
        world.start(at(2026, 11, 20, 12))
        for seconds in (-1, 0, 1):
            world.turn(at(2026, 11, 21, 1) + seconds * 1_000_000)
        assert [night["date"] for night in world.told(NIGHT_OPENED)] == ["2026-11-21"]
        heads.append(world.log.head())
    assert heads[0] == heads[1]


@pytest.mark.parametrize(("catch_up", "late"), [("wait", []), ("at_once", ["2026-03-29"])])
@pytest.mark.parametrize("down_until", [at(2026, 3, 29, 5), at(2026, 3, 29, 15)])
def test_a_window_that_nobody_was_there_for_waits_or_is_opened_late(catch_up, late, down_until):
    """Down from the evening before to the morning or the afternoon after, over the change of the clocks."""
    world = World(settings_for("Europe/Berlin", "01:00-06:00", catch_up))
    opened_by_the_shift(world, at(2026, 3, 28, 1), at(2026, 3, 28, 18))
    opened_by_the_shift(world, down_until, at(2026, 3, 30, 12))
    nights = world.told(NIGHT_OPENED)
    assert [night["date"] for night in nights if night["late"]] == late
    assert [night["date"] for night in nights] == sorted({"2026-03-28", *late, "2026-03-30"})
    for night in nights:
        if night["late"]:
            assert (night["opens_at"], night["closes_at"]) == (down_until, down_until + 4 * HOUR)


def test_a_date_is_opened_once_though_the_clock_is_set_back():
    """By an hour, within the window and over its opening."""
    world = World()
    world.start(at(2026, 11, 20, 12))
    for now in (at(2026, 11, 21, 1), at(2026, 11, 21, 0, 30), at(2026, 11, 21, 1), at(2026, 11, 21, 2)):
        world.turn(now)
    assert [night["date"] for night in world.told(NIGHT_OPENED)] == ["2026-11-21"]
