"""What a verb may have done by the owner of the folder: known, understood, done once."""

import sqlite3

import pytest

from daemon import forgetting
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import AppendFailed
from daemon.idle_parts import IDLE
from daemon.opening import open_state
from daemon.serving_requests import REQUESTS, Owner, UnknownRequest, answer, do
from tests.night_world import at, settings_for

NOW = at(2026, 11, 25, 2)


@pytest.fixture
def owner(tmp_path):
    clock, chance, settings = StoppedClock(NOW), SeededChance(1), settings_for("Europe/Berlin")
    with open_state(tmp_path / "state", settings, clock, chance) as state:
        yield Owner(state, settings, IDLE, clock, chance)


def kinds(owner):
    return [kind for (kind,) in owner.state.log.read_after(0, 100, ("kind",))]


@pytest.mark.parametrize(
    "request_",
    [{}, {"verb": "dance"}, {"verb": "forget"}, {"verb": "forget", "subject": 5}, {"verb": "pause", "until": "3h"}],
)
def test_a_request_of_another_adaptd_is_told(owner, request_):
    """Unknown, or without what it needs; whoever waits is answered."""
    told = "the daemon does not know this request, expected one of its own adaptd; restart it"
    with pytest.raises(UnknownRequest, match=told):
        do(owner, request_)
    assert answer(owner, request_) == {"error": told, "exit_code": 1}
    assert kinds(owner) == []


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"verb": "train", "workload": None}, "training_asked/1"),
        ({"verb": "pause", "until": NOW + 1, "reason": "x"}, "nights_paused/1"),
        ({"verb": "resume"}, "nights_resumed/1"),
    ],
)
def test_what_is_served_twice_is_done_once(owner, asked, kind):
    """A daemon that was killed between the deed and its answer comes to the same request again."""
    if asked["verb"] == "resume":
        do(owner, {"verb": "pause", "until": None, "reason": None, "id": "before"})
    first = answer(owner, asked | {"id": "the-same"})
    assert answer(owner, asked | {"id": "the-same"}) == first
    assert "error" not in first
    assert kinds(owner).count(kind) == 1


def test_an_error_is_answered_with_its_exit_code(owner):
    """As the verb would have ended, had it done it itself."""
    told = answer(owner, {"verb": "train", "workload": "suport"})
    assert (told["exit_code"], told["error"][:46]) == (4, "no workload 'suport', expected one of support,")


@pytest.mark.parametrize("error", [AppendFailed("full"), sqlite3.OperationalError("locked"), OSError("gone")])
def test_what_may_pass_is_raised_and_not_answered(owner, error, monkeypatch):
    """The request stays, and is tried again."""

    def failing(*_):
        raise error

    monkeypatch.setattr(forgetting, "forget", failing)
    with pytest.raises(type(error)):
        answer(owner, {"verb": "forget", "subject": "alice"})


def test_what_the_log_says_is_in_the_answer(owner):
    """The details of each request are parts of what it answers."""
    do(owner, {"verb": "pause", "until": None, "reason": None})
    for verb, request_ in {
        "resume": {},
        "train": {"workload": "support"},
        "pause": {"until": NOW + 1, "reason": None},
        "forget": {"subject": "alice"},
    }.items():
        assert set(REQUESTS[verb].details) <= set(do(owner, request_ | {"verb": verb}))
