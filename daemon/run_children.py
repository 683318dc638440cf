"""This file knows the children that train: those that we started, those that an earlier daemon did, and how they end.

A child that ended, was silent too long, or did not heed has its event; a start that is not in the log yet gets there
first. Which run is begun is `daemon.run_queue`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from daemon.clock_and_chance import MICROSECONDS, Chance
from daemon.device import Gpu, Watch
from daemon.event_kinds import RUN_STARTED, Body, Kind, own_event
from daemon.event_log import EventLog
from daemon.gpus import LooksAtGpus
from daemon.night_parts import YieldReason
from daemon.run_folder import BadRunFolder, RunFolder, folder_of, run_folders
from daemon.run_outcomes import End, attempt_of, outcome
from daemon.run_planning import RunConfig
from daemon.run_process import Child, Ended, found
from daemon.views.chosen import Chosen
from daemon.views.models import Models
from daemon.views.runs import OVER, Record, Runs

AView = TypeVar("AView")
MOST_SILENCE_A_TURN = 60 * MICROSECONDS
"""A laptop that slept, or a clock that was set, is no silence of the child: so much of a turn counts at most."""
YIELD_PATIENCE_SECONDS = 120
STOP_PATIENCE_SECONDS = 30
LOOK_AT_GPU_SECONDS = 2


class Folds(Protocol):
    """The part of the views that runs need."""

    def of(self, kind: type[AView]) -> AView: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class RunLog:
    """The runs as the log has them, and how something is added."""

    def __init__(self, log: EventLog, views: Folds, chance: Chance) -> None:
        self.log, self._views, self._chance = log, views, chance

    def append(self, kind: Kind, body: Body, now: int) -> None:
        """Folded at once: what comes next goes by it."""
        self.log.append([own_event(kind, body, now, self._chance)])
        self._views.catch_up()

    @property
    def view(self) -> Runs:
        return self._views.of(Runs)

    def chosen(self, workload: str, artifact_types: Sequence[str]) -> dict[str, Any]:
        """The settings that a search has chosen for it last; none where there was no search."""
        return self._views.of(Chosen).settings_for(workload, artifact_types)

    def quarantined(self) -> list[dict[str, Any]]:
        """The plans whose models were in use and given back."""
        models = self._views.of(Models)
        left = [
            model.run
            for workload in models.workloads()
            for model in models.standing(workload).models.values()
            if model.state == "quarantined"
        ]
        return [
            self.view.by_id[run]["plan"] for run in left if run in self.view.by_id and "plan" in self.view.by_id[run]
        ]

    def __getitem__(self, run: str) -> Record:
        return self.view.by_id[run]


@dataclass
class _Entry:
    """A child that lives, or whose end is not in the log yet."""

    child: Child
    looked_at: int
    noted: bool = True  # its run_started is in the log
    until: int | None = None
    beat: tuple[int, int] | None = None
    silent: int = 0  # microseconds
    told: str | None = None  # what it was told to pause for
    told_for: int = 0  # microseconds since then
    killed: str | None = None
    watch: Watch | None = None
    gpu_looked_at: int = 0


class RunChildren:
    """Those that live, and those whose end is not in the log yet."""

    def __init__(self, state_dir: Path, log: RunLog, gpus: LooksAtGpus, config: RunConfig) -> None:
        self._state_dir, self._log, self._gpus, self.config = state_dir, log, gpus, config
        self._entries: dict[str, _Entry] = {}
        self._some_are_over = False

    def take_some_are_over(self) -> bool:
        """Whether a run ended for good since this was last asked."""
        some, self._some_are_over = self._some_are_over, False
        return some

    def __contains__(self, run: str) -> bool:
        return run in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def pids(self) -> set[int]:
        return {entry.child.pid for entry in self._entries.values()}

    def kill(self, run: str) -> None:
        """At once, where it has a child; also one of an earlier daemon that nobody has taken up yet."""
        if run in self._entries:
            self._entries[run].child.kill()
        elif (child := found(folder_of(self._state_dir, run))) is not None:
            child.kill()
            child.close()

    def add(self, child: Child, until: int | None, now: int) -> None:
        """A child that was started just now; the log is told."""
        entry = _Entry(child, now, noted=False, until=until, watch=self._watch_of(child.held.device))
        self._entries[child.folder.run] = entry
        self._note_started(entry, now)

    def _note_started(self, entry: _Entry, now: int) -> None:
        held, run = entry.child.held, entry.child.folder.run
        body = {"run": run, "attempt": attempt_of(self._log[run]), "device": held.device}
        body |= {"pid": held.pid, "from_step": held.from_step, "until": entry.until}
        self._log.append(RUN_STARTED, body, now)
        entry.noted = True

    def _watch_of(self, device: str) -> Watch | None:
        gpu = self._gpu(device)
        return None if gpu is None else Watch(gpu, self.config.device, self.pids())

    def _gpu(self, device: str) -> Gpu | None:
        if not device.startswith("cuda"):
            return None
        return next((gpu for gpu in self._gpus.look() if f"cuda:{gpu.number}" == device), None)

    def reap(self, now: int) -> list[str]:
        """Children that ended have their event; those that are silent, or wanted by somebody, are seen to."""
        told: list[str] = []
        for run, entry in list(self._entries.items()):
            if not entry.noted:
                self._note_started(entry, now)
            ended = entry.child.poll()
            if ended is not None:
                told.append(self._note_end(run, entry, ended, now))
            else:
                told += self._look_after(run, entry, now)
        return told

    # After a start of the daemon

    def take_up(self, now: int) -> list[str]:
        """After a start of the daemon: children of the one before, and ends that nobody has noted."""
        told: list[str] = []
        for path in sorted(run_folders(self._state_dir).glob("run-*")):
            if path.name in self._log.view.by_id and path.name not in self._entries:
                told += self.take_up_folder(RunFolder(path), now)
        running = [one for one in self._log.view.unfinished() if one["state"] == "running"]
        for record in running:
            if record["run"] not in self._entries:
                folder = folder_of(self._state_dir, record["run"])
                end = self._end_of(folder, record["starts"], record["last"].get("from_step", 0), None)
                told.append(self._note(record, end, now))
        return told

    def take_up_folder(self, folder: RunFolder, now: int) -> list[str]:
        """The child of that folder, when there is one; else the result of a start that is not in the log yet."""
        record = self._log[folder.run]
        child = found(folder)
        if child is not None:
            if record["state"] in OVER:  # cancelled, and killed between that and the deed
                child.kill()
                child.close()
                return []
            noted = child.held.start <= record["starts"]
            until = record["last"].get("until")
            entry = _Entry(child, now, noted=noted, until=until if isinstance(until, int) else None)
            entry.told, entry.watch = folder.stop_reason(), self._watch_of(child.held.device)
            self._entries[folder.run] = entry
            return [f"{folder.run} goes on in process {child.pid}, which an earlier daemon started"]
        return self._take_up_unnoted(folder, record, now)

    def _take_up_unnoted(self, folder: RunFolder, record: Record, now: int) -> list[str]:
        """A child that began and ended while its run_started was not in the log: both are told now."""
        try:
            result = folder.result(record["starts"] + 1)
            start = folder.start() if result is not None else None
        except BadRunFolder:
            return []
        if result is None or start is None or record["state"] in OVER or record["state"] == "running":
            return []
        body = {"run": folder.run, "attempt": attempt_of(record), "device": start.device, "pid": 0, "from_step": 0}
        self._log.append(RUN_STARTED, body | {"until": None}, now)
        return [self._note(self._log[folder.run], self._end_of(folder, start.start, 0, None), now)]

    # Ends

    def _note_end(self, run: str, entry: _Entry, ended: Ended, now: int) -> str:
        record, folder = self._log[run], entry.child.folder
        held = entry.child.held
        end = self._end_of(folder, held.start, held.from_step, ended.code)
        told = self._note(record, end._replace(killed=entry.killed, told=entry.told), now)
        del self._entries[run]
        entry.child.close()
        return told

    def _end_of(self, folder: RunFolder, start: int, from_step: int, code: int | None) -> End:
        """What the folder says of the end of that start; a model that is not there was not finished."""
        result, fault = None, None
        try:
            result = folder.result(start)
            if result is not None and result.state == "finished":
                folder.check_model(result.model_hash)
        except BadRunFolder as error:
            result, fault = None, str(error)
        return End(code, result, from_step, folder.checkpointed_step(), fault=fault)

    def _note(self, record: Record, end: End, now: int) -> str:
        """The event of this end, unless the run was over already."""
        if record["state"] in OVER:
            self._some_are_over = True
            return f"{record['run']}: its process ended after it was {record['state']}"
        kind, body = outcome(record, end, self.config.runs.attempts)
        self._log.append(kind, body, now)
        after = self._log[record["run"]]
        if after["state"] in OVER:
            self._some_are_over = True
        reason = f": {body['reason']}" if body.get("reason") else ""
        again = ", and is tried again" if after["state"] == "waiting" else ""
        return f"{record['run']} {kind.name.removeprefix('run_')}{again}{reason}"

    def _look_after(self, run: str, entry: _Entry, now: int) -> list[str]:
        """A child that lives: is it silent, does it heed, does somebody want its GPU?"""
        passed = min(max(0, now - entry.looked_at), MOST_SILENCE_A_TURN)
        entry.looked_at = now
        progress = entry.child.folder.progress()
        beat = (progress.start, progress.beat) if progress else None
        entry.silent = entry.silent + passed if beat == entry.beat else 0
        entry.beat = beat
        entry.told_for += passed if entry.told else 0
        if entry.killed is None and entry.silent >= self.config.runs.silent_seconds * MICROSECONDS:
            return self._kill(run, entry, f"it has reported nothing for {entry.silent // MICROSECONDS} seconds")
        patience = max(YIELD_PATIENCE_SECONDS, 3 * (self._log[run].get("checkpoint_seconds") or 0))
        if entry.killed is None and entry.told and entry.told_for >= patience * MICROSECONDS:
            return self._kill(run, entry, f"it did not end within {patience:.0f} seconds of being told to")
        return self._make_room(run, entry, now)

    def _kill(self, run: str, entry: _Entry, why: str) -> list[str]:
        entry.killed = why
        entry.child.kill()
        return [f"{run} is killed: {why}"]

    def _make_room(self, run: str, entry: _Entry, now: int) -> list[str]:
        if entry.watch is None or entry.told or now - entry.gpu_looked_at < LOOK_AT_GPU_SECONDS * MICROSECONDS:
            return []
        entry.gpu_looked_at = now
        gpu = self._gpu(entry.child.held.device)
        wanted_by = entry.watch.wanted_by(gpu, self.pids(), now) if gpu else None
        return [] if wanted_by is None else self._tell_to_stop(run, entry, "device", f": {wanted_by}")

    # Telling them to end

    def ask_to_yield(self, reason: YieldReason, keep: Collection[str] = ()) -> list[str]:
        """Each child is told once; of the window only those that it binds, and none of the workloads in `keep`."""
        told: list[str] = []
        for run, entry in self._entries.items():
            plan = self._log[run]["plan"]
            bound = reason != "window" or (plan.get("night") is not None and plan["workload"] not in keep)
            if bound and entry.told is None:
                told += self._tell_to_stop(run, entry, reason)
        return told

    def _tell_to_stop(self, run: str, entry: _Entry, reason: YieldReason, more: str = "") -> list[str]:
        entry.child.folder.ask_to_stop(reason)
        entry.told = reason
        return [f"{run} is told to pause, reason: {reason}{more}"]

    def stop(self, now: int) -> list[str]:
        """The daemon ends: children are told, waited for within bounds, and killed if they do not heed."""
        told = self.ask_to_yield("daemon")
        patience = float(STOP_PATIENCE_SECONDS)
        for run, entry in list(self._entries.items()):
            if not entry.child.wait(patience):
                told += self._kill(
                    run, entry, f"it did not end within {STOP_PATIENCE_SECONDS} seconds of being told to"
                )
                entry.child.wait(1.0)
            patience = 1.0  # all were told at once: who is waited for later has had the time already
        for run, entry in list(self._entries.items()):
            if not entry.noted:
                self._note_started(entry, now)
            ended = entry.child.poll()
            if ended is not None:
                told.append(self._note_end(run, entry, ended, now))
        return told
