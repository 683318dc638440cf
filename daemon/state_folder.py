"""This file knows the folders and databases of a state folder and who may do what with them: modes, and their mending.

Hosts of other users in the folder's group need the spool alone, and to read what `status` reads. So the folder is
written by its owner only: whoever could make or remove names in it could replace the log, or put a journal beside the
keys that SQLite would believe. Standard library alone: `init` makes the folders.
"""

from __future__ import annotations

import os
import stat

from adaptd.errors import AdaptdError

STATE_MODE = 0o2750
"""As a host makes it too (adaptd/spool_file.py), so that it does not matter who comes first."""
SPOOL_MODE = 0o2770
"""Programs of other users in the folder's group may write their own spool files; setgid hands the group on."""
DATABASE_MODE = 0o640
DATABASES = {"events.db": DATABASE_MODE, "views.db": DATABASE_MODE, "keys.db": 0o600, "quarantine.db": 0o600}
"""The widest mode of each; SQLite makes the files beside them with the same."""
BESIDE = ("", "-wal", "-shm", "-journal")
_FOR_OTHERS_TO_WRITE = 0o022


class NotOurFolder(AdaptdError):
    """The state folder is another user's, who does not let us write there."""

    def __init__(self, state_dir: str | os.PathLike[str], owner: int) -> None:
        us = os.geteuid()
        super().__init__(
            f"{os.fspath(state_dir)}: belongs to user {owner}, and user {us} may not write there; expected a folder of "
            "the user that runs the daemon. A program that recorded before the daemon's first start may have made it: "
            f"`chown {us} {os.fspath(state_dir)}` as root, or run adaptd as user {owner}. What was recorded is kept."
        )


def make_folders(state_dir: str | os.PathLike[str]) -> None:
    """The state folder and its spool, with their modes whatever the umask.

    Folders that are there stay as they are, but for the right to write that earlier versions gave to the group.
    """
    for folder, mode in ((state_dir, STATE_MODE), (os.path.join(state_dir, "spool"), SPOOL_MODE)):
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)
    _narrow(state_dir, ~_FOR_OTHERS_TO_WRITE)
    if not os.access(state_dir, os.W_OK | os.X_OK, effective_ids=True):
        raise NotOurFolder(state_dir, os.stat(state_dir).st_uid)


def narrow_databases(state_dir: str | os.PathLike[str]) -> None:
    """Takes back what databases of earlier versions, or copies of them, allow to others than their owner."""
    for name, widest in DATABASES.items():
        for suffix in BESIDE:
            _narrow(os.path.join(state_dir, name + suffix), widest)


def _narrow(path: str | os.PathLike[str], widest: int) -> None:
    """Nothing is said of what belongs to somebody else: `doctor` does that, and knows the command."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~widest and found.st_uid == os.geteuid():
        os.chmod(path, mode & widest)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Returns when the folder's entries are on disk: names made, changed or removed in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
