import contextlib
import json
import os
import signal
import socket
import threading
import time

import pytest

import adaptd
from adaptd import socket_client
from tests.spooled_lines import as_a_fresh_host, events_in, spool_files


class Daemon:
    """Answers lines as the daemon does: in order, one line each, after a pause as of a commit."""

    def __init__(self, path, answer=None, pause=0.0):
        self.lines, self._answer, self._pause = [], answer or self._seq, pause
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _seq(self, event, number):
        return {"id": event["id"], "seq": number}

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                self.lines.append(json.loads(line))
                time.sleep(self._pause)
                answer = self._answer(self.lines[-1], len(self.lines))
                if answer is None:
                    return
                connection.sendall(json.dumps(answer).encode() + b"\n")

    def stop(self):
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@pytest.fixture
def state_dir(tmp_path):
    as_a_fresh_host()
    (tmp_path / "state").mkdir()
    adaptd.configure(state_dir=tmp_path / "state", socket=True)
    yield tmp_path / "state"
    as_a_fresh_host()


@pytest.fixture
def daemon(state_dir):
    running = Daemon(state_dir / "adaptd.sock")
    yield running
    running.stop()


def test_events_go_to_the_running_daemon(state_dir, daemon):
    """The lines are those of the spool, with writer and counter; nothing is spooled."""
    ids = [adaptd.record_output("i", "o"), adaptd.record_feedback(output_id="o", score=1)]
    assert [line["id"] for line in daemon.lines] == ids
    assert [line["n"] for line in daemon.lines] == [1, 2]
    assert {line["writer"] for line in daemon.lines} == {adaptd.stats()["writer"]}
    assert not (state_dir / "spool").exists()
    assert adaptd.stats()["recorded"] == 2


def test_while_the_daemon_is_away_the_spool_takes_them(state_dir):
    """Before it started, and after it went; it is not asked again at every call."""
    first = adaptd.record_output("i", "o")
    assert [event["id"] for event in events_in(state_dir)] == [first]
    daemon = Daemon(state_dir / "adaptd.sock")
    second = adaptd.record_output("i", "o")
    assert [event["id"] for event in events_in(state_dir)] == [first, second]
    time.sleep(socket_client.AWAY_SECONDS + 0.05)
    third = adaptd.record_output("i", "o")
    assert [line["id"] for line in daemon.lines] == [third]
    daemon.stop()
    fourth = adaptd.record_output("i", "o")
    assert [event["id"] for event in events_in(state_dir)] == [first, second, fourth]
    assert adaptd.stats()["recorded"] == 4


def test_an_unanswered_event_is_spooled_under_its_id(state_dir):
    """A daemon that dies before its answer may have the event: the same id tells it apart later."""
    daemon = Daemon(state_dir / "adaptd.sock", answer=lambda event, number: None)
    threading.Timer(0.1, daemon.stop).start()
    event_id = adaptd.record_output("i", "o")
    [spooled] = events_in(state_dir)
    assert daemon.lines[0]["id"] == spooled["id"] == event_id
    assert spooled["n"] > daemon.lines[0]["n"]


def test_what_the_daemon_refuses_is_spooled_and_told_once(state_dir):
    """Its words are in the warning; the event is not lost."""
    daemon = Daemon(state_dir / "adaptd.sock", answer=lambda event, number: {"error": "disk I/O error"})
    with pytest.warns(RuntimeWarning, match=r"daemon answered .*disk I/O error.*in the spool instead") as told:
        ids = [adaptd.record_output("i", "o") for _ in range(2)]
    assert len(told) == 1
    assert [event["id"] for event in events_in(state_dir)] == ids
    daemon.stop()


def test_a_daemon_that_hangs_is_left_alone_for_a_while(state_dir, monkeypatch):
    """One call waits for the limit, the next go to the spool at once."""
    monkeypatch.setattr(socket_client, "ANSWER_WITHIN_SECONDS", 0.1)
    daemon = Daemon(state_dir / "adaptd.sock", pause=30)
    began = time.monotonic()
    ids = [adaptd.record_output("i", "o") for _ in range(50)]
    assert time.monotonic() - began < 1
    assert [event["id"] for event in events_in(state_dir)] == ids
    daemon.stop()


def test_threads_share_a_connection_and_get_their_own_answers(state_dir):
    """8 threads wait for 8 commits' time, not for 200; ids and counters are in the order of the lines."""
    refused = []

    def answer(event, number):
        if event["output"] != "bad":
            return {"id": event["id"], "seq": number, "repeat": True}
        refused.append(event["id"])
        return {"error": "bad"}

    daemon = Daemon(state_dir / "adaptd.sock", answer=answer)
    adaptd.configure(on_error=lambda error: None)
    ids = []

    def work(i):
        ids.extend(adaptd.record_output("i", "bad" if j == i else "o") for j in range(25))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line["id"] for line in daemon.lines) == sorted(ids)
    counters = [line["n"] for line in daemon.lines]
    assert counters == sorted(counters)
    assert sorted(event["id"] for event in events_in(state_dir)) == sorted(refused)
    assert len(refused) == 8
    daemon.stop()


def test_a_batch_is_sent_at_once(state_dir, daemon):
    """All lines, then all answers."""
    ids = adaptd.record_feedback_many({"output_id": f"o{i}", "score": 1} for i in range(300))
    assert [line["id"] for line in daemon.lines] == ids
    assert not (state_dir / "spool").exists()


def test_an_event_too_long_is_rejected(state_dir, daemon):
    """The daemon is not asked to take it."""
    with pytest.raises(adaptd.NotRecorded, match="expected at most 1048576"):
        adaptd.record_output("i", "x" * 2_000_000, strict=True)
    assert [line["kind"] for line in daemon.lines] in ([], ["rejected/1"])


def test_a_signal_handler_in_the_midst_of_an_answer_uses_the_spool(state_dir):
    """The handler's event is spooled, the interrupted one gets its answer."""
    daemon = Daemon(state_dir / "adaptd.sock", pause=0.3)
    ids = []
    before = signal.signal(signal.SIGUSR1, lambda *_: ids.append(adaptd.record_output("i", "handler")))
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        event_id = adaptd.record_output("i", "o")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [line["id"] for line in daemon.lines] == [event_id]
    assert [event["id"] for event in events_in(state_dir)] == ids
    daemon.stop()


def test_a_forked_child_has_a_connection_of_its_own(state_dir, daemon):
    """Answers do not cross; the child's writer is its own."""
    told = [adaptd.record_output("i", "parent")]
    child = os.fork()
    if child == 0:
        os._exit(0 if adaptd.record_output("i", "child") else 1)
    told += [adaptd.record_output("i", "parent") for _ in range(20)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(daemon.lines) + len(spool_files(state_dir) if (state_dir / "spool").exists() else []) == 22
    assert {line["id"] for line in daemon.lines if line["output"] == "parent"} == set(told)
    assert len({line["writer"] for line in daemon.lines}) == 2
