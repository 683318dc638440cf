"""How a verb asks the running daemon for what only the state's owner may: a file in `requests/`, and its answer.

The folder is 0700 and its owner the state folder's: whoever may write there may do it with the daemon down too. The
daemon looks at every turn. A request outlives a kill of either side; it is done twice at most, so it has to bear that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "requests"
Do = Callable[[dict[str, Any]], dict[str, Any]]


class Pending(NamedTuple):
    """A request that was made, from the asking side."""

    path: Path

    def answer(self) -> dict[str, Any] | None:
        """The answer, which is taken away with it; None while there is none."""
        path = self.path.with_suffix(".answer")
        try:
            answer: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        path.unlink()
        return answer

    def withdraw(self) -> None:
        """Nobody is there to do it."""
        with suppress(FileNotFoundError):
            self.path.unlink()


def ask(state_dir: Path, name: str, request: dict[str, Any]) -> Pending:
    """Puts a request down, whole and at once, readable for its owner alone."""
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{name}.request"
    _put(path, request)
    return Pending(path)


def serve(state_dir: Path, do: Do) -> int:
    """Does what was asked for, in the order of the names; returns how many requests there were."""
    folder = state_dir / FOLDER
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return 0
    owners = {0, state_dir.stat().st_uid}
    asked = [folder / name for name in names if name.endswith(".request")]
    served = [path for path in asked if path.lstat().st_uid in owners and not path.is_symlink()]
    for path in served:
        answer = do(_read(path))
        _put(path.with_suffix(".answer"), answer)
        path.unlink(missing_ok=True)
    return len(served)


def _read(path: Path) -> dict[str, Any]:
    """What is asked for; nothing where somebody has put something else there."""
    try:
        request = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _put(path: Path, content: dict[str, Any]) -> None:
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    if os.geteuid() == 0:  # root asks, and the state's owner has to be able to read and take away
        owner = path.parent.parent.stat()
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.replace(path)
