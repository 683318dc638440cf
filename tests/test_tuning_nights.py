"""Settings are searched for a share of the window, once a night, before batches, by a child that is the verb itself."""

import json
import time
from datetime import date
from pathlib import Path

import pytest

from daemon.cli.main import main
from daemon.idle_parts import NobodyForms
from daemon.night_parts import NightParts
from daemon.night_shift import NightShift
from daemon.nights import Night
from daemon.run_planning import plan_of
from daemon.settings import read_settings, sources_of
from daemon.tuning_nights import TuningNights
from tests.night_world import HOUR, MINUTE, World, at
from tests.test_cli_tuning import CONFIG
from tests.test_tuning import TuningWorld

NIGHT = Night(date(2026, 11, 20), at(2026, 11, 20, 1), at(2026, 11, 20, 6))


def tuning_in(folder, share=0.2, chosen_at=0):
    (folder / "config.toml").write_text(
        CONFIG.replace("[workloads.support]\n", f"[workloads.support]\ntune_share = {share}\n", 1)
    )
    (folder / "state").mkdir(exist_ok=True)
    settings = read_settings(folder / "config.toml")
    environ = {"PATH": "/usr/bin:/bin", "ADAPTD_LEASES": str(folder / "leases"), "OMP_NUM_THREADS": "1"}
    return TuningNights(folder / "state", folder / "config.toml", settings, environ, lambda name: chosen_at)


def read_config(text):
    return sources_of(text, None, {}).settings()


def ended(tunes, night=NIGHT, seconds=120):
    """What was told of the search when it ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if told := tunes.turn(night.opens_at, night):
            return told
        time.sleep(0.05)
    raise AssertionError("the search did not end")


def test_without_a_share_nothing_is_searched(tmp_path):
    """The default."""
    tunes = tuning_in(tmp_path, share=0)
    assert tunes.turn(NIGHT.opens_at, NIGHT) == []
    assert not tunes.working()


def test_a_night_that_has_had_its_search_owes_none(tmp_path):
    """Whoever made the choice, and whether or not the daemon was started anew since."""
    assert tuning_in(tmp_path, chosen_at=NIGHT.opens_at + MINUTE).turn(NIGHT.opens_at + HOUR, NIGHT) == []
    assert tuning_in(tmp_path).turn(NIGHT.closes_at, NIGHT) == []


def test_a_search_that_comes_to_nothing_is_told_once_and_not_tried_again(tmp_path):
    """Here there is no log yet."""
    tunes = tuning_in(tmp_path)
    (begun,) = tunes.turn(NIGHT.opens_at, NIGHT)
    assert begun.startswith("support: settings are searched for at most 3600 seconds, process ")
    assert tunes.working()
    (told,) = ended(tunes)
    assert told.startswith("support: no settings were chosen, ")
    assert "events.db" in told
    assert tunes.turn(NIGHT.opens_at + MINUTE, NIGHT) == []


def test_the_time_is_a_share_of_the_window_and_no_more_than_is_left(tmp_path):
    """Of five hours a fifth; ten minutes before the end, ten minutes."""
    tunes = tuning_in(tmp_path)
    (begun,) = tunes.turn(NIGHT.closes_at - 10 * MINUTE, NIGHT)
    assert "at most 600 seconds" in begun
    assert tunes.stop(NIGHT.closes_at) == ["support: the search for settings was ended; it goes on in the next night"]
    assert not tunes.working()
    assert tunes.stop(NIGHT.closes_at) == []


def test_a_run_begins_from_what_was_chosen_and_config_wins():
    """What the workload does not know any more, or would not take, is left out."""
    settings = read_config(CONFIG)
    told = {"batch": 1, "hash": "ab", "workload": "support"}
    chosen = {"learning_rate": 0.03, "epochs": 9, "gone": 1.0}
    plan = plan_of("run-0001", told, settings, Path(__file__).parents[1], chosen)
    assert plan["settings"] == settings.workloads["support"].settings | {"learning_rate": 0.03}
    assert plan["settings"]["epochs"] == 4
    wrong = plan_of("run-0001", told, settings, Path(__file__).parents[1], {"dropout": 7.0})
    assert wrong["settings"] == settings.workloads["support"].settings


@pytest.mark.slow
def test_what_the_night_has_chosen_is_in_the_log(tmp_path, monkeypatch, capsys):
    """By the child, which is `adaptd tune`."""
    monkeypatch.chdir(tmp_path)
    world = TuningWorld(tmp_path)
    world.fill(60)
    world.close()
    tunes = tuning_in(tmp_path, share=0.002)
    (begun,) = tunes.turn(NIGHT.opens_at, NIGHT)
    assert "at most 36 seconds" in begun
    (told,) = ended(tunes)
    assert told == "support: settings were chosen"
    assert main(["events", "tail", "-n", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["kind"] == "settings_chosen/1"


class Searching:
    """A search of so many turns."""

    def __init__(self, turns):
        self.left, self.calls = turns, []

    def follow(self, settings):
        self.calls.append("follow")

    def working(self):
        return self.left > 0

    def turn(self, now, night):
        self.calls.append("turn")
        self.left = max(0, self.left - 1)
        return []

    def stop(self, now):
        self.calls.append("stop")
        self.left = 0
        return []


class Noting(NobodyForms):
    """Who forms, and was asked."""

    def __init__(self, calls):
        self.calls = calls

    def turn(self, now, night, workload, *, asked):
        self.calls.append("form")
        return super().turn(now, night, workload, asked=asked)


def shift_with(world, searching):
    parts = NightParts(world.prepares, Noting(searching.calls), world.runs, world.judges, searching)
    world.shift = NightShift(world.log, world.views, world.chance, parts, world.settings, NIGHT.opens_at)


def test_batches_wait_for_a_search_and_a_search_for_nobody_who_asks():
    """A night begins with it; who asks for training, pauses, or outlives the night, ends it."""
    world, searching = World(), Searching(3)
    shift_with(world, searching)
    for _ in range(3):
        world.turn(NIGHT.opens_at + MINUTE)
    assert searching.calls == ["turn", "turn", "turn", "form"]
    searching.calls.clear()
    world.ask(NIGHT.opens_at + HOUR)
    world.turn(NIGHT.opens_at + HOUR)
    assert searching.calls == ["stop", "form"]
    for when, say in ((NIGHT.opens_at + 2 * HOUR, world.pause), (NIGHT.closes_at + HOUR, world.resume)):
        searching.calls.clear()
        say(when)
        world.turn(when)
        assert "stop" in searching.calls
        assert "turn" not in searching.calls
    searching.calls.clear()
    world.shift.stop(NIGHT.closes_at + HOUR)
    assert searching.calls == ["stop"]
