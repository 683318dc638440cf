"""What an ended process means for its run, case by case."""

import pytest

from daemon.run_folder import Result
from daemon.run_forecast import forecast, too_little_left
from daemon.run_outcomes import End, outcome

RECORD = {"run": "run-0001", "failures": {}, "steps": 90}
PAUSED = Result(
    start=1, state="paused", step=4, steps=9, reason="window", seconds=2.0, rate=2.0, checkpoint_seconds=0.5
)
CASES = {
    "finished": (
        End(0, Result(start=1, state="finished", step=9, metrics={"a": 1.0}, model_hash="h"), 0, 8),
        {"kind": "run_finished", "step": 9, "metrics": {"a": 1.0}, "model_hash": "h", "flags": []},
    ),
    "paused": (
        End(0, PAUSED, 0, 4),
        {"kind": "run_paused", "step": 4, "steps": 9, "reason": "window", "rate": 2.0, "checkpoint_seconds": 0.5},
    ),
    "adopted, gone, and further than it began": (
        End(None, None, 3, 7),
        {"kind": "run_paused", "step": 7, "reason": "daemon"},
    ),
    "adopted, gone, and no further": (
        End(None, None, 7, 7),
        {"kind": "run_failed", "how": "died", "attempt": 1, "final": False},
    ),
    "our own, ended by a signal, though further": (
        End(-9, None, 3, 7),
        {"kind": "run_failed", "how": "died", "final": False},
    ),
    "killed since it was silent": (
        End(-9, None, 3, 7, killed="it was silent"),
        {"kind": "run_failed", "how": "silent", "reason": "it was silent"},
    ),
    "killed since it did not heed": (
        End(-9, None, 3, 7, killed="did not end", told="window"),
        {"kind": "run_paused", "step": 7, "reason": "window"},
    ),
    "killed since it did not heed, and nothing was saved": (
        End(-9, None, 3, 3, killed="did not end", told="window"),
        {"kind": "run_failed", "how": "silent"},
    ),
    "a result that cannot be believed": (
        End(0, None, 3, 7, fault="torn"),
        {"kind": "run_failed", "how": "died", "reason": "torn"},
    ),
    "refused": (
        End(1, Result(start=1, state="failed", how="refused", reason="other code"), 0, 0),
        {"kind": "run_failed", "how": "refused", "final": True},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_end_has_its_event(case):
    """The child's word first, then its checkpoints, then it is a failure."""
    end, expected = CASES[case]
    kind, body = outcome(RECORD, end, 3)
    told = body | {"kind": kind.name}
    assert {name: told[name] for name in expected} == expected


def test_the_last_attempt_is_final():
    """Failures count, whatever they were; pauses do not."""
    record = RECORD | {"failures": {"died": 1, "error": 1}}
    assert outcome(record, End(1, None, 0, 0), 3)[1]["final"]
    assert not outcome(record, End(1, None, 0, 0), 4)[1]["final"]


def test_a_long_reason_is_cut():
    """The log is no place for a traceback."""
    result = Result(start=1, state="failed", how="error", reason="x" * 5000)
    assert len(outcome(RECORD, End(1, result, 0, 0), 3)[1]["reason"]) == 1000


def test_a_run_that_ends_before_the_window_closes_does_not_pause():
    told = forecast(50, 100, 2.0, until=30_000_000, now=0)
    assert (told.share, told.left_seconds, told.pauses_at) == (0.5, 25.0, None)


def test_a_run_that_cannot_end_is_planned_to_pause():
    """When, and how far it will be."""
    told = forecast(50, 100, 2.0, until=10_000_000, now=0)
    assert (told.pauses_at, told.share_then) == (10_000_000, 0.7)
    assert forecast(50, 100, 2.0, until=None, now=0).pauses_at is None


def test_without_a_speed_nothing_is_foretold():
    """Nor without a number of steps."""
    assert forecast(5, 10, None, 10, 0).left_seconds is None
    assert forecast(5, None, 2.0, 10, 0).share is None


def test_a_window_s_rest_has_to_be_worth_a_start():
    """A minute, or what a checkpoint takes."""
    assert too_little_left({}, 59_000_000, 0)
    assert not too_little_left({}, 61_000_000, 0)
    assert too_little_left({"checkpoint_seconds": 90.0}, 61_000_000, 0)
    assert not too_little_left({}, None, 0)
