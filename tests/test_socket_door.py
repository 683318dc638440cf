"""The unix socket: a line in, an answer out; and no client that can make it wait, grow or fall."""

import json
import selectors
import socket
import stat
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.socket_door import ANSWERS_WAITING_BYTES, SocketDoor

MOST = 1000


class Outcome(NamedTuple):
    id: str | None
    seq: int | None = None
    repeat: bool = False
    error: str | None = None


class Numbering:
    """An intake that gives each line a number, or the error that it was told to give."""

    def __init__(self):
        self.batches = []
        self.failing = None

    def __call__(self, lines):
        if self.failing:
            raise self.failing
        before = sum(map(len, self.batches))
        self.batches.append(lines)
        return [self._outcome(line, before + number) for number, line in enumerate(lines, 1)]

    def _outcome(self, line, number):
        if line == b"bad":
            return Outcome(None, error="line 1: expected JSON")
        return Outcome(line.decode("utf-8", "replace")[:20], number, repeat=line == b"again")


@pytest.fixture
def selector():
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture
def door(tmp_path, selector):
    made = SocketDoor(tmp_path / "adaptd.sock", selector, MOST, max_connections=3)
    yield made
    made.close()


@pytest.fixture
def connect(door):
    clients = []

    def new():
        client = socket.socket(socket.AF_UNIX)
        clients.append(client)
        client.settimeout(5)
        client.connect(str(door.path))
        return client

    yield new
    for client in clients:
        client.close()


def step(selector, rounds=20):
    """Everything that is ready now."""
    for _ in range(rounds):
        ready = selector.select(0)
        if not ready:
            return
        for key, mask in ready:
            key.data(mask)


def answers(client):
    client.settimeout(0.2)
    received = b""
    try:
        while chunk := client.recv(1 << 20):
            received += chunk
    except TimeoutError:
        pass
    return [json.loads(line) for line in received.splitlines()]


def serve(door, selector, take_lines, limit=100):
    step(selector)
    while door.waiting:
        door.take_in(take_lines, limit)
        step(selector)


def test_each_line_has_its_answer_in_order(door, selector, connect):
    """An event, a repeat, an error, and an answer for each, in the order of the lines."""
    client = connect()
    client.sendall(b"one\nagain\nbad\ntwo\n")
    serve(door, selector, Numbering())
    assert answers(client) == [
        {"id": "one", "seq": 1},
        {"id": "again", "seq": 2, "repeat": True},
        {"error": "line 1: expected JSON"},
        {"id": "two", "seq": 4},
    ]


def test_lines_of_many_connections_make_one_batch(door, selector, connect):
    """A group commit: one line of each in turn, whatever a busy one has waiting."""
    busy, other = connect(), connect()
    busy.sendall(b"a\nb\nc\n")
    other.sendall(b"d\n")
    step(selector)
    take_lines = Numbering()
    door.take_in(take_lines, 3)
    assert sorted(take_lines.batches[0]) == [b"a", b"b", b"d"]
    assert door.waiting
    serve(door, selector, take_lines)
    assert [answer["id"] for answer in answers(busy)] == ["a", "b", "c"]
    assert answers(other)[0]["id"] == "d"


def test_a_line_in_pieces_is_one_line(door, selector, connect):
    """Where the reads cut it does not matter."""
    client = connect()
    take_lines = Numbering()
    for piece in (b"on", b"e\ntw", b"o", b"\n"):
        client.sendall(piece)
        serve(door, selector, take_lines)
    assert [line for batch in take_lines.batches for line in batch] == [b"one", b"two"]


def test_nothing_waits_means_nothing_is_asked(door, selector):
    """Without lines the intake is left alone."""
    step(selector)
    assert door.take_in(Numbering(), 10) == []
    assert not door.waiting


@pytest.mark.parametrize("size", [MOST, MOST + 1, 5 * MOST, 300_000])
def test_a_line_that_is_too_long_is_refused_and_the_next_is_taken(size, door, selector, connect):
    """The longest line passes; beyond it the line is answered with the limit and its key, in its place."""
    client = connect()
    take_lines = Numbering()
    client.setblocking(False)
    data = b"before\n" + b"x" * size + b"\nafter\n"
    while data:
        try:
            data = data[client.send(data) :]
        except BlockingIOError:
            serve(door, selector, take_lines)
    serve(door, selector, take_lines)
    before, long, after = answers(client)
    assert (before["id"], after["id"]) == ("before", "after")
    if size == MOST:
        assert long["seq"] == 2
    else:
        assert long == {
            "error": "not recorded: the line is longer than 1000 bytes (intake.max_event_bytes in config.toml)"
        }


def test_a_client_without_newlines_is_held_to_the_longest_line(door, selector, connect):
    """However much it sends, what is kept of it is bounded."""
    client = connect()
    client.setblocking(False)
    connection = None
    for _ in range(200):
        with suppress(BlockingIOError):
            client.send(b"y" * 65536)
        serve(door, selector, Numbering())
        (connection,) = door._connections.values()
        assert len(connection._received) <= MOST + 65536
    client.setblocking(True)
    client.sendall(b"\nafter\n")
    serve(door, selector, Numbering())
    told = answers(client)
    assert len(told) == 2
    assert told[1]["id"] == "after"


def test_what_waits_for_a_slow_commit_is_bounded(door, selector, connect):
    """However many lines arrive meanwhile, no more than one longest line and one read of them is held."""
    client = connect()
    client.setblocking(False)
    for _ in range(400):
        with suppress(BlockingIOError):
            client.send(b"line\n" * 2000)
        step(selector)
    (connection,) = door._connections.values()
    assert 0 < len(connection._received) <= MOST + 65536


def test_a_torn_last_line_is_not_taken(door, selector, connect):
    """A client that ends in the middle of a line is told so; what it sent before counts."""
    client = connect()
    client.sendall(b'whole\n{"half')
    client.shutdown(socket.SHUT_WR)
    take_lines = Numbering()
    serve(door, selector, take_lines)
    assert take_lines.batches == [[b"whole"]]
    assert [answer.get("id") for answer in answers(client)] == ["whole", None]
    assert door.connections == 0


def test_lines_of_a_client_that_has_gone_count(door, selector, connect):
    """Who sends and leaves without reading the answers has recorded all the same."""
    client = connect()
    client.sendall(b"one\ntwo\nthree\n")
    client.close()
    take_lines = Numbering()
    serve(door, selector, take_lines, limit=1)
    assert take_lines.batches == [[b"one"], [b"two"], [b"three"]]
    assert door.connections == 0


def test_who_does_not_read_the_answers_is_not_listened_to(door, selector, connect):
    """Its answers stay within a bound, and others are served meanwhile."""
    deaf, other = connect(), connect()
    deaf.setblocking(False)
    take_lines = Numbering()
    sent = 0
    for _ in range(400):
        try:
            sent += deaf.send(b"z\n" * 2000)
        except BlockingIOError:
            break
        serve(door, selector, take_lines, limit=1000)
    most = ANSWERS_WAITING_BYTES + 100_000
    assert all(len(connection._answers) < most for connection in door._connections.values())
    assert not door.waiting
    other.sendall(b"me\n")
    serve(door, selector, take_lines)
    assert answers(other)[0]["id"] == "me"
    deaf.setblocking(True)
    deaf.settimeout(5)
    received = b""
    while received.count(b"\n") < sent // 2:
        serve(door, selector, take_lines, limit=1000)
        received += deaf.recv(1 << 20)
    assert received.count(b"\n") == sent // 2


def test_an_error_of_the_intake_is_told_to_everybody(door, selector, connect):
    """After a failed commit no client believes that it recorded, and the next commit is a new one."""
    client = connect()
    client.sendall(b"one\ntwo\n")
    step(selector)
    take_lines = Numbering()
    take_lines.failing = OSError("disk is full")
    with pytest.raises(OSError, match="disk is full"):
        door.take_in(take_lines, 10)
    take_lines.failing = None
    client.sendall(b"three\n")
    serve(door, selector, take_lines)
    assert answers(client) == [
        {"error": "not recorded: disk is full"},
        {"error": "not recorded: disk is full"},
        {"id": "three", "seq": 1},
    ]


def test_one_connection_too_many_is_told_so(door, selector, connect):
    """It gets one line and the end; when another has left there is room again."""
    first = connect()
    connect(), connect()
    step(selector)
    assert door.connections == 3
    late = connect()
    step(selector)
    assert answers(late) == [{"error": "3 connections are open, which is the most; try again later"}]
    first.close()
    step(selector)
    late = connect()
    late.sendall(b"now\n")
    serve(door, selector, Numbering())
    assert answers(late)[0]["id"] == "now"


def test_any_bytes_are_answered(door, selector, connect):
    """Nulls, half characters and empty lines go to the intake like every other line."""
    client = connect()
    take_lines = Numbering()
    client.sendall(b"\n\x00\n\xff\xfe\n" + "ü".encode()[:1] + b"\n")
    serve(door, selector, take_lines)
    assert take_lines.batches == [[b"", b"\x00", b"\xff\xfe", b"\xc3"]]
    assert len(answers(client)) == 4


def test_the_group_may_connect_and_nobody_else(door):
    """Mode 0660, whatever the umask."""
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o660


def test_a_file_that_a_killed_daemon_left_makes_way(tmp_path, selector):
    """The lock on the state folder says that nobody listens there any more."""
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    door = SocketDoor(path, selector, MOST)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    door.close()
    assert not path.exists()


def test_a_deep_folder_is_no_trouble(tmp_path, selector):
    """A socket's address holds 107 bytes; its folder may be deeper than that."""
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    door = SocketDoor(folder / "adaptd.sock", selector, MOST)
    assert stat.S_ISSOCK((folder / "adaptd.sock").stat().st_mode)
    door.close()
    assert not (folder / "adaptd.sock").exists()


def test_out_of_descriptors_it_waits_for_a_connection_to_end(door, selector, connect, monkeypatch):
    """It neither spins nor falls, and accepts again when one has left."""
    first = connect()
    step(selector)

    class Full:
        def __init__(self, listener):
            self.listener = listener

        def accept(self):
            raise OSError(24, "Too many open files")

        def __getattr__(self, name):
            return getattr(self.listener, name)

    real = door._listener
    door._listener = Full(real)
    second = connect()
    step(selector)
    assert not door._accepting
    door._listener = real
    first.close()
    step(selector)
    second.sendall(b"here\n")
    serve(door, selector, Numbering())
    assert answers(second)[0]["id"] == "here"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.one_of(st.binary(max_size=40), st.just(b"\n"), st.just(b"x" * (MOST + 5))), max_size=12))
def test_whatever_is_sent_each_line_has_one_answer(pieces, door, selector):
    """Any bytes, cut anywhere: an answer for each line, in order, and the end when the client ends."""
    take_lines = Numbering()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(door.path))
        for piece in pieces:
            client.sendall(piece)
            serve(door, selector, take_lines)
        client.shutdown(socket.SHUT_WR)
        serve(door, selector, take_lines)
        client.settimeout(5)
        received = [json.loads(line) for line in client.makefile("rb")]
    *lines, torn = b"".join(pieces).split(b"\n")
    assert len(received) == len(lines) + bool(torn)
    taken = [line for batch in take_lines.batches for line in batch]
    assert taken == [line for line in lines if len(line) <= MOST]
    assert [answer["seq"] for answer in received if "seq" in answer] == list(range(1, len(taken) + 1))
    assert door.connections == 0


class TestQuestions:
    """Lines that ask something are answered at once, and are no events."""

    @pytest.fixture
    def asked(self):
        return []

    @pytest.fixture
    def door(self, tmp_path, selector, asked):
        def answer(question):
            asked.append(question)
            return {"outputs": [len(asked)]}

        opened = SocketDoor(tmp_path / "adaptd.sock", selector, 10_000, asks=answer)
        yield opened
        opened.close()

    def test_they_are_answered_in_the_order_of_the_lines(self, door, selector, connect, asked):
        """The intake does not see them."""
        client, take_lines = connect(), Numbering()
        client.sendall(b'{"a":1}\n{"kind":"ask/1","limit":3}\n{"b":2}\n')
        serve(door, selector, take_lines)
        first, question, second = answers(client)
        assert (question, asked) == ({"outputs": [1]}, [{"kind": "ask/1", "limit": 3}])
        assert [first["seq"], second["seq"]] == [1, 2]

    def test_what_is_no_question_is_refused(self, door, selector, connect, asked):
        """Torn, or so long that it might be too deep to be read."""
        client = connect()
        client.sendall(b'{"kind":"ask/1",\n{"kind":"ask/1","x":' + b"[" * 3000 + b"\n")
        serve(door, selector, Numbering())
        torn, deep = answers(client)
        assert torn == {"error": "not one whole JSON object in UTF-8"}
        assert "longer than 2000 bytes" in deep["error"]
        assert asked == []
