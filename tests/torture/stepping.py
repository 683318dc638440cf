"""The daemon inside this process, stepped by hand with a clock that only we move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from daemon.clock_and_chance import StoppedClock, SystemChance, SystemClock
from daemon.main_loop import MainLoop
from daemon.opening import open_state
from daemon.settings import Settings
from tests.torture.place import Place, Wrong

MOST_TURNS = 5000


class Stepped:
    """A daemon that makes a turn when it is told to."""

    def __init__(self, loop: MainLoop, clock: StoppedClock) -> None:
        self._loop = loop
        self.clock = clock

    def turns(self, count: int) -> None:
        for _ in range(count):
            report = self._loop.turn(self.clock.now())
            if report.failure or report.problems:
                raise Wrong(f"a turn told of {report.failure or report.problems}, expected nothing of the kind")

    def drain(self, place: Place) -> None:
        """Turns until every spool file is gone; the hosts have ended."""
        for _ in range(MOST_TURNS):
            if not place.spool_files():
                return
            self.turns(1)
        raise Wrong(f"{place.spool_files()} are left after {MOST_TURNS} turns")


@contextmanager
def stepped(place: Place) -> Iterator[Stepped]:
    """A daemon on that place whose clock begins at the real time."""
    clock = StoppedClock(SystemClock().now())
    with open_state(place.state, Settings(), clock, SystemChance()) as state:
        yield Stepped(MainLoop(state.intake, state.views), clock)
