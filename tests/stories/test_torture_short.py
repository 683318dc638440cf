"""`make torture` in short: every scenario, with fewer kills and less patience."""

import pytest

from tests.torture.clocks import clock_set_back_and_forward
from tests.torture.flipped_byte import flipped_byte
from tests.torture.full_disk import full_file_system, limited_files
from tests.torture.kills import kills
from tests.torture.stopped_host import host_stopped_for_an_hour
from tests.torture.torn_lines import torn_lines

# In one group, one after the other: each uses all the cores that there are.
pytestmark = pytest.mark.torture


@pytest.mark.slow
def test_what_was_returned_is_there_once_after_kills_of_daemon_and_hosts():
    """Every id that a host was given is in the log exactly once, whoever was killed when."""
    figures = kills(kills=8, hosts=8, seed=1, seconds=60).figures
    assert figures["of the daemon"] == figures["of hosts, with their children"] == 4
    assert figures["lost"] == figures["doubled"] == 0
    assert figures["born by rotation"] > 0


@pytest.mark.slow
def test_calls_fail_while_no_file_can_grow_and_nothing_else_is_lost():
    """A call that returned None is the host's to repeat; one that returned an id is in the log."""
    figures = limited_files(rounds=3, starts=1, seed=1).figures
    assert figures["lost"] == 0
    assert figures["calls that returned None"] > 0


def test_a_full_file_system_loses_nothing_that_was_returned():
    """The same with ENOSPC on a real file system, where one can be mounted."""
    result = full_file_system(rounds=1, seed=1)
    if "skipped" in result.figures:
        pytest.skip(str(result.figures["skipped"]))
    assert result.figures["lost"] == 0


def test_torn_lines_are_kept_aside_and_their_neighbours_are_taken_in():
    """A last line is waited for while its host lives, and kept aside whole once it is gone."""
    figures = torn_lines(times=1, seed=1).figures
    assert figures["lines in quarantine"] >= 2


def test_a_flipped_byte_is_found_and_its_event_is_named():
    """`adaptd events verify` exits with 1 and says the number of the event."""
    assert flipped_byte(times=3, seed=1).figures["found, and named by number"] == 3


def test_clocks_that_jump_change_no_order_and_lose_nothing():
    """Ten years on, a day back: the counters decide, and a rebuild gives the same views."""
    assert clock_set_back_and_forward(seconds=2, seed=1).figures["lost"] == 0


def test_a_host_that_stands_still_for_an_hour_keeps_its_file():
    """The daemon waits for the lock, not for the clock."""
    assert host_stopped_for_an_hour(times=2, seed=1).figures["lost"] == 0
