"""This file knows the unix socket that events may come in by: lines in, one answer a line out, after the commit.

It moves bytes and decides nothing about events: lines go to the intake in batches, across all connections. No client
can make it wait: every socket is non-blocking, what a connection may leave with us is bounded, and who does not read
the answers is not read from.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daemon.line_batch import Outcome

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
READ_BYTES = 1 << 16
ANSWERS_WAITING_BYTES = 1 << 18
"""From here on no line of a connection is taken until it has read its answers, and soon nothing more is read."""
MAX_CONNECTIONS = 128


ASK = b'{"kind":"ask/1",'
"""How a line begins that asks which outputs are worth rating (adaptd/asking.py)."""
LONGEST_ASK = 2_000  # and so no deeper than Python can read
Answers = Callable[[Mapping[str, Any]], Mapping[str, object]]
TakeLines = Callable[[list[bytes]], "Sequence[Outcome]"]
"""Commits lines and says what became of each; may raise, and then none of them was recorded."""


class SocketDoor:
    """The listening socket and its connections, all on the caller's selector with a callback as their data."""

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        max_line_bytes: int,
        max_connections: int = MAX_CONNECTIONS,
        asks: Answers | None = None,
    ) -> None:
        self.path = path
        self.max_line_bytes = max_line_bytes
        self._selector = selector
        self._max_connections = max_connections
        self._asks = asks
        self._connections: dict[int, Connection] = {}
        self._listener = _listen(path)
        self._accepting = True
        selector.register(self._listener, READ, self._accept)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def waiting(self) -> bool:
        """Whether lines wait to be taken in."""
        return any(connection.has_line for connection in self._connections.values())

    def take_in(self, take_lines: TakeLines, limit: int) -> list[Outcome]:
        """Hand at most `limit` waiting lines to the intake and answer each; its error is told to all, then raised."""
        batch = [(connection, self._asked(line)) for connection, line in self._next_lines(limit)]
        lines = [line for _, line in batch if isinstance(line, bytes)]
        try:
            outcomes = list(take_lines(lines)) if lines else []
        except Exception as error:
            self._answer((connection, {"error": f"not recorded: {error}"}) for connection, _ in batch)
            raise
        following = iter(outcomes)
        self._answer(
            (connection, line.answer if isinstance(line, Refusal) else _as_answer(next(following)))
            for connection, line in batch
        )
        return outcomes

    def _asked(self, line: bytes | Refusal) -> bytes | Refusal:
        """A line that asks something is answered here, and is no event."""
        if self._asks is None or isinstance(line, Refusal) or not line.startswith(ASK):
            return line
        if len(line) > LONGEST_ASK:
            return Refusal(f"the question is longer than {LONGEST_ASK} bytes, expected what adaptd.ask() sends")
        try:
            return Refusal.answering(dict(self._asks(json.loads(line))))
        except ValueError:
            return Refusal("not one whole JSON object in UTF-8")

    def close(self) -> None:
        """End every connection and take the socket file away."""
        for connection in list(self._connections.values()):
            connection.flush()
            self._drop(connection)
        self._stop_accepting()
        self._listener.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _next_lines(self, limit: int) -> list[tuple[Connection, bytes | Refusal]]:
        """One line of each connection in turn, so that a busy client does not keep the others waiting."""
        batch: list[tuple[Connection, bytes | Refusal]] = []
        having = deque(connection for connection in self._connections.values() if connection.has_line)
        while having and len(batch) < limit:
            connection = having.popleft()
            batch.append((connection, connection.next_line()))
            if connection.has_line:
                having.append(connection)
        return batch

    def _answer(self, answers: Iterable[tuple[Connection, dict[str, object]]]) -> None:
        touched: dict[int, Connection] = {}
        for connection, answer in answers:
            connection.answer(answer)
            touched[id(connection)] = connection
        for connection in touched.values():
            self._settle(connection)

    def _accept(self, _mask: int) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError as error:
            # Out of descriptors the listener stays readable for ever: leave it until a connection has ended.
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and self._connections:
                self._stop_accepting()
            return
        client.setblocking(False)
        if len(self._connections) >= self._max_connections:
            _turn_away(client, self._max_connections)
            return
        connection = Connection(client, self.max_line_bytes)
        self._connections[client.fileno()] = connection
        self._selector.register(client, READ, lambda mask: self._serve(connection, mask))

    def _serve(self, connection: Connection, mask: int) -> None:
        if mask & READ:
            connection.max_line_bytes = self.max_line_bytes
            connection.read()
        self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Send what can be sent, then listen for what the connection can do next, or end it."""
        if connection.socket.fileno() not in self._connections:
            return
        connection.flush()
        if connection.finished:
            self._drop(connection)
            return
        wanted = (READ if connection.may_read else 0) | (WRITE if connection.answers_waiting else 0)
        self._listen_for(connection, wanted)

    def _listen_for(self, connection: Connection, wanted: int) -> None:
        registered = self._selector.get_map().get(connection.socket)
        if registered is not None and not wanted:
            self._selector.unregister(connection.socket)
        elif registered is None and wanted:
            self._selector.register(connection.socket, wanted, lambda mask: self._serve(connection, mask))
        elif registered is not None and registered.events != wanted:
            self._selector.modify(connection.socket, wanted, registered.data)

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.socket.fileno(), None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.socket.close()
        if not self._accepting:
            self._accepting = True
            self._selector.register(self._listener, READ, self._accept)

    def _stop_accepting(self) -> None:
        if self._accepting:
            self._accepting = False
            self._selector.unregister(self._listener)


class Refusal:
    """A line that is not handed on, with the answer that stands in its place."""

    def __init__(self, error: str) -> None:
        self.answer: dict[str, object] = {"error": error}

    @classmethod
    def answering(cls, answer: dict[str, object]) -> Refusal:
        """Not an event, but a question."""
        made = cls("")
        made.answer = answer
        return made


class Connection:
    """One client: what it has sent and was not taken yet, and the answers that it has not read yet."""

    def __init__(self, client: socket.socket, max_line_bytes: int) -> None:
        self.socket = client
        self.max_line_bytes = max_line_bytes
        self._received = bytearray()
        self._line_ends_at = -1
        self._searched_to = 0
        self._skipping = False
        self._ended = False
        self._answers = bytearray()
        self._deaf = False

    @property
    def may_read(self) -> bool:
        """Whether more of it can be held: no more than one longest line and one read."""
        return not self._ended and len(self._received) <= self.max_line_bytes

    @property
    def has_line(self) -> bool:
        """Whether `next_line` has one to give, be it to be refused."""
        if len(self._answers) >= ANSWERS_WAITING_BYTES:
            return False
        return self._line_ends_at >= 0 or len(self._received) > self.max_line_bytes or self._has_torn_end

    @property
    def answers_waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._answers)

    @property
    def finished(self) -> bool:
        """Whether it said its last and heard its last."""
        return self._ended and not self._received and not self._answers

    def read(self) -> None:
        """Take what has arrived, as far as it can be held."""
        if not self.may_read:
            return
        try:
            received = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        self._ended = not received
        self._keep(received)

    def next_line(self) -> bytes | Refusal:
        """The next line without its newline. Ask `has_line` first."""
        if self._line_ends_at >= 0:
            line = bytes(self._received[: self._line_ends_at])
            del self._received[: self._line_ends_at + 1]
            self._search(0)
            return line if len(line) <= self.max_line_bytes else self._too_long()
        self._skipping = not self._ended
        torn = len(self._received) <= self.max_line_bytes
        self._received.clear()
        self._search(0)
        if torn:
            return Refusal("not recorded: the last line has no newline at its end, expected one after every event")
        return self._too_long()

    def answer(self, answer: dict[str, object]) -> None:
        """Put one answer into the row of those to be sent."""
        if not self._deaf:
            self._answers += json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            self._answers += b"\n"

    def flush(self) -> None:
        """Send as much as goes now. A client that has gone is still listened to: what it sent before counts."""
        try:
            while self._answers:
                sent = self.socket.send(self._answers[:READ_BYTES])
                del self._answers[:sent]
        except BlockingIOError:
            return
        except OSError:
            self._deaf = True
            self._answers.clear()

    @property
    def _has_torn_end(self) -> bool:
        return self._ended and bool(self._received)

    def _keep(self, received: bytes) -> None:
        if self._skipping:
            _, newline, received = received.partition(b"\n")
            self._skipping = not newline
        self._received += received
        self._search(self._searched_to)

    def _search(self, start: int) -> None:
        self._line_ends_at = self._received.find(b"\n", start)
        self._searched_to = len(self._received) if self._line_ends_at < 0 else self._line_ends_at

    def _too_long(self) -> Refusal:
        return Refusal(
            f"not recorded: the line is longer than {self.max_line_bytes} bytes (intake.max_event_bytes in config.toml)"
        )


def _as_answer(outcome: Outcome) -> dict[str, object]:
    if outcome.error is not None:
        return {"error": outcome.error} if outcome.id is None else {"id": outcome.id, "error": outcome.error}
    answer: dict[str, object] = {"id": outcome.id, "seq": outcome.seq}
    return answer | {"repeat": True} if outcome.repeat else answer


def _turn_away(client: socket.socket, most: int) -> None:
    with contextlib.suppress(OSError):
        client.send(
            json.dumps({"error": f"{most} connections are open, which is the most; try again later"}).encode() + b"\n"
        )
    client.close()


def _listen(path: Path) -> socket.socket:
    """A listening socket under that name, mode 0660. A file left by a daemon that was killed makes way."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with _short_name(path) as name:
            listener.bind(name)
            os.chmod(name, 0o660)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _short_name(path: Path) -> Iterator[str]:
    """A name for the file that fits the 108 bytes of a socket's address, however deep its folder lies."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
