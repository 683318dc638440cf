"""This file knows what code does to files and to the network while somebody looks: what it wrote, whom it called.

By Python's own audit events, so without a change to the code or to its environment. Names that are looked up and calls
to other machines are refused; what is written is noted. Code in C that asks neither Python nor its sockets is not seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MADE = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "os.truncate": 0}  # where the new path stands
_CALLS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
_NOT_FILES = ("/dev/", "/proc/")
_OF_LIBRARIES = ("__pycache__", "torchinductor_")  # torch makes an empty folder when it is first asked to step


class NoNetwork(OSError):
    """Something watched wanted to talk to another machine, or to look its name up."""


@dataclass
class Seen:
    """What was done outside the folders where it may be done."""

    allowed: list[Path]
    written: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    def note(self, event: str, args: Sequence[Any]) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & _WRITES:
            self._note_written(args[0])
        elif event in _MADE:
            self._note_written(args[_MADE[event]])
        elif event in _CALLS and not _is_local(args):
            self.called.append(event)
            raise NoNetwork(f"{event}: nothing leaves the box while a plugin is checked")

    def _note_written(self, given: Any) -> None:
        if isinstance(given, int) or given is None:
            return  # what is open already was noted when it was opened
        path = os.path.realpath(os.fsdecode(given))
        if path.startswith(_NOT_FILES) or any(name in path for name in _OF_LIBRARIES):
            return
        if not any(Path(path).is_relative_to(folder) for folder in self.allowed):
            self.written.append(path)


@contextmanager
def watched(*allowed: Path) -> Iterator[Seen]:
    """What the code within does; it may write in these folders."""
    if not _hooked:
        sys.addaudithook(_hook)  # for good: Python has no way to take one away
        _hooked.append(True)
    seen = Seen([folder.resolve() for folder in allowed])
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


_hooked: list[bool] = []
_watching: list[Seen] = []


def _hook(event: str, args: Sequence[Any]) -> None:
    for seen in _watching:
        seen.note(event, args)


def _is_local(args: Sequence[Any]) -> bool:
    """Whether a socket talks to a process of this machine through a file, as workers of one program do."""
    return hasattr(args[0], "family") and args[0].family.name == "AF_UNIX"
