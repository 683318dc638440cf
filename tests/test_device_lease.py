"""A device is had by one run at a time, whoever's it is, until its process has gone."""

import os
import stat
import subprocess
import sys

import pytest

from daemon.device_lease import Lease, NoLeases, lease_folder


def test_a_device_is_had_once(tmp_path):
    """Until it is let go of; other devices are others."""
    lease = Lease.take(tmp_path, "GPU-1/a")
    assert Lease.take(tmp_path, "GPU-1/a") is None
    other = Lease.take(tmp_path, "cpu")
    other.close()
    lease.close()
    again = Lease.take(tmp_path, "GPU-1/a")
    again.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["GPU-1-a.lock", "cpu.lock"]


def test_whoever_inherits_it_has_it_for_life(tmp_path):
    """We let go of ours; the child's end frees it, however it ends."""
    lease = Lease.take(tmp_path, "cpu")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lease.descriptor,))
    lease.close()
    assert Lease.take(tmp_path, "cpu") is None
    child.kill()
    child.communicate()
    freed = Lease.take(tmp_path, "cpu")
    assert freed is not None
    freed.close()


def test_folder_and_files_are_for_every_user_of_the_machine(tmp_path):
    """Whatever the umask: sticky, and a lock needs to be read alone."""
    before = os.umask(0o077)
    try:
        Lease.take(tmp_path / "new", "cpu").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "new" / "cpu.lock").stat().st_mode) == 0o644


def test_a_folder_that_cannot_be_used_is_told_with_the_next_step(tmp_path):
    """A file in its place; a link in the place of a lock."""
    (tmp_path / "file").touch()
    with pytest.raises(NoLeases, match=r"Set ADAPTD_LEASES to a folder that every daemon of this machine may write to"):
        Lease.take(tmp_path / "file", "cpu")
    (tmp_path / "cpu.lock").symlink_to(tmp_path / "file")
    with pytest.raises(NoLeases, match=r"cpu\.lock: .*, expected a folder in which locks on devices can be kept"):
        Lease.take(tmp_path, "cpu")
    (tmp_path / "gpu.lock").mkdir()
    with pytest.raises(NoLeases, match="no plain file"):
        Lease.take(tmp_path, "gpu")


def test_the_folder_is_the_machine_s_unless_it_is_said(tmp_path):
    assert str(lease_folder({"ADAPTD_LEASES": str(tmp_path)})) == str(tmp_path)
    assert lease_folder({}).name == "adaptd"
