"""How a state folder is opened: which files there are, with which modes, and where it is refused."""

import os
import stat

import pytest

from daemon import opening
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.file_systems import NetworkFileSystem
from daemon.opening import intake_rules, open_state
from daemon.sealing import KeysMissing
from daemon.settings import Settings, settings_of
from tests.made_state import NOW


def opened(folder, settings=None):
    return open_state(folder, settings or Settings(), StoppedClock(NOW), SeededChance(1))


def test_a_new_folder_gets_everything_it_needs(tmp_path):
    """The log and what goes with it, and a spool for the group whatever the umask."""
    before = os.umask(0o077)
    try:
        with opened(tmp_path / "deep" / "state"):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep" / "state").iterdir()}
    finally:
        os.umask(before)
    assert {"events.db", "views.db", "keys.db", "quarantine.db", "spool"} <= set(modes)
    assert modes["spool"] == 0o2770
    assert modes["keys.db"] == 0o600


def test_a_folder_is_opened_again_as_it_was_left(tmp_path):
    """The same log, the same views."""
    with opened(tmp_path / "state") as state:
        log_id = state.log.log_id
    with opened(tmp_path / "state") as state:
        assert state.log.log_id == log_id
        assert state.views.position == state.log.head().seq


def test_what_the_configuration_says_arrives(tmp_path):
    """Limits and the split at the intake, durability at the log."""
    text = "[intake]\nmax_event_bytes = 2000\ncommit_events = 7\n"
    text += '[sides]\nsplit_by = "episode"\n[log]\ndurability = "normal"\n'
    settings = settings_of(text, tmp_path)
    rules = intake_rules(settings)
    assert (rules.max_event_bytes, rules.commit_events, rules.split_by) == (2000, 7, "episode")
    with opened(tmp_path / "state", settings) as state:
        assert state.intake.rules == rules
        assert state.log.durability == "normal"


def test_a_network_folder_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    """Not even the folder."""

    def refuse(path):
        raise NetworkFileSystem(path, opening_mount())

    monkeypatch.setattr(opening, "refuse_network", refuse)
    with pytest.raises(NetworkFileSystem):
        opened(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def opening_mount():
    from daemon.file_systems import Mount

    return Mount(1, 0, "/", "nfs4")


def test_a_damaged_file_closes_what_was_opened_before_it(tmp_path):
    """The error is the file's; the log is not left open behind it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "quarantine.db").write_text("this is no database" * 100)
    with pytest.raises(Exception, match="not a database"):
        opened(tmp_path / "state")
    open_files = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    left_open = [name for name in open_files if name.startswith(str(tmp_path))]
    assert not [name for name in left_open if name.endswith(("events.db", "keys.db"))]


def test_a_log_with_subjects_does_not_open_without_its_keys(tmp_path):
    """A new keys.db would know nobody again, and nobody who was forgotten."""
    with opened(tmp_path) as state:
        line = b'{"kind":"feedback_recorded/1","id":"a","output":"x","score":1,"subject":"anna"}'
        state.intake.take_lines([line], "socket", 1)
    (tmp_path / "keys.db").rename(tmp_path / "elsewhere")
    with pytest.raises(KeysMissing, match="belongs to events"):
        opened(tmp_path)
    assert not (tmp_path / "keys.db").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "keys.db")
    opened(tmp_path).close()
