"""The parts of a night that do nothing: for a place where nothing is trained, and to be filled in one by one."""

# ruff: noqa: ARG002 what does nothing has no use for what it is told
from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from daemon.night_parts import Formed, NightParts, NoSuchRun, NotFormed, Told, YieldReason

if TYPE_CHECKING:
    from daemon.nights import Night
    from daemon.settings import Settings


class NobodyPrepares:
    """Where nothing is derived, nothing is behind."""

    def follow(self, settings: Settings) -> None:
        return

    def behind(self, position: int) -> bool:
        return False

    def turn(self, now: int) -> Told:
        return ()

    def stop(self, now: int) -> Told:
        return ()


class NobodyForms:
    """No batch is ever formed."""

    def follow(self, settings: Settings) -> None:
        return

    def turn(self, now: int, night: Night | None, workload: str, *, asked: bool) -> Formed | NotFormed:
        return NotFormed(workload, "nothing here forms batches")


class NobodyRuns:
    """An empty queue that takes nothing."""

    def follow(self, settings: Settings) -> None:
        return

    def reap(self, now: int) -> Told:
        return ()

    def busy(self, workload: str) -> bool:
        return False

    def plan(self, now: int) -> Told:
        return ()

    def start_next(self, now: int, night: Night | None, asked: Collection[str]) -> Told:
        return ()

    def ask_to_yield(self, now: int, reason: YieldReason, keep: Collection[str] = ()) -> Told:
        return ()

    def cancel(self, run: str, reason: str | None, now: int) -> None:
        raise NoSuchRun(f"no run {run!r}: nothing runs here")

    def stop(self, now: int) -> Told:
        return ()


class NobodyJudges:
    """No model ever comes on a shelf."""

    def follow(self, settings: Settings) -> None:
        return

    def busy(self, workload: str) -> bool:
        return False

    def turn(self, now: int, night: Night | None, asked: Collection[str]) -> Told:
        return ()

    def stop(self, now: int) -> Told:
        return ()


IDLE = NightParts(NobodyPrepares(), NobodyForms(), NobodyRuns(), NobodyJudges())
