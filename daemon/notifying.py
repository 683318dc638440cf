"""This file knows how a service manager is told what the daemon does: sd_notify, one datagram a message.

Without NOTIFY_SOCKET nothing is sent, and a manager that does not listen is never the daemon's trouble.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """Who started the daemon, if it asked to be told; `watchdog_seconds` is how often it wants a sign of life."""

    def __init__(self, environ: Mapping[str, str], pid: int | None = None) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._status = ""
        self.watchdog_seconds = _watchdog_seconds(environ, os.getpid() if pid is None else pid)

    def ready(self, status: str) -> None:
        """The daemon takes in events from now on."""
        self._status = status
        self._send("READY=1", f"STATUS={status}")

    def reloading(self, monotonic_us: int) -> None:
        """The configuration is being read again; `ready` follows."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us}")

    def stopping(self, status: str) -> None:
        """The daemon ends."""
        self._send("STOPPING=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; the same line twice is sent once."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        """The sign of life of a watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, *fields: str) -> bool:
        if self._address is None:
            return False
        message = "\n".join(field.replace("\n", " ") for field in fields)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.setblocking(False)
                door.sendto(message.encode("utf-8", errors="replace"), self._address)
        except OSError:
            return False
        return True


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """Half of what the manager waits for; None when it does not wait, or waits for another process."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    if not (microseconds.isdigit() and int(microseconds) > 0 and meant):
        return None
    return int(microseconds) / 2_000_000
