"""This file knows which file system a path is on, and which of them SQLite's WAL must not be put on.

It reads what the kernel says in /proc/self/mountinfo and asks nothing of the file system itself, so a server that
hangs cannot make it wait.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from adaptd.errors import AdaptdError

MOUNTINFO = Path("/proc/self/mountinfo")

NETWORK_TYPES = frozenset(
    """
    9p acfs afs afpfs beegfs ceph cifs coda davfs exafs fhgfs gfs gfs2 glusterfs gpfs lustre mapr moosefs ncpfs nfs nfs4
    ocfs2 orangefs pvfs2 smb2 smb3 smbfs virtiofs vboxsf vmhgfs wekafs
    """.split()  # noqa: SIM905 a list of words reads better as words
)
"""Types whose files another machine can change, or whose shared memory is not shared: WAL needs both to be false."""

NETWORK_FUSE = frozenset(
    """
    afpfs ceph cephfs cifs curlftpfs davfs2 gcsfuse gfsfuse gluster glusterfs goofys google-drive-ocamlfuse juicefs mfs
    moosefs mount-s3 nfs onedriver rclone s3 s3fs s3ql seaweedfs smb smbnetfs sshfs vmhgfs-fuse weed
    """.split()  # noqa: SIM905 a list of words reads better as words
)
"""What follows `fuse.` in the type of a network file system that is mounted by a program."""


class NetworkFileSystem(AdaptdError):
    """The state folder is on a file system that SQLite's WAL cannot be trusted on."""

    exit_code = 78

    def __init__(self, path: Path, mount: Mount) -> None:
        super().__init__(
            f"state folder {path}: it is on a network file system ({mount.type} at {mount.point}), expected a local "
            "disk, because SQLite's write-ahead log needs memory shared by all its readers. "
            "Set state_dir under [adaptd] in config.toml to a local folder."
        )
        self.path = path
        self.mount = mount


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo: what is mounted where."""

    id: int
    parent: int
    point: str
    type: str

    @property
    def is_network(self) -> bool:
        """Whether the type is one that WAL is refused on."""
        family, _, program = self.type.partition(".")
        return self.type in NETWORK_TYPES or (family in ("fuse", "fuseblk") and program in NETWORK_FUSE)

    def holds(self, path: str) -> bool:
        """Whether the mount point is the path or a folder above it."""
        return self.point == "/" or path == self.point or path.startswith(self.point + "/")


def read_mounts(mountinfo: str) -> list[Mount]:
    """The mounts of a mountinfo text; a line that is not one is passed over."""
    return [mount for line in mountinfo.splitlines() if (mount := _mount(line))]


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """The mount that a path without symbolic links is on, found as the kernel walks: from the root, mount by mount."""
    mounts = [mount for mount in read_mounts(mountinfo) if mount.holds(str(path))]
    known = {mount.id for mount in mounts}
    found = next((mount for mount in mounts if mount.parent not in known or mount.parent == mount.id), None)
    while found is not None:
        above = found
        mounts.remove(above)
        # Of two mounts on one mount the shorter point comes first on the way down, and hides the longer.
        below = (mount for mount in mounts if mount.parent == above.id)
        found = min(below, key=lambda mount: len(mount.point), default=None)
        if found is None:
            return above
    return None


def refuse_network(path: Path, mountinfo: str | None = None) -> None:
    """Raise NetworkFileSystem when the state folder is on one; without a /proc there is nothing to tell it by."""
    if mountinfo is None:
        mountinfo = _kernel_mountinfo()
    real = Path(os.path.realpath(path))
    mount = mount_of(real, mountinfo)
    if mount is not None and mount.is_network:
        raise NetworkFileSystem(real, mount)


def _kernel_mountinfo() -> str:
    try:
        return MOUNTINFO.read_text("utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _mount(line: str) -> Mount | None:
    before, dash, after = line.partition(" - ")
    fields, kinds = before.split(" "), after.split(" ")
    if not dash or len(fields) < 6 or not (fields[0].isdigit() and fields[1].isdigit()):
        return None
    return Mount(int(fields[0]), int(fields[1]), _unescaped(fields[4]), kinds[0])


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
