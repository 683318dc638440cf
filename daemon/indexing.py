"""This file knows when indexes are built: for the model in use, and for one that is to be promoted before it is.

It is stepped by turns, with one child at a time on the leased device. What it does is an event afterwards; what was
killed is done again. Links are set each turn to what the log says, and indexes go with their models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import Chance
from daemon.event_kinds import INDEX_BUILT, INDEX_FAILED, Kind, own_event
from daemon.event_log import EventLog
from daemon.gpus import LooksAtGpus
from daemon.index_folder import IndexFolder, IndexSpec, index_folder, write_indexing
from daemon.index_shelf import clean, is_there, link, without_forgotten
from daemon.judge_children import JudgeChildren
from daemon.judge_folder import JudgeResult
from daemon.judge_planning import described
from daemon.night_parts import Told
from daemon.run_folder import BadRunFolder
from daemon.run_queue import Place
from daemon.shelves import TARGETS, Shelves
from daemon.views.examples import Examples
from daemon.views.models import Model, Standing
from daemon.views.runs import Runs
from daemon.views.store import Views

if TYPE_CHECKING:
    from daemon.night_settings import IndexSettings, WorkloadSettings
    from daemon.settings import Settings


class Job(NamedTuple):
    """One index to build."""

    workload: str
    model: int
    name: str
    build: int

    @property
    def body(self) -> dict[str, Any]:
        return {"workload": self.workload, "model": self.model, "index": self.name, "build": self.build}


class Indexing:
    """Builds for all workloads."""

    def __init__(
        self,
        place: Place,
        log: EventLog,
        views: Views,
        shelves: Shelves,
        gpus: LooksAtGpus,
        settings: Settings,
        chance: Chance,
    ) -> None:
        self._place, self._log, self._views, self._shelves, self._chance = place, log, views, shelves, chance
        self.settings = settings
        self._children = JudgeChildren(place, gpus, settings, "daemon.index_child", "gets its index")
        self._at: Job | None = None
        self._awaited: dict[str, int] = {}  # by workload: the model whose promotion waits

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on; a child goes on by the old one."""
        self.settings = settings
        self._children.follow(settings)

    def missing(self, workload: str, number: int) -> str | None:
        """What a promotion of that model waits for: "" while it is being built, a reason where it cannot be."""
        settings = self.settings.workloads[workload]
        model = self._shelves.view.standing(workload).models[number]
        if settings.reindex == "by_hand" or all(self._has(workload, model, name) for name in settings.index):
            self._awaited.pop(workload, None)
            return None
        self._awaited[workload] = number
        failed = ((name, model.indexes.get(name)) for name in settings.index)
        return next((f"index {n!r}: {fact['reason']}" for n, fact in failed if fact and "reason" in fact), "")

    def turn(self, now: int) -> Told:
        """The next step."""
        return [*self._settle(), *self._step(now)]

    def stop(self) -> Told:
        """Nothing may be done now, or the daemon ends: what is not finished is done again."""
        told = self._children.stop()
        if self._at is not None:  # an end that we wished for is no failed try
            index_folder(self._place.state_dir, self._at.workload, self._at.model, self._at.name).remove()
        self._at = None
        return told

    # As the log wants it

    def _settle(self) -> Iterator[str]:
        yield from without_forgotten(self._place.state_dir, self._views)
        for workload in self._shelves.view.workloads():
            standing = self._shelves.view.standing(workload)
            yield from link(self._place.state_dir, workload, standing)
            if self._at is None:
                yield from clean(self._place.state_dir, workload, self._needed(workload, standing))

    def _needed(self, workload: str, standing: Standing) -> set[int]:
        """The champion's, those of whom one would roll back to, and those of who is not decided about."""
        awaited = {self._awaited[workload]} & standing.models.keys() if workload in self._awaited else set()
        undecided = {number for number in awaited if standing.models[number].state == "challenger"}
        return {*standing.champions[-1 - TARGETS :], *undecided}

    # What is to be built

    def _wanted(self) -> Job | None:
        return next(self._jobs(), None)

    def _jobs(self) -> Iterator[Job]:
        for workload, settings in self.settings.workloads.items():
            standing = self._shelves.view.standing(workload)
            for number in dict.fromkeys((standing.champion, self._awaited.get(workload))):
                model = None if number is None else standing.models.get(number)
                if model is not None and self._may(workload, model):
                    yield from self._owed(workload, settings, standing, model)

    def _owed(self, workload: str, settings: WorkloadSettings, standing: Standing, model: Model) -> Iterator[Job]:
        for name in settings.index:
            if self._is_owed(workload, settings, standing, model, name):
                build = int((model.indexes.get(name) or {"build": 0})["build"]) + 1
                yield Job(workload, model.number, name, build)

    def _may(self, workload: str, model: Model) -> bool:
        there = self._shelves.of(workload).path(model.number).is_dir()
        return there and (model.state in ("champion", "challenger"))

    def _is_owed(self, workload: str, settings: WorkloadSettings, standing: Standing, model: Model, name: str) -> bool:
        fact = model.indexes.get(name)
        if model.number == standing.champion and standing.reindex_asked > (fact["seq"] if fact else 0):
            return True
        failed = fact is not None and "reason" in fact
        return settings.reindex == "before_promotion" and not failed and not self._has(workload, model, name)

    def _has(self, workload: str, model: Model, name: str) -> bool:
        return is_there(self._place.state_dir, workload, model.indexes.get(name))

    # Building

    def _step(self, now: int) -> Iterator[str]:
        job = self._at or self._wanted()
        if job is None:
            return
        folder = index_folder(self._place.state_dir, job.workload, job.model, job.name)
        try:
            if self._at is None and not self._is_of(folder, job):
                folder = self._written(job)
            ended = self._children.ended(folder, now, may=True)
            if ended is not None:
                yield self._note(job, folder, ended, now)
            elif not self._children.at_work:
                yield from self._children.begin(folder, folder.judge_spec(), now)  # type: ignore[arg-type]
            self._at = job if self._children.at_work else None
        except (AdaptdError, BadRunFolder) as error:
            self._at = None
            yield self._failed(job, str(error), now)

    def _is_of(self, folder: IndexFolder, job: Job) -> bool:
        """Whether what an earlier daemon began is this, and nobody was forgotten since."""
        try:
            spec = folder.judge_spec() if folder.is_whole() else None
        except BadRunFolder:
            return False
        forgotten_at = self._views.of(Runs).forgotten_at
        return spec is not None and spec.build == job.build and spec.position >= forgotten_at

    def _written(self, job: Job) -> IndexFolder:
        settings = self.settings.workloads[job.workload]
        plugin, said = described(job.workload, settings, self._place.beside)
        index: IndexSettings = settings.index[job.name]
        spec = IndexSpec(
            judging=index_folder(self._place.state_dir, job.workload, job.model, job.name).path.name,
            workload=job.workload,
            plugin=settings.plugin or job.workload,
            code=plugin.code_hash,
            settings=dict(settings.settings),
            model=job.model,
            index=job.name,
            build=job.build,
            texts=index.texts,
            by=index.build,
            dtype=index.dtype,
            position=self._views.position,
            devices=tuple(said.devices),
            memory_bytes=said.memory_bytes,
        )
        return write_indexing(self._place.state_dir, spec, self._outputs(settings))

    def _outputs(self, settings: WorkloadSettings) -> NDArray[np.int64]:
        """The workload's own inputs: of its artifact types, not taken back, of nobody who was forgotten."""
        examples = self._views.of(Examples)
        found = examples.resolved("seq", "artifact_type", "output_retracted", "side")
        names = examples.listed("artifact_type")
        kinds = [place for place, name in enumerate(names) if name in settings.artifact_types]
        usable = (found["seq"] > 0) & (found["side"] > 0) & ~found["output_retracted"].astype(np.bool_)
        if settings.artifact_types:
            usable &= np.isin(found["artifact_type"], kinds)
        return np.setdiff1d(found["seq"][usable], self._shelves.forgotten()).astype(np.int64)

    def _note(self, job: Job, folder: IndexFolder, ended: JudgeResult, now: int) -> str:
        result = folder.index_result(ended.start)
        if ended.state == "failed" or result is None:
            return self._failed(job, ended.reason or "it was not built", now)
        spec = folder.judge_spec()
        told: dict[str, Any] = {"fingerprint": result.fingerprint, "rows": result.rows, "dimension": result.dimension}
        told |= {"texts": result.texts, "recorded": spec.texts is None, "position": spec.position}
        self._say(INDEX_BUILT, job, told | {"seconds": result.seconds}, now)
        folder.remove()
        return f"{job.workload}: index {job.name} of model {job.model} is built, {result.rows} texts"

    def _failed(self, job: Job, reason: str, now: int) -> str:
        self._say(INDEX_FAILED, job, {"reason": reason}, now)
        return f"{job.workload}: index {job.name} of model {job.model} could not be built: {reason}"

    def _say(self, kind: Kind, job: Job, told: Mapping[str, Any], now: int) -> None:
        """Folded at once: what comes next goes by it."""
        self._log.append([own_event(kind, {**job.body, **told}, now, self._chance)])
        self._views.catch_up()
