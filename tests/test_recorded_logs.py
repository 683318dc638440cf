"""The logs of every release so far: they open, verify, can be read to the last field, and mean what they meant."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from adaptd import __version__
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import KINDS, current
from daemon.received import PRIVATE, FeedbackRecorded, OutputRecorded
from daemon.sealing import Sealing
from daemon.sqlite_log import SqliteEventLog
from daemon.views.store import Views, rebuild_digests
from tests.recorded_logs.record import meaning, record

RECORDED = Path(__file__).parent / "recorded_logs"
SAYINGS = (
    *("output", "score", "up", "down", "type", "category", "comment", "correction"),
    *("better", "worse", "tie", "copy", "regenerate", "dwell", "silence", "retract"),
    *("success", "partial", "corrected", "failure", "rejected", "other"),
)
RELEASES = sorted(path.stem for path in RECORDED.glob("*.json"))


@pytest.fixture(params=RELEASES)
def release(request):
    return request.param


@pytest.fixture
def beside(release):
    """What was recorded beside the log: its head and what the views made of it."""
    return json.loads((RECORDED / f"{release}.json").read_text())


@pytest.fixture
def log(release, tmp_path):
    shutil.copyfile(RECORDED / f"{release}.db", tmp_path / "events.db")
    with SqliteEventLog.open(tmp_path / "events.db", StoppedClock(1), SeededChance(1)) as opened:
        yield opened


@pytest.fixture
def keys(release, tmp_path):
    shutil.copyfile(RECORDED / f"{release}.keys.db", tmp_path / "keys.db")
    with closing(Sealing.open(tmp_path / "keys.db", SeededChance(1))) as opened:
        yield opened


def rows(log, *columns):
    return log.read_after(0, 100_000, columns)


def test_this_release_is_recorded():
    """A release without a recording could not be held to its promises later."""
    assert __version__ in RELEASES


def test_its_chain_verifies(log, beside):
    """To the last event, with the head that was recorded."""
    found = log.verify()
    assert found.problem is None
    assert [found.head.seq, found.head.chain.hex()] == beside["head"]


def test_every_body_can_be_read_today(log, keys):
    """Each kind is known, and each body, with what is sealed, is taken by today's decoder as the same event."""
    for event_id, kind, subject, body, sealed in rows(log, "id", "kind", "subject", "body", "sealed"):
        known, fields = current(kind, json.loads(body))
        assert KINDS[known.name] is known
        if sealed is not None:
            private = keys.unseal(subject, sealed, event_id)
            assert private
            assert set(private) <= set(PRIVATE)
            fields |= private
        if known.name in ("output_recorded", "feedback_recorded"):
            assert fields["id"] == event_id


def test_it_can_be_appended_to(log):
    """An old log goes on under today's code."""
    from tests.contracts.any_event_log import entry

    newest = log.head().seq
    assert log.append([entry(1)]) == newest + 1
    assert log.verify().ok


def test_the_views_are_what_they_were(log, beside):
    """Views of the same version have the same digest; the resolved examples are the same whatever the version."""
    with Views.open(":memory:", log) as views:
        views.catch_up()
        found = json.loads(json.dumps(meaning(views)))
    for name, column in beside["resolved"].items():
        assert found["resolved"][name] == column, name
    for name, version in beside["views"].items():
        if found["views"].get(name) == version:
            assert found["digests"][name] == beside["digests"][name], name
    assert rebuild_digests(log) == found["digests"]


class TestThisRelease:
    """The newest recording has everything in it."""

    @pytest.fixture
    def release(self):
        return __version__

    def test_every_kind_of_event_is_in_it(self, log):
        """A kind that was added must be added to record.py."""
        assert {kind.split("/")[0] for (kind,) in rows(log, "kind")} == set(KINDS)

    def test_every_field_of_feedback_is_in_it(self, log, keys):
        """Each field that a host can give was given at least once."""
        seen = set()
        for event_id, subject, body, sealed in rows(log, "id", "subject", "body", "sealed"):
            seen |= set(json.loads(body))
            if sealed is not None:
                seen |= set(keys.unseal(subject, sealed, event_id))
        wanted = set(FeedbackRecorded.__struct_fields__) | set(OutputRecorded.__struct_fields__)
        assert wanted - {"subject"} <= seen

    def test_everything_that_feedback_can_say_is_in_it(self, log):
        """Each word of `says`, and each side."""
        words = {word for (says,) in rows(log, "says") if says for word in says.split("+")}
        assert words == set(SAYINGS)
        assert {side for (side,) in rows(log, "side")} == {None, "learn", "validate", "judge"}

    def test_what_is_private_is_not_in_the_log(self, log, release):
        """No subject, and of a subject's events no text, stands in the file."""
        raw = (RECORDED / f"{release}.db").read_bytes()
        for private in (b"alice", b"bob", b"carol", b"output of out-2", b"came before its output", "漢字".encode()):
            assert private not in raw

    def test_recording_again_gives_the_same_log(self, tmp_path, beside):
        """With seeded chance and a stopped clock, today's code writes the recorded log, to the same hash."""
        assert json.loads(json.dumps(record(tmp_path / "state"))) == beside

    def test_a_recording_is_small(self, release):
        """It lies in the repository for ever."""
        assert sum(path.stat().st_size for path in RECORDED.glob(f"{release}.*")) < 300_000
