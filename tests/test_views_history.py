"""The history view: facts of nights in whatever order they are fed, and the small cell that status reads."""

import json
from itertools import pairwise

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.history import NIGHTS_KEPT, History
from tests import history_world as nights
from tests.contracts.any_view import AnyView, fold_all


class TestHistoryView(AnyView):
    """The battery for this view."""

    def make(self):
        return History()


def entries(events):
    return [
        Entry(f"e{number}", f"{kind}/{2 if kind == 'challenger_judged' else 1}", at, at, body=json.dumps(body))
        for number, (at, kind, body) in enumerate(events)
    ]


def folded(events):
    log = MemoryEventLog(b"salt")
    log.append(entries(events))
    return fold_all(History(), log, 50)


def test_workloads_are_those_of_which_there_is_something_to_tell():
    """A judging, a run that failed, a night without a batch; not a run that nobody planned."""
    view = folded(
        [
            nights.judged(0, 1, None, (0.5, 0.6)),
            nights.planned(0, "run-0001", "lost"),
            nights.run_failed(0, "run-0001"),
            nights.run_failed(0, "run-0009"),
            nights.not_formed(0, workload="idle"),
        ]
    )
    assert view.workloads() == ["idle", "lost", "support"]


def test_a_run_that_is_tried_again_has_not_failed():
    """The last word counts."""
    view = folded([nights.planned(0, "run-0001"), nights.run_failed(0, "run-0001", final=False)])
    assert view.workloads() == []


def test_of_several_reasons_a_night_has_its_newest():
    """The reason may change in the course of a night."""
    reasons = [nights.not_formed(0, why, hours=at) for why, at in (("nothing new", 1.0), ("3 of 20", 2.0))]
    for events in (reasons, [*reasons, nights.not_formed(1, "other")]):
        assert folded(events).course("support").happened[0].words == "3 of 20"


def test_old_nights_are_let_go_of_and_their_cells_with_them():
    """The newest stay, in whatever order they came."""
    events = [event for night in range(NIGHTS_KEPT + 3) for event in (nights.opened(night), nights.not_formed(night))]
    log, view = MemoryEventLog(b"salt"), History()
    log.append(entries(events))
    fold_all(view, log, 10_000)
    cells = view.take_cells()
    for part in ("night", "reason/support"):
        kept = {key for key, text in cells.items() if key.startswith(f"{part}/") and text is not None}
        assert kept == {f"{part}/{nights.named(night)}" for night in range(3, NIGHTS_KEPT + 3)}
        assert cells[f"{part}/{nights.named(2)}"] is None


def test_texts_are_cut():
    """A reason may hold what a library said at length."""
    view = folded([nights.turned_down(0, 1, failed="x" * 10_000), nights.not_formed(1, "y" * 10_000)])
    assert [len(one.words) for one in view.course("support").happened] == [300, 300]


def test_the_short_cell_is_written_for_the_workloads_that_changed():
    """Once for each, and as the whole view says it."""
    log, view = MemoryEventLog(b"salt"), History()
    season = nights.a_season()
    log.append(entries([*season, nights.judged(50, 1, 0, (0.5, 0.5), workload="other")]))
    fold_all(view, log, 10_000)
    cells = view.take_cells()
    assert {key for key in cells if key.startswith("short/")} == {"short/other", "short/support"}
    assert json.loads(cells["short/support"]) == json.loads(json.dumps(view.course("support").short()))
    assert view.take_cells() == {}


def test_a_judging_that_says_no_figures_is_none_to_compare():
    """As a body of the first releases may be."""
    view = folded([(nights.moment(0), "challenger_judged", {"workload": "support", "model": 1, "champion": 0})])
    (only,) = view.course("support").happened
    assert (only.figures, only.measured) == ({}, False)


def test_a_night_is_told_by_the_newest_event_of_its_date():
    """Whatever order the two came in."""
    first, second = nights.opened(0), nights.opened(0)
    second = (second[0], second[1], second[2] | {"opens_at": second[2]["opens_at"] + 1})
    digests = {folded(events).digest() for events in ([first, second], [second, first])}
    assert len(digests) == 2
    course = folded([first, nights.opened(1), second]).course("support")
    assert all(before.opens_at < after.opens_at for before, after in pairwise(course._opened))
