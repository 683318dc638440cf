"""This file knows the folders of a state folder and their modes. Standard library alone: `init` makes them."""

from __future__ import annotations

import os

STATE_MODE = 0o750
SPOOL_MODE = 0o2770
"""Programs of other users in the folder's group may write their own spool files; setgid hands the group on."""


def make_folders(state_dir: str | os.PathLike[str]) -> None:
    """The state folder and its spool, with their modes whatever the umask; folders that are there stay as they are."""
    for folder, mode in ((state_dir, STATE_MODE), (os.path.join(state_dir, "spool"), SPOOL_MODE)):
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Returns when the folder's entries are on disk: names made, changed or removed in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
