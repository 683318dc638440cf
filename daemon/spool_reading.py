"""What lies in the spool folder: whose files, what is unread in them, and which of them nobody writes to any more.

A host holds an flock on the file that it writes; so whoever gets that lock knows that the file is at its end. It
deletes nothing that it does not hold the lock of, and does not know what a line means.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"[0-9a-f]{16}-[0-9]{6,}\.ndjson")
_BEING_BORN = re.compile(r"\.[0-9a-f]{16}-[0-9]{6,}\.ndjson\.new")
STALE_BIRTH_SECONDS = 3600
_READ_BYTES = 4 << 20
SEARCHED_AT_ONCE = 256 << 20  # bytes of a line without an end: other hosts wait meanwhile
_LINE_GUESS = 1536  # bytes of an ordinary line, with room: one reading usually fills a batch


Stored = Callable[[int, bytes], bytes]  # the number of a piece and its bytes → what is written of it
Line = str | bytes  # as text wherever it is UTF-8: bytes only for what is going to be quarantined, and its neighbours


class Piece(NamedTuple):
    """Whole lines from one place of one file; `end` is where the next reading starts."""

    name: str
    start: int
    end: int
    lines: Sequence[Line]
    more: bool = False

    def place_of(self, number: int) -> int:
        """Where in the file the line of that number (from 0) begins."""
        return self.start + bytes_of(self.lines[:number])


class Unfit(NamedTuple):
    """Bytes in a file that are no line to take in: too long, torn, or cut away."""

    name: str
    start: int
    end: int
    reason: str


def spool_names(folder: Path) -> list[str]:
    """The spool files in reading order: each writer's files by their number."""
    names = [entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name) and _is_file(entry)]
    return sorted(names, key=lambda name: (writer_of(name), len(name), name))  # the millionth comes after 999999


def strangers(folder: Path) -> list[str]:
    """Files in the folder that no host of ours wrote: they are left alone, and shown."""
    return sorted(
        entry.name
        for entry in os.scandir(folder)
        if not (_NAME.fullmatch(entry.name) or _BEING_BORN.fullmatch(entry.name)) or not _is_file(entry)
    )


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A plain file: a link may lead anywhere, and the opening of a named pipe waits for ever."""
    return entry.is_file(follow_symlinks=False)


def open_plain(path: Path) -> int:
    """A descriptor to read a spool file by; FileNotFoundError for what is no plain file, or a file of the state itself.

    Looked at before it is opened: opening a pipe waits for ever, and closing the log's own file, through a hard link,
    would drop SQLite's locks on it.
    """
    looking = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(looking)
        if not stat.S_ISREG(found.st_mode) or (found.st_nlink > 1 and _is_of_the_state(path.parent.parent, found)):
            raise FileNotFoundError(errno.ENOENT, "not a spool file", str(path))
        return os.open(f"/proc/self/fd/{looking}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(looking)


def _is_of_the_state(folder: Path, found: os.stat_result) -> bool:
    with os.scandir(folder) as entries:
        return found.st_ino in {entry.inode() for entry in entries}


def writer_of(name: str) -> str:
    return name[:16]


class Endless(NamedTuple):
    """A line that is too long already and has no end before `searched_to`."""

    start: int
    searched_to: int


def read_lines(path: Path, start: int, max_lines: int, max_line_bytes: int) -> Piece | Unfit | Endless | None:
    """The next whole lines from `start`; an Unfit for a line that is too long; None when there is no whole line yet."""
    wanted = max(min(max_lines * _LINE_GUESS, _READ_BYTES), max_line_bytes + 1)
    with open(open_plain(path), "rb", buffering=0) as file:
        data = os.pread(file.fileno(), wanted, start)
        if not data and start > os.fstat(file.fileno()).st_size:
            start = 0  # cut by somebody: what is read again is known by its ids, what is new must not be passed over
            data = os.pread(file.fileno(), wanted, start)
        if (last := data.rfind(b"\n")) >= 0:
            lines = _split(data[:last], max_lines)
            cut = len(lines) > max_lines
            if cut:
                del lines[max_lines:]
            return Piece(path.name, start, start + bytes_of(lines), lines, more=cut or len(data) == wanted)
        if len(data) <= max_line_bytes:
            return None
        return _searched(file.fileno(), path.name, Endless(start, start + len(data)), max_line_bytes)


def search_on(path: Path, endless: Endless, max_line_bytes: int) -> Unfit | Endless | None:
    """Looks for the end of that line from where it was looked for before; None when the file was cut meanwhile."""
    with open(open_plain(path), "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < endless.searched_to:
            return None
        return _searched(file.fileno(), path.name, endless, max_line_bytes)


def _searched(descriptor: int, name: str, endless: Endless, max_line_bytes: int) -> Unfit | Endless:
    line_end, searched_to = _end_of_line(descriptor, endless.searched_to)
    if line_end is None:
        return endless._replace(searched_to=searched_to)
    reason = f"longer than {max_line_bytes} bytes, the most that intake.max_event_bytes allows"
    return Unfit(name, endless.start, line_end, reason)


def _split(data: bytes, at_most: int) -> list[Line]:
    """Decoded as a whole, which is quicker than line by line."""
    try:
        return [*data.decode().split("\n", at_most)]
    except UnicodeDecodeError:
        return [*data.split(b"\n", at_most)]


def bytes_of(lines: Sequence[Line]) -> int:
    """How many bytes these lines take in the file, with their ends."""
    return sum(map(byte_length, lines)) + len(lines)


def byte_length(line: Line) -> int:
    return len(line) if isinstance(line, bytes) or line.isascii() else len(line.encode())


def _end_of_line(descriptor: int, place: int) -> tuple[int | None, int]:
    """Where the line that goes through `place` ends, its newline included, and how far was looked.

    No end, where it has none yet, or none within as much as one look may read.
    """
    until = place + SEARCHED_AT_ONCE
    while place < until and (data := os.pread(descriptor, _READ_BYTES, place)):
        found = data.find(b"\n")
        if found >= 0:
            return place + found + 1, place
        place += len(data)
    return None, place


@contextmanager
def abandoned(path: Path) -> Iterator[int | None]:
    """The file's size, with its lock held meanwhile, when no host has it any more; None while one does, or may."""
    try:
        descriptor = open_plain(path)
    except (FileNotFoundError, PermissionError):
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def clear_stale_births(folder: Path, now: int) -> int:
    """Removes files that a host began to make an hour ago and never finished making; returns how many."""
    removed = 0
    for entry in os.scandir(folder):
        is_birth = _BEING_BORN.fullmatch(entry.name) and _is_file(entry)
        if is_birth and _born_before(entry, now / 1e6 - STALE_BIRTH_SECONDS):
            with abandoned(Path(entry.path)) as size, suppress(FileNotFoundError):
                if size is not None:
                    os.unlink(entry.path)
                    removed += 1
    return removed


def _born_before(entry: os.DirEntry[str], moment: float) -> bool:
    """Asked before the lock is tried: a host that is just making its file must find the lock free."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime < moment
    except FileNotFoundError:
        return False


def read_range(path: Path, start: int, end: int) -> bytes:
    with open(open_plain(path), "rb") as file:
        file.seek(start)
        return file.read(end - start)


def copy_range(path: Path, start: int, end: int, target: Path, stored: Stored = lambda _number, piece: piece) -> None:
    """Copies a part of a file, in pieces as they are to be stored, and puts it on disk."""
    with open(open_plain(path), "rb") as file, target.open("wb") as copy:
        file.seek(start)
        number = 0
        while start < end and (data := file.read(min(_READ_BYTES, end - start))):
            copy.write(stored(number, data))
            number += 1
            start += len(data)
        copy.flush()
        os.fsync(copy.fileno())


class Unread(NamedTuple):
    """What one look at the folder found to take in."""

    names: list[str]
    pieces: list[Piece]
    unfit: list[Unfit]
    problems: list[str]
    more: bool


class SpoolReader:
    """Looks at the folder again and again, fairly: every host gets its turn, each host's files in their order."""

    def __init__(self, folder: Path, max_line_bytes: int) -> None:
        self._folder = folder
        self._max_line_bytes = max_line_bytes
        self._looks = 0
        self._endless: dict[str, Endless] = {}  # by file: so that what has no end is looked through once

    def look(
        self, positions: Mapping[str, int], max_lines: int, max_bytes: int, passed_over: Container[str] = ()
    ) -> Unread:
        """Unread whole lines of at most that many hosts as fill a batch. A negative position means: done with.

        Writers that are `passed_over` are not read.
        """
        names = spool_names(self._folder)
        self._endless = {name: endless for name, endless in self._endless.items() if name in names}
        unread = Unread(names, [], [], [], more=False)
        groups = [list(files) for writer, files in groupby(names, writer_of) if writer not in passed_over]
        by_writer = _rotated(groups, self._looks)
        self._looks += 1
        share = max(64, max_lines // max(1, len(by_writer)))
        more, room, bytes_left = False, max_lines, max_bytes
        for files in by_writer:
            pieces, unfit, files_more = self._of_writer(files, positions, min(share, room), bytes_left, unread.problems)
            unread.pieces.extend(pieces)
            unread.unfit.extend(unfit)
            more = more or files_more
            room -= sum(len(piece.lines) for piece in pieces)
            bytes_left -= sum(piece.end - piece.start for piece in pieces)
            if room <= 0 or bytes_left <= 0:
                more = True
                break
        return unread._replace(more=more)

    def _of_writer(
        self, files: list[str], positions: Mapping[str, int], room: int, bytes_left: int, problems: list[str]
    ) -> tuple[list[Piece], list[Unfit], bool]:
        pieces: list[Piece] = []
        for name in files:
            position = positions.get(name, 0)
            if position < 0:
                continue
            try:
                found = self.read_on(name, position, room)
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(f"spool/{name}: {error.strerror}; expected a file that the daemon's user may read")
                continue
            if isinstance(found, Unfit):
                return pieces, [found], True
            if isinstance(found, Endless):
                return pieces, [], found.searched_to < (self._folder / name).stat().st_size
            if found is not None:
                pieces.append(found)
                room -= len(found.lines)
                bytes_left -= found.end - found.start
                if found.more or room <= 0 or bytes_left <= 0:
                    return pieces, [], True
        return pieces, [], False

    def read_on(self, name: str, position: int, room: int) -> Piece | Unfit | Endless | None:
        """The next of that file; of a line that goes on and on only what was added to it since the last time."""
        path, endless = self._folder / name, self._endless.pop(name, None)
        found: Piece | Unfit | Endless | None = None
        if endless is not None and endless.start == position:
            found = search_on(path, endless, self._max_line_bytes)
        if found is None:
            found = read_lines(path, position, room, self._max_line_bytes)
        if isinstance(found, Endless):
            self._endless[name] = found
        return found


def _rotated(groups: list[list[str]], by: int) -> list[list[str]]:
    at = by % len(groups) if groups else 0
    return groups[at:] + groups[:at]
