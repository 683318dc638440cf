"""What a night's shift asks of its parts: who prepares, forms batches, runs them, judges. The contracts alone.

Each part is stepped by the shift, on the daemon's own turns, with the time told to it. None of them sleeps; what takes
long is a child process that the next turn looks at. A part reads its state from the views and from its own files, so
that a daemon that was killed goes on where it was. What a method did is told in words, one text for the daemon's log
each; nothing done is nothing told. An error of daemon.main_loop's PASSING may be raised: it ends the shift's turn, and
the next turn tries again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from adaptd.errors import AdaptdError
from daemon.nights import Night

if TYPE_CHECKING:
    from daemon.settings import Settings

YieldReason = Literal["window", "person", "device", "daemon"]
Told = Sequence[str]


class NoSuchRun(AdaptdError):
    """There is no run of that id."""

    exit_code = 4


class NothingToCancel(AdaptdError):
    """The run is over already."""


class Formed(NamedTuple):
    """A batch was formed: `batch_formed` is in the log."""

    batch: int
    workload: str


class NotFormed(NamedTuple):
    """There is no batch, and why. `news` says that this turn put a `batch_not_formed` into the log."""

    workload: str
    reason: str
    news: bool = False


class Prepares(Protocol):
    """Keeps what is derived from the log (embeddings, near-duplicates) near the log's head, in a child."""

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on."""

    def behind(self, position: int) -> bool:
        """Whether batches have to wait for it: what is derived does not reach so far yet, and can."""

    def turn(self, now: int) -> Told:
        """Starts its child where there is work and none is there; takes note of one that ended."""

    def stop(self, now: int) -> Told:
        """Nothing is to be trained now, or the daemon ends: no child is left behind."""


class Forms(Protocol):
    """Looks at a workload's triggers and forms its batch, as of the views' position."""

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on."""

    def turn(self, now: int, night: Night | None, workload: str, *, asked: bool) -> Formed | NotFormed:
        """Appends `batch_formed` or, where its kind of reason is new tonight, `batch_not_formed`.

        It is called at every turn, so it looks again only when something that it goes by has changed. With `asked` the
        triggers do not count, `night` is None whatever the hour, an answer is always appended, and its body has
        `"asked": true`.
        """


class Runs(Protocol):
    """The queue of runs, and the one child per device that trains.

    A run whose batch was asked for has no night: windows do not bind it, a pause does.
    """

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on."""

    def reap(self, now: int) -> Told:
        """What became of children: each that ended, or went silent, has its event afterwards."""

    def busy(self, workload: str) -> bool:
        """Whether a batch of it waits for its run, or a run is planned, paused or running: no other batch then."""

    def plan(self, now: int) -> Told:
        """`run_planned` for each batch that has no run yet, with the batch's own night, or none."""

    def start_next(self, now: int, night: Night | None, asked: Collection[str]) -> Told:
        """Starts, or goes on with, the run that is next, where its device is free.

        With a night any run; without one only those that have none, and those of the workloads in `asked`. A run that
        has a night and cannot end before `night.closes_at`, by its own speed, is planned to pause.
        """

    def ask_to_yield(self, now: int, reason: YieldReason, keep: Collection[str] = ()) -> Told:
        """Tells running children, each once, to save their checkpoint and end.

        Because of the "window" only those of runs that have a night, and of no workload in `keep`; else all.
        """

    def cancel(self, run: str, reason: str | None, now: int) -> None:
        """`run_cancelled`, and the end of its child. NoSuchRun, or NothingToCancel where it is over."""

    def stop(self, now: int) -> Told:
        """The daemon ends: children save their checkpoints and end, within a bounded time, and have their events."""


class Judges(Protocol):
    """Puts what runs have left on the shelf, judges it against the champion, and promotes it or not."""

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on."""

    def busy(self, workload: str) -> bool:
        """Whether a model of it is not decided about yet: no other batch then."""

    def turn(self, now: int, night: Night | None, asked: Collection[str]) -> Told:
        """The next step for each workload; links are as the log says afterwards.

        Without a night only models of runs that have none, and of the workloads in `asked`, are judged: a child that
        may not go on is ended.
        """

    def stop(self, now: int) -> Told:
        """Nothing may be done now, or the daemon ends: no child is left behind, and what it did is done again."""


class Tunes(Protocol):
    """Searches settings for a share of each window, before batches are formed."""

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on."""

    def working(self) -> bool:
        """Whether a search has the device: nothing is formed until it ends."""

    def turn(self, now: int, night: Night) -> Told:
        """Takes note of a search that ended, and starts the next one that this night owes."""

    def stop(self, now: int) -> Told:
        """Something else is wanted now, or nothing: no search is left behind."""


class NightParts(NamedTuple):
    """All together; `daemon.idle_parts` has those of a place where nothing is trained."""

    prepares: Prepares
    forms: Forms
    runs: Runs
    judges: Judges
    tunes: Tunes | None = None  # where nobody searches


class ShiftReport(NamedTuple):
    """What one turn did, in words, and what will be tried again."""

    told: tuple[str, ...] = ()
    failure: str | None = None
