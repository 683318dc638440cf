"""What is read from a state folder without changing it."""

import os

import pytest

from daemon.queries import read_log, read_spool, status_of
from tests import made_state


def test_a_log_that_is_not_there_is_empty(tmp_path):
    """And is not made by asking."""
    log = read_log(str(tmp_path / "events.db"))
    assert (log.events, log.newest_at, log.read_to) == (0, None, {})
    assert not (tmp_path / "events.db").exists()


def test_the_log_is_known_by_its_newest_event(tmp_path):
    """Its number is how many there are, since none is ever missing."""
    made_state.make(tmp_path)
    log = read_log(str(tmp_path / "state" / "events.db"))
    assert (log.events, log.newest_at) == (made_state.EVENTS, made_state.NOW)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_read(tmp_path):
    """By somebody of the group, with the daemon down."""
    made_state.make(tmp_path)
    (tmp_path / "state").chmod(0o550)
    try:
        assert read_log(str(tmp_path / "state" / "events.db")).events == made_state.EVENTS
    finally:
        (tmp_path / "state").chmod(0o750)


def test_names_that_mean_something_in_an_address_are_ordinary(tmp_path):
    """A ? or % in a folder's name is part of the name."""
    folder = made_state.make(tmp_path / "50%41 of what? #1")
    assert read_log(str(folder / "state" / "events.db")).events == made_state.EVENTS


def test_what_waits_in_the_spool_is_what_was_not_read(tmp_path):
    """Files being born and other files do not count, a finished file waits for its host without bytes."""
    for name, size in (("a.ndjson", 100), ("b.ndjson", 50), ("c.ndjson", 70), (".d.ndjson.new", 9), ("notes.txt", 9)):
        (tmp_path / name).write_bytes(b"x" * size)
    spool = read_spool(str(tmp_path), {"a.ndjson": 40, "b.ndjson": -1, "gone.ndjson": 10})
    assert (spool.files, spool.unread_files, spool.unread_bytes) == (3, 2, 130)
    nothing = read_spool(str(tmp_path / "missing"), {})
    assert (nothing.files, nothing.unread_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("table", "durability"),
    [({}, "full"), ({"log": {"durability": "normal"}}, "normal"), ({"log": 3}, "full"), ({"log": {}}, "full")],
)
def test_durability_is_what_the_file_says(table, durability, tmp_path):
    """Wrong tables are the daemon's to refuse; here they are the default."""
    assert status_of(str(tmp_path), None, table, "2026-11-21").durability == durability


def test_today_is_the_day_that_is_asked_for(tmp_path):
    """Counted in UTC by the time of arrival."""
    made_state.make(tmp_path)
    then = status_of(str(tmp_path / "state"), None, {}, "2023-11-14")
    after = status_of(str(tmp_path / "state"), None, {}, "2023-11-15")
    assert (then.today.outputs, then.today.feedback) == (then.volume.outputs, then.volume.feedback) == (2, 2)
    assert (after.today.outputs, after.today.feedback) == (0, 0)
