"""Sending events to the running daemon, which answers after its commit; to the spool while it does not.

An event whose answer did not come is spooled under the same id: the daemon knows it again should it have both.
"""

from __future__ import annotations

from _thread import RLock, get_ident
from time import monotonic

from adaptd.complaints import complaints
from adaptd.errors import AdaptdError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from adaptd.errors import LineTooLong
    from adaptd.spool import Spool

ANSWER_WITHIN_SECONDS = 2.0
HUNG_SECONDS = 30.0  # before a daemon that did not answer in time is asked again
AWAY_SECONDS = 1.0  # between two tries of a daemon that is away
LONGEST_ANSWER = 1024 * 1024


class Refused(AdaptdError):
    """The daemon answered a line with an error."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the daemon answered {reason!r}; the event is in the spool instead. See `adaptd status`.")


class SocketSink:
    """Puts events to the daemon's socket, and to the spool when the daemon is away or cannot take them."""

    def __init__(self, path: str, spool: Spool) -> None:
        self._path, self._spool = path, spool
        self._lock = RLock()
        self._busy = False
        self._connection: _Connection | None = None
        self._away_until = 0.0
        self._sent = 0
        self._bytes = 0

    def put(self, kind: str, quoted_id: str, at: int, body: bytes, *, durable: bool = False) -> None:
        """Return when the event is in the daemon's log, or in the spool. Raises SpoolFailed or LineTooLong."""
        if not self._is_taken(kind, [(quoted_id, at, body)]):
            self._spool.put(kind, quoted_id, at, body, durable=durable)

    def put_many(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[LineTooLong | None]:
        if self._is_taken(kind, events):
            return [None] * len(events)
        return self._spool.put_many(kind, events)

    def _is_taken(self, kind: str, events: list[tuple[str, int, bytes]]) -> bool:
        """Say whether the daemon has committed every event; tell the host of what it answered otherwise."""
        try:
            answers = self._answers(kind, events)
        except OSError:
            return False
        refused = [answer for answer in answers if b'"seq":' not in answer.replace(b" ", b"")]
        if refused:
            complaints.tell(Refused(refused[0].decode("utf-8", "replace").strip()[:500]), "Refused")
        return len(answers) == len(events) and not refused

    def _answers(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[bytes]:
        """Return the daemon's answers, one per event; none while it is away. Raises OSError when it goes away."""
        with self._lock:
            connection = None if self._busy else self._connected()
            if connection is None or connection.reader == get_ident():
                return []  # in a signal handler in the midst of a send or of an answer, the spool takes the event
            self._busy = True
            try:
                lines = self._lines(kind, events)
                ticket = connection.send(lines)
            except OSError as trouble:
                self._lost(connection, trouble)
                raise
            finally:
                self._busy = False
        try:
            answers = connection.answers(ticket, len(lines))
        except OSError as trouble:
            self._lost(connection, trouble)
            raise
        with self._lock:
            self._sent += len(lines)
            self._bytes += sum(map(len, lines))
        return answers

    def _lines(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[bytes]:
        spool, lines = self._spool, []
        for quoted_id, at, body in events:
            n = spool.number_for_elsewhere()
            head = f'{{"kind":"{kind}","id":{quoted_id},"writer":"{spool.writer}","n":{n},"at":{at},'
            line = head.encode() + body[1:] + b"\n"
            if n is None or len(line) > spool.most_line_bytes:
                return []  # the spool knows what to do
            lines.append(line)
        return lines

    def _connected(self) -> _Connection | None:
        if self._connection is None and monotonic() >= self._away_until:
            self._away_until = monotonic() + AWAY_SECONDS
            self._connection = _Connection(self._path)
        return self._connection

    def _lost(self, connection: _Connection, trouble: OSError | None = None) -> None:
        with self._lock:
            connection.close()
            if self._connection is connection:
                self._connection = None
                self._away_until = monotonic() + (HUNG_SECONDS if isinstance(trouble, TimeoutError) else AWAY_SECONDS)

    def flush(self) -> None:
        """Return when what went to the spool is on disk: what the daemon answered is on disk already."""
        self._spool.flush()

    def close(self) -> None:
        if self._connection is not None:
            self._lost(self._connection)
        self._spool.close()

    def in_child(self) -> SocketSink:
        """Return the sink of a forked child, with a connection and a spool of its own."""
        if self._connection is not None:
            self._connection.close()
        return SocketSink(self._path, self._spool.in_child())

    def stats(self) -> dict[str, Any]:
        of_spool = self._spool.stats()
        return of_spool | {"lines": of_spool["lines"] + self._sent, "bytes": of_spool["bytes"] + self._bytes}


class _Connection:
    """A connection whose answers come in the order of its lines.

    Who waits for an answer queues on the lock; the one who has it reads for all before, and those find theirs.
    """

    def __init__(self, path: str) -> None:
        import socket

        self._socket: socket.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_WITHIN_SECONDS)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._numbered = self._read = 0
        self._kept: dict[int, bytes] = {}
        self._piece = b""
        self._reading = RLock()
        self.reader = 0  # the thread that reads answers now

    def send(self, lines: list[bytes]) -> int:
        """Send the lines and return the number of the first; the caller holds the sender's lock."""
        first = self._numbered
        self._numbered += len(lines)
        self._socket.sendall(b"".join(lines))
        return first

    def answers(self, first: int, count: int) -> list[bytes]:
        with self._reading:
            self.reader = get_ident()
            try:
                while self._read < first + count:
                    self._read_some()
            finally:
                self.reader = 0
            return [self._kept.pop(number) for number in range(first, first + count)]

    def _read_some(self) -> None:
        received = self._socket.recv(65536)
        if not received or len(self._piece) > LONGEST_ANSWER:
            raise ConnectionResetError("the daemon closed the connection")
        *lines, self._piece = (self._piece + received).split(b"\n")
        for line in lines:
            self._kept[self._read] = line
            self._read += 1

    def close(self) -> None:
        self._socket.close()
