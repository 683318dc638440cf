"""Counts per kind."""

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.kinds import Kinds
from tests.contracts.any_view import AnyView, fold_all


class TestKindsView(AnyView):
    """The battery for this view."""

    def make(self):
        return Kinds()


def test_versions_of_a_kind_are_counted_apart():
    """What is stored is what is counted."""
    log = MemoryEventLog(b"salt")
    kinds = ["daemon_started/1", "daemon_started/2", "daemon_started/1", "daemon_stopped/1"]
    log.append([Entry(str(number), kind, 0, 0) for number, kind in enumerate(kinds)])
    assert fold_all(Kinds(), log, 2).counts == {"daemon_started/1": 2, "daemon_started/2": 1, "daemon_stopped/1": 1}


def test_only_what_changed_is_saved():
    """A kind without new events is not written again."""
    log = MemoryEventLog(b"salt")
    log.append([Entry("1", "daemon_started/1", 0, 0)])
    fold = fold_all(Kinds(), log, 9)
    assert fold.take_cells() == {"daemon_started/1": "1"}
    assert fold.take_cells() == {}
