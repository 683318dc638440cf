"""What `status` reads: small, quick, with the standard library alone."""

import json
import os
import subprocess
import sys

import pytest

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.kinds import Kinds
from daemon.views.store import ALL_VIEWS, Views
from daemon.views.summary import read_summary
from tests.contracts.view_histories import entries_of

DAY_20_000 = "2024-10-04"


def bringing(name, **more):
    event = {"id": name, "output": name, "brings": True, "says": ("output", "score"), "score": 1.0, "bucket": 1}
    return {**event, "side": "learn", "writer": None, "n": None, "day": 0, "type": "erd", **more}


@pytest.fixture
def log():
    log = MemoryEventLog(b"salt")
    said = [
        bringing("a"),
        bringing("b", day=1),
        bringing("c", type="sql"),
        bringing("d", says=None, score=None, type=None),
    ]
    log.append(entries_of([*said, {"id": "e", "output": "b", "says": ("up",), "writer": None, "n": None, "day": 1}]))
    body = {"source": "s", "offset": 1, "length": 2, "reason": "torn", "quarantine_id": "q"}
    log.append([Entry("q", "line_quarantined/1", 5, 5, body=json.dumps(body))])
    log.append([Entry("s", "spool_finished/1", 5, 5, body='{"spool":"x","bytes":7}')])
    return log


@pytest.fixture
def path(tmp_path, log):
    with Views.open(tmp_path / "views.db", log) as views:
        views.catch_up()
    return tmp_path / "views.db"


def test_everything_is_counted_per_kind_type_and_day(path):
    """Feedback counts under the type of the output that it is about."""
    summary = read_summary(path)
    assert summary["position"] == 7
    assert summary["kinds"] == {
        "feedback_recorded/1": 4, "line_quarantined/1": 1, "output_recorded/1": 1, "spool_finished/1": 1,
    }  # fmt: skip
    assert (summary["outputs"], summary["feedback"]) == (4, 4)
    assert summary["artifact_types"] == [
        {"artifact_type": "erd", "outputs": 2, "feedback": 3},
        {"artifact_type": "sql", "outputs": 1, "feedback": 1},
        {"artifact_type": None, "outputs": 1, "feedback": 0},
    ]
    assert [(day["day"], day["outputs"], day["feedback"]) for day in summary["days"]] == [
        ("2024-10-05", 1, 2),
        (DAY_20_000, 3, 2),
    ]
    assert summary["days"][0]["artifact_types"] == [{"artifact_type": "erd", "outputs": 1, "feedback": 2}]


def test_quarantine_and_spools_are_told(path):
    """Totals, and the newest with their details."""
    summary = read_summary(path)
    assert summary["quarantine"]["totals"] == {"line_quarantined": 1, "event_refused": 0}
    assert summary["quarantine"]["newest"][0]["reason"] == "torn"
    assert summary["spools"]["totals"] == {"spool_finished": 1, "bytes": 7}


def test_before_anything_was_folded_all_is_empty(tmp_path):
    """No file, and a file without events, say the same; and no file is made."""
    empty = read_summary(tmp_path / "views.db")
    assert (empty["position"], empty["kinds"], empty["days"]) == (0, {}, [])
    assert os.listdir(tmp_path) == []
    with Views.open(tmp_path / "views.db", MemoryEventLog(b"salt")):
        assert read_summary(tmp_path / "views.db") == {**empty, "views": read_summary(tmp_path / "views.db")["views"]}


def test_it_is_read_while_the_daemon_has_the_file_open(tmp_path, log):
    """And in a folder whose name SQLite would take for something else."""
    folder = tmp_path / "100% #1?"
    folder.mkdir()
    with Views.open(folder / "views.db", log) as views:
        views.catch_up()
        assert read_summary(folder / "views.db")["position"] == 7


def test_a_view_being_rebuilt_is_told_beside_its_old_version(tmp_path, log, path):
    """What is counted comes from the old one until the new one is complete."""

    class NewerKinds(Kinds):
        version = 2

    makers = tuple(NewerKinds if make is Kinds else make for make in ALL_VIEWS)
    with Views.open(path, log, makers=makers) as views:
        views.catch_up(max_events=2)
        summary = read_summary(path)
    assert summary["views"]["kinds"] == {"version": 1, "position": 7}
    assert summary["being_rebuilt"] == {"kinds": {"version": 2, "position": 2}}
    assert summary["kinds"]["feedback_recorded/1"] == 4


def test_names_beyond_the_cap_are_told_together(tmp_path):
    """The first thousand have a line of their own, of which the largest are shown."""
    log = MemoryEventLog(b"salt")
    log.append(entries_of([bringing(f"o{number}", type=f"type {number}") for number in range(1_200)]))
    with Views.open(tmp_path / "views.db", log) as views:
        views.catch_up()
    summary = read_summary(tmp_path / "views.db")
    assert (len(summary["artifact_types"]), summary["outputs"]) == (50, 1_200)
    assert summary["other_artifact_types"] == {"outputs": 1_150, "feedback": 1_150}


def test_reading_it_loads_neither_numpy_nor_msgspec(path):
    """Only modules of the standard library."""
    code = (
        "import sys; from daemon.views.summary import read_summary; read_summary(sys.argv[1]);"
        "print([name for name in sys.modules if name.split('.')[0] in ('numpy', 'msgspec', 'structlog', 'cryptography')"
        " or name in ('pathlib', 'typing')])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_feedback_that_waits_for_its_output_is_told(tmp_path, log):
    """How much, and since when; nothing of it once the output has come."""
    with Views.open(tmp_path / "views.db", log) as views:
        views.catch_up()
        assert (read_summary(tmp_path / "views.db")["waiting"], views.examples.listed("artifact_type")[0]) == (0, None)
        log.append([Entry("w", "feedback_recorded/1", 77, 5, output_key=123, says="up")])
        log.append([Entry("x", "feedback_recorded/1", 88, 5, output_key=123, says="up")])
        views.catch_up()
        found = read_summary(tmp_path / "views.db")
        assert (found["waiting"], found["waiting_since"]) == (2, 77)
        log.append([Entry("o", "output_recorded/1", 99, 5, output_key=123, side="learn", bucket=1)])
        views.catch_up()
        found = read_summary(tmp_path / "views.db")
        assert (found["waiting"], found["waiting_since"]) == (0, None)
