"""A process's own spool: which file, which counter, when the next file is born, and what a fork does to it."""

from __future__ import annotations

from _thread import RLock

from adaptd.errors import AdaptdError, LineTooLong, SpoolFailed
from adaptd.event_ids import new_writer
from adaptd.spool_file import SpoolFile, flush_by_path, flush_folder, make_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ROTATE_AT_BYTES = 4 * 1024 * 1024
LOOK_EVERY_US = 1_000_000  # how often the file is looked for, in microseconds
FIRST_PAUSE_US, LONGEST_PAUSE_US = 50_000, 1_000_000  # between two tries of a folder that has failed twice
MOST_LINE_BYTES = 1024 * 1024


class Spool:
    """The spool of one process. Threads, signal handlers and finalisers may all record in it.

    A call that comes in the midst of another one on the same thread (a signal handler, a `__del__`) writes to a spool
    of its own, `_inner`: so no line is torn, and each file stays in the order of its counters.
    """

    def __init__(self, folder: str, *, most_line_bytes: int = MOST_LINE_BYTES) -> None:
        self.folder = folder
        self.writer = new_writer()
        self.counter = 0
        self.most_line_bytes = most_line_bytes
        self._no_lines = 0  # numbers given out of the spool, those of failed calls, and lines whose flush failed
        self._lock = RLock()
        self._busy = False
        self._file: SpoolFile | None = None
        self._look_at = 0
        self._births = 0
        self._pauses = _Pauses()
        self._inner: Spool | None = None
        self._past = _Past()

    def put(self, kind: str, quoted_id: str, at: int, body: bytes, *, durable: bool = False) -> None:
        """Append one event; `body` is its fields as a JSON object. Raises SpoolFailed or LineTooLong."""
        with self._lock:
            if self._busy:
                return self._in_the_midst().put(kind, quoted_id, at, body, durable=durable)
            self._busy = True
            try:
                file = self._file
                # also when the clock was set back: then the look would be far ahead
                if file is None or not 0 <= self._look_at - at <= LOOK_EVERY_US * 2 or file.size > ROTATE_AT_BYTES:
                    file = self._ready(at)
                n = self.counter + 1
                head = f'{{"kind":"{kind}","id":{quoted_id},"writer":"{self.writer}","n":{n},"at":{at},'
                line = head.encode() + body[1:] + b"\n"
                if len(line) > self.most_line_bytes:
                    raise LineTooLong(len(line), self.most_line_bytes)
                try:
                    file.append(line)
                except OSError:
                    file = self._in_a_new_file(at)
                    file.append(line)
                self.counter = file.written = n
                if durable:
                    file.wanted = n
            except OSError as trouble:
                raise self._given_up(trouble, at) from trouble
            except AdaptdError:
                raise
            except BaseException:  # an interrupt between a torn piece and its newline
                self._skip(1)
                self._retire(self._file)
                raise
            finally:
                self._busy = False
        if durable:
            self._flush(file, n)
        return None

    def put_many(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[LineTooLong | None]:
        """Append events (quoted id, at, body) by one write; say for each whether it was too long."""
        with self._lock:
            if self._busy:
                return self._in_the_midst().put_many(kind, events)
            self._busy = True
            at = events[0][1]
            try:
                lines, answers = self._lines(kind, events)
                file = self._ready(at)
                try:
                    file.append_many(lines)
                except OSError:
                    file = self._in_a_new_file(at)
                    file.append_many(lines)
                self.counter = file.written = self.counter + len(lines)
            except OSError as trouble:
                self._skip(len(events))
                raise self._given_up(trouble, at) from trouble
            except AdaptdError:
                raise
            except BaseException:
                self._skip(len(events))
                self._retire(self._file)
                raise
            finally:
                self._busy = False
        return answers

    def _skip(self, count: int) -> None:
        """Leave out the counters of lines that may stand whole in a file: no other event gets them."""
        self.counter += count
        self._no_lines += count

    def _lines(self, kind: str, events: list[tuple[str, int, bytes]]) -> tuple[list[bytes], list[LineTooLong | None]]:
        lines: list[bytes] = []
        answers: list[LineTooLong | None] = []
        for quoted_id, at, body in events:
            n = self.counter + len(lines) + 1
            head = f'{{"kind":"{kind}","id":{quoted_id},"writer":"{self.writer}","n":{n},"at":{at},'
            line = head.encode() + body[1:] + b"\n"
            fits = len(line) <= self.most_line_bytes
            answers.append(None if fits else LineTooLong(len(line), self.most_line_bytes))
            if fits:
                lines.append(line)
        return lines, answers

    def number_for_elsewhere(self) -> int | None:
        """Return the next counter for an event that goes another way; None in the midst of a put on this thread."""
        with self._lock:
            if self._busy:
                return None
            self.counter += 1
            self._no_lines += 1
            return self.counter

    def _in_the_midst(self) -> Spool:
        made = self._inner or Spool(self.folder, most_line_bytes=self.most_line_bytes)
        if self._inner is None:  # else a finaliser has made one meanwhile
            self._inner = made
        return self._inner

    def _ready(self, at: int) -> SpoolFile:
        """Return the file to write to: the present one, or a new one when it is full or was removed."""
        file = self._file
        if file is not None and not file.is_still_there():
            self._past.removals += 1
            self._retire(file)
            file = None
        self._look_at = at + LOOK_EVERY_US
        if file is not None and file.written:
            self._pauses.over()
        if file is not None and file.size <= ROTATE_AT_BYTES:
            return file
        try:
            self._pauses.check(at)
            born = self._born()
        except OSError as trouble:
            if file is None:
                raise
            self._pauses.failed(trouble, self.folder, at)
            return file  # too long is better than lost
        except SpoolFailed:
            if file is None:
                raise
            return file
        if file is not None:
            self._retire(file)
        self._file = born
        return born

    def _in_a_new_file(self, at: int) -> SpoolFile:
        """Give the present file up, since a line could not be written whole, and return a new one."""
        self._retire(self._file)
        return self._ready(at)

    def _born(self) -> SpoolFile:
        self._births += 1
        name = f"{self.writer}-{self._births:06}.ndjson"
        try:
            return SpoolFile.born(self.folder, name)
        except FileNotFoundError:
            make_folder(self.folder)
            return SpoolFile.born(self.folder, name)

    def _retire(self, file: SpoolFile | None) -> None:
        self._file = None
        if file is not None:
            file.let_go()
            self._past.add(file)

    def _given_up(self, trouble: OSError, at: int) -> SpoolFailed:
        """Return the error to raise; the file may end in a torn line, so nothing more is written to it."""
        self._retire(self._file)
        return self._pauses.failed(trouble, self.folder, at)

    def _flush(self, file: SpoolFile, n: int) -> None:
        try:
            file.flush(n)
        except OSError as trouble:
            with self._lock:
                self._no_lines += 1
                if self._file is file:
                    self._retire(file)
            raise failure_of(trouble, self.folder) from trouble

    def flush(self) -> None:
        """Return when everything written so far is on disk; raises SpoolFailed."""
        with self._lock:
            file, inner = self._file, self._inner
            paths, self._past.unflushed_paths = self._past.unflushed_paths, []
            n = file.written if file is not None else 0
            if file is not None:
                file.wanted = n
        try:
            for path in paths:
                flush_by_path(path)
            if paths:
                flush_folder(self.folder)
        except OSError as trouble:
            raise failure_of(trouble, self.folder) from trouble
        if file is not None:
            self._flush(file, n)
        if inner is not None:
            inner.flush()

    def close(self) -> None:
        """Let the file go, so that the daemon may delete it; a later put makes a new one."""
        with self._lock:
            self._retire(self._file)
            inner = self._inner
        if inner is not None:
            inner.close()

    def in_child(self) -> Spool:
        """Return the spool of a forked child, in which nothing of the parent's is left open."""
        for spool in self._with_inner():
            if spool._file is not None:
                spool._file.forget_in_child(in_the_midst=spool._busy)
        return Spool(self.folder, most_line_bytes=self.most_line_bytes)

    def _with_inner(self) -> Iterator[Spool]:
        spool: Spool | None = self
        while spool is not None:
            yield spool
            spool = spool._inner

    def stats(self) -> dict[str, Any]:
        spools = list(self._with_inner())
        files = [spool._file for spool in spools if spool._file is not None]
        return {
            "lines": sum(spool.counter - spool._no_lines for spool in spools),
            "durable_flushes": sum(spool._past.flushes for spool in spools) + sum(file.flushes for file in files),
            "bytes": sum(spool._past.bytes for spool in spools) + sum(file.size for file in files),
            "removed_files": sum(spool._past.removals for spool in spools),
            "spool": self._file.path if self._file is not None else self.folder,
            "writer": self.writer,
        }


class _Past:
    """What is known of the files that were let go."""

    __slots__ = ("bytes", "flushes", "removals", "unflushed_paths")

    def __init__(self) -> None:
        self.bytes = self.flushes = self.removals = 0
        self.unflushed_paths: list[str] = []

    def add(self, file: SpoolFile) -> None:
        self.bytes += file.size
        self.flushes += file.flushes
        if file.flushed < file.written:
            self.unflushed_paths.append(file.path)


class _Pauses:
    """When a broken folder may be tried again: at once after the first failure, then in ever longer pauses."""

    __slots__ = ("_failures", "_from", "_last", "_until")

    def __init__(self) -> None:
        self._failures = self._from = self._until = 0
        self._last: SpoolFailed | None = None

    def check(self, at: int) -> None:
        """Raise the last failure while the pause lasts; a clock that was set back ends it."""
        if self._last is not None and self._from <= at < self._until:
            raise SpoolFailed(self._last.folder, self._last.reason, self._last.next_step)

    def failed(self, trouble: OSError, folder: str, at: int) -> SpoolFailed:
        self._last = failure_of(trouble, folder)
        pause = min(FIRST_PAUSE_US << min(self._failures - 1, 10), LONGEST_PAUSE_US) if self._failures else 0
        self._failures += 1
        self._from, self._until = at, at + pause
        return self._last

    def over(self) -> None:
        self._failures, self._last = 0, None


def failure_of(trouble: OSError, folder: str) -> SpoolFailed:
    """Return the error for a host, with the next step that fits the system's reason."""
    import errno

    steps = {
        errno.ENOENT: "Make the state folder, or point adaptd.configure(state_dir=...) at one",
        errno.ENOTDIR: "Point adaptd.configure(state_dir=...) at a folder",
        errno.EACCES: "Add this user to the group of the state folder",
        errno.EROFS: "Put the state folder on a disk that can be written",
        errno.ENOSPC: "Make room on the disk",
        errno.EDQUOT: "Make room in the quota",
        errno.EFBIG: "Raise the limit on the size of files (ulimit -f)",
        errno.EMFILE: "Raise the limit on open files (ulimit -n) or close some",
    }
    next_step = steps.get(trouble.errno or 0, "See `adaptd status`")
    return SpoolFailed(folder, trouble.strerror or str(trouble), f"{next_step}; adaptd tries again with the next call.")
