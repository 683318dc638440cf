"""This file knows who owns a state folder: one process, by an flock on `lock`, for as long as it lives.

The lock is the truth and the pid in the file is only told. Standard library alone: `status` asks here.
"""

from __future__ import annotations

import errno
import fcntl
import os

from adaptd.errors import AdaptdError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class StateInUse(AdaptdError):
    """Another process owns the state folder."""

    exit_code = 75

    def __init__(self, path: Path, owner: str) -> None:
        who = f"process {owner}" if owner else "another process"
        super().__init__(
            f"state folder {path.parent}: {who} already runs on it, expected a folder that no daemon uses. "
            f"Stop it first (kill -TERM {owner or 'PID'}), or choose another state_dir in config.toml."
        )
        self.path = path
        self.owner = owner


class StateLock:
    """A lock that is held. It is let go when the process ends, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, state_dir: Path, told: str, pause: Callable[[], None] = lambda: None, tries: int = 20) -> StateLock:
        """The lock, with `told` (pid and start) written into it; StateInUse when another process has it.

        Whoever only looks (`running_pid`) holds it for an instant: so there is more than one try, with a pause between.
        """
        path = state_dir / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _locked(descriptor, fcntl.LOCK_EX):
                tries -= 1
                if tries <= 0:
                    raise StateInUse(path, _pid_told(descriptor))
                pause()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, told.encode() + b"\n", 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def release(self) -> None:
        """Let it go, and tell no pid any more."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def running_pid(state_dir: str | os.PathLike[str]) -> str | None:
    """The pid of the daemon that owns the folder, "" when it has not told it yet, None when no daemon runs."""
    try:
        descriptor = os.open(os.path.join(state_dir, "lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor, fcntl.LOCK_SH) else _pid_told(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _pid_told(descriptor: int) -> str:
    words = os.pread(descriptor, 200, 0).decode("ascii", "replace").split()
    return words[0] if words and words[0].isdigit() else ""
