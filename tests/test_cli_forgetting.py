"""`adaptd forget`: with the daemon down and up, plain and as JSON, asked and unasked."""

import json
import os
import pty
import subprocess
import sys

import pytest

from daemon import forgetting
from daemon.cli import asking_daemon
from daemon.cli.main import main
from daemon.requests import ask, serve
from daemon.state_lock import StateLock
from tests import made_state
from tests.test_running import ROOT, running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def holding(folder, text):
    return [p for p in (folder / "state").rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def test_it_says_what_was_destroyed(folder, capsys):
    """Counts of each thing, on stdout; nothing of the subject is left."""
    assert holding(folder, "alice")
    assert main(["forget", "alice", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "events      1 event can no longer be read",
        "keys        1 key destroyed",
        "quarantine  0 lines erased",
        "spool       0 lines erased",
    ]
    assert not err
    assert holding(folder, "alice") == []
    assert main(["events", "verify"]) == 0
    assert main(["replay", "--check"]) == 0


def test_the_same_as_json(folder, capsys):
    """One document; a second time it says that it was done before."""
    assert main(["forget", "alice", "--yes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"schema": "adaptd.forgotten/1", "events": 1, "keys": 1, "quarantined": 0, "spooled": 0} | {
        "derived": 0,
        "again": False,
        "problems": [],
        "models": [],
        "retrained": [],
    }
    assert main(["forget", "alice", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["again"] is True
    assert main(["forget", "alice", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("forgotten before; what had come since was erased:\n")


def test_an_unknown_subject_is_told(folder, capsys):
    """It may be a slip of the keys; it is refused from now on all the same."""
    assert main(["forget", "alcie", "--yes"]) == 0
    assert "nothing of this subject was here: is it spelt as the events spell it?" in capsys.readouterr().err


def test_where_nobody_can_answer_yes_is_needed(folder, capsys, monkeypatch):
    """Nothing is destroyed by a script that did not say so."""
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert main(["forget", "alice"]) == 2
    assert "expected --yes" in capsys.readouterr().err
    assert holding(folder, "alice")
    assert main(["forget", "", "--yes"]) == 2


@pytest.mark.parametrize(("typed", "code"), [(b"yes\n", 0), (b"y\n", 1), (b"\n", 1)])
def test_a_person_is_asked(folder, typed, code):
    """Only the whole word goes on."""
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    command = [sys.executable, "-m", "daemon.cli.main", "--config", str(folder / "config.toml"), "forget", "alice"]
    done = subprocess.run(command, cwd=ROOT, stdin=theirs, capture_output=True, timeout=300, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code
    assert (holding(folder, "alice") == []) is (code == 0)


def test_the_running_daemon_does_it(folder, capsys):
    """The verb asks the owner of the folder, and prints what it answers; the request is gone."""
    with running(folder) as daemon:
        assert main(["forget", "alice", "--yes", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["keys"] == 1
        assert daemon.hear("forgot")["events"] == 1
        answer = daemon.ask({"kind": "output_recorded/1", "id": "late", "output": "x", "subject": "alice"})
        assert answer == [{"error": "refused: its subject was forgotten"}]
        assert daemon.end() == 0
    assert list((folder / "state" / "requests").iterdir()) == []
    assert holding(folder, "alice") == []


def test_a_daemon_that_ended_before_it_came_to_it_is_no_obstacle(folder, monkeypatch, capsys):
    """The request is withdrawn, and the verb does it itself."""
    lock = StateLock.take(folder / "state", "1 test")
    real = asking_daemon._by_daemon

    def ended(*given):
        lock.release()
        return real(*given)

    monkeypatch.setattr(asking_daemon, "_by_daemon", ended)
    assert main(["forget", "alice", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["keys"] == 1
    assert list((folder / "state" / "requests").iterdir()) == []


def test_a_daemon_that_does_not_answer_is_told(folder, monkeypatch, capsys):
    """Exit code 75: it stays asked for."""
    monkeypatch.setattr(asking_daemon, "PATIENCE_SECONDS", 0.1)
    lock = StateLock.take(folder / "state", "1 test")
    assert main(["forget", "alice", "--yes"]) == 75
    lock.release()
    assert "it forgets as soon as it comes to it" in capsys.readouterr().err
    assert serve(folder / "state", lambda request: {"seen": request["subject"]}) == 1


def test_what_the_daemon_cannot_do_is_an_error(folder, monkeypatch, capsys):
    """An older daemon, for example."""
    lock = StateLock.take(folder / "state", "1 test")
    monkeypatch.setattr(asking_daemon, "LOOK_SECONDS", 0)
    monkeypatch.setattr("daemon.requests.Pending.answer", lambda _: {"error": "not known"})
    assert main(["forget", "alice", "--yes"]) == 1
    lock.release()
    assert capsys.readouterr().err == "adaptd: not known\n"


def test_what_could_not_be_erased_makes_it_fail(folder, monkeypatch, capsys):
    """The counts are printed, and what is to be done."""
    monkeypatch.setattr(forgetting, "_blank_spooled", lambda *_: (0, ["spool/x: no"]))
    assert main(["forget", "alice", "--yes"]) == 1
    out, err = capsys.readouterr()
    assert "1 key destroyed" in out
    assert err == "adaptd: spool/x: no\n"


def test_only_the_folders_owner_is_served(tmp_path, monkeypatch):
    """A request that somebody else has smuggled in is left alone."""
    asked = ask(tmp_path, "r", {"verb": "forget"})
    assert (tmp_path / "requests").stat().st_mode & 0o077 == 0
    assert asked.path.stat().st_mode & 0o077 == 0
    if os.geteuid() == 0:
        os.chown(asked.path, 12345, -1)
        assert serve(tmp_path, lambda _: {}) == 0
        os.chown(asked.path, 0, -1)
    (tmp_path / "requests" / "odd.request").write_text("[]")
    (tmp_path / "requests" / "torn.request").write_text("{")
    assert serve(tmp_path, lambda _: {"ok": 1}) == 3
    assert asked.answer() == {"ok": 1}
