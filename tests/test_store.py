"""Views in their file: state and position together, rebuilt beside, and a log that lost events is noticed."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from bench.log_maker import entries, fill, make_log
from daemon.memory_log import MemoryEventLog
from daemon.sqlite_log import SqliteEventLog
from daemon.views.examples import Examples
from daemon.views.kinds import Kinds
from daemon.views.saving import ViewsUnreadable
from daemon.views.store import ALL_VIEWS, LogRewound, Views, rebuild_digests


def filled(count=600, seed=3):
    log = MemoryEventLog(b"salt")
    fill(log, entries(count, seed), count)
    return log


def grow(log, count, seed=3):
    source = entries(log.head().seq + count, seed)
    for _ in range(log.head().seq):
        next(source)
    fill(log, source, count)


def test_what_is_new_is_folded_and_counted(tmp_path):
    """catch_up says how many events there were; the second time there are none."""
    log = filled(500)
    with Views.open(tmp_path / "views.db", log) as views:
        assert (views.catch_up(), views.position) == (500, 500)
        assert views.catch_up() == 0


def test_an_upper_bound_on_events_is_kept(tmp_path):
    """And the next call goes on from there."""
    with Views.open(tmp_path / "views.db", filled(500), page_events=200) as views:
        assert (views.catch_up(max_events=300), views.position) == (300, 300)
        assert (views.catch_up(max_events=300), views.position) == (200, 500)


def test_reopened_views_go_on_where_they_were(tmp_path):
    """Equal to a fresh rebuild at every stop."""
    log = filled(600)
    for stop in (1, 130, 131, 600):
        with Views.open(tmp_path / "views.db", log, page_events=64, commit_events=100) as views:
            views.catch_up(max_events=stop - views.position)
            assert views.digests() == rebuild_digests(log, up_to=stop)


def test_a_deleted_file_comes_back_equal(tmp_path):
    """Nothing is in it but what the log says."""
    log, path = filled(400), tmp_path / "views.db"
    with Views.open(path, log, page_events=7) as views:
        views.catch_up()
        before = views.digests()
    for name in os.listdir(tmp_path):
        (tmp_path / name).unlink()
    with Views.open(path, log) as views:
        views.catch_up()
        assert views.digests() == before


def test_resolved_examples_are_the_same_after_reopening(tmp_path):
    """What follows from the saved tables is counted again from them."""
    log, path = filled(600), tmp_path / "views.db"
    with Views.open(path, log, page_events=50) as views:
        views.catch_up()
        before = views.examples.resolved()
    with Views.open(path, log) as views:
        after = views.examples.resolved()
        assert {name: column.tobytes() for name, column in after.items()} == {
            name: column.tobytes() for name, column in before.items()
        }


def test_the_examples_object_outlives_a_failure(tmp_path):
    """Whoever was handed it keeps asking the same one."""
    log = filled(100)
    with Views.open(tmp_path / "views.db", log) as views:
        examples = views.examples
        views.catch_up()
        view_at_fault = views.kept[1].fold
        view_at_fault.fold = _failing
        grow(log, 50)
        with pytest.raises(OSError, match="disk"):
            views.catch_up()
        assert (views.catch_up(), views.position) == (50, 150)
        assert views.digests() == rebuild_digests(log)
        assert views.examples is examples
        assert len(examples.resolved()["key"]) == len(views.kept[0].fold.keys["key"])


def _failing(page):
    raise OSError("disk")


class NewerKinds(Kinds):
    """The same, of the next version."""

    version = 2


WITH_NEWER = tuple(NewerKinds if make is Kinds else make for make in ALL_VIEWS)


def versions(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT name, version, position, current FROM views WHERE name = 'kinds'").fetchall()


def test_a_view_of_a_new_version_is_built_beside_and_then_swapped(tmp_path):
    """The old one stays readable, at its position, until the new one is complete."""
    log, path = filled(600), tmp_path / "views.db"
    with Views.open(path, log) as views:
        views.catch_up()
    with Views.open(path, log, makers=WITH_NEWER) as views:
        assert views.catch_up(max_events=400) == 400
        assert versions(path) == [("kinds", 1, 600, 1), ("kinds", 2, 400, 0)]
    with Views.open(path, log, makers=WITH_NEWER) as views:
        views.catch_up()
        assert versions(path) == [("kinds", 2, 600, 1)]
        assert views.digests()["examples"] == rebuild_digests(log)["examples"]


def test_a_view_that_is_behind_is_folded_up_to_the_others_first(tmp_path):
    """Then they go on together; nobody folds an event twice."""
    log, path = filled(300), tmp_path / "views.db"
    with Views.open(path, log) as views:
        views.catch_up()
    grow(log, 100)
    with Views.open(path, log, makers=WITH_NEWER, page_events=64) as views:
        views.catch_up()
        got = views.digests()
    assert {**got, "kinds": ""} == {**rebuild_digests(log), "kinds": ""}
    assert sum(views.kept[1].fold.counts.values()) == 400


def test_what_a_crash_left_of_another_version_is_thrown_away(tmp_path):
    """A half-built state of a version that nobody asks for any more."""
    log, path = filled(300), tmp_path / "views.db"
    with Views.open(path, log) as views:
        views.catch_up()
    with Views.open(path, log, makers=WITH_NEWER) as views:
        views.catch_up(max_events=10)
    with Views.open(path, log) as views:
        assert versions(path) == [("kinds", 1, 300, 1)]


def test_a_log_whose_end_was_cut_off_is_refused(tmp_path):
    """The position lies beyond its head; the error names both and says what to do."""
    path = tmp_path / "views.db"
    with Views.open(path, filled(300)) as views:
        views.catch_up()
    with (
        Views.open(path, filled(299)) as views,
        pytest.raises(
            LogRewound, match=r"up to event 300 with hash \w+…, but the log ends at event 299.*adaptd replay"
        ),
    ):
        views.catch_up()


def test_another_log_of_the_same_length_is_refused(tmp_path):
    """The hash at the position differs."""
    path = tmp_path / "views.db"
    with Views.open(path, filled(300, seed=1)) as views:
        views.catch_up()
    with (
        Views.open(path, filled(400, seed=2)) as views,
        pytest.raises(LogRewound, match="that event has hash"),
    ):
        views.catch_up()


def test_a_damaged_file_says_that_it_can_be_moved_away(tmp_path):
    """Since it is made again from the log."""
    path = tmp_path / "views.db"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(ViewsUnreadable, match=r"not a database.*move it away"):
        Views.open(path, filled(1))


def test_a_file_of_another_format_is_made_anew(tmp_path):
    """An older or newer layout is nothing that the log does not have."""
    log, path = filled(50), tmp_path / "views.db"
    with Views.open(path, log) as views:
        views.catch_up()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    with Views.open(path, log) as views:
        assert (views.position, views.catch_up()) == (0, 50)


def test_many_small_turns_leave_few_chunks(tmp_path):
    """Small ones are put together; the state is the same."""
    log, path = filled(1500), tmp_path / "views.db"
    with Views.open(path, log) as views:
        while views.catch_up(max_events=2):
            pass
        assert views.digests() == rebuild_digests(log)
    with sqlite3.connect(path) as connection:
        assert max(connection.execute("SELECT count(*) FROM chunks GROUP BY part").fetchall())[0] <= 40
    with Views.open(path, log) as views:
        assert views.digests() == rebuild_digests(log)


CHILD = """
import sys
from pathlib import Path
from daemon.sqlite_log import SqliteEventLog
from daemon.views.store import Views
log = SqliteEventLog.open_read_only(Path(sys.argv[1]))
views = Views.open(Path(sys.argv[2]), log, page_events=40, commit_events=80)
print("ready", flush=True)
while views.catch_up(max_events=200):
    pass
"""


def test_a_kill_at_any_moment_leaves_whole_states(tmp_path):
    """Old or new, never a mix: what is found after it equals a rebuild up to the same position."""
    make_log(tmp_path / "events.db", 6_000).close()
    log = SqliteEventLog.open_read_only(tmp_path / "events.db")
    rng, positions = random.Random(7), []
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "events.db"), str(tmp_path / "views.db")],
            stdout=subprocess.PIPE,
        )
        assert child.stdout.readline() == b"ready\n"
        time.sleep(rng.random() * 0.08)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with Views.open(tmp_path / "views.db", log) as views:
            positions.append(views.position)
            assert views.digests() == rebuild_digests(log, up_to=views.position)
    assert positions == sorted(positions)
    assert any(0 < position < 6_000 for position in positions)
    log.close()


def test_a_million_names_cost_what_ten_cost(tmp_path):
    """Beyond the cap they share one row per day, and memory stays as it was. (Here: a few thousand.)"""
    log = MemoryEventLog(b"salt")
    rows = [entry._replace(artifact_type=f"type {number}") for number, entry in enumerate(entries(3000, 5))]
    log.append(rows)
    with Views.open(tmp_path / "views.db", log) as views:
        views.catch_up()
        fold = views.kept[0].fold
        assert isinstance(fold, Examples)
        assert len(fold.names["artifact_type"].listed()) == 1002
        assert views.digests() == rebuild_digests(log, page_events=17)
