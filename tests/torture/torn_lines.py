"""A torn last line and a torn middle one: each kept aside with the reason, its neighbours taken in."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from adaptd.spool_file import SpoolFile
from tests.torture.checking import Result, check
from tests.torture.place import Place, Wrong

TORN = b"torn in the middle of a word"


def torn_lines(*, times: int, seed: int) -> Result:
    """Half lines under a held lock, half lines closed by a newline, and hosts killed in a rush of writes."""
    result = Result("a torn last line, and a torn middle one")
    rng = random.Random(seed)
    with Place.made("torn") as place:
        place.start_daemon()
        place.wait_for(lambda: place.newest() > 0, 30, "the daemon to begin")
        waits = [_torn_last_line(place, rng) for _ in range(times)]
        for _ in range(times):
            _torn_middle_line(place, rng)
        _kill_while_they_record(place, rng, times)
        place.drain()
        place.stop_daemon()
        ours = [kept for kept in place.kept_aside() if TORN in kept[3]]
        result.expect(len(ours) == 2 * times, f"{len(ours)} of our torn lines are kept aside, expected {2 * times}")
        result.figures |= {
            "last lines torn": times,
            "middle lines torn": times,
            "hosts killed while they record": times,
            "shortest wait for a last line, ms": round(min(waits) * 1000),
        }
        check(result, place)
        return result.end(place)


def _torn_last_line(place: Place, rng: random.Random) -> float:
    """While its writer lives it is waited for; when the lock is free, it is kept aside. Returns how long it waited."""
    before = len(place.kept_aside())
    writer, file = _born(place)
    whole, half = _line(writer, 1, rng), _half_of(_line(writer, 2, rng))
    file.append(whole)
    os.write(file.fd, half)
    _wait_for_ids(place, [whole])
    since = time.monotonic()
    while time.monotonic() < since + 0.5:
        if len(place.kept_aside()) != before or Path(file.path).name not in place.spool_files():
            raise Wrong(f"{file.path}: its last line was given up while its writer lives")
        time.sleep(0.05)
    file.let_go()
    place.wait_for(lambda: len(place.kept_aside()) == before + 1, 20, "a torn last line to be kept aside")
    source, reason, start, raw = place.kept_aside()[-1]
    if (source, start, raw) != (f"spool/{Path(file.path).name}", len(whole), half) or not reason.startswith("torn"):
        raise Wrong(f"kept aside as {source}, {start}, {reason}, expected {file.path}, {len(whole)}, torn …; {raw!r}")
    return time.monotonic() - since


def _torn_middle_line(place: Place, rng: random.Random) -> None:
    """As a write that came short leaves it: half a line, a newline, the whole line again, another."""
    writer, file = _born(place)
    lines = [_line(writer, n, rng) for n in (1, 2, 3)]
    file.append(lines[0])
    os.write(file.fd, _half_of(lines[1]) + b"\n")
    for line in lines[1:]:
        file.append(line)
    file.let_go()
    _wait_for_ids(place, lines)


def _kill_while_they_record(place: Place, rng: random.Random, times: int) -> None:
    for _ in range(times):
        host = place.start_host("plain", rng.getrandbits(32), "--pause", "2")
        place.wait_for(place.spool_files, 20, "a host to record")
        host.tell(signal.SIGUSR1)
        time.sleep(rng.uniform(0, 0.1))
        host.kill()


def _born(place: Place) -> tuple[str, SpoolFile]:
    writer = os.urandom(8).hex()
    return writer, SpoolFile.born(str(place.spool), f"{writer}-000001.ndjson")


def _line(writer: str, n: int, rng: random.Random) -> bytes:
    said = TORN.decode() + "x" * rng.choice((10, 5_000, 200_000))
    event_id = f"by-hand-{writer}-{n}"
    head = f'{{"kind":"output_recorded/1","id":"{event_id}","writer":"{writer}","n":{n},"at":{time.time_ns() // 1000}'
    return f'{head},"output":"{said}"}}\n'.encode()


def _half_of(line: bytes) -> bytes:
    return line[: line.index(TORN) + len(TORN) + 3]


def _wait_for_ids(place: Place, lines: list[bytes]) -> None:
    """They count as returned; wait until they are in the log."""
    ids = [line.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode() for line in lines]
    for event_id in ids:
        place.acknowledged.add(f"{event_id} -")
    place.wait_for(lambda: place.in_the_log(ids) == len(ids), 20, f"{ids} to be in the log")
