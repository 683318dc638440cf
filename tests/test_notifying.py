"""What a service manager is told: one datagram a message, and nothing when nobody asked."""

import os
import socket

import pytest

from daemon.notifying import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def listener(request, tmp_path):
    """A service manager's socket, and the name of it for NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        name = str(tmp_path / "notify") if request.param == "path" else f"@adaptd-test-{os.getpid()}-{tmp_path.name}"
        door.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        door.setblocking(False)
        yield door, name


def test_each_message_is_one_datagram(listener):
    """Ready, reloading, a status, a sign of life, stopping: as systemd writes them."""
    door, name = listener
    manager = ServiceManager({"NOTIFY_SOCKET": name})
    manager.ready("12 events in the log")
    manager.reloading(monotonic_us=77)
    manager.status("13 events")
    manager.alive()
    manager.stopping("stopping")
    assert [door.recv(1000) for _ in range(5)] == [
        b"READY=1\nSTATUS=12 events in the log",
        b"RELOADING=1\nMONOTONIC_USEC=77",
        b"STATUS=13 events",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=stopping",
    ]


def test_the_same_status_is_sent_once(listener):
    """A status that has not changed is no news."""
    door, name = listener
    manager = ServiceManager({"NOTIFY_SOCKET": name})
    manager.status("idle")
    manager.status("idle")
    manager.status("two\nlines")
    assert [door.recv(1000), door.recv(1000)] == [b"STATUS=idle", b"STATUS=two lines"]
    with pytest.raises(BlockingIOError):
        door.recv(1000)


@pytest.mark.parametrize("name", ["", "relative/path", "/nowhere/at/all", "@nobody-listens-here-adaptd"])
def test_nobody_who_listens_is_no_trouble(name):
    """Without a socket, or with one that nobody reads, the daemon goes on."""
    manager = ServiceManager({"NOTIFY_SOCKET": name})
    manager.ready("well")
    manager.alive()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "41"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "42"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_a_watchdog_is_answered_at_half_its_time(environ, seconds):
    """Only one that waits for this very process counts."""
    assert ServiceManager(environ, pid=41).watchdog_seconds == seconds
