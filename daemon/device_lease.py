"""This file knows how a device is had by one run at a time, whichever daemon of the machine it belongs to: a file lock.

The daemon takes the lock and hands it to the run's process, which holds it for its life, however it ends. The files lie
in a folder that every user of the machine may write to; they are never removed, since a lock on a removed file holds
nobody off. It does not know what a device can do, or who else uses it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from adaptd.errors import AdaptdError

FOLDER_VARIABLE = "ADAPTD_LEASES"
_FOR_ALL = 0o1777


class NoLeases(AdaptdError):
    """The folder of the leases cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}, expected a folder in which locks on devices can be kept. "
            f"Set {FOLDER_VARIABLE} to a folder that every daemon of this machine may write to."
        )


def lease_folder(environ: Mapping[str, str]) -> Path:
    """Where this machine's daemons keep their leases: the variable, /run/lock, or the folder for temporary files."""
    if environ.get(FOLDER_VARIABLE):
        return Path(environ[FOLDER_VARIABLE])
    common = Path("/run/lock")
    return (common if os.access(common, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())) / "adaptd"


class Lease:
    """A device that is had. `descriptor` goes to the process that is to hold it; then close ours."""

    def __init__(self, device: str, descriptor: int) -> None:
        self.device, self.descriptor = device, descriptor

    @classmethod
    def take(cls, folder: Path, device: str) -> Lease | None:
        """The device's lock; None while another run has it. NoLeases where no lock can be kept."""
        path = folder / f"{_as_name(device)}.lock"
        try:
            _make(folder)
            descriptor = _opened(path)
        except OSError as error:
            raise NoLeases(path, error.strerror or str(error)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise NoLeases(path, error.strerror or str(error)) from None
        return cls(device, descriptor)

    def close(self) -> None:
        """Lets go of it here; whoever inherited the descriptor still has it."""
        os.close(self.descriptor)


def _as_name(device: str) -> str:
    return "".join(char if char.isalnum() or char == "-" else "-" for char in device)


def _make(folder: Path) -> None:
    """For every user, as /tmp is: the first daemon makes it, and daemons of others have to get in."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    with suppress(PermissionError):
        folder.chmod(_FOR_ALL)


def _opened(path: Path) -> int:
    """Opened for reading alone, which a lock needs no more than: the file may be another user's."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        with suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            os.fchmod(made, 0o644)  # whatever the umask: others have to be able to lock it
            os.close(made)
        descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no plain file")
    return descriptor
