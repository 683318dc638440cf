"""One spool file: how it is born under its flock, written, flushed to disk and let go.

It knows nothing of counters, rotation or forks: those are the spool's.
"""

from __future__ import annotations

import fcntl
import os
import sys
from _thread import LockType, RLock, allocate_lock, get_ident
from time import sleep as _sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

FILE_MODE = 0o660
GATHERINGS = 16  # measured: 6 events a flush without, 28 with, at 64 callers and 0.15 ms a flush
STATE_MODE = 0o2750  # as the daemon makes it: nobody but its owner replaces the log
SPOOL_MODE = 0o2770  # setgid: a daemon under another user of the same group can read and delete

# seams: a test puts failing ones here
_write = os.write
_fdatasync = os.fdatasync
_fsync = os.fsync


class SpoolFile:
    """An open spool file whose exclusive flock is held; every method may raise OSError."""

    __slots__ = (
        *(
            "_broken",
            "_depth",
            "_folder",
            "_identity",
            "_is_let_go",
            "_is_named_on_disk",
            "_leader",
            "_lock",
            "_waiting",
        ),
        *("fd", "flushed", "flushes", "path", "size", "wanted", "written"),
    )

    def __init__(self, folder: str, path: str, fd: int) -> None:
        self._folder, self.path, self.fd = folder, path, fd
        born = os.fstat(fd)
        self._identity = (born.st_dev, born.st_ino)
        self._broken: OSError | None = None
        self._is_named_on_disk = False  # is the folder's entry flushed?
        self._is_let_go = False
        self._lock = RLock()  # held for instants only
        self._leader = 0  # the thread that flushes now,
        self._depth = 0  # how often (a signal handler may flush in the midst of a flush),
        self._waiting: list[LockType] = []  # and those that look again when it ends
        self.size = 0
        self.written = 0  # the counter of the last whole line in it
        self.wanted = 0  # the counter up to which somebody waits for the disk
        self.flushed = 0  # the counter up to which it is on disk
        self.flushes = 0

    @classmethod
    def born(cls, folder: str, name: str) -> Self:
        """Make the file under a name that the daemon passes over, lock it, and only then give it its own name."""
        unborn = f"{folder}/.{name}.new"
        path = f"{folder}/{name}"
        fd = os.open(unborn, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            os.fchmod(fd, FILE_MODE)  # whatever the umask took away
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink == 0:
                raise FileNotFoundError(2, "somebody removed the file while it was made", unborn)
            os.rename(unborn, path)
            return cls(folder, path, fd)
        except BaseException:
            os.close(fd)
            _removed(unborn)
            raise

    def append(self, line: bytes) -> None:
        """Write a line by one write; a torn one is closed with a newline and the line written again, once."""
        written = _write(self.fd, line)
        if written != len(line):
            self.size += written
            self.size += self._whole(b"\n")
            written = self._whole(line)
        self.size += written

    def append_many(self, lines: list[bytes]) -> None:
        """Write the lines by one write; those after a torn place are written again."""
        data = b"".join(lines)
        written = _write(self.fd, data)
        self.size += written
        if written == len(data):
            return
        for line in lines:
            if written < len(line):
                break
            written -= len(line)
        torn_in = lines.index(line)  # ids make the lines differ
        if written:
            self.size += self._whole(b"\n")
        self.size += self._whole(b"".join(lines[torn_in:]))

    def _whole(self, data: bytes) -> int:
        written = _write(self.fd, data)
        if written != len(data):
            raise OSError(5, f"only {written} of {len(data)} bytes could be written", self.path)
        return written

    def is_still_there(self) -> bool:
        """Say whether the file still has its name and the descriptor is still that of this file."""
        try:
            now = os.fstat(self.fd)
        except OSError:
            self.fd = -1  # the host closed it
            return False
        if (now.st_dev, now.st_ino) != self._identity:
            self.fd = -1  # the host closed it, and the number is another file's by now
            return False
        return now.st_nlink > 0

    def flush(self, upto: int) -> None:
        """Return when the lines up to that counter are on disk.

        One caller leads and flushes for all who wrote before; the others wait, look again, and find it done or lead.
        After a failed flush the kernel has dropped the pages, so that trying again would lie: everyone who waits fails.
        """
        while self.flushed < upto:
            if self._broken is not None:
                raise OSError(self._broken.errno, self._broken.strerror, self.path)
            if self._takes_the_lead():
                try:
                    self._flush_what_is_written()
                finally:
                    self._lead_ends()

    def _flush_what_is_written(self) -> None:
        self._gather()
        reached = self.written
        try:
            _fdatasync(self.fd)
            self._name_on_disk()
        except OSError as trouble:
            self._broken = trouble
            raise
        self.flushed = max(self.flushed, reached)
        self.flushes += 1

    def _gather(self) -> None:
        """Let threads that are about to write do so first: where a flush is quick, each would need one of its own."""
        for _ in range(GATHERINGS):
            before = self.written
            _sleep(0)
            if self.written == before:
                return

    def _takes_the_lead(self) -> bool:
        """Return True to the thread that leads now; False to another one, when a lead has ended."""
        with self._lock:
            if self._leader in (0, get_ident()):
                self._leader = get_ident()
                self._depth += 1
                return True
            waiting = allocate_lock()
            waiting.acquire()
            self._waiting.append(waiting)
        waiting.acquire()
        return False

    def _lead_ends(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth:
                return
            if self._is_let_go:
                self._close()
            self._leader = 0
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.release()

    def _name_on_disk(self) -> None:
        if not self._is_named_on_disk:
            flush_folder(self._folder)
            self._is_named_on_disk = True

    def let_go(self) -> None:
        """Close the file, which frees its flock; those who wait for the disk are served first."""
        while not self._takes_the_lead():
            continue
        try:
            if self.fd >= 0 and self.wanted > self.flushed and self._broken is None:
                self._flush_for_those_who_wait()
            if self.fd >= 0 and self.size == 0:
                _removed(self.path)
        finally:
            self._is_let_go = True
            self._lead_ends()

    def _flush_for_those_who_wait(self) -> None:
        try:
            self._flush_what_is_written()
        except OSError:
            return  # they are told: `_broken` is set

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        try:
            os.close(fd)
        except OSError:
            return  # closed by the host, or an error of an earlier write: either way it is gone

    def forget_in_child(self, *, in_the_midst: bool) -> None:
        """Drop the descriptor that a forked child inherited, since it would hold the parent's flock.

        When the fork came in the midst of a write (a signal handler that forks), the child's own outer frames still go
        on to write to the number: it then leads nowhere.
        """
        self._lock, self._leader, self.flushed = RLock(), 0, sys.maxsize
        for one in self._waiting:
            one.release()
        if in_the_midst and self.fd >= 0:
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, self.fd, inheritable=False)
            os.close(nowhere)
            return
        self._close()


def make_folder(folder: str) -> None:
    """Make the spool's folder, and the state folder above it, where missing, on disk with their names."""
    for path, mode in ((os.path.dirname(folder), STATE_MODE), (folder, SPOOL_MODE)):
        try:
            os.mkdir(path, 0o750)
        except FileExistsError:
            continue
        os.chmod(path, mode)  # whatever the umask took away
        flush_folder(os.path.dirname(path))


def flush_folder(folder: str) -> None:
    """Return when the folder's entries are on disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _fsync(fd)
    finally:
        os.close(fd)


def flush_by_path(path: str) -> None:
    """Return when a file that was let go earlier is on disk; a file that is no more was taken in by the daemon."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _fdatasync(fd)
    finally:
        os.close(fd)


def _removed(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it had its own name already, or never had one
