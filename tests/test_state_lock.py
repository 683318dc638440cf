"""One process owns a state folder; whoever looks can tell, and does not disturb."""

import subprocess
import sys

import pytest

from daemon.state_lock import StateInUse, StateLock, StateMoved, running_pid


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


def test_a_deleted_file_lets_nobody_in(tmp_path):
    """The folder itself is locked; the second is refused though `lock` is a new file."""
    lock = StateLock.take(tmp_path, "4711")
    (tmp_path / "lock").unlink()
    with pytest.raises(StateInUse, match="another process already runs on it"):
        StateLock.take(tmp_path, "4712")
    lock.keep()
    assert running_pid(tmp_path) == "4711"
    with pytest.raises(StateInUse, match="process 4711"):
        StateLock.take(tmp_path, "4712")
    lock.release()
    assert running_pid(tmp_path) is None
    StateLock.take(tmp_path, "4713").release()


def test_keeping_a_lock_that_is_there_changes_nothing(tmp_path):
    """It is looked at before every turn."""
    lock = StateLock.take(tmp_path, "4711")
    before = (tmp_path / "lock").stat()
    lock.keep()
    after = (tmp_path / "lock").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    lock.release()


def test_a_lock_that_somebody_else_put_there_is_theirs(tmp_path):
    """An older adaptd, which knows the file alone, came in meanwhile: one of the two has to end."""
    import fcntl

    lock = StateLock.take(tmp_path, "4711")
    (tmp_path / "lock").unlink()
    with (tmp_path / "lock").open("w") as theirs:
        theirs.write("4712 older")
        theirs.flush()
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(StateInUse, match="process 4712"):
            lock.keep()
    lock.release()


def test_a_folder_that_was_moved_is_not_written_to_any_more(tmp_path):
    """Whatever stands there now is not what is owned."""
    state = tmp_path / "state"
    state.mkdir()
    lock = StateLock.take(state, "4711")
    state.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StateMoved) as moved:
            lock.keep()
        state.mkdir(exist_ok=True)
    assert str(moved.value) == (
        f"state folder {state}: was moved away or replaced while adaptd worked on it, expected the same folder for as "
        "long as it runs. Put it back where it was, and start adaptd again; what it had taken in is in it."
    )
    StateLock.take(state, "4712").release()
    lock.release()
