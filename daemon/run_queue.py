"""This file knows which run is next, and what becomes of each: `daemon.night_parts.Runs`.

It is stepped by turns and never waits, but for its own end. What a run is and how it stands is in the log; what lies in
its folder says how far its child is. After a kill of daemon or child, whenever it was, the next turn finds both and
goes on: an intent is in the log before its deed, and a deed can be done twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from adaptd.errors import AdaptdError
from daemon import run_planning
from daemon.clock_and_chance import MICROSECONDS, Chance
from daemon.device import Choice, Gpu, Need, NoSuchDevice, Watch, choose
from daemon.device_lease import Lease
from daemon.event_kinds import (
    RUN_CANCELLED,
    RUN_FAILED,
    RUN_PLANNED,
    RUN_STARTED,
    Body,
    Kind,
    own_event,
)
from daemon.event_log import EventLog
from daemon.gpus import LooksAtGpus
from daemon.night_parts import NoSuchRun, NothingToCancel, Told, YieldReason
from daemon.nights import Night
from daemon.run_erasing import erase_over, holds_forgotten
from daemon.run_folder import BadRunFolder, RunFolder, Start, folder_of, id_of, number_of, put_whole, run_folders
from daemon.run_forecast import too_little_left
from daemon.run_outcomes import End, attempt_of, outcome
from daemon.run_planning import Batches, RunConfig
from daemon.run_process import Child, Ended, found, started
from daemon.views.runs import OVER, Record
from daemon.views.runs import Runs as RunsView

MOST_SILENCE_A_TURN = 60 * MICROSECONDS
"""A laptop that slept, or a clock that was set, is no silence of the child: so much of a turn counts at most."""
YIELD_PATIENCE_SECONDS = 120
STOP_PATIENCE_SECONDS = 30
LOOK_AT_GPU_SECONDS = 2


class Folds(Protocol):
    """The part of the views that the queue needs."""

    @property
    def runs(self) -> RunsView: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class Place(NamedTuple):
    """Where runs live: the state folder, the folder of config.toml, and that of this machine's leases."""

    state_dir: Path
    beside: Path
    leases: Path
    environ: Mapping[str, str]


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


class RunQueue:
    """Plans, starts, watches and ends runs."""

    def __init__(
        self,
        place: Place,
        log: EventLog,
        views: Folds,
        batches: Batches,
        gpus: LooksAtGpus,
        config: RunConfig,
        chance: Chance,
    ) -> None:
        self._place, self._log, self._views, self._batches = place, log, views, batches
        self._gpus, self._config, self._chance = gpus, config, chance
        self._children: dict[str, _Entry] = {}
        self._taken_up = False
        self._waits: dict[str, str] = {}
        self._checked_at: dict[str, int] = {}  # up to which forgetting a run was looked at
        self._told_once: set[str] = set()

    def follow(self, config: RunConfig) -> None:
        """The configuration that holds from now on; a child that runs goes on by the old one."""
        self._config = config

    # Asking

    def busy(self, workload: str) -> bool:
        """Whether a batch of it waits for its run, or a run of it is not over."""
        if any(record["plan"]["workload"] == workload for record in self._views.runs.unfinished()):
            return True
        return any(told["workload"] == workload for told in self._unplanned())

    def working(self) -> bool:
        """Whether a child is running."""
        return bool(self._children)

    def _unplanned(self) -> Iterator[Mapping[str, Any]]:
        """Batches without a run, but for those that were tried in vain in the same way before."""
        have = self._views.runs.batches()
        for told in self._batches.listed():
            if told["batch"] not in have and self._tried_in_vain(told) is None:
                yield told

    def _tried_in_vain(self, told: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The plan that was given up for the same batch, workload and settings."""
        plans = [plan for plan in self._views.runs.given_up() if plan.get("batch_hash") == told["hash"]]
        if not plans:
            return None
        try:
            plan = run_planning.plan_of("", told, self._config, self._place.beside)
        except AdaptdError:
            return None
        same = ("workload", "plugin", "mode", "settings", "base_model")
        return next((one for one in plans if all(one.get(name) == plan[name] for name in same)), None)

    # Planning

    def plan(self, now: int, night: Night | None) -> Told:  # noqa: ARG002 the batch knows its night
        """`run_planned` and the folder for each batch that has no run yet."""
        told: list[str] = []
        for batch in list(self._unplanned()):
            run = id_of(max((number_of(run) for run in self._views.runs.by_id), default=0) + 1)
            told.append(self._plan(run, batch, now))
        return told + list(self._tell_once_of_those_in_vain())

    def _plan(self, run: str, told: Mapping[str, Any], now: int) -> str:
        formed = self._batches.rebuild(told["batch"])
        try:
            body = run_planning.plan_of(run, told, self._config, self._place.beside)
            if isinstance(formed, str):
                raise run_planning.NotPlanned(formed)
        except AdaptdError as error:
            self._append(RUN_PLANNED, run_planning.bare_plan(run, told), now)
            return self._refuse(run, str(error), now)
        self._append(RUN_PLANNED, body | {"seed": formed.body["seed"]}, now)
        run_planning.write(self._place.state_dir, self._views.runs.by_id[run], formed, self._place.beside)
        return f"{run} planned: batch {told['batch']} of {told['workload']}"

    def _refuse(self, run: str, reason: str, now: int) -> str:
        body = {"run": run, "attempt": attempt_of(self._views.runs.by_id[run]), "how": "refused", "reason": reason}
        self._append(RUN_FAILED, body | {"final": True}, now)
        return f"{run} failed: {reason}"

    def _tell_once_of_those_in_vain(self) -> Iterator[str]:
        have = self._views.runs.batches()
        for told in self._batches.listed():
            vain = None if told["batch"] in have else self._tried_in_vain(told)
            if vain is not None and told["hash"] not in self._told_once:
                self._told_once.add(told["hash"])
                yield f"batch {told['batch']} is not planned: it is batch {vain['batch']} again, which was given up"

    def _folder(self, record: Record, now: int) -> RunFolder | str:
        """The run's folder, written again where a kill came before it; else what was told of the run's end."""
        folder = folder_of(self._place.state_dir, record["run"])
        if folder.is_whole():
            return folder
        formed = self._batches.rebuild(record["plan"]["batch"])
        if isinstance(formed, str):
            return self._refuse(record["run"], f"its folder is not there, and {formed}", now)
        try:
            return run_planning.write(self._place.state_dir, record, formed, self._place.beside)
        except AdaptdError as error:
            return self._refuse(record["run"], str(error), now)

    # Starting

    def start_next(self, now: int, night: Night | None, workload: str | None = None) -> Told:
        """The oldest run whose device is free begins, or goes on; one at a turn."""
        told: list[str] = []
        for record in self._views.runs.unfinished():
            mine = workload is None or record["plan"]["workload"] == workload
            if record["run"] in self._children or not mine or "seed" not in record["plan"]:
                continue
            if too_little_left(record, night.closes_at if night else None, now):
                continue
            said, has_begun = self._begin(record, now, night)
            told += said
            if has_begun:
                break
        return told

    def _begin(self, record: Record, now: int, night: Night | None) -> tuple[list[str], bool]:
        folder = self._folder(record, now)
        if isinstance(folder, str):
            return [folder], False
        try:
            spec = folder.spec()
            choice, lease = self._device(Need(spec.devices, spec.memory_bytes))
        except (BadRunFolder, NoSuchDevice) as error:
            return [self._refuse(record["run"], str(error), now)], False
        if lease is None or choice.device is None:
            return self._wait_for(folder, choice.why_not), False
        try:
            return self._spawn(record, folder, choice, lease, now, night)
        finally:
            lease.close()

    def _spawn(
        self, record: Record, folder: RunFolder, choice: Choice, lease: Lease, now: int, night: Night | None
    ) -> tuple[list[str], bool]:
        assert choice.device is not None
        start = Start(
            start=record["starts"] + 1,
            device=choice.device,
            beside=str(self._place.beside),
            seconds=None if night is None else (night.closes_at - now) / MICROSECONDS,
            halvings=record["failures"].get("memory", 0),
        )
        child = started(folder, start, lease, self._place.environ, choice.uuid)
        if child is None:  # one that an earlier daemon started, and that was not seen until now
            return self._take_up_folder(folder, now), True
        watch = self._watch_of(choice.device)
        entry = _Entry(child, now, noted=False, until=night.closes_at if night else None, watch=watch)
        self._children[record["run"]] = entry
        self._wait_for(folder, "")
        self._note_started(entry, now)
        again = f", from step {child.held.from_step}" if child.held.from_step else ""
        return [f"{record['run']} started on {choice.device}, process {child.pid}{again}"], True

    def _device(self, need: Need) -> tuple[Choice, Lease | None]:
        """A device that is free, and its lease: of several GPUs the best that no other run has."""
        gpus = list(self._gpus.look()) if self._config.device.use != "cpu" and "cuda" in need.devices else []
        refused: list[str] = []
        while True:
            choice = choose(self._config.device, need, gpus, self._pids())
            if choice.device is None:
                return choice._replace(why_not="; ".join([*refused, choice.why_not])), None
            lease = Lease.take(self._place.leases, choice.uuid or choice.device)
            if lease is not None:
                return choice, lease
            refused.append(f"another run has {choice.device}")
            gpus = [gpu for gpu in gpus if gpu.uuid != choice.uuid]
            if choice.uuid is None or not gpus:
                return Choice(None, why_not="; ".join(refused)), None

    def _pids(self) -> set[int]:
        return {entry.child.pid for entry in self._children.values()}

    def _watch_of(self, device: str) -> Watch | None:
        gpu = self._gpu(device)
        return None if gpu is None else Watch(gpu, self._config.device, self._pids())

    def _gpu(self, device: str) -> Gpu | None:
        if not device.startswith("cuda"):
            return None
        return next((gpu for gpu in self._gpus.look() if f"cuda:{gpu.number}" == device), None)

    def _wait_for(self, folder: RunFolder, why: str) -> list[str]:
        """Said when it changes, and left in the folder for those who look."""
        if self._waits.get(folder.run, "") == why:
            return []
        self._waits[folder.run] = why
        put_whole(folder.path / "waiting", why.encode(), durable=False)
        return [f"{folder.run} waits: {why}"] if why else []

    def _note_started(self, entry: _Entry, now: int) -> None:
        held, run = entry.child.held, entry.child.folder.run
        body = {"run": run, "attempt": attempt_of(self._views.runs.by_id[run]), "device": held.device}
        body |= {"pid": held.pid, "from_step": held.from_step, "until": entry.until}
        self._append(RUN_STARTED, body, now)
        entry.noted = True

    # What became of children

    def reap(self, now: int) -> Told:
        """Children that ended have their event; those that are silent, or wanted by somebody, are seen to."""
        told: list[str] = []
        if not self._taken_up:
            told += self._take_up(now)
            self._taken_up = True
        for run, entry in list(self._children.items()):
            if not entry.noted:
                self._note_started(entry, now)
            ended = entry.child.poll()
            if ended is not None:
                told.append(self._note_end(run, entry, ended, now))
            else:
                told += self._look_after(run, entry, now)
        return told + self._cancel_forgotten(now)

    def _take_up(self, now: int) -> list[str]:
        """After a start of the daemon: children of the one before, and ends that nobody has noted."""
        told: list[str] = []
        for path in sorted(run_folders(self._place.state_dir).glob("run-*")):
            if path.name in self._views.runs.by_id and path.name not in self._children:
                told += self._take_up_folder(RunFolder(path), now)
        running = [one for one in self._views.runs.unfinished() if one["state"] == "running"]
        for record in running:
            if record["run"] not in self._children:
                folder = folder_of(self._place.state_dir, record["run"])
                end = self._end_of(folder, record["starts"], record["last"].get("from_step", 0), None)
                told.append(self._note(record, end, now))
        return told

    def _take_up_folder(self, folder: RunFolder, now: int) -> list[str]:
        """The child of that folder, when there is one; else the result of a start that is not in the log yet."""
        record = self._views.runs.by_id[folder.run]
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
            self._children[folder.run] = entry
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
        self._append(RUN_STARTED, body | {"until": None}, now)
        return [self._note(self._views.runs.by_id[folder.run], self._end_of(folder, start.start, 0, None), now)]

    def _note_end(self, run: str, entry: _Entry, ended: Ended, now: int) -> str:
        record, folder = self._views.runs.by_id[run], entry.child.folder
        held = entry.child.held
        end = self._end_of(folder, held.start, held.from_step, ended.code)
        told = self._note(record, end._replace(killed=entry.killed, told=entry.told), now)
        del self._children[run]
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
            return f"{record['run']}: its process ended after it was {record['state']}"
        kind, body = outcome(record, end, self._config.runs.attempts)
        self._append(kind, body, now)
        after = self._views.runs.by_id[record["run"]]
        if after["state"] in OVER:
            self._tidy()
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
        if entry.killed is None and entry.silent >= self._config.runs.silent_seconds * MICROSECONDS:
            return self._kill(run, entry, f"it has reported nothing for {entry.silent // MICROSECONDS} seconds")
        patience = max(YIELD_PATIENCE_SECONDS, 3 * (self._views.runs.by_id[run].get("checkpoint_seconds") or 0))
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
        wanted_by = entry.watch.wanted_by(gpu, self._pids(), now) if gpu else None
        return [] if wanted_by is None else self._tell_to_stop(run, entry, "device", f": {wanted_by}")

    # Making an end

    def ask_to_yield(self, now: int, reason: YieldReason, *, keep: str | None = None) -> Told:  # noqa: ARG002
        """Each child is told once; not that of the workload `keep`."""
        told: list[str] = []
        for run, entry in self._children.items():
            kept = keep is not None and self._views.runs.by_id[run]["plan"]["workload"] == keep
            if not kept and entry.told is None:
                told += self._tell_to_stop(run, entry, reason)
        return told

    def _tell_to_stop(self, run: str, entry: _Entry, reason: YieldReason, more: str = "") -> list[str]:
        entry.child.folder.ask_to_stop(reason)
        entry.told = reason
        return [f"{run} is told to pause, reason: {reason}{more}"]

    def cancel(self, run: str, reason: str | None, now: int) -> None:
        """`run_cancelled`, and the end of its child."""
        record = self._views.runs.by_id.get(run)
        if record is None:
            raise NoSuchRun(f"no run {run!r}. `adaptd runs list` shows those that there are.")
        if record["state"] in OVER:
            raise NothingToCancel(
                f"{run} is {record['state']} already, expected one that is planned, paused or running"
            )
        self._append(RUN_CANCELLED, {"run": run, "reason": reason}, now)
        if run in self._children:
            self._children[run].child.kill()
        self._tidy()

    def _cancel_forgotten(self, now: int) -> list[str]:
        """Runs that would learn from somebody who was forgotten since their batch was formed."""
        told: list[str] = []
        newest = self._views.runs.forgotten_at
        for record in self._views.runs.unfinished():
            run = record["run"]
            folder = folder_of(self._place.state_dir, run)
            if not newest or self._checked_at.get(run, 0) >= newest or not folder.is_whole():
                continue
            if holds_forgotten(self._log, folder):
                self.cancel(run, "a subject that it was to learn from was forgotten", now)
                told.append(f"{run} is cancelled: a subject that it was to learn from was forgotten")
            self._checked_at[run] = newest
        return told

    def stop(self, now: int) -> Told:
        """The daemon ends: children are told, waited for within bounds, and killed if they do not heed."""
        told = list(self.ask_to_yield(now, "daemon"))
        patience = float(STOP_PATIENCE_SECONDS)
        for run, entry in list(self._children.items()):
            if not entry.child.wait(patience):
                told += self._kill(
                    run, entry, f"it did not end within {STOP_PATIENCE_SECONDS} seconds of being told to"
                )
                entry.child.wait(1.0)
            patience = 1.0  # all were told at once: who is waited for later has had the time already
        for run, entry in list(self._children.items()):
            if not entry.noted:
                self._note_started(entry, now)
            ended = entry.child.poll()
            if ended is not None:
                told.append(self._note_end(run, entry, ended, now))
        return told

    # The log, and the folders

    def _append(self, kind: Kind, body: Body, now: int) -> None:
        """Folded at once: what comes next goes by it."""
        self._log.append([own_event(kind, body, now, self._chance)])
        self._views.catch_up()

    def _tidy(self) -> None:
        """Folders of runs that are over: what only going on needs goes at once, the oldest go as a whole."""
        records = [one for one in self._views.runs.by_id.values() if one["state"] in OVER]
        newest_first = sorted(records, key=lambda one: -int(one["seq"]))
        for place, record in enumerate(newest_first):
            folder = folder_of(self._place.state_dir, record["run"])
            if record["run"] in self._children or not folder.path.is_dir():
                continue
            if place >= self._config.runs.keep_folders and not self._is_needed(record):
                folder.remove()
            else:
                erase_over(folder)

    def _is_needed(self, record: Record) -> bool:  # noqa: ARG002 what is on the shelf will be asked here
        """Whether somebody needs the folder of a run that is over."""
        return False
