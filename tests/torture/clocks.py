"""Clocks set back and forward between events, the daemon's and the hosts': order is by counter, never by them."""

from __future__ import annotations

import random
import time

from tests.torture.checking import Result, check
from tests.torture.place import Place
from tests.torture.stepping import stepped

DAY = 86_400.0
JUMPS = (-DAY, 10 * 365 * DAY, -10 * 365 * DAY, DAY / 24, -1.0)


def clock_set_back_and_forward(*, seconds: float, seed: int) -> Result:
    """Hosts with jumping clocks record while the daemon's own jumps between its turns."""
    result = Result("the clock set back and forward")
    rng = random.Random(seed)
    jumps = 0
    with Place.made("clocks") as place, stepped(place) as daemon:
        manners = ("plain", "durable", "many", "forks")
        options = ("--jumping-clock", "--rotate", "8192")
        hosts = [place.start_host(manner, rng.getrandbits(32), *options) for manner in manners]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            daemon.clock.advance(seconds=rng.choice(JUMPS))
            jumps += 1
            daemon.turns(rng.randint(1, 5))
            time.sleep(0.02)
        result.expect(all(host.stop() == 0 for host in hosts), "a host did not end with 0")
        daemon.drain(place)
        result.figures["jumps of the daemon's clock"] = jumps
        check(result, place)
        result.expect(not place.acknowledged.refused, f"{place.acknowledged.refused} calls returned None")
        return result.end(place)
