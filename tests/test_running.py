"""The daemon as a process: its start, its signals, its end, and what it says about each."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.log_maker import make_log
from daemon.config_schema import schema_text
from daemon.sqlite_log import SqliteEventLog
from daemon.state_lock import running_pid
from tests import made_state
from tests.test_workload_checking import STAGE, WORKLOAD

ROOT = Path(__file__).parents[1]
FEEDBACK = {"kind": "feedback_recorded/1", "output": "x", "score": 5}


class Running:
    """A daemon in a process of its own, heard line by line."""

    def __init__(self, folder, process):
        self.folder = folder
        self.process = process
        self.heard = []

    def hear(self, event):
        """The next line of that event; what comes before it is kept in `heard`."""
        for text in self.process.stdout:
            line = json.loads(text)
            self.heard.append(line)
            if line["event"] == event:
                return line
        raise AssertionError(f"it ended without saying {event!r}: {self.heard}")

    def tell(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """End it in order; its exit code."""
        self.tell(number)
        self.heard += [json.loads(text) for text in self.process.stdout]
        return self.process.wait(60)

    def ask(self, *lines):
        """What the socket answers to these lines."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(self.folder / "state" / "adaptd.sock"))
            client.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            client.shutdown(socket.SHUT_WR)
            return [json.loads(text) for text in client.makefile("rb")]


def command(folder):
    return [sys.executable, "-m", "daemon.cli.main", "--config", str(folder / "config.toml"), "run"]


@contextmanager
def running(folder, **environ):
    with subprocess.Popen(
        command(folder),
        cwd=ROOT,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        daemon = Running(folder, process)
        try:
            daemon.hear("started")
            yield daemon
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path):
    return made_state.init(tmp_path)


def logged(folder, kind):
    """The bodies of all events of that kind."""
    with SqliteEventLog.open_read_only(folder / "state" / "events.db") as log:
        rows = log.read_after(0, 1000, ("kind", "body"))
    return [json.loads(body) for stored, body in rows if stored == kind]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_serves_and_ends_in_order(number, folder):
    """Both are events; the folder is free again and the socket gone; no file is for everybody; exit code 0."""
    made_state.spool(folder, [FEEDBACK | {"id": "waited"}])
    with running(folder) as daemon:
        assert daemon.hear("took in")["events"] == 1
        pid = daemon.process.pid
        assert running_pid(folder / "state") == str(pid)
        assert daemon.ask(FEEDBACK | {"id": "sent"})[0]["id"] == "sent"
        assert not [
            path for path in (folder / "state").iterdir() if path.stat().st_mode & 0o007 and path.name != "lock"
        ]
        assert daemon.end(number) == 0
        assert daemon.process.stderr.read() == ""
    assert daemon.heard[-1]["event"] == "stopped"
    assert running_pid(folder / "state") is None
    assert not (folder / "state" / "adaptd.sock").exists()
    (started,) = logged(folder, "daemon_started/1")
    assert (started["pid"], started["durability"]) == (pid, "full")
    assert logged(folder, "daemon_stopped/1") == [{"reason": signal.Signals(number).name, "pid": pid}]
    assert len(logged(folder, "feedback_recorded/1")) == 2


def test_it_is_silent_when_nothing_comes(folder):
    """Two lines in all: that it started, and that it stopped."""
    with running(folder) as daemon:
        daemon.ask()
        assert daemon.end() == 0
    assert [line["event"] for line in daemon.heard] == ["started", "stopped"]
    assert list(daemon.heard[0])[:3] == ["timestamp", "level", "event"]


def test_a_second_one_on_the_folder_is_refused(folder):
    """It names the first, exits with 75, and leaves the first's socket alone."""
    with running(folder) as daemon:
        second = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert second.returncode == 75
        assert second.stderr.startswith(
            f"adaptd: state folder {folder}/state: process {daemon.process.pid} already runs"
        )
        assert daemon.ask(FEEDBACK | {"id": "still"})[0]["seq"] > 0
        assert daemon.end() == 0


def test_a_deleted_lock_keeps_a_second_one_out_and_comes_back(folder):
    """Nobody writes beside the first, and `status` sees it again."""
    with running(folder) as daemon:
        (folder / "state" / "lock").unlink()
        second = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert (second.returncode, "already runs on it" in second.stderr) == (75, True)
        daemon.ask(FEEDBACK | {"id": "a"})
        daemon.ask(FEEDBACK | {"id": "b"})
        assert running_pid(folder / "state") == str(daemon.process.pid)
        assert daemon.end() == 0
    assert running_pid(folder / "state") is None


def test_a_folder_that_was_replaced_ends_it(folder):
    """It says so, and what is there now is left alone."""
    with running(folder) as daemon:
        (folder / "state").rename(folder / "away")
        assert daemon.process.wait(60) == 1
        assert "was moved away or replaced while adaptd worked on it" in daemon.process.stderr.read()
    assert not (folder / "state").exists()


def test_one_that_was_killed_makes_way(folder):
    """Neither its pid nor its socket keeps the next one out, and what it had answered for is there."""
    with running(folder) as daemon:
        assert "seq" in daemon.ask(FEEDBACK | {"id": "answered"})[0]
        daemon.process.kill()
        daemon.process.wait(60)
    with running(folder) as daemon:
        assert daemon.ask(FEEDBACK | {"id": "answered"})[0]["repeat"] is True
        assert daemon.end() == 0
    assert len(logged(folder, "daemon_started/1")) == 2
    assert len(logged(folder, "daemon_stopped/1")) == 1


def test_hup_takes_over_a_changed_configuration(folder):
    """The event says what changed, from what to what, and what waits for a restart; the new limit holds at once."""
    config = folder / "config.toml"
    long = FEEDBACK | {"comment": "x" * 2000}
    with running(folder) as daemon:
        assert "seq" in daemon.ask(long | {"id": "a"})[0]
        config.write_text('[adaptd]\n[intake]\nmax_event_bytes = 1500\n[log]\ndurability = "normal"\n')
        daemon.tell(signal.SIGHUP)
        told = daemon.hear("config reloaded")
        assert told["changed"] == ["intake.max_event_bytes", "log.durability"]
        assert "longer than 1500 bytes" in daemon.ask(long | {"id": "b"})[0]["error"]
        assert daemon.end() == 0
    assert logged(folder, "config_reloaded/1") == [
        {
            "changed": {"intake.max_event_bytes": [1048576, 1500], "log.durability": ["full", "normal"]},
            "after_restart": ["log.durability"],
        }
    ]


def test_hup_with_a_bad_configuration_keeps_the_old(folder):
    """It says so, with every fault, in its log and as an event, and works on."""
    with running(folder) as daemon:
        (folder / "config.toml").write_text("[intake]\nmax_event_bytes = 5\n")
        daemon.tell(signal.SIGHUP)
        told = daemon.hear("config refused, the old one stays")
        assert "config.toml:2:19: intake.max_event_bytes: expected a whole number from 1024" in told["reason"]
        assert "seq" in daemon.ask(FEEDBACK | {"id": "a", "comment": "x" * 2000})[0]
        assert daemon.end() == 0
    (refused,) = logged(folder, "config_refused/1")
    assert refused["reason"] == told["reason"]
    assert logged(folder, "config_reloaded/1") == []


def test_the_service_manager_hears_of_every_step(folder, tmp_path):
    """Ready after the start, reloading and ready again, alive in between, stopping at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        with running(folder, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000") as daemon:
            assert listener.recv(1000).startswith(b"READY=1\nSTATUS=")
            while listener.recv(1000) != b"WATCHDOG=1":
                pass
            daemon.tell(signal.SIGHUP)
            heard = []
            while not heard or not heard[-1].startswith(b"READY=1"):
                heard.append(listener.recv(1000))
            assert any(message.startswith(b"RELOADING=1\nMONOTONIC_USEC=") for message in heard)
            assert daemon.end() == 0
        while not listener.recv(1000).startswith(b"STOPPING=1"):
            pass


def test_a_socket_that_cannot_be_made_is_told_and_the_spool_still_works(folder):
    """A folder stands where the socket should be."""
    (folder / "state" / "adaptd.sock").mkdir()
    made_state.spool(folder, [FEEDBACK | {"id": "waited"}])
    with running(folder) as daemon:
        assert daemon.hear("took in")["events"] == 1
        assert daemon.end() == 0
    assert daemon.heard[0]["event"] == "no socket: events come in by the spool alone"


def test_a_log_that_was_cut_ends_it_with_a_reason(folder):
    """It does not go on with a log that lost events."""
    made_state.make(folder)
    views = (folder / "state" / "views.db").read_bytes()
    for name in ("events.db", "views.db", "keys.db"):
        (folder / "state" / name).unlink()
    made_state.spool(folder, [FEEDBACK | {"id": "other"}])
    made_state.take_in(folder)
    (folder / "state" / "views.db").write_bytes(views)
    ended = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "views.db: " in ended.stderr


def test_the_environment_counts_before_the_file(folder):
    """For the running daemon as for its start; a wrong variable is refused before anything is opened."""
    with running(folder, ADAPTD__INTAKE__MAX_EVENT_BYTES="1500", ADAPTD__LOG__DURABILITY="normal") as daemon:
        assert "longer than 1500 bytes" in daemon.ask(FEEDBACK | {"id": "a", "comment": "x" * 2000})[0]["error"]
        daemon.tell(signal.SIGHUP)
        assert daemon.hear("config reloaded")["changed"] == []
        assert daemon.end() == 0
    assert logged(folder, "daemon_started/1")[0]["durability"] == "normal"
    ended = subprocess.run(
        command(folder),
        cwd=ROOT,
        env=os.environ | {"ADAPTD__LOGS__DURABILITY": "x"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 78
    assert ended.stderr == (
        "environment ADAPTD__LOGS__DURABILITY: logs: expected one of the tables adaptd, device, embeddings, gate, "
        "intake, log, models, night, privacy, runs, sides, workloads, found an unknown key, "
        "did you mean ADAPTD__LOG__DURABILITY?\n"
    )


def test_the_schema_for_editors_lies_in_the_state_folder(folder):
    """As this adaptd knows it, whatever an older one left."""
    (folder / "state" / "config.schema.json").write_text("old")
    with running(folder) as daemon:
        assert daemon.end() == 0
    assert (folder / "state" / "config.schema.json").read_text("utf-8") == schema_text()


WORKLOAD_CONFIG = """\
[adaptd]
[night]
window = "{window}"
[workloads.support]
plugin = "small"
stages = ["sizes"]
"""


def with_a_workload(folder, window):
    """A configuration with a workload and a stage of its own beside it."""
    for kind, name, text in (("stages", "sizes", STAGE), ("workloads", "small", WORKLOAD)):
        path = folder / "plugins" / kind / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "config.toml").write_text(WORKLOAD_CONFIG.format(window=window))


def test_a_night_that_is_due_is_opened_once(folder):
    """One line says so, and one event; another daemon on the same day finds it there."""
    with_a_workload(folder, "00:00-24:00")
    for _ in range(2):
        with running(folder) as daemon:
            daemon.ask(FEEDBACK)
            assert daemon.end() == 0
    nights = logged(folder, "night_opened/1")
    assert nights
    assert len({night["date"] for night in nights}) == len(nights)
    assert {night["closes_at"] - night["opens_at"] for night in nights} == {24 * 3600 * 1_000_000}


def test_hup_opens_the_window_of_a_changed_configuration(folder):
    """From the next turn on."""
    with_a_workload(folder, "off")
    with running(folder) as daemon:
        with_a_workload(folder, "00:00-24:00")
        daemon.tell(signal.SIGHUP)
        assert daemon.hear("config reloaded")["changed"] == ["night.window"]
        did, why_not = daemon.hear("night")["did"]
        assert did.startswith("night ")
        assert did.endswith(" is open until 00:00 UTC")
        assert ": no batch, nothing to learn from: no rated output on the learn side" in why_not
        assert daemon.end() == 0
    assert logged(folder, "night_opened/1")


def test_a_plugin_that_cannot_be_used_is_told_at_the_start_and_on_hup(folder):
    """Exit code 78 before anything is touched; a daemon that runs keeps what it has."""
    with_a_workload(folder, "off")
    wrong = WORKLOAD_CONFIG.format(window="off") + "settings = { epoch = 1 }\n"
    told = "workloads.support.settings.epoch: an unknown key, expected one of epochs, did you mean 'epochs'"
    with running(folder) as daemon:
        (folder / "config.toml").write_text(wrong)
        daemon.tell(signal.SIGHUP)
        assert told in daemon.hear("config refused, the old one stays")["reason"]
        assert daemon.end() == 0
    ended = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 78
    assert ended.stderr == f"{folder}/config.toml:7:14: {told}\n"


def test_an_idle_one_keeps_its_large_columns_out_of_memory(folder):
    """In nameless files beside views.db; what comes then is taken in as ever."""
    make_log(folder / "state" / "events.db", 50_000).close()
    with running(folder) as daemon:
        wait_until(lambda: nameless_maps(daemon.process.pid, folder / "state"))
        assert daemon.ask(FEEDBACK | {"id": "sent"})[0]["id"] == "sent"
        assert daemon.hear("took in")["events"] == 1
        assert daemon.end() == 0


def nameless_maps(pid, folder):
    text = Path(f"/proc/{pid}/maps").read_text()
    return [line for line in text.splitlines() if f"{folder}/" in line and "(deleted)" in line and "-shm" not in line]


def wait_until(come, patience=60.0):
    until = time.monotonic() + patience
    while not come():
        assert time.monotonic() < until, "it has not come"
        time.sleep(0.05)
