"""The log in memory keeps every promise of a log but the disk."""

import pytest

from daemon.memory_log import MemoryEventLog
from tests.contracts.any_event_log import SALT, AnyEventLog, entries, entry


class TestMemoryEventLog(AnyEventLog):
    @pytest.fixture
    def make_log(self):
        return MemoryEventLog


def test_a_changed_row_is_found_by_its_number():
    """verify names the first event that is not what was appended."""
    log = MemoryEventLog(SALT)
    log.append(entries(1, 5))
    log._rows[2] = (*log._rows[2][:2], "output_recorded/1", *log._rows[2][3:])
    found = log.verify()
    assert (found.events, found.bad_seq) == (2, 3)
    assert found.problem == "its stored bytes do not give its stored hash"


def test_a_missing_row_is_found_by_its_number():
    """verify names the number that should have come."""
    log = MemoryEventLog(SALT)
    log.append(entries(1, 5))
    del log._rows[2]
    found = log.verify()
    assert (found.bad_seq, found.problem) == (3, "expected event 3 next, found 4")


def test_what_is_read_cannot_change_the_log():
    """Pages are the caller's own lists."""
    log = MemoryEventLog(SALT)
    log.append([entry(1)])
    log.read_after(0).clear()
    assert len(log.read_after(0)) == 1
