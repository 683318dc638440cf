"""The view of spool files that were read to their end."""

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.spools import Spools
from tests.contracts.any_view import AnyView, fold_all


class TestSpoolsView(AnyView):
    """The battery for this view."""

    def make(self):
        return Spools()


def test_files_bytes_and_lines_are_summed():
    """And the newest file is first among the newest."""
    log = MemoryEventLog(b"salt")
    bodies = ['{"spool":"a-000001.ndjson","bytes":10}', '{"spool":"a-000002.ndjson","bytes":20}']
    log.append([Entry(str(number), "spool_finished/1", 9, 0, body=body) for number, body in enumerate(bodies)])
    view = fold_all(Spools(), log, 1)
    assert view.totals == {"spool_finished": 2, "bytes": 30}
    assert view.newest[max(view.newest)]["spool"] == "a-000002.ndjson"
