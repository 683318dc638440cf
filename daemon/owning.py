"""This file knows how a verb owns a state folder for as long as it works on it, while no daemon does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.clock_and_chance import Chance, Clock
from daemon.opening import State, open_state
from daemon.settings import read_settings
from daemon.state_folder import make_folders
from daemon.state_lock import StateLock

NOT_FOR_OTHERS = 0o007


@contextmanager
def owned_folder(state_dir: Path) -> Iterator[None]:
    """The folder's lock, and files that others may not read; StateInUse while a daemon runs on it."""
    make_folders(state_dir)
    lock = StateLock.take(state_dir, f"{os.getpid()} a verb", pause=lambda: time.sleep(0.025))
    before = os.umask(NOT_FOR_OTHERS)
    try:
        yield
    finally:
        os.umask(before)
        lock.release()


@contextmanager
def owned_state(state_dir: Path, config_path: str | None, clock: Clock, chance: Chance) -> Iterator[State]:
    """The folder, opened under its lock and by its configuration."""
    path = None if config_path is None else Path(config_path)
    settings, beside = read_settings(path), path and path.parent
    with owned_folder(state_dir), open_state(state_dir, settings, clock, chance, beside=beside) as state:
        yield state
