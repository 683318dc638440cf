"""Which file system a path is on, and that WAL is refused where its memory cannot be shared."""

from pathlib import Path

import pytest

from daemon.file_systems import NetworkFileSystem, mount_of, read_mounts, refuse_network

ROOT = "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw"


def line(number, parent, point, kind, optional=""):
    return f"{number} {parent} 0:{number} / {point} rw{optional} - {kind} source rw"


def on(path, *lines):
    mount = mount_of(Path(path), "\n".join((ROOT, *lines)))
    return mount.type if mount else None


def test_a_path_is_on_the_mount_nearest_above_it():
    """/srv/data/x is on what is mounted at /srv/data, and /srv/database is not."""
    mounts = (line(2, 1, "/srv/data", "xfs"),)
    assert on("/srv/data/x", *mounts) == "xfs"
    assert on("/srv/data", *mounts) == "xfs"
    assert on("/srv/database", *mounts) == "ext4"


def test_a_mount_in_a_mount_counts():
    """The way down goes through every mount between."""
    assert on("/a/b/c", line(2, 1, "/a", "xfs"), line(3, 2, "/a/b", "nfs4")) == "nfs4"


def test_a_later_mount_hides_what_was_mounted_below_its_point():
    """After a mount over /a, the old mount at /a/b cannot be reached any more."""
    assert on("/a/b/c", line(2, 1, "/a/b", "nfs"), line(3, 1, "/a", "tmpfs")) == "tmpfs"


def test_the_newest_of_mounts_on_one_point_counts():
    """A mount on top of another has it as its parent."""
    assert on("/a/x", line(2, 1, "/a", "ext4"), line(3, 2, "/a", "nfs4")) == "nfs4"


def test_escaped_mount_points_and_optional_fields_are_read():
    """A space in a mount point is \\040 there, and any number of optional fields may stand before the dash."""
    text = line(2, 1, "/my\\040files", "cifs", " shared:1 master:7")
    assert on("/my files/state", text) == "cifs"


@pytest.mark.parametrize("text", ["", "rubbish", "1 2", "x y 0:1 / / rw - ext4 a b", "5 6 0:1 / / rw ext4", "\x00"])
def test_lines_that_are_no_mounts_are_passed_over(text):
    """A mountinfo that we do not understand gives no answer and no error."""
    assert read_mounts(text) == []
    assert mount_of(Path("/a"), text) is None


def test_a_root_that_is_its_own_parent_is_the_root():
    """The kernel's first rootfs says so of itself."""
    text = f"1 1 0:1 / / rw - rootfs rootfs rw\n{line(2, 1, '/a', 'nfs')}"
    assert mount_of(Path("/a/b"), text).type == "nfs"
    assert mount_of(Path("/b"), text).type == "rootfs"


def test_mounts_that_name_each_other_as_parents_do_not_hang():
    """A text that no kernel writes ends all the same."""
    assert mount_of(Path("/a"), f"{line(2, 3, '/', 'ext4')}\n{line(3, 2, '/', 'nfs')}") is None


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre", "beegfs", "gpfs", "fuse.sshfs", "fuse.glusterfs"],
)
def test_a_state_folder_on_the_network_is_refused(kind, tmp_path):
    """The error names the folder, the type, the mount point and what to do."""
    with pytest.raises(NetworkFileSystem) as refused:
        refuse_network(tmp_path, f"{ROOT}\n{line(2, 1, tmp_path, kind)}")
    told = str(refused.value)
    assert refused.value.exit_code == 78
    assert f"state folder {tmp_path}: it is on a network file system ({kind} at {tmp_path})" in told
    assert "Set state_dir under [adaptd] in config.toml to a local folder." in told


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuse.ext2", "fuseblk", "f2fs"])
def test_a_state_folder_on_a_local_disk_is_taken(kind, tmp_path):
    """Local types pass, those of FUSE too."""
    refuse_network(tmp_path, f"{ROOT}\n{line(2, 1, tmp_path, kind)}")


def test_a_link_is_followed_to_where_the_files_are(tmp_path):
    """What counts is the folder that a symbolic link leads to."""
    (tmp_path / "share").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "share")
    with pytest.raises(NetworkFileSystem):
        refuse_network(tmp_path / "state", f"{ROOT}\n{line(2, 1, tmp_path / 'share', 'nfs4')}")


def test_the_kernels_own_text_is_understood(tmp_path):
    """Without an argument the answer comes from /proc, and names a mount that is there."""
    refuse_network(tmp_path)
    mountinfo = Path("/proc/self/mountinfo").read_text()
    assert len(read_mounts(mountinfo)) == len(mountinfo.splitlines())
    assert mount_of(Path("/proc/self"), mountinfo).type == "proc"
