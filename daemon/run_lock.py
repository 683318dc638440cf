"""This file knows whether a run's process lives: it holds an flock on `lock` in the run's folder for its life.

The daemon takes the lock before it starts the child and hands it on, so that there is no moment in which a second one
could begin. A daemon that was killed and comes back asks here who is there.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from daemon.run_folder import Held


def take(path: Path, held: Held) -> int | None:
    """The lock's descriptor, with who holds it written in; None while a process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    tell(descriptor, held)
    return descriptor


def tell(descriptor: int, held: Held) -> None:
    """Writes who holds it; in one write, so that readers see one or the other."""
    data = json.dumps(held._asdict()).encode()
    os.pwrite(descriptor, data.ljust(200), 0)


def holder(path: Path) -> Held | None:
    """Who holds the lock now; None when nobody does. What cannot be read is a pid of 0."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return read(descriptor)
    finally:
        os.close(descriptor)


def read(descriptor: int) -> Held:
    """What is written in it."""
    try:
        told = json.loads(os.pread(descriptor, 400, 0))
        return Held(int(told["pid"]), int(told["start"]), str(told["device"]), int(told["from_step"]))
    except (ValueError, KeyError, TypeError):
        return Held(0, 0, "", 0)
