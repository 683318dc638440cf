"""This file knows how the night's shift and its parts are put together for one state folder."""

from __future__ import annotations

from pathlib import Path

from daemon.clock_and_chance import Chance, Clock
from daemon.idle_parts import IDLE
from daemon.night_parts import NightParts
from daemon.night_shift import NightShift
from daemon.opening import State
from daemon.preparing import Preparing
from daemon.settings import Settings


def parts_of(state: State, settings: Settings, config_path: Path | None, clock: Clock, chance: Chance) -> NightParts:
    """Who prepares, forms and runs; making them starts nothing."""
    del clock, chance
    beside = None if config_path is None else config_path.parent
    return IDLE._replace(prepares=Preparing(state.state_dir, state.log, settings.embeddings.model, beside=beside))


def shift_of(state: State, settings: Settings, parts: NightParts, clock: Clock, chance: Chance) -> NightShift:
    """The shift of a daemon that begins now."""
    return NightShift(state.log, state.views, chance, parts, settings, clock.now())
