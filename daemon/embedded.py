"""This file knows how log, stage line and runs are stepped inside a host's own process, outside any window.

The state folder is owned from the first step until `close`; recording goes through the spool, and needs no lock.
Training is a child process as at night. The V2 document's loop (components/adaptive_learning_enhanced.py) is handed
out upon it; the daemon itself never comes here.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from adaptd.errors import AdaptdError, NotConfigured
from adaptd.event_ids import new_id
from adaptd.json_text import quote
from adaptd.locating import find
from adaptd.plain_values import Unusable, body_of
from adaptd.records import feedback_fields
from adaptd.spool import Spool
from daemon.batch_making import Line, Made, NotYet
from daemon.batches import FormedBatch
from daemon.clock_and_chance import Chance, Clock, SystemChance, SystemClock
from daemon.embedded_feeding import take_found, told_of_judgings, told_of_scores
from daemon.embedded_shaping import Shaping, shaping_of
from daemon.forming import Forming
from daemon.main_loop import MainLoop, TurnReport
from daemon.night_building import forming_by, keeping_of, queue_of
from daemon.night_parts import Formed, NightParts
from daemon.night_settings import EmbeddingsSettings, WorkloadSettings
from daemon.night_shift import NightShift
from daemon.nights import Night
from daemon.opening import open_state
from daemon.preparing import Preparing
from daemon.rebuilding import MARK
from daemon.rebuilding import body_of as batch_body
from daemon.settings import Settings, read_settings
from daemon.state_folder import make_folders
from daemon.state_lock import StateLock
from daemon.views.batches import Batches
from daemon.views.runs import Runs
from daemon.views.summary import read_summary

__all__ = ["Embedded", "shaping_of"]

LEAST_WORKLOAD = "tiny_classifier"  # where config.toml names none
CURRICULUM = "order_by_difficulty"


class ShapedForming(Forming):
    """Forms batches by components of this process, and marks those that no config.toml could form again."""

    shaping: Shaping

    def _line(self, workload: str) -> Line:
        line = super()._line(workload)
        for one in line.stages.stages:
            if one.named in self.shaping.objects:
                maker, component = self.shaping.objects[one.named]
                _hand_over(one.stage.settings, maker, component)
        return line

    def _form(self, batch: FormedBatch, made: Made | NotYet, now: int, *, asked: bool) -> Formed:
        if self.shaping.unnamed:
            marked = {**batch.body["fingerprints"], MARK: ", ".join(self.shaping.unnamed)}
            batch = batch._replace(body=batch.body | {"fingerprints": marked})
        return super()._form(batch, made, now, asked=asked)


def _hand_over(settings: Any, maker: str, component: Any) -> None:
    """From now on these settings give a copy of the component: a batch may not change the caller's."""
    object.__setattr__(settings, maker, lambda *_: copy.deepcopy(component))


class DayShift(NightShift):
    """A shift without nights: each workload has its batch as soon as its triggers say that there is enough."""

    def _night(self, now: int) -> Night | None:  # noqa: ARG002 no hour is another
        return None

    def _asked(self, now: int) -> list[str]:
        super()._asked(now)
        return list(self._workloads)

    def _by_hand(self, name: str, asked: Sequence[str]) -> bool:  # noqa: ARG002 all of them are
        return name in self._book().asks()


class Embedded:
    """One state folder in this process: recording, and a turn of the loop whenever `step` is called."""

    def __init__(
        self,
        state_dir: str | os.PathLike[str] | None,
        loop: Any,
        *,
        clock: Clock | None = None,
        chance: Chance | None = None,
    ) -> None:
        self.config, self.state_dir = _place(state_dir)
        self._loop, self._clock, self._chance = loop, clock or SystemClock(), chance or SystemChance()
        make_folders(self.state_dir)
        self._spool = Spool(str(self.state_dir / "spool"))
        self._opened: _Opened | None = None
        self._told_miner: Any = None

    def record(self, given: Mapping[str, Any]) -> str:
        """One feedback into the spool, in microseconds; its id. AdaptdError for a value that cannot be used."""
        try:
            body = body_of(feedback_fields({name: value for name, value in given.items() if value is not None}))
        except Unusable as wrong:
            found = f", found {wrong.found}" if wrong.found else ""
            raise AdaptdError(f"record_feedback: {wrong.place}: expected {wrong.expected}{found}.") from None
        now = self._clock.now()
        event_id = new_id(now)
        self._spool.put("feedback_recorded/1", quote(event_id), now, body)
        return event_id

    def step(self) -> TurnReport:
        """One turn: take in, fold, prepare, form, train, judge, as far as it goes now. It never waits for a child."""
        opened, now = self._open(), self._clock.now()
        self._tell_miner(opened)
        chosen = opened.take_found(self._loop.hparam_optimizer, now)
        report = opened.turn(now, shaping_of(self._loop))
        followed = told_of_judgings(opened.state, self._loop.performance_tracker)
        return report._replace(told=(*chosen, *report.told, *followed))

    def counts(self) -> dict[str, Any]:
        """What the log has: everything that was recorded is taken in first."""
        opened = self._open()
        opened.take_in(self._clock.now())
        return opened.counts()

    def close(self) -> None:
        """A run saves its checkpoint and ends; the folder is let go. What goes on later goes on from there."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close(self._clock.now())
        self._spool.close()

    def _open(self) -> _Opened:
        if self._opened is None:
            lock = StateLock.take(self.state_dir, f"{os.getpid()} a loop in its host", lambda: time.sleep(0.025))
            try:
                self._opened = _Opened(self, lock, self._clock, self._chance)
            except BaseException:
                lock.release()
                raise
            self._tell_miner(self._opened)
        return self._opened

    def _tell_miner(self, opened: _Opened) -> None:
        """Before anything is taken in: what waits in the spool was told by the loop when it was recorded."""
        miner = self._loop.hard_negative_miner
        if self._loop.enable_hard_negative_mining and miner is not self._told_miner:
            self._told_miner = miner
            told_of_scores(opened.state, opened.base, miner)


class _Opened:
    """The parts on the folder, while it is owned."""

    def __init__(self, embedded: Embedded, lock: StateLock, clock: Clock, chance: Chance) -> None:
        self.lock, config = lock, embedded.config
        self._chance, self._taken = chance, list[Any]()
        self.base = settings_for(config)
        beside = config.parent if config is not None else embedded.state_dir
        self.state = open_state(embedded.state_dir, self.base, clock, chance, beside=beside)
        self.forms = forming_by(ShapedForming, self.state, self.base, beside, chance)
        runs = queue_of(self.state, self.base, beside, self.forms, chance)
        keeps = keeping_of(self.state, self.base, beside, chance)
        prepares = Preparing(self.state.state_dir, self.state.log, self.base.embeddings.model, beside=beside)
        self.settings = self.base
        parts = NightParts(prepares, self.forms, runs, keeps)
        self.shift = DayShift(self.state.log, self.state.views, chance, parts, self.base, clock.now())
        self.loop = MainLoop(self.state.intake, self.state.views, shift=self.shift)

    def turn(self, now: int, shaping: Shaping) -> TurnReport:
        self.lock.keep()
        settings = shaping.applied(self.base)
        if settings != self.settings:
            self.shift.follow(settings)
        self.settings, self.forms.shaping = settings, shaping
        return self.loop.turn(now)

    def take_found(self, optimizer: Any, now: int) -> list[str]:
        """Each search that the optimizer has done since; what somebody chooses otherwise afterwards stays."""
        told: list[str] = []
        for one in list(getattr(optimizer, "found", {}).values()):
            if one not in self._taken:
                told += take_found(self.state, one, self.base.workloads, self._chance, now)
                self._taken.append(one)
        return told

    def take_in(self, now: int) -> None:
        while MainLoop(self.state.intake, self.state.views).turn(now).more:
            pass

    def counts(self) -> dict[str, Any]:
        batches = self.state.views.of(Batches).listed()
        runs = [run["state"] for run in self.state.views.of(Runs).by_id.values()]
        return {
            "feedback_events": read_summary(self.state.state_dir / "views.db")["feedback"],
            "training_batches": len(batches),
            "training_runs": {state: runs.count(state) for state in sorted(set(runs))},
            "stage": self._stage(batches[-1]["seq"]) if batches else None,
        }

    def _stage(self, seq: int) -> str | None:
        """At which stage of the curriculum that batch was formed."""
        reasons = batch_body(self.state.log, seq)["reasons"]
        words = [one["words"] for one in reasons if one["stage"] == CURRICULUM and " its stage " in one["words"]]
        return words[0].rpartition(" ")[2] if words else None

    def close(self, now: int) -> None:
        try:
            self.shift.stop(now)
        finally:
            self.state.close()
            self.lock.release()


def settings_for(config: Path | None) -> Settings:
    """What config.toml says; without a workload in it the least one, and without the file no model to look for."""
    settings = read_settings(config)
    if config is None:
        settings = msgspec.structs.replace(settings, embeddings=EmbeddingsSettings(model="hashing"))
    if settings.workloads:
        return settings
    return msgspec.structs.replace(settings, workloads={LEAST_WORKLOAD: WorkloadSettings(plugin=LEAST_WORKLOAD)})


def _place(state_dir: str | os.PathLike[str] | None) -> tuple[Path | None, Path]:
    try:
        place = find(None, None if state_dir is None else os.fspath(state_dir))
    except NotConfigured:
        return None, Path("state").absolute()
    return (None if place.config_path is None else Path(place.config_path)), Path(place.state_dir)
