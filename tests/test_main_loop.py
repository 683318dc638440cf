"""One turn: take in, fold, and say what was done; with real files and a stopped clock."""

import json
import selectors
import socket
import sqlite3

import pytest

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import AppendFailed
from daemon.main_loop import MainLoop, TurnReport
from daemon.night_parts import ShiftReport
from daemon.opening import open_state
from daemon.settings import Settings, settings_of
from daemon.socket_door import SocketDoor

NOW = 1_700_000_000_000_000
WRITER = "00000000000000aa"


def line(n, **fields):
    return json.dumps(
        {"kind": "feedback_recorded/1", "id": f"f{n}", "writer": WRITER, "n": n, "at": NOW}
        | {"input": f"in {n}", "output": "out", "artifact_type": "erd", "score": 50.0}
        | fields
    ).encode()


def spool(state, *lines, rotation=1):
    """What a host that has gone left in the spool."""
    path = state.state_dir / "spool" / f"{WRITER}-{rotation:06}.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@pytest.fixture
def clock():
    return StoppedClock(NOW)


@pytest.fixture
def open_it(tmp_path, clock):
    opened = []

    def open_it(settings=None):
        state = open_state(tmp_path / "state", settings or Settings(), clock, SeededChance(1))
        opened.append(state)
        return state

    yield open_it
    for state in opened:
        state.close()


@pytest.fixture
def state(open_it):
    return open_it()


def kinds(state):
    return [kind for (kind,) in state.log.read_after(0, 500, ("kind",))]


def test_a_turn_takes_in_what_hosts_left_and_folds_it(state):
    """After it the views stand at the log's head, and the spool file of a host that has gone is gone."""
    path = spool(state, line(1), line(2), line(2), b"{torn")
    report = MainLoop(state.intake, state.views).turn(NOW)
    assert (report.events, report.repeats, report.quarantined) == (2, 1, 1)
    assert state.views.position == state.log.head().seq
    assert kinds(state)[:3] == ["feedback_recorded/1", "feedback_recorded/1", "line_quarantined/1"]
    MainLoop(state.intake, state.views).turn(NOW)
    assert not path.exists()


def test_a_turn_with_nothing_to_do_does_nothing(state):
    """An idle daemon writes nothing and reports nothing."""
    loop = MainLoop(state.intake, state.views)
    loop.turn(NOW)
    head = state.log.head()
    assert loop.turn(NOW) == TurnReport()
    assert state.log.head() == head


def test_a_long_spool_takes_more_than_one_turn(open_it):
    """A turn is bounded, and says that the next one has work."""
    state = open_it(settings_of("[intake]\ncommit_events = 100\n", None))
    spool(state, *(line(n) for n in range(1, 251)))
    loop = MainLoop(state.intake, state.views)
    reports = [loop.turn(NOW) for _ in range(4)]
    assert [report.events for report in reports] == [100, 100, 50, 0]
    assert [report.more for report in reports[:2]] == [True, True]
    assert not reports[3].more


def test_the_time_of_the_turn_is_the_time_of_its_events(state, clock):
    """Nothing in a turn asks a clock."""
    loop = MainLoop(state.intake, state.views)
    spool(state, line(1))
    loop.turn(NOW)
    spool(state, line(2), rotation=2)
    loop.turn(NOW - 3_600_000_000)
    times = state.log.read_after(0, 10, ("id", "received_at"))
    assert [at for event_id, at in times if event_id in ("f1", "f2")] == [NOW, NOW - 3_600_000_000]


def test_lines_from_the_socket_are_answered_after_their_commit(state, tmp_path):
    """Events, a repeat and a bad line: what the client reads is what the log has."""
    with selectors.DefaultSelector() as selector, socket.socket(socket.AF_UNIX) as client:
        door = SocketDoor(tmp_path / "sock", selector, 1 << 20)
        client.connect(str(tmp_path / "sock"))
        client.sendall(line(1) + b"\n" + line(1) + b"\nrubbish\n")
        for _ in range(3):
            for key, mask in selector.select(0.1):
                key.data(mask)
        report = MainLoop(state.intake, state.views, door).turn(NOW)
        client.settimeout(5)
        door.close()
        answers = [json.loads(text) for text in client.makefile("rb")]
    assert (report.events, report.repeats, report.quarantined) == (1, 1, 1)
    assert answers[:2] == [{"id": "f1", "seq": 1}, {"id": "f1", "seq": 1, "repeat": True}]
    assert "error" in answers[2]
    assert state.log.find(["f1"])["f1"].seq == 1
    assert state.views.position == state.log.head().seq


class Failing:
    """A part whose disk is full, until somebody makes room."""

    def __init__(self, part, name, error):
        self.part, self.name, self.error = part, name, error

    def __getattr__(self, name):
        if name == self.name and self.error:
            return self._fail
        return getattr(self.part, name)

    def _fail(self, *_):
        raise self.error


@pytest.mark.parametrize("error", [AppendFailed("disk is full"), sqlite3.OperationalError("full"), OSError("no space")])
def test_a_commit_that_fails_ends_the_turn_and_not_the_daemon(error, state):
    """The report says what failed, and that there is no hurry; the next turn takes everything in."""
    intake = Failing(state.intake, "take_spools", error)
    path = spool(state, line(1))
    loop = MainLoop(intake, state.views)
    report = loop.turn(NOW)
    assert report == TurnReport(failure=report.failure)
    assert report.failure.startswith(str(error))
    assert isinstance(error, AppendFailed) or "Nothing is lost, and it is tried again: look at free" in report.failure
    assert path.exists()
    intake.error = None
    assert loop.turn(NOW).events == 1


def test_without_its_views_nothing_is_taken_in(state):
    """The intake asks the views what came before: it does not go on with old answers."""
    views = Failing(state.views, "catch_up", sqlite3.OperationalError("database or disk is full"))
    spool(state, line(1))
    loop = MainLoop(state.intake, views)
    assert loop.turn(NOW).failure.startswith("database or disk is full, in keys.db, quarantine.db, views.db")
    assert state.log.head().seq == 0
    views.error = None
    assert loop.turn(NOW).events == 1


def test_a_fold_that_failed_does_not_leave_the_intake_with_old_answers(state, monkeypatch):
    """After a failure the views are loaded anew, and the intake asks the new ones."""
    loop = MainLoop(state.intake, state.views)
    spool(state, line(1, id="o1"))
    loop.turn(NOW)
    with monkeypatch.context() as patch:
        patch.setattr(state.views, "_save", _raise_full)
        spool(state, line(2), rotation=2)
        assert "full" in loop.turn(NOW).failure
    assert loop.turn(NOW).failure is None
    spool(state, line(3, id="f3", input=None, output=None, output_id="o1"), rotation=3)
    loop.turn(NOW)
    keys = dict(state.log.read_after(0, 50, ("id", "output_key")))
    assert keys["f3"] == keys["o1"]
    assert state.views.position == state.log.head().seq


def _raise_full():
    raise sqlite3.OperationalError("database or disk is full")


class Complaining:
    """An intake that found something to look at."""

    def __init__(self, intake):
        self.intake = intake

    def take_spools(self, now):
        return self.intake.take_spools(now)._replace(problems=("spool/x: Permission denied",))


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(state):
    """A file that the daemon may not read is a problem to look at, not an end."""
    spool(state, line(1))
    report = MainLoop(Complaining(state.intake), state.views).turn(NOW)
    assert (report.events, report.failure, report.problems) == (1, None, ("spool/x: Permission denied",))


def test_a_folder_in_the_spool_does_not_stop_the_intake(state):
    """Whoever may write there may also put nonsense there."""
    (state.state_dir / "spool" / "00000000000000bb-000001.ndjson").mkdir()
    spool(state, line(1))
    report = MainLoop(state.intake, state.views).turn(NOW)
    assert (report.events, report.failure) == (1, None)


class Shift:
    """Says what it is told to say, and how far the log was when it was asked."""

    def __init__(self, state, *reports):
        self.state, self.reports, self.seen = state, list(reports), []

    def turn(self, now):
        self.seen.append((now, self.state.views.position))
        return self.reports.pop(0)


def test_the_night_is_served_after_everything_is_folded(state):
    """In the same turn; what was done and what failed stand in its report, and a failure waits for the next turn."""
    spool(state, line(1))
    shift = Shift(state, ShiftReport(("a night",)), ShiftReport(("half of it",), "the disk is full"))
    loop = MainLoop(state.intake, state.views, shift=shift)
    report = loop.turn(NOW)
    assert (report.events, report.told, report.failure) == (1, ("a night",), None)
    assert shift.seen == [(NOW, state.log.head().seq)]
    report = loop.turn(NOW + 1)
    assert (report.told, report.failure, report.more) == (("half of it",), "the disk is full", False)
