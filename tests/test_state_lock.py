"""One process owns a state folder; whoever looks can tell, and does not disturb."""

import subprocess
import sys

import pytest

from daemon.state_lock import StateInUse, StateLock, running_pid


def test_a_second_owner_is_told_of_the_first(tmp_path):
    """The error names the folder, the process and the next step, and asks to try later (75)."""
    lock = StateLock.take(tmp_path, "4711 2026-11-21T00:00:00+00:00")
    with pytest.raises(StateInUse) as refused:
        StateLock.take(tmp_path, "4712 later")
    told = str(refused.value)
    assert f"state folder {tmp_path}: process 4711 already runs on it" in told
    assert "kill -TERM 4711" in told
    assert refused.value.exit_code == 75
    lock.release()


def test_a_released_lock_can_be_taken_again(tmp_path):
    """The next owner finds the folder free, and its own pid in the file."""
    StateLock.take(tmp_path, "1 first").release()
    (tmp_path / "lock").write_text("0 one that was killed, with a longer text\n")
    lock = StateLock.take(tmp_path, "2 second")
    assert (tmp_path / "lock").read_text() == "2 second\n"
    lock.release()


def test_whether_a_daemon_runs_is_told_by_the_lock_alone(tmp_path):
    """A pid that was left in the file by one that was killed counts for nothing."""
    assert running_pid(tmp_path) is None
    (tmp_path / "lock").write_text("4711 long ago\n")
    assert running_pid(tmp_path) is None
    lock = StateLock.take(tmp_path, "4712 now")
    assert running_pid(tmp_path) == "4712"
    lock.release()
    assert running_pid(tmp_path) is None


def test_an_owner_that_is_killed_leaves_the_folder_free(tmp_path):
    """The kernel lets the lock go with the process."""
    code = (
        "import sys, os, signal; from pathlib import Path; from daemon.state_lock import StateLock\n"
        "lock = StateLock.take(Path(sys.argv[1]), str(os.getpid()))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], timeout=30, check=False)
    assert killed.returncode == -9
    assert (tmp_path / "lock").read_text().strip().isdigit()
    StateLock.take(tmp_path, "2").release()


def test_somebody_who_only_looks_does_not_keep_the_owner_out(tmp_path):
    """The lock is tried again while a look may hold it."""
    import fcntl

    with (tmp_path / "lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        pauses = []

        def pause():
            pauses.append(1)
            if len(pauses) == 3:
                fcntl.flock(looking, fcntl.LOCK_UN)

        StateLock.take(tmp_path, "2", pause).release()
    assert len(pauses) == 3
