"""Time and chance, real and stopped."""

import re
import time
import uuid
from pathlib import Path

import pytest

from daemon.clock_and_chance import SeededChance, StoppedClock, SystemChance, SystemClock, new_id

DAEMON = Path(__file__).parent.parent / "daemon"


def test_the_systems_clock_counts_microseconds():
    """Whole microseconds since 1970 in UTC."""
    before = time.time_ns() // 1000
    now = SystemClock().now()
    assert isinstance(now, int)
    assert before <= now <= time.time_ns() // 1000


def test_a_stopped_clock_moves_only_when_told():
    """Forward and back, by seconds, to the microsecond."""
    clock = StoppedClock(1_000_000)
    assert [clock.now(), clock.now()] == [1_000_000, 1_000_000]
    assert clock.advance(seconds=1.5) == clock.now() == 2_500_000
    assert clock.advance(seconds=-2) == clock.now() == 500_000
    assert clock.advance(seconds=0.000001) == 500_001


def test_a_day_later_is_exact():
    """Long steps lose no microsecond."""
    clock = StoppedClock(1_790_000_000_000_001)
    for _ in range(1000):
        clock.advance(seconds=86_400)
    assert clock.now() == 1_790_000_000_000_001 + 1000 * 86_400 * 10**6


@pytest.mark.parametrize("count", [0, 1, 16, 63, 64, 65, 1000])
def test_as_many_bytes_as_wanted(count):
    """From either kind of chance."""
    assert len(SystemChance().secret_bytes(count)) == len(SeededChance(1).secret_bytes(count)) == count


def test_the_systems_chance_does_not_repeat():
    """A thousand draws, all different."""
    assert len({SystemChance().secret_bytes(16) for _ in range(1000)}) == 1000


def test_the_same_seed_gives_the_same_bytes():
    """Draw by draw; another seed gives others, and one draw is not the next."""
    one, same, other = SeededChance(7), SeededChance(7), SeededChance(8)
    drawn = [one.secret_bytes(16) for _ in range(100)]
    assert drawn == [same.secret_bytes(16) for _ in range(100)]
    assert len(set(drawn)) == 100
    assert not set(drawn) & {other.secret_bytes(16) for _ in range(100)}


def test_an_id_is_a_uuid_of_its_moment():
    """Version 7: the milliseconds come first, the rest is chance."""
    made = uuid.UUID(new_id(1_790_000_000_123_456, SeededChance(1)))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_790_000_000_123
    assert str(made) == new_id(1_790_000_000_123_456, SeededChance(1))


def test_ids_of_one_moment_differ():
    """74 bits of chance."""
    chance = SystemChance()
    assert len({new_id(1_790_000_000_000_000, chance) for _ in range(10_000)}) == 10_000


def test_ids_sort_by_time():
    """To the millisecond, so that a UNIQUE index grows at its end."""
    chance = SeededChance(3)
    made = [new_id(1_790_000_000_000_000 + number * 1000, chance) for number in range(1000)]
    assert made == sorted(made)


def test_nothing_else_in_the_daemon_asks_the_clock_or_makes_chance():
    """One module makes clocks and generators; what others need of them they are handed."""
    asking = re.compile(
        r"\btime\.(time|time_ns)\b|\b(localtime|gmtime|ctime)\(\)|\bdatetime\.(now|utcnow|today)\b|\bdate\.today\b"
        r"|\bimport (random|secrets)\b|\bfrom (random|secrets)\b|\burandom\b|\buuid[14]\b|np\.random|default_rng"
    )
    found = [
        f"{path.relative_to(DAEMON)}: {line.strip()}"
        for path in sorted(DAEMON.rglob("*.py"))
        if path.name != "clock_and_chance.py"
        for line in path.read_text().splitlines()
        if asking.search(line)
    ]
    assert found == []


def test_seeded_bytes_are_the_same_on_every_machine():
    """Recorded logs rest on them: the first bytes of seed 1 are pinned."""
    assert SeededChance(1).secret_bytes(8).hex() == "7c3090e504de9701"
