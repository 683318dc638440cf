"""`adaptd train now`, `pause`, `resume` and `cancel`: with the daemon down and up, plain and as JSON."""

import json

import pytest

from daemon import night_building
from daemon.cli.main import main
from daemon.idle_parts import IDLE, NobodyRuns
from daemon.night_parts import NothingToCancel
from daemon.sqlite_log import SqliteEventLog
from tests import made_state
from tests.test_running import running
from tests.test_workload_checking import STAGE, WORKLOAD

CONFIG = """\
[adaptd]
[night]
timezone = "Europe/Berlin"
window = "off"
[workloads.chat]
plugin = "small"
stages = ["sizes"]
[workloads.support]
plugin = "small"
stages = ["sizes"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.init(tmp_path)
    for kind, name, text in (("stages", "sizes", STAGE), ("workloads", "small", WORKLOAD)):
        path = tmp_path / "plugins" / kind / f"{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def logged(folder):
    """Kind and body of every event but the daemon's start and end."""
    with SqliteEventLog.open_read_only(folder / "state" / "events.db") as log:
        rows = log.read_after(0, 1000, ("kind", "body"))
    return [(kind, json.loads(body)) for kind, body in rows if not kind.startswith(("daemon_", "config_"))]


# Training


def test_training_is_asked_for(folder, capsys):
    """The ask is in the log; with the daemon down it waits for one."""
    assert main(["train", "now", "support"]) == 0
    told = ("support: training is asked for\n", "adaptd: nothing happens before the daemon runs: adaptd run\n")
    assert capsys.readouterr() == told
    assert logged(folder) == [("training_asked/1", {"workload": "support"})]


def test_without_a_name_all_are_asked_for(folder, capsys):
    """In the order of the file."""
    assert main(["train", "now", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "schema": "adaptd.train_asked/1",
        "workloads": ["chat", "support"],
        "daemon_running": False,
    }
    assert [body["workload"] for _, body in logged(folder)] == ["chat", "support"]


def test_the_running_daemon_is_asked(folder, capsys):
    """It says so in its log; and what it has not read it does not know."""
    with running(folder) as daemon:
        assert main(["train", "now", "chat"]) == 0
        told = "adaptd: the daemon begins now, in or out of the window; a run that waits goes on first\n"
        assert capsys.readouterr() == ("chat: training is asked for\n", told)
        assert daemon.hear("training asked for")["workloads"] == ["chat"]
        assert main(["train", "now", "chatt"]) == 4
        assert main(["pause", "--reason", "a demonstration"]) == 0
        assert daemon.hear("paused")["reason"] == "a demonstration"
        assert main(["resume"]) == 0
        assert main(["cancel", "7"]) == 4
        assert daemon.end() == 0
    kinds = [kind for kind, _ in logged(folder)]
    assert [kind for kind in kinds if kind != "batch_not_formed/1"] == [
        "training_asked/1",
        "nights_paused/1",
        "nights_resumed/1",
    ]


def test_a_workload_that_there_is_not_is_told(folder, capsys):
    """With what was probably meant; exit code 4."""
    assert main(["train", "now", "suport"]) == 4
    told = (
        "adaptd: no workload 'suport', expected one of chat, support, did you mean 'support'? "
        "A daemon that runs knows what it has read: after a change `kill -HUP` it.\n"
    )
    assert capsys.readouterr() == ("", told)
    assert main(["train", "now", "zzz"]) == 4
    assert "expected one of chat, support. A daemon" in capsys.readouterr().err
    assert logged(folder) == []


def test_without_any_workload_there_is_nothing_to_train(folder, capsys):
    """Exit code 4, with what would have to stand in the file."""
    (folder / "config.toml").write_text("[adaptd]\n")
    assert main(["train", "now"]) == 4
    told = "adaptd: train now: config.toml has no workload, expected a table [workloads.name] in it\n"
    assert capsys.readouterr().err == told
    assert main(["train", "now", "x"]) == 4
    assert "expected one of none, config.toml has no [workloads.name]" in capsys.readouterr().err


def test_while_nights_are_paused_nothing_is_asked_for(folder, capsys):
    """Exit code 75, with how long, why, and what to do."""
    assert main(["pause", "--reason", "a demonstration"]) == 0
    capsys.readouterr()
    assert main(["train", "now"]) == 75
    told = (
        "adaptd: train now: nothing may be trained, paused until somebody resumes (a demonstration). "
        "`adaptd resume` first\n"
    )
    assert capsys.readouterr().err == told
    assert [kind for kind, _ in logged(folder)] == ["nights_paused/1"]


# Pausing


def test_a_pause_and_its_end(folder, capsys):
    """Each is an event, and is said."""
    assert main(["pause", "--reason", "a demonstration"]) == 0
    told = ("paused until somebody resumes (a demonstration)\n", "adaptd: `adaptd resume` ends it\n")
    assert capsys.readouterr() == told
    assert main(["resume"]) == 0
    assert capsys.readouterr() == ("resumed: windows count again\n", "")
    assert main(["resume"]) == 0
    assert capsys.readouterr() == ("nothing was paused\n", "")
    assert logged(folder) == [
        ("nights_paused/1", {"until": None, "reason": "a demonstration"}),
        ("nights_resumed/1", {}),
    ]


def test_a_pause_until_a_moment(folder, capsys):
    """By the clock of the nights' zone; in JSON in UTC."""
    assert main(["pause", "--until", "2099-11-26 06:00"]) == 0
    assert capsys.readouterr() == ("paused until 2099-11-26 06:00 Europe/Berlin\n", "")
    assert main(["resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": "adaptd.resumed/1", "was_paused": True}
    assert main(["pause", "--until", "2099-11-26 06:00", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "adaptd.paused/1",
        "until": "2099-11-26T05:00:00.000000Z",
        "reason": None,
    }


def test_a_pause_that_holds_is_not_covered_by_another(folder, capsys):
    """Else nobody would know which of the two ends it."""
    main(["pause", "--until", "2099-11-26 06:00"])
    capsys.readouterr()
    assert main(["pause", "--until", "3h"]) == 1
    told = "pause: paused until 2099-11-26 06:00 Europe/Berlin already. `adaptd resume` ends that; then pause anew"
    assert capsys.readouterr() == ("", f"adaptd: {told}\n")
    assert len(logged(folder)) == 1


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("noon", "adaptd: pause: --until: 'noon' is no moment, expected one as in 06:00, 2026-11-26 06:00, or a span"),
        ("2020-01-01 06:00", "adaptd: pause: --until: '2020-01-01 06:00' is over: it is 2"),
    ],
)
def test_a_moment_that_cannot_be_meant_is_told(folder, until, told, capsys):
    """Exit code 2, and nothing is paused."""
    assert main(["pause", "--until", until]) == 2
    assert capsys.readouterr().err.startswith(told)
    assert not (folder / "state" / "events.db").exists()


# Cancelling


class Remembering(NobodyRuns):
    def __init__(self):
        self.cancelled = []

    def cancel(self, run, reason, now):
        if run in [one[0] for one in self.cancelled]:
            raise NothingToCancel(f"{run} is over: it was cancelled")
        self.cancelled.append((run, reason, now > 0))


@pytest.mark.parametrize("named", ["7", "run-0007"])
def test_a_run_is_cancelled_by_its_id_or_its_number(folder, named, capsys, monkeypatch):
    """By the queue, whoever owns the folder; a second time there is nothing to cancel."""
    runs = Remembering()
    monkeypatch.setattr(night_building, "parts_of", lambda *_: IDLE._replace(runs=runs))
    assert main(["cancel", named, "--reason", "the wrong model"]) == 0
    assert capsys.readouterr() == ("run-0007: cancelled\n", "")
    assert runs.cancelled == [("run-0007", "the wrong model", True)]
    assert main(["cancel", named]) == 1
    assert capsys.readouterr().err == "adaptd: run-0007 is over: it was cancelled\n"
    assert main(["cancel", "8", "--json"]) == 0
    document = {"schema": "adaptd.cancelled/1", "run": "run-0008", "reason": None}
    assert json.loads(capsys.readouterr().out) == document


def test_a_run_that_there_is_not_is_told(folder, capsys):
    """Exit code 4."""
    assert main(["cancel", "9"]) == 4
    assert capsys.readouterr().err.startswith("adaptd: no run 'run-0009'")
