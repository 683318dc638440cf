"""How a night goes: what opens, who works, in which order, and what a restart leaves."""

import sqlite3

import pytest

from daemon.event_kinds import BATCH_NOT_FORMED, NIGHT_OPENED
from daemon.event_log import AppendFailed
from tests.night_world import HOUR, MINUTE, World, at, settings_for

EVENING, NIGHT, MORNING = at(2026, 11, 20, 23), at(2026, 11, 21, 1), at(2026, 11, 21, 6)


@pytest.fixture
def world():
    world = World()
    world.start(EVENING)
    return world


def test_by_day_nothing_happens(world):
    """No event, no word, nobody is asked."""
    report = world.turn(EVENING)
    assert (report.told, report.failure) == ((), None)
    assert (world.log.head().seq, world.forms.seen) == (0, [])


def test_a_night_from_its_opening_to_its_run(world):
    """Opened, prepared, formed, planned and started; each turn does what can be done."""
    world.prepares.needs = 2
    world.forms.ready = {"support"}
    assert world.turn(NIGHT).told == ("night 2026-11-21 is open until 06:00 UTC",)
    assert world.forms.seen == []
    assert world.turn(NIGHT + 1).told == ("prepared",)
    assert world.turn(NIGHT + 2).told == ("support: batch 1 formed", "support: planned", "support: started")
    assert world.turn(NIGHT + 3).told == ()
    assert world.forms.seen == [("support", "2026-11-21", False)]
    assert world.told(NIGHT_OPENED) == [
        {"date": "2026-11-21", "opens_at": NIGHT, "closes_at": MORNING, "late": False},
    ]


def test_why_there_is_no_batch_is_told_once(world):
    """The part is asked at every turn, and says itself whether its reason is news."""
    told = [world.turn(NIGHT + turn).told for turn in range(4)]
    assert told == [("night 2026-11-21 is open until 06:00 UTC", "support: no batch, nothing new"), (), (), ()]
    assert len(world.forms.seen) == 4


def started(world, now):
    """A run is under way."""
    world.forms.ready = {"support"}
    world.turn(now)
    world.forms.ready = set()
    assert world.runs.running


def test_at_the_windows_end_a_run_yields_and_goes_on_in_the_next_night(world):
    """It is asked once; what it left is planned again, and no second batch is formed meanwhile."""
    started(world, NIGHT)
    assert world.turn(MORNING - 1).told == ()
    assert world.turn(MORNING).told == ("support: asked to yield, window",)
    world.runs.end()
    assert world.turn(MORNING + 1).told == ("support: paused",)
    assert world.turn(MORNING + HOUR).told == ()
    assert world.turn(NIGHT + 24 * HOUR).told == ("night 2026-11-22 is open until 06:00 UTC", "support: started")
    assert len(world.forms.seen) == 1


def test_a_pause_stops_all_and_resuming_goes_on(world):
    """In an open window; what prepares is stopped too."""
    started(world, NIGHT)
    world.pause(NIGHT + MINUTE)
    assert world.turn(NIGHT + MINUTE).told == ("support: asked to yield, person",)
    assert world.prepares.stops == 1
    world.runs.end()
    assert world.turn(NIGHT + 2 * MINUTE).told == ("support: paused",)
    assert world.turn(NIGHT + 3 * MINUTE).told == ()
    world.resume(NIGHT + HOUR)
    assert world.turn(NIGHT + HOUR).told == ("support: started",)


def test_a_pause_with_an_end_ends_by_itself(world):
    """The window that is open then is used."""
    world.pause(EVENING, until=NIGHT + HOUR)
    assert world.turn(NIGHT).told == ("night 2026-11-21 is open until 06:00 UTC",)
    assert world.forms.seen == []
    world.turn(NIGHT + HOUR)
    assert world.forms.seen == [("support", "2026-11-21", False)]


def test_what_was_asked_for_needs_no_window(world):
    """By day: formed for no night, run at once, and not stopped by a window that ends; answered, the ask is over."""
    world.ask(EVENING)
    world.forms.ready = {"support"}
    assert world.turn(EVENING).told == ("support: batch 1 formed", "support: planned", "support: started")
    assert world.forms.seen == [("support", None, True)]
    assert world.book().asks() == []
    world.turn(NIGHT)
    assert world.turn(MORNING).told == ()
    assert world.runs.running


def test_what_was_asked_for_in_vain_is_answered(world):
    """With the reason; the next turn asks nobody."""
    world.ask(EVENING)
    assert world.turn(EVENING).told == ("support: no batch, nothing new",)
    assert world.turn(EVENING + 1).told == ()
    assert len(world.forms.seen) == 1


def test_an_ask_lets_a_run_that_waits_go_on(world):
    """The batch that is begun comes first; the ask stays open until it is done."""
    started(world, NIGHT)
    world.turn(MORNING)
    world.runs.end()
    world.turn(MORNING + 1)
    world.ask(MORNING + HOUR)
    assert world.turn(MORNING + HOUR).told == ("support: started",)
    assert world.turn(MORNING + 2 * HOUR).told == ()
    world.runs.end()
    assert world.turn(MORNING + 3 * HOUR).told == ("support: finished", "support: no batch, nothing new")


def test_an_ask_waits_while_a_pause_holds(world):
    """A person said that nothing may be trained."""
    world.pause(EVENING)
    world.ask(EVENING)
    assert world.turn(EVENING).told == ()
    world.resume(EVENING + 1)
    assert world.turn(EVENING + 1).told == ("support: no batch, nothing new",)


def test_an_ask_for_a_workload_that_is_gone_is_answered(world):
    """Nobody else would; the configuration has changed since."""
    world.ask(EVENING, "old")
    told = "old: no batch, config.toml has no workload 'old' any more"
    assert world.turn(EVENING).told == (told,)
    assert world.book().asks() == []
    assert world.told(BATCH_NOT_FORMED)[0]["asked"] is True


def test_by_day_only_what_was_asked_for_is_formed(world):
    """Other workloads wait for the night; in the night those that were asked for come first."""
    world.settings = settings_for(workloads=("chat", "support"))
    world.start(EVENING)
    world.ask(EVENING)
    world.turn(EVENING)
    assert world.forms.seen == [("support", None, True)]
    world.ask(NIGHT)
    world.turn(NIGHT)
    assert world.forms.seen[1:] == [("support", None, True), ("chat", "2026-11-21", False)]


def test_without_a_workload_no_night_is_opened():
    """There is nothing that it could be opened for."""
    world = World(settings_for(workloads=()))
    world.start(EVENING)
    assert world.turn(NIGHT).told == ()
    assert world.log.head().seq == 0


def test_a_changed_configuration_holds_from_the_next_turn(world):
    """Another window, another workload; the parts are told."""
    followed = []
    world.forms.follow = followed.append
    world.shift.follow(settings_for(window="22:00-23:30", workloads=("chat",)))
    assert len(followed) == 1
    assert world.turn(EVENING).told == (
        "night 2026-11-20 is open until 23:30 UTC",
        "chat: no batch, nothing new",
    )


def test_a_late_night_is_open_for_as_long_as_it_would_have_been():
    """And to the daemon that comes after a restart within it."""
    world = World(settings_for(catch_up="at_once"))
    noon = at(2026, 11, 21, 12)
    world.start(noon)
    assert world.turn(noon).told[0] == "night 2026-11-21 is open until 17:00 UTC, late"
    started(world, noon + 1)
    world.start(noon + HOUR)
    assert world.turn(noon + 5 * HOUR - 1).told == ()
    assert world.turn(noon + 5 * HOUR).told == ("support: asked to yield, window",)
    assert len(world.told(NIGHT_OPENED)) == 1


def test_when_the_daemon_ends_whoever_works_saves_what_it_has(world):
    """And the next daemon goes on with it."""
    started(world, NIGHT)
    assert world.shift.stop(NIGHT + HOUR).told == ("support: asked to yield, daemon", "support: paused")
    world.start(NIGHT + 2 * HOUR)
    assert world.turn(NIGHT + 2 * HOUR).told == ("support: started",)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AppendFailed("the disk is full"), "the disk is full"),
        (
            sqlite3.OperationalError("disk I/O error"),
            "disk I/O error, while a night was served; expected a state folder",
        ),
        (PermissionError("not yours"), "not yours, while a night was served; expected a state folder one can read"),
    ],
)
def test_what_may_pass_ends_the_turn_and_is_tried_again(world, error, told):
    """It is told, never raised; what was done before it stays done."""
    forms, world.forms.turn = world.forms.turn, lambda *_, **__: (_ for _ in ()).throw(error)
    report = world.turn(NIGHT)
    assert report.told == ("night 2026-11-21 is open until 06:00 UTC",)
    assert report.failure.startswith(told)
    world.forms.turn = forms
    assert world.turn(NIGHT + 1).told == ("support: no batch, nothing new",)


def test_a_night_that_the_view_has_forgotten_is_not_opened_twice(world):
    """A clock that was set back by years: the log knows the id."""
    world.turn(NIGHT)
    world.views.of(type(world.book()))._nights.clear()
    assert world.turn(NIGHT + 1).failure is None
    assert len(world.told(NIGHT_OPENED)) == 1
    assert len(world.forms.seen) == 2, "its window is open all the same"


def test_a_late_night_that_the_view_has_forgotten_does_not_come_again():
    """Its window is long over, and the log knows that it was opened."""
    world = World(settings_for(catch_up="at_once"))
    noon = at(2026, 11, 21, 12)
    world.start(noon)
    world.turn(noon)
    world.views.of(type(world.book()))._nights.clear()
    assert world.turn(noon + 6 * HOUR) == ((), None)
    assert len(world.forms.seen) == 1


def test_what_a_turn_did_is_in_the_views_after_it(world):
    """The next step, and whoever comes next, sees it."""
    world.forms.ready = {"support"}
    world.turn(NIGHT)
    assert world.views.position == world.log.head().seq == 2


def test_by_day_what_prepares_is_stopped(world):
    """A window that ended ends its child, too."""
    world.turn(NIGHT)
    assert world.prepares.stops == 0
    world.turn(MORNING)
    assert world.prepares.stops == 1


def test_a_workload_whose_model_is_not_decided_about_gets_no_other_batch(world):
    """The next run begins from whoever is champion then; a batch comes in the turn in which it is decided."""
    world.judges.waiting = ["support"]
    world.judges.turn = lambda *_: []
    world.turn(NIGHT)
    assert world.forms.seen == []
    del world.judges.turn
    assert world.turn(NIGHT + 1).told == ("support: judged", "support: no batch, nothing new")


def test_models_are_judged_in_the_night_and_for_what_was_asked(world):
    """The part is asked at every turn, by day as well, and knows what may be done."""
    world.turn(EVENING)
    world.ask(EVENING + 1)
    world.turn(EVENING + 1)
    world.turn(NIGHT)
    assert world.judges.seen == [(None, []), (None, ["support"]), ("2026-11-21", [])]


def test_a_pause_and_the_daemons_end_stop_the_judging(world):
    """It is done again afterwards."""
    world.pause(NIGHT)
    world.turn(NIGHT)
    assert (world.judges.stops, world.judges.seen) == (1, [])
    world.shift.stop(NIGHT + 1)
    assert world.judges.stops == 2
