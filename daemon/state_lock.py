"""This file knows who owns a state folder: one process, by an flock on the folder and on `lock` in it, while it lives.

The folder's lock is the truth: somebody may delete `lock`. The pid in the file is only told, and whoever looks asks the
file, so the owner puts it back. Standard library alone: `status` asks here.
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


class StateMoved(AdaptdError):
    """The folder that is owned is no longer where it was."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(
            f"state folder {state_dir}: was moved away or replaced while adaptd worked on it, expected the same folder "
            "for as long as it runs. Put it back where it was, and start adaptd again; what it had taken in is in it."
        )


class StateLock:
    """A lock that is held. It is let go when the process ends, however it ends."""

    def __init__(self, path: Path, folder: int, descriptor: int, told: str) -> None:
        self.path = path
        self._folder = folder
        self._descriptor = descriptor
        self._told = told

    @classmethod
    def take(cls, state_dir: Path, told: str, pause: Callable[[], None] = lambda: None, tries: int = 20) -> StateLock:
        """The lock, with `told` (pid and start) written into it; StateInUse when another process has it.

        Whoever only looks (`running_pid`) holds it for an instant: so there is more than one try, with a pause between.
        """
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while not _locked(folder, fcntl.LOCK_EX):
                tries -= 1
                if tries <= 0:
                    raise StateInUse(state_dir / "lock", _pid_in(state_dir / "lock"))
                pause()
            descriptor = _locked_file(state_dir / "lock", told, pause, tries)
        except BaseException:
            os.close(folder)
            raise
        return cls(state_dir / "lock", folder, descriptor, told)

    def keep(self) -> None:
        """Asked now and then while the folder is owned: puts `lock` back when somebody has deleted it.

        Raises StateMoved when this is another folder by now, and StateInUse when another process has the new file.
        """
        if not _is_at(self._folder, self.path.parent):
            raise StateMoved(self.path.parent)
        if not _is_at(self._descriptor, self.path):
            os.close(self._descriptor)
            self._descriptor = -1
            self._descriptor = _locked_file(self.path, self._told)

    def release(self) -> None:
        """Let it go, and tell no pid any more."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
        os.close(self._folder)


def _locked_file(path: Path, told: str, pause: Callable[[], None] = lambda: None, tries: int = 20) -> int:
    """The file, made where there is none, locked, with the owner told in it."""
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
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what was opened still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


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


def _pid_in(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return _pid_told(descriptor)
    finally:
        os.close(descriptor)
