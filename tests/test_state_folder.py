"""Who may do what in a state folder: its owner everything, its group record and read, nobody else anything."""

import os
import pickle
import shutil
import signal
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from adaptd.spool import Spool
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.opening import open_state
from daemon.queries import status_of
from daemon.settings import Settings
from daemon.state_folder import NotOurFolder, make_folders
from tests.intake_world import NOW

GROUP, OWNER, HOST = 61_000, 61_001, 61_002
ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


def opened(state):
    return open_state(state, Settings(), StoppedClock(NOW), SeededChance(1))


def record(state, event_id="a", *, close=True):
    spool = Spool(str(state / "spool"))
    spool.put("feedback_recorded/1", f'"{event_id}"', NOW, b'{"output":"x","score":1}')
    if close:
        spool.close()
    return spool


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def modes_in(state):
    return {path.name: mode_of(path) for path in (state, *state.iterdir())}


@pytest.mark.parametrize("first", [record, lambda state: opened(state).close(), make_folders])
def test_it_does_not_matter_who_makes_the_folder(tmp_path, first):
    """A host, the daemon or `init`: the folder is its owner's, the spool the group's."""
    state = tmp_path / "state"
    before = os.umask(0)
    try:
        first(state)
    finally:
        os.umask(before)
    assert (mode_of(state), mode_of(state / "spool")) == (0o2750, 0o2770)
    with opened(state):
        record(state)
        modes = modes_in(state)
    databases = {name: modes[name] for name in modes if name.endswith(".db")}
    assert databases == {"events.db": 0o640, "views.db": 0o640, "keys.db": 0o600, "quarantine.db": 0o600}
    assert (modes["events.db-wal"], modes["views.db-shm"]) == (0o640, 0o640)


def test_a_folder_of_an_earlier_version_is_mended(tmp_path):
    """What the group was allowed to write is its owner's from the next start on, also beside the databases."""
    state = tmp_path / "state"
    opened(state).close()
    for name in ("events.db-wal", "events.db-shm"):
        (state / name).touch()
    for path in state.iterdir():
        path.chmod(0o660 if path.is_file() else 0o2770)
    state.chmod(0o2770)
    with opened(state):
        modes = modes_in(state)
    assert [name for name, mode in modes.items() if mode & 0o022] == ["spool"]
    assert (modes["state"], modes["keys.db"], modes["quarantine.db"]) == (0o2750, 0o600, 0o600)


def test_a_narrower_folder_is_left_as_it_is(tmp_path):
    """Whoever lets no group in has a reason."""
    make_folders(tmp_path / "state")
    (tmp_path / "state").chmod(0o700)
    with opened(tmp_path / "state"):
        assert mode_of(tmp_path / "state") == 0o700


# As two users of one group


@pytest.fixture
def state():
    """A place that other users may get to, with a state folder of OWNER's group in it."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    folder = place / "state"
    yield folder
    shutil.rmtree(place)


def as_user(user, do):
    """What `do` returns in a process of that user of the group; what it raises is raised here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.setgroups([GROUP])
            os.setgid(GROUP)
            os.setuid(user)
            os.write(writing, pickle.dumps(_outcome(do)))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    is_error, outcome = pickle.loads(told)
    if is_error:
        raise outcome
    return outcome


def _outcome(do):
    try:
        return False, do()
    except OSError as error:
        return True, error
    except Exception as error:  # of a class that pickle may not make again
        return True, AssertionError(f"{type(error).__name__}: {error}")


def owned(state):
    """The folder with all that a daemon of OWNER makes, which has ended."""
    state.parent.chmod(0o777)
    as_user(OWNER, lambda: opened(state).close())
    return state


def tried(user, *deeds):
    """Which of these the user may do."""
    allowed = []
    for name, deed in deeds:
        with suppress(OSError):
            as_user(user, deed)
            allowed.append(name)
    return allowed


@ROOT_ALONE
def test_another_user_of_the_group_cannot_touch_the_log(state):
    """Neither written, linked into the folder, renamed nor removed; and no journal is put beside the keys."""
    owned(state)
    log = state / "events.db"
    deeds = {
        "write": lambda: log.open("r+b").close(),
        "write views": lambda: (state / "views.db").open("r+b").close(),
        "read keys": lambda: (state / "keys.db").read_bytes() and None,
        "link": lambda: os.link(log, state / "link"),
        "rename": lambda: log.rename(state / "old.db"),
        "remove": log.unlink,
        "journal": lambda: (state / "keys.db-journal").write_bytes(b"x") and None,
        "move the spool": lambda: (state / "spool").rename(state / "other"),
    }
    assert tried(HOST, *deeds.items()) == []


@ROOT_ALONE
def test_another_user_of_the_group_records_and_looks(state):
    """The daemon takes its event in and deletes its file; `status` reads while the daemon runs and after it."""
    owned(state)
    as_user(HOST, lambda: record(state) and None)

    def take_in_and_be_looked_at():
        with opened(state) as open_one:
            taken = open_one.intake.take_spools(NOW).events
            open_one.views.catch_up()
            return taken, os.listdir(state / "spool")

    assert as_user(OWNER, take_in_and_be_looked_at) == (1, [])
    assert as_user(HOST, lambda: feedback_told(state)) == 1


@ROOT_ALONE
def test_another_user_looks_beside_an_open_log_and_one_that_was_left(state):
    """With the WAL there: while its writer lives, and after it was killed."""
    owned(state)
    with held_open(OWNER, state):
        assert as_user(HOST, lambda: feedback_told(state)) == 1
    assert (state / "events.db-wal").stat().st_size > 0
    assert as_user(HOST, lambda: feedback_told(state)) == 1


@ROOT_ALONE
def test_a_folder_that_a_host_made_is_told_to_another_users_daemon(state):
    """The error says whose it is and how it becomes the daemon's; then what was recorded before comes in."""
    state.parent.chmod(0o777)
    as_user(HOST, lambda: record(state) and None)
    refused = f"NotOurFolder: {state}: belongs to user {HOST}, and user {OWNER} may not write there"
    with pytest.raises(AssertionError, match=refused):
        as_user(OWNER, lambda: opened(state).close())
    os.chown(state, OWNER, GROUP)
    state.chmod(0o2750)

    def take_in():
        with opened(state) as open_one:
            return open_one.intake.take_spools(NOW).events

    assert as_user(OWNER, take_in) == 1
    as_user(HOST, lambda: record(state, "b") and None)
    assert as_user(OWNER, take_in) == 1


def test_the_error_says_what_to_do():
    """Whose folder it is, who may not write there, and the command."""
    us = os.geteuid()
    assert str(NotOurFolder("/srv/state", 33)) == (
        f"/srv/state: belongs to user 33, and user {us} may not write there; expected a folder of the user that runs "
        "the daemon. A program that recorded before the daemon's first start may have made it: "
        f"`chown {us} /srv/state` as root, or run adaptd as user 33. What was recorded is kept."
    )


def feedback_told(state):
    return status_of(str(state), None, {}, "2023-11-14").volume.feedback


@contextmanager
def held_open(user, state):
    """One event is taken in by a process of that user, which is killed at the end with everything open."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.setgroups([GROUP])
            os.setgid(GROUP)
            os.setuid(user)
            kept = opened(state)
            record(state)
            kept.intake.take_spools(NOW)
            kept.views.catch_up()
            os.write(writing, b"!")
            signal.pause()
        os._exit(1)
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"!"
        yield
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
