"""A disk that fills up and has room again: what was returned is there once, what failed was told as None.

Without root by a limit on the size of files, set and lifted from outside; as root also by a small file system.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.torture.checking import Result, check
from tests.torture.place import Place, Started, Wrong

HOST_LIMITS = (0, 3_000, 20_000)
DAEMON_LIMITS = (0, 40_000, 200_000)
START_LIMITS = (0, 16, 70, 500)  # in blocks of 512 bytes, as the shell's ulimit has them
FILE_SYSTEM = "24m"


def limited_files(*, rounds: int, starts: int, seed: int) -> Result:
    """No file of a host, then none of the daemon, can grow past some size for a while, down to not at all."""
    result = Result("a disk that is full for hosts and daemon in turn (file size limits)")
    rng = random.Random(seed)
    with Place.made("limits") as place:
        place.start_daemon()
        hosts = [_heard(place, manner, rng) for manner in ("plain", "durable", "many")]
        for number in range(rounds):
            _limit_hosts(place, hosts, HOST_LIMITS[number % len(HOST_LIMITS)])
            _limit_daemon(place, DAEMON_LIMITS[number % len(DAEMON_LIMITS)], rng)
        refusals = [_start_when_full(place, blocks) for blocks in START_LIMITS[:starts]]
        result.expect(all(host.stop() == 0 for host in hosts), "a host did not end with 0")
        place.drain()
        place.stop_daemon()
        result.figures |= {"limits on hosts": rounds, "limits on the daemon": rounds + len(refusals)}
        result.figures["starts of the daemon refused"] = sum(refusals)
        check(result, place, may_skip_counters=True)
        result.expect(place.acknowledged.refused, "no call returned None, expected some while no file could grow")
        _expect_no_traceback(result, place)
        return result.end(place)


def _heard(place: Place, manner: str, rng: random.Random) -> Started:
    """A host whose ids come through a pipe: no file of its own has to grow for that."""
    return place.start_heard_host(manner, rng.getrandbits(32), "--rotate", "16384")


def _limit_hosts(place: Place, hosts: list[Started], size: int) -> None:
    place.wait_for(lambda: len(place.spool_files()) >= len(hosts), 30, "the hosts to record")
    before = place.acknowledged.refused
    for host in hosts:
        host.limit_files_to(size)
    if size == 0:
        place.wait_for(lambda: place.acknowledged.refused > before, 20, "a call to return None")
    time.sleep(0.3)
    for host in hosts:
        host.limit_files_to(None)
    _wait_for_new_ids(place)


def _limit_daemon(place: Place, size: int, rng: random.Random) -> None:
    """Killed in the midst of it every third time; else it has to go on by itself."""
    if place.daemon is None:
        raise Wrong("no daemon was started")
    place.wait_for(lambda: place.newest() > 0, 30, "the daemon to begin")
    place.daemon.limit_files_to(size)
    time.sleep(rng.uniform(0.3, 1.0))
    place.refuse_a_dead_daemon()
    if rng.random() < 1 / 3:
        place.daemon.kill()
        place.start_daemon()
    else:
        place.daemon.limit_files_to(None)
    _wait_for_new_events(place)


def _start_when_full(place: Place, blocks: int) -> bool:
    """A daemon that can write so little from its first moment: it waits, or ends and says why. True if it ended."""
    if place.daemon is not None:
        place.daemon.kill()
    limited = place.start_daemon(limit=blocks)
    end = time.monotonic() + 3
    while limited.runs and time.monotonic() < end:
        time.sleep(0.05)
    ended = not limited.runs
    if ended and (limited.process.returncode <= 0 or not place.told().strip()):
        code = limited.process.returncode
        raise Wrong(f"the daemon ended with {code} on a full disk, expected a reason\n{place.told()}")
    limited.kill()
    place.start_daemon()
    _wait_for_new_events(place)
    return ended


def _wait_for_new_events(place: Place) -> None:
    place.wait_for(lambda: place.newest() > 0, 30, "the daemon to begin")
    newest = place.newest()
    place.wait_for(lambda: place.newest() > newest + 5, 30, "the daemon to take in again, now that there is room")


def _wait_for_new_ids(place: Place) -> None:
    ids = place.acknowledged.times
    told = len(ids)
    place.wait_for(lambda: len(ids) > told + 5, 30, "hosts to record again, now that there is room")


def _expect_no_traceback(result: Result, place: Place) -> None:
    told = place.hosts_log.read_text(errors="replace") + place.daemon_log.read_text(errors="replace")
    result.expect("Traceback" not in told, f"a traceback in {place.hosts_log} or {place.daemon_log}")


def full_file_system(*, rounds: int, seed: int) -> Result:
    """A small file system of its own, filled to its last byte and emptied again, again and again."""
    result = Result("a disk that fills up (a file system of 24 MB)")
    rng = random.Random(seed)
    with Place.made("full") as place:
        why_not = "not root" if os.geteuid() else _mount(place.state)
        if why_not:
            result.figures["skipped"] = why_not
            return result
        with _mounted(place):
            hosts = [_heard(place, manner, rng) for manner in ("plain", "durable", "many", "forks")]
            place.start_daemon()
            for _ in range(rounds):
                _fill_and_empty(place, rng)
            result.expect(all(host.stop() == 0 for host in hosts), "a host did not end with 0")
            place.drain()
            place.stop_daemon()
            result.figures["times full"] = rounds
            check(result, place, may_skip_counters=True)
            result.expect(place.acknowledged.refused, "no call returned None, expected some while the disk was full")
            _expect_no_traceback(result, place)
            return result.end(place)


def _fill_and_empty(place: Place, rng: random.Random) -> None:
    _wait_for_new_events(place)
    before = place.acknowledged.refused
    ballast = place.state / "ballast"
    _fill(ballast)
    end = time.monotonic() + 20
    while place.acknowledged.refused == before:
        place.refuse_a_dead_daemon()
        if time.monotonic() > end:
            raise Wrong("no call returned None on a full disk")
        _fill(ballast)
        time.sleep(0.01)
    if rng.random() < 0.4 and place.daemon is not None:
        place.daemon.kill()
        ballast.unlink()
        place.start_daemon()
    else:
        time.sleep(rng.uniform(0.1, 0.6))
        place.refuse_a_dead_daemon()
        ballast.unlink()
    _wait_for_new_ids(place)


def _fill(ballast: Path) -> None:
    """Grow the file until nothing more fits, a page at a time at the end."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise


def _mount(folder: Path) -> str | None:
    """Why no file system could be put there, or None."""
    if shutil.which("mount") is None:
        return "no mount here"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={FILE_SYSTEM},mode=0750", "adaptd-torture", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else f"mount: {done.stderr.strip()[:60]}"


@contextmanager
def _mounted(place: Place) -> Iterator[None]:
    """Until it ends; what went wrong is copied to where it can be looked at, since the file system goes."""
    try:
        yield
    except Wrong:
        place.end_all()
        left_out = shutil.ignore_patterns("*.sock", "ballast")
        shutil.copytree(place.state, place.folder / "state-as-it-was", ignore=left_out)
        raise
    finally:
        place.end_all()
        subprocess.run(["umount", str(place.state)], check=True)
