"""The runs view: how each run stands, from its events in whatever order they are fed."""

import json

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.runs import NEWEST_OVER, Runs
from tests.contracts.any_view import AnyView, fold_all

PLAN = {"batch": 3, "batch_hash": "ab", "workload": "support", "mode": "full", "seed": 1}


class TestRunsView(AnyView):
    """The battery for this view."""

    def make(self):
        return Runs()


def folded(*events):
    log = MemoryEventLog(b"salt")
    entries = [
        Entry(f"e{number}", f"{kind}/1", 1000 + number, 0, body=json.dumps({"run": "run-0001"} | body))
        for number, (kind, body) in enumerate(events)
    ]
    log.append(entries)
    return fold_all(Runs(), log, 100)


def state_of(*events):
    return folded(("run_planned", PLAN), *events).by_id["run-0001"]


def test_what_came_last_is_how_a_run_stands():
    """A failure that is not final is a run that waits for its next attempt."""
    started, paused = ("run_started", {"attempt": 1}), ("run_paused", {"step": 4, "steps": 9, "seconds": 1.5})
    failed = ("run_failed", {"how": "died", "final": False, "seconds": 0.25})
    assert state_of()["state"] == "planned"
    assert state_of(started)["state"] == "running"
    assert state_of(started, paused)["state"] == "paused"
    assert state_of(started, failed)["state"] == "waiting"
    assert state_of(started, ("run_failed", {"final": True}))["state"] == "failed"
    assert state_of(started, ("run_finished", {}))["state"] == "finished"
    assert state_of(started, ("run_cancelled", {"reason": None}))["state"] == "cancelled"
    told = state_of(started, paused, started, failed)
    assert (told["starts"], told["pauses"], told["failures"], told["milliseconds"]) == (2, 1, {"died": 1}, 1750)
    assert (told["step"], told["steps"]) == (4, 9)


def test_what_is_unfinished_comes_oldest_first():
    """And knows its plan."""
    events = [("run_planned", PLAN | {"run": f"run-{number:04}"}) for number in (2, 1, 3)]
    view = folded(*events, ("run_finished", {"run": "run-0001"}))
    assert [one["run"] for one in view.unfinished()] == ["run-0002", "run-0003"]
    assert view.batches() == {3}


def test_plans_that_were_given_up_are_known():
    """What was refused before it began is none of them."""
    assert folded(("run_planned", PLAN), ("run_failed", {"how": "died", "final": True})).given_up() == [PLAN]
    assert folded(("run_planned", PLAN), ("run_failed", {"how": "refused", "final": True})).given_up() == []
    assert folded(("run_planned", PLAN), ("run_failed", {"how": "died", "final": False})).given_up() == []


def test_who_only_looks_reads_one_cell():
    """The unfinished ones, and the newest few that are over."""
    over = [
        event
        for number in range(1, 10)
        for event in (
            ("run_planned", PLAN | {"run": f"run-{number:04}"}),
            ("run_finished", {"run": f"run-{number:04}"}),
        )
    ]
    view = folded(*over, ("run_planned", PLAN | {"run": "run-0010"}))
    short = json.loads(view.take_cells()["short"])
    assert [one["run"] for one in short["unfinished"]] == ["run-0010"]
    assert [one["run"] for one in short["over"]] == [f"run-000{number}" for number in range(9, 9 - NEWEST_OVER, -1)]
    assert view.take_cells() == {}


def test_the_newest_forgetting_is_known():
    """Runs look then whether they would learn from that subject."""
    assert folded(("subject_forgotten", {}), ("run_planned", PLAN)).forgotten_at == 1
