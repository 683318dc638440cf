"""This file knows which run is next, and what becomes of each: `daemon.night_parts.Runs`.

It is stepped by turns and never waits, but for its own end. What a run is and how it stands is in the log; what lies in
its folder says how far its child is. After a kill of daemon or child, whenever it was, the next turn finds both and
goes on: an intent is in the log before its deed, and a deed can be done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon import run_planning
from daemon.clock_and_chance import MICROSECONDS
from daemon.device import CPU, Choice, Need, NoSuchDevice
from daemon.device_having import had
from daemon.device_lease import Lease, NoLeases
from daemon.event_kinds import RUN_CANCELLED, RUN_FAILED, RUN_PLANNED
from daemon.gpus import LooksAtGpus
from daemon.night_parts import NoSuchRun, NothingToCancel, Told, YieldReason
from daemon.nights import Night
from daemon.run_children import RunChildren, RunLog
from daemon.run_folder import BadRunFolder, RunFolder, Start, folder_of, id_of, number_of, put_whole
from daemon.run_forecast import too_little_left
from daemon.run_forgetting import erase_over, holds_forgotten
from daemon.run_outcomes import attempt_of
from daemon.run_planning import Batch, Batches, RunConfig
from daemon.run_process import started
from daemon.views.runs import OVER, Record


class Place(NamedTuple):
    """Where runs live: the state folder, the folder of config.toml, and that of this machine's leases."""

    state_dir: Path
    beside: Path
    leases: Path
    environ: Mapping[str, str]


class RunQueue:
    """Plans, starts, watches and ends runs."""

    def __init__(
        self,
        place: Place,
        log: RunLog,
        batches: Batches,
        gpus: LooksAtGpus,
        config: RunConfig,
        begins: Callable[[Mapping[str, Any]], Path | None] = lambda _: None,
    ) -> None:
        self._begins = begins  # the folder of the model that a batch's run begins from
        self._place, self._log, self._batches, self._gpus, self._config = place, log, batches, gpus, config
        self._children = RunChildren(place.state_dir, log, gpus, config)
        self._untidy = True
        self._taken_up = False
        self._waits: dict[str, str] = {}
        self._checked_at: dict[str, int] = {}  # up to which forgetting a run was looked at
        self._told_once: set[str] = set()

    def follow(self, config: RunConfig) -> None:
        """The configuration that holds from now on; a child that runs goes on by the old one."""
        self._config = self._children.config = config

    # Asking

    def busy(self, workload: str) -> bool:
        """Whether a batch of it waits for its run, or a run of it is not over."""
        if any(record["plan"]["workload"] == workload for record in self._log.view.unfinished()):
            return True
        return any(told["workload"] == workload for told in self._unplanned())

    def _unplanned(self) -> Iterator[Mapping[str, Any]]:
        """Batches without a run, but for those that were tried in vain in the same way before."""
        have = self._log.view.batches()
        for told in self._batches.listed():
            if told["batch"] not in have and self._tried_in_vain(told) is None:
                yield told

    def _tried_in_vain(self, told: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The plan that was given up, or whose model was rolled back, for the same batch, workload and settings.

        A batch is never the same to the byte as an older one, since weights decay: what was rolled back is not learnt
        again either where the batch only repeats it.
        """
        given_back = self._log.quarantined()
        plans = [plan for plan in (*self._log.view.given_up(), *given_back) if plan.get("batch_hash") == told["hash"]]
        plans += [plan for plan in given_back if self._repeats(told, plan)]
        if not plans:
            return None
        try:
            plan = run_planning.plan_of("", told, *self._by(told))
        except AdaptdError:
            return None
        same = ("workload", "plugin", "mode", "settings", "base_model")
        return next((one for one in plans if all(one.get(name) == plan[name] for name in same)), None)

    def _repeats(self, told: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
        """Whether the batch is to learn anew what that plan's was, of which nothing was said since."""
        first = {one["batch"]: one.get("repeats") or one["batch"] for one in self._batches.listed()}
        return "repeats" in told and told["repeats"] == first.get(plan["batch"])

    # Planning

    def plan(self, now: int) -> Told:
        """`run_planned` and the folder for each batch that has no run yet."""
        told: list[str] = []
        for batch in list(self._unplanned()):
            run = id_of(max((number_of(run) for run in self._log.view.by_id), default=0) + 1)
            told.append(self._plan(run, batch, now))
        return told + list(self._tell_once_of_those_in_vain())

    def _plan(self, run: str, told: Mapping[str, Any], now: int) -> str:
        formed = self._rebuilt(told["batch"])
        try:
            body = run_planning.plan_of(run, told, *self._by(told))
            if isinstance(formed, str):
                raise run_planning.NotPlanned(formed)
        except AdaptdError as error:
            self._log.append(RUN_PLANNED, run_planning.bare_plan(run, told), now)
            return self._refuse(run, str(error), now)
        self._log.append(RUN_PLANNED, body | {"seed": formed.body["seed"]}, now)
        run_planning.write(self._place.state_dir, self._log[run], formed, self._place.beside)
        return f"{run} planned: batch {told['batch']} of {told['workload']}"

    def _rebuilt(self, batch: int) -> Batch | str:
        try:
            return self._batches.rebuild(batch)
        except AdaptdError as error:  # somebody took away what it was formed with
            return f"batch {batch}: {error}"

    def _by(self, told: Mapping[str, Any]) -> tuple[RunConfig, Path, dict[str, Any], Path | None]:
        """What a plan goes by."""
        return self._config, self._place.beside, self._chosen(told), self._begins(told)

    def _chosen(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """What a search has chosen for the batch's workload."""
        workload = self._config.workloads.get(told["workload"])
        return self._log.chosen(told["workload"], workload.artifact_types) if workload is not None else {}

    def _refuse(self, run: str, reason: str, now: int) -> str:
        body = {"run": run, "attempt": attempt_of(self._log[run]), "how": "refused", "reason": reason}
        self._log.append(RUN_FAILED, body | {"final": True}, now)
        return f"{run} failed: {reason}"

    def _tell_once_of_those_in_vain(self) -> Iterator[str]:
        have = self._log.view.batches()
        for told in self._batches.listed():
            vain = None if told["batch"] in have else self._tried_in_vain(told)
            if vain is not None and told["hash"] not in self._told_once:
                self._told_once.add(told["hash"])
                why = "whose model was rolled back" if vain in self._log.quarantined() else "which was given up"
                yield f"batch {told['batch']} is not planned: it is batch {vain['batch']} again, {why}"

    def _folder(self, record: Record, now: int) -> RunFolder | str:
        """The run's folder, written again where a kill came before it; else what was told of the run's end."""
        folder = folder_of(self._place.state_dir, record["run"])
        if folder.is_whole():
            return folder
        formed = self._rebuilt(record["plan"]["batch"])
        if isinstance(formed, str):
            return self._refuse(record["run"], f"its folder is not there, and {formed}", now)
        try:
            return run_planning.write(self._place.state_dir, record, formed, self._place.beside)
        except AdaptdError as error:
            return self._refuse(record["run"], str(error), now)

    # Starting

    def start_next(self, now: int, night: Night | None, asked: Collection[str] = ()) -> Told:
        """The oldest run that may run now and whose device is free begins, or goes on; one at a turn."""
        told: list[str] = []
        for record in self._log.view.unfinished():
            free = record["plan"].get("night") is None or record["plan"]["workload"] in asked
            closes_at = night.closes_at if night is not None and not free else None
            if record["run"] in self._children or "seed" not in record["plan"] or (night is None and not free):
                continue
            if too_little_left(record, closes_at, now):
                continue
            said, has_begun = self._begin(record, now, closes_at)
            told += said
            if has_begun:
                break
        return told

    def _begin(self, record: Record, now: int, closes_at: int | None) -> tuple[list[str], bool]:
        folder = self._folder(record, now)
        if isinstance(folder, str):
            return [folder], False
        try:
            spec = folder.spec()
            choice, lease = self._device(Need(spec.devices, spec.memory_bytes))
        except (BadRunFolder, NoSuchDevice) as error:
            return [self._refuse(record["run"], str(error), now)], False
        except NoLeases as error:
            return self._wait_for(folder, str(error)), False
        if lease is None or choice.device is None:
            return self._wait_for(folder, choice.why_not), False
        try:
            told, has_begun = self._spawn(record, folder, choice, lease, now, closes_at)
            return [*self._why_no_gpu(choice, spec.devices), *told], has_begun
        finally:
            lease.close()

    def _why_no_gpu(self, choice: Choice, devices: Collection[str]) -> Iterator[str]:
        """Once, where a run that could use a GPU gets the CPU by itself."""
        why, by_itself = self._gpus.why_none, choice.device == CPU and self._config.device.use == "auto"
        if by_itself and "cuda" in devices and why not in self._told_once:
            self._told_once.add(why)
            yield f"runs have the CPU: {why}"

    def _spawn(
        self, record: Record, folder: RunFolder, choice: Choice, lease: Lease, now: int, closes_at: int | None
    ) -> tuple[list[str], bool]:
        assert choice.device is not None
        start = Start(
            start=record["starts"] + 1,
            device=choice.device,
            beside=str(self._place.beside),
            seconds=None if closes_at is None else (closes_at - now) / MICROSECONDS,
            halvings=record["failures"].get("memory", 0),
        )
        child = started(folder, start, lease, self._place.environ, choice.uuid)
        if child is None:  # one that an earlier daemon started, and that was not seen until now
            return self._children.take_up_folder(folder, now), True
        self._children.add(child, closes_at, now)
        self._wait_for(folder, "")
        again = f", from step {child.held.from_step}" if child.held.from_step else ""
        return [f"{record['run']} started on {choice.device}, process {child.pid}{again}"], True

    def _device(self, need: Need) -> tuple[Choice, Lease | None]:
        """A device that is free, and its lease: of several GPUs the best that no other run has."""
        return had(self._config.device, need, self._gpus, self._place.leases, self._children.pids())

    def _wait_for(self, folder: RunFolder, why: str) -> list[str]:
        """Said when it changes, and left in the folder for those who look."""
        if self._waits.get(folder.run, "") == why:
            return []
        self._waits[folder.run] = why
        put_whole(folder.path / "waiting", why.encode(), durable=False)
        return [f"{folder.run} waits: {why}"] if why else []

    # What became of children

    def reap(self, now: int) -> Told:
        """What became of children, and runs that nobody may learn any more."""
        told: list[str] = []
        if not self._taken_up:
            told += self._children.take_up(now)
            self._taken_up = True
        told += self._children.reap(now)
        told += self._cancel_forgotten(now)
        if self._untidy or self._children.take_some_are_over():
            self._tidy()
        return told

    def ask_to_yield(self, now: int, reason: YieldReason, keep: Collection[str] = ()) -> Told:  # noqa: ARG002
        """Each child is told once; of the window only those that it binds, and none of the workloads in `keep`."""
        return self._children.ask_to_yield(reason, keep)

    def stop(self, now: int) -> Told:
        """The daemon ends: children are told, waited for within bounds, and killed if they do not heed."""
        return self._children.stop(now)

    # Making an end

    def cancel(self, run: str, reason: str | None, now: int) -> None:
        """`run_cancelled`, and the end of its child."""
        record = self._log.view.by_id.get(run)
        if record is None:
            raise NoSuchRun(f"no run {run!r}. `adaptd runs list` shows those that there are.")
        if record["state"] in OVER:
            raise NothingToCancel(
                f"{run} is {record['state']} already, expected one that is planned, paused or running"
            )
        self._log.append(RUN_CANCELLED, {"run": run, "reason": reason}, now)
        self._children.kill(run)
        self._untidy = True

    def _cancel_forgotten(self, now: int) -> list[str]:
        """Runs that would learn from somebody who was forgotten since their batch was formed."""
        told: list[str] = []
        newest = self._log.view.forgotten_at
        for record in self._log.view.unfinished():
            run = record["run"]
            folder = folder_of(self._place.state_dir, run)
            if not newest or self._checked_at.get(run, 0) >= newest or not folder.is_whole():
                continue
            if self._holds_forgotten(folder):
                self.cancel(run, "a subject that it was to learn from was forgotten", now)
                told.append(f"{run} is cancelled: a subject that it was to learn from was forgotten")
            self._checked_at[run] = newest
        return told

    def _holds_forgotten(self, folder: RunFolder) -> bool:
        try:
            return holds_forgotten(self._log.log, folder)
        except BadRunFolder:  # nothing is learnt from it: its next start says so
            return False

    def _tidy(self) -> None:
        """Folders of runs that are over: what only going on needs goes at once, the oldest go as a whole."""
        self._untidy = False
        records = [one for one in self._log.view.by_id.values() if one["state"] in OVER]
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
