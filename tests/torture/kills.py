"""kill -9 of the daemon and of hosts in turn, while hosts record in every manner there is and spools rotate."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import Any

from tests.torture.checking import Result, check
from tests.torture.host import MANNERS
from tests.torture.place import Place, Started, Wrong


class Killing:
    """Hosts and a daemon that come back each time they are killed."""

    def __init__(self, place: Place, hosts: int, rng: random.Random) -> None:
        self._place = place
        self._rng = rng
        self._hosts = [self._host(number) for number in range(hosts)]
        self._daemon = place.start_daemon()
        self.of_daemon = self.of_hosts = 0

    def _host(self, number: int) -> Started:
        return self._place.start_host(MANNERS[number % len(MANNERS)], self._rng.getrandbits(32))

    @property
    def kills(self) -> int:
        return self.of_daemon + self.of_hosts

    def kill_the_daemon(self) -> None:
        """At a random moment, of its start as well as of its work."""
        time.sleep(self._rng.uniform(0, 0.5) if self._rng.random() < 0.3 else self._rng.uniform(0.4, 1.1))
        for host in self._rng.sample(self._hosts, self._rng.randint(0, len(self._hosts))):
            host.tell(signal.SIGUSR1)
        time.sleep(self._rng.uniform(0, 0.1))
        self._place.refuse_a_dead_daemon()
        self._daemon.kill()
        self.of_daemon += 1
        self._daemon = self._place.start_daemon()

    def kill_a_host(self) -> None:
        """With its forked children, in the midst of whatever they do."""
        host = self._some_host()
        if self._rng.random() < 0.7:
            host.tell(signal.SIGUSR1)
        time.sleep(self._rng.uniform(0, 0.2))
        if not host.runs and host.process.returncode != -signal.SIGUSR1:  # told before it listened
            raise Wrong(f"{host.name} ended by itself with {host.process.returncode}; see {self._place.hosts_log}")
        host.kill()
        self.of_hosts += 1
        number = self._hosts.index(host)
        self._hosts[number] = self._host(number)

    def _some_host(self) -> Started:
        return self._rng.choice(self._hosts)

    def restart_the_daemon(self) -> None:
        """In order, by TERM; not counted as a kill."""
        self._place.wait_for(lambda: self._place.newest() > 0, 30, "the first event")
        time.sleep(0.5)
        self._place.refuse_a_dead_daemon()
        self._daemon.tell(signal.SIGHUP)
        code = self._daemon.stop()
        if code not in (0, -signal.SIGTERM, -signal.SIGHUP):  # those two: before it listens to signals
            raise Wrong(f"the daemon ended with {code} after TERM, expected 0\n{self._place.told()}")
        self._daemon = self._place.start_daemon()

    def stop_hosts(self) -> None:
        for host in self._hosts:
            code = host.stop()
            if code not in (0, -signal.SIGTERM, -signal.SIGUSR1):  # those two: before it listened
                raise Wrong(f"{host.name} ended with {code} after TERM, expected 0; see {self._place.hosts_log}")


def kills(*, kills: int, hosts: int, seed: int, seconds: float) -> Result:
    """At least that many kills, within that many seconds, then everything is counted."""
    result = Result("kill -9 of daemon and hosts in turn")
    rng = random.Random(seed)
    started = time.monotonic()
    with Place.made("kills") as place:
        killing = Killing(place, hosts, rng)
        while killing.kills < kills:
            if time.monotonic() - started > seconds:
                raise Wrong(f"{killing.kills} kills in {seconds:.0f} seconds, expected {kills}; give it more --seconds")
            killing.kill_the_daemon()
            killing.kill_a_host()
            if rng.random() < 0.05:
                killing.restart_the_daemon()
        killing.stop_hosts()
        recorded = time.monotonic() - started
        place.drain()
        place.stop_daemon()
        result.figures |= {
            "kills": killing.kills,
            "of the daemon": killing.of_daemon,
            "of hosts, with their children": killing.of_hosts,
            "seconds of recording": round(recorded),
        }
        check(result, place)
        _check_nothing_failed(result, place)
        _check_nothing_is_read_again(result, place, killing.kills)
        return result.end(place)


def _check_nothing_failed(result: Result, place: Place) -> None:
    """A daemon that comes and goes is no reason for any call to fail; and nobody was shown a stack trace."""
    result.expect(not place.acknowledged.refused, f"{place.acknowledged.refused} calls returned None")
    told = place.hosts_log.read_text(errors="replace") + place.daemon_log.read_text(errors="replace")
    result.expect("Traceback" not in told, f"a traceback in {place.hosts_log} or {place.daemon_log}")
    failures = [line for line in place.daemon_log.read_text(errors="replace").splitlines() if _is_failure(line)]
    result.expect(not failures, f"the daemon told of {len(failures)} failures, the first: {failures[:1]}")


def _check_nothing_is_read_again(result: Result, place: Place, kills: int) -> None:
    """How far a file was read is committed with its events, so that a new daemon meets few events that it has.

    Beyond what hosts sent twice there is, per kill, one line of each host whose answer or acknowledgement was cut off.
    """
    told = sum(_told_of(line).get("repeats", 0) for line in place.daemon_log.read_text(errors="replace").splitlines())
    sent_twice = place.acknowledged.times.total() - len(place.acknowledged.times)
    result.figures["repeats that the daemon told of"] = told
    again = f"the daemon dropped {told} repeats, but {sent_twice} events were sent twice"
    result.expect(told <= sent_twice + 4 * kills, again)


def _told_of(line: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return told


def _is_failure(line: str) -> bool:
    """An error, or something that is no line of the log; a line may be cut off by a kill."""
    return _told_of(line).get("level") == "error" or bool(line.strip() and not line.startswith("{"))
