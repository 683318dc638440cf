"""This file knows how the night's shift and its parts are put together for one state folder."""

from __future__ import annotations

from pathlib import Path

from daemon.clock_and_chance import Chance, Clock
from daemon.forgetting import MEMORIES
from daemon.forming import Forming
from daemon.idle_parts import IDLE
from daemon.night_parts import NightParts
from daemon.night_shift import NightShift
from daemon.opening import State
from daemon.pool_sources import Sources
from daemon.preparing import Preparing
from daemon.settings import Settings
from daemon.standing import LiveStanding


def parts_of(state: State, settings: Settings, config_path: Path | None, clock: Clock, chance: Chance) -> NightParts:
    """Who prepares, forms and runs; making them starts nothing."""
    del clock
    beside = None if config_path is None else config_path.parent
    prepares = Preparing(state.state_dir, state.log, settings.embeddings.model, beside=beside)
    return IDLE._replace(prepares=prepares, forms=forming_of(state, settings, beside or state.state_dir, chance))


def forming_of(state: State, settings: Settings, beside: Path, chance: Chance) -> Forming:
    """Who forms batches of this folder; plugins are looked for in the folder `beside` first."""
    sources = Sources(state.state_dir, state.log, state.sealing, lambda: forming.settings)
    stands = LiveStanding(state.log, state.views, sources, state.state_dir / MEMORIES)
    forming = Forming(state.log, state.views, stands, settings, beside, chance)
    return forming


def shift_of(state: State, settings: Settings, parts: NightParts, clock: Clock, chance: Chance) -> NightShift:
    """The shift of a daemon that begins now."""
    return NightShift(state.log, state.views, chance, parts, settings, clock.now())
