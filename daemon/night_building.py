"""This file knows how the night's shift and its parts are put together for one state folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from daemon.batches import FormedBatch
from daemon.clock_and_chance import Chance, Clock
from daemon.device_lease import lease_folder
from daemon.forgetting import MEMORIES
from daemon.forming import Forming
from daemon.golden_keeping import FrozenGoldens
from daemon.gpus import GpusOfThisMachine
from daemon.indexing import Indexing
from daemon.judging import Awaits, Judging, Stands
from daemon.model_beginning import Beginning
from daemon.night_parts import NightParts
from daemon.night_shift import NightShift
from daemon.opening import State
from daemon.pool_sources import Sources
from daemon.preparing import Preparing
from daemon.run_children import RunLog
from daemon.run_queue import Place, RunQueue
from daemon.settings import Settings
from daemon.shelves import JudgesAndKeeps, Shelves
from daemon.standing import LiveStanding
from daemon.tuning_nights import TuningNights
from daemon.views.batches import Batches
from daemon.views.chosen import Chosen
from daemon.views.store import Views

AForming = TypeVar("AForming", bound=Forming)


def parts_of(state: State, settings: Settings, config_path: Path | None, clock: Clock, chance: Chance) -> NightParts:
    """Who prepares, forms, runs and judges; making them starts nothing."""
    del clock
    beside = None if config_path is None else config_path.parent
    prepares = Preparing(state.state_dir, state.log, settings.embeddings.model, beside=beside)
    folder = beside or state.state_dir
    forms, keeps = forming_of(state, settings, folder, chance), keeping_of(state, settings, folder, chance)
    queue = queue_of(state, settings, folder, forms, chance)
    return NightParts(prepares, forms, queue, keeps, tuning_of(state, settings, config_path))


def tuning_of(state: State, settings: Settings, config_path: Path | None) -> TuningNights | None:
    """Who searches settings at night; nobody where there is no config.toml that a child could read."""
    if config_path is None:
        return None

    def chosen_at(workload: str) -> int:
        newest = state.views.of(Chosen).newest(workload, None)
        return 0 if newest is None else int(newest["at"])

    return TuningNights(state.state_dir, config_path, settings, os.environ, chosen_at)


def shelves_of(state: State, settings: Settings) -> Shelves:
    """The models of this folder."""
    return Shelves(state.state_dir, state.log, state.views, state.sealing, settings.models.keep)


def forming_of(state: State, settings: Settings, beside: Path, chance: Chance) -> Forming:
    """Who forms batches of this folder; plugins are looked for in the folder `beside` first."""
    return forming_by(Forming, state, settings, beside, chance)


def forming_by(made_by: type[AForming], state: State, settings: Settings, beside: Path, chance: Chance) -> AForming:
    """The same of another class."""
    sources = Sources(state.state_dir, state.log, state.sealing, lambda: forming.settings)
    stands = LiveStanding(state.log, state.views, sources, state.state_dir / MEMORIES)
    begins = Beginning(state.log, state.views, shelves_of(state, settings)).asked
    forming: AForming = made_by(state.log, state.views, stands, settings, beside, chance, begins)
    return forming


def keeping_of(state: State, settings: Settings, beside: Path, chance: Chance) -> JudgesAndKeeps:
    """Who judges what the runs of this folder leave, keeps the models, and builds their indexes."""
    shelves = shelves_of(state, settings)
    indexes = Indexing(place_of(state, beside), state.log, state.views, shelves, GpusOfThisMachine(), settings, chance)
    return JudgesAndKeeps(judging_of(state, settings, beside, chance, indexes), shelves, indexes)


class FormedBatches(NamedTuple):
    """The batches of the log, for the queue."""

    views: Views
    forming: Forming

    def listed(self) -> list[dict[str, Any]]:
        return self.views.of(Batches).listed()

    def rebuild(self, number: int) -> FormedBatch | str:
        return self.forming.rebuild(number)


def queue_of(state: State, settings: Settings, beside: Path, forming: Forming, chance: Chance) -> RunQueue:
    """The runs of this folder, on the devices of this machine."""
    log, batches = RunLog(state.log, state.views, chance), FormedBatches(state.views, forming)
    begins = Beginning(state.log, state.views, shelves_of(state, settings))
    return RunQueue(place_of(state, beside), log, batches, GpusOfThisMachine(), settings, begins)


def judging_of(
    state: State, settings: Settings, beside: Path, chance: Chance, indexes: Awaits | None = None
) -> Judging:
    """Who judges and decides what the runs of this folder leave."""
    sources = Sources(state.state_dir, state.log, state.sealing, lambda: judging.settings)
    stands = Stands(state.log, state.views, sources)
    goldens = FrozenGoldens(state.views, sources, lambda name: judging.settings.workloads[name].artifact_types)
    judging = Judging(place_of(state, beside), stands, GpusOfThisMachine(), settings, chance, goldens, indexes)
    return judging


def place_of(state: State, beside: Path) -> Place:
    """Where runs and judgings live."""
    return Place(state.state_dir, beside, lease_folder(os.environ), os.environ)


def shift_of(state: State, settings: Settings, parts: NightParts, clock: Clock, chance: Chance) -> NightShift:
    """The shift of a daemon that begins now."""
    return NightShift(state.log, state.views, chance, parts, settings, clock.now())
