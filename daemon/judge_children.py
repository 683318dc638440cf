"""This file knows the child that judges: how it is begun, found again after the daemon was killed, and ended.

There is one at a time. It may be ended at any moment and begun again: until its result is in the log nothing has come
of it. One that says nothing at its end, or never ends, has failed.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.clock_and_chance import MICROSECONDS
from daemon.device import Need
from daemon.device_having import had
from daemon.device_lease import NoLeases
from daemon.gpus import LooksAtGpus
from daemon.judge_folder import JudgeFolder, JudgeResult, JudgeSpec
from daemon.night_parts import Told
from daemon.run_folder import Start
from daemon.run_process import Child, found, started

if TYPE_CHECKING:
    from daemon.run_queue import Place
    from daemon.settings import Settings

MODULE = "daemon.judge_child"
MOST_STARTS = 3
PATIENCES = 4  # times silent_seconds: a judging has no heart that beats
STOP_SECONDS = 5.0


class JudgeChildren:
    """The one that lives, or none."""

    def __init__(
        self, place: Place, gpus: LooksAtGpus, settings: Settings, module: str = MODULE, doing: str = "is judged"
    ) -> None:
        self._module, self._doing = module, doing
        self._place, self._gpus, self._settings = place, gpus, settings
        self._child: Child | None = None
        self._since = 0

    def follow(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def at_work(self) -> bool:
        """Whether there is a child, whosever: another one waits for it."""
        return self._child is not None

    def keep_only(self, folders: Collection[Path]) -> None:
        """Ends the child of any other folder: nobody would ever ask for what it says."""
        if self._child is not None and self._child.folder.path not in folders:
            self.stop()

    def ended(self, folder: JudgeFolder, now: int, *, may: bool) -> JudgeResult | None:
        """What the child of that folder has said; None while it lives, or where none was begun.

        A child that may not go on is ended. BadRunFolder where its words cannot be believed.
        """
        if self._child is None:
            self._take_up(folder, now)
        if self._child is None:
            return self._last_words(folder)
        if self._child.folder.path != folder.path:
            return None
        if not may:
            self.stop()
            return None
        return self._look(self._child, folder, now)

    def _take_up(self, folder: JudgeFolder, now: int) -> None:
        """The child that an earlier daemon began."""
        self._child, self._since = found(folder) if folder.is_whole() else None, now

    def _last_words(self, folder: JudgeFolder) -> JudgeResult | None:
        """Of a child that ended while nobody looked; one that was lost is begun again, a few times."""
        starts = folder.started() if folder.is_whole() else 0
        said = folder.judge_result(starts) if starts else None
        if said is None and starts >= MOST_STARTS:
            return JudgeResult(
                starts, "failed", reason=f"its process was begun {starts} times and ended without a word"
            )
        return said

    def _look(self, child: Child, folder: JudgeFolder, now: int) -> JudgeResult | None:
        patience = PATIENCES * self._settings.runs.silent_seconds
        ended = child.poll()
        if ended is None and now - self._since < patience * MICROSECONDS:
            return None
        start = child.held.start
        self.stop()
        if ended is None:
            return JudgeResult(start, "failed", reason=f"it had not ended after {patience} seconds")
        said = folder.judge_result(start)
        if said is None and ended.code is not None:
            words = f"its process ended with {ended.code} and without a word; {folder.out_log} has what it printed"
            return JudgeResult(start, "failed", reason=words)
        return said

    def begin(self, folder: JudgeFolder, spec: JudgeSpec, now: int) -> Told:
        """A child for that folder, where a device is free. NoSuchDevice where none ever will do."""
        try:
            need = Need(spec.devices, spec.memory_bytes)
            choice, lease = had(self._settings.device, need, self._gpus, self._place.leases)
        except NoLeases as error:
            return [f"{spec.judging} waits: {error}"]
        if lease is None or choice.device is None:
            return []
        try:
            start = Start(start=folder.started() + 1, device=choice.device, beside=str(self._place.beside))
            child = started(folder, start, lease, self._place.environ, choice.uuid, module=self._module)
        finally:
            lease.close()
        self._child, self._since = child, now
        return [f"{spec.workload}: model {spec.model} {self._doing} on {choice.device}"] if child is not None else []

    def stop(self) -> Told:
        """No child is left behind; what it has not said is said again by the next one."""
        if self._child is None:
            return ()
        self._child.kill()
        self._child.wait(STOP_SECONDS)
        self._child.close()
        self._child = None
        return ()
