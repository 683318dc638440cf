"""The quarantine view: totals and the newest."""

import json

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.newest import KEPT
from daemon.views.quarantine import Quarantine
from tests.contracts.any_view import AnyView, fold_all


class TestQuarantineView(AnyView):
    """The battery for this view."""

    def make(self):
        return Quarantine()


def quarantined(number, reason):
    body = {"source": "s.ndjson", "offset": number, "length": 3, "reason": reason, "quarantine_id": f"q{number}"}
    return Entry(f"e{number}", "line_quarantined/1", 1000 + number, 0, body=json.dumps(body))


def test_all_are_counted_and_the_newest_kept_with_their_reasons():
    """However many there are."""
    log = MemoryEventLog(b"salt")
    log.append([quarantined(number, f"reason {number}") for number in range(1, 101)])
    log.append([Entry("r", "event_refused/1", 5, 0, body='{"reason":"its subject was forgotten"}')])
    view = fold_all(Quarantine(), log, 7)
    assert view.totals == {"line_quarantined": 100, "event_refused": 1}
    newest = [view.newest[seq] for seq in sorted(view.newest, reverse=True)]
    assert len(newest) == KEPT
    assert newest[0] == {"seq": 101, "kind": "event_refused", "received_at": 5, "reason": "its subject was forgotten"}
    assert (newest[1]["reason"], newest[1]["offset"]) == ("reason 100", 100)


def test_a_long_reason_is_cut():
    """The view stays small; the log has the whole of it."""
    log = MemoryEventLog(b"salt")
    log.append([quarantined(1, "x" * 5000)])
    assert fold_all(Quarantine(), log, 7).newest[1]["reason"] == "x" * 300


def test_an_event_for_many_counts_as_many():
    """A flood is told in one; what is no number counts as none."""
    log = MemoryEventLog(b"salt")
    log.append([quarantined(1, "one")])
    for number, (kind, count) in enumerate(
        [("line_quarantined", 700), ("event_refused", 30), ("line_quarantined", "x")]
    ):
        log.append([Entry(f"m{number}", f"{kind}/1", 5, 0, body=json.dumps({"reason": "r", "count": count}))])
    view = fold_all(Quarantine(), log, 2)
    assert view.totals == {"line_quarantined": 701, "event_refused": 30}
    assert view.newest[2]["count"] == 700
