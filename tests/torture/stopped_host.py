"""A host that stands still for an hour between two writes, holding its file: the file stays, and it writes on."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.torture.checking import Result, check
from tests.torture.place import Place, Started, Wrong
from tests.torture.stepping import Stepped, stepped

PARTS_OF_AN_HOUR = 24


def host_stopped_for_an_hour(*, times: int, seed: int) -> Result:
    """SIGSTOP at a random moment, an hour and more of the daemon's turns, SIGCONT; so many times over."""
    result = Result("a host stopped for an hour between two writes")
    rng = random.Random(seed)
    stayed = 0
    with Place.made("stopped") as place, stepped(place) as daemon:
        hosts = [place.start_host(manner, rng.getrandbits(32)) for manner in ("plain", "threads", "durable")]
        _wait(lambda: len(place.spool_files()) >= len(hosts))
        for _ in range(times):
            time.sleep(rng.uniform(0.05, 0.3))
            daemon.turns(2)
            stayed += _let_an_hour_pass(place, daemon, hosts)
        result.expect(all(host.stop() == 0 for host in hosts), "a host did not end with 0")
        daemon.drain(place)
        result.figures |= {"hours": times, "files that stayed and were written on": stayed}
        check(result, place)
        result.expect(not place.acknowledged.refused, f"{place.acknowledged.refused} calls returned None")
        return result.end(place)


def _let_an_hour_pass(place: Place, daemon: Stepped, hosts: list[Started]) -> int:
    """With every host standing still; returns how many of their files went on growing after it."""
    for host in hosts:
        host.tell(signal.SIGSTOP)
    _wait(lambda: all(_state(host) == "T" for host in hosts))
    held = {name: (place.spool / name).stat().st_ino for name in _held_by(hosts)}
    for _ in range(PARTS_OF_AN_HOUR):
        daemon.clock.advance(seconds=3660 / PARTS_OF_AN_HOUR)
        daemon.turns(10)
    for name, inode in held.items():
        if name not in place.spool_files() or (place.spool / name).stat().st_ino != inode:
            raise Wrong(f"{name} was taken from a host that stood still")
    sizes = {name: (place.spool / name).stat().st_size for name in held}
    for host in hosts:
        host.tell(signal.SIGCONT)
    _wait(lambda: all(_has_gone_on(place.spool / name, size) for name, size in sizes.items()))
    return len(held)


def _has_gone_on(path: Path, size: int) -> bool:
    """Grown, or rotated and then let go of: its successor has been born."""
    successor = path.with_name(f"{path.stem[:-6]}{int(path.stem[-6:]) + 1:06}.ndjson")
    return not path.exists() or path.stat().st_size > size or successor.exists()


def _held_by(hosts: list[Started]) -> list[str]:
    """The names of the spool files that they have open, after their birth."""
    links = [link for host in hosts for link in Path(f"/proc/{host.pid}/fd").iterdir()]
    names = [Path(target).name for link in links if (target := _target(link)).endswith(".ndjson")]
    return [name for name in names if not name.startswith(".")]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _state(host: Started) -> str:
    """One letter of the kernel's: T when all of it is stopped."""
    return Path(f"/proc/{host.pid}/stat").read_text().rpartition(")")[2].split()[0]


def _wait(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(f"waited {seconds} seconds for hosts to stop or go on")
        time.sleep(0.01)
