"""A search that is killed in the midst of a trial goes on with the next call, and loses nothing."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.bad_input import BadInput
from components.hyperparameter_optimizer import HyperparameterOptimizer
from components.search_space import Range
from components.study_keeping import GRACE_SECONDS, MOST_ATTEMPTS, open_storage, quiet, quiet_log

optuna = pytest.importorskip("optuna", reason="the studies are optuna's")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
SPACE = {"rate": Range(1e-6, 1e-3, log=True), "rank": Range(4, 64, whole=True, log=True)}
DOOMED = """
import json, math, sys, time
import components.study_keeping
from components.hyperparameter_optimizer import HyperparameterOptimizer
from components.search_space import Range

components.study_keeping.MOST_ATTEMPTS = 99  # on a busy machine chance may kill one trial three times
storage, marks, stuck_in, n_trials, seconds = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])
space = {"rate": Range(1e-6, 1e-3, log=True), "rank": Range(4, 64, whole=True, log=True)}
begun = 0

def objective(config):
    global begun
    with open(marks, "a") as file:
        file.write(json.dumps(config) + "\\n")
    begun += 1
    time.sleep(3600 if begun > stuck_in else seconds)
    return -abs(math.log10(config["rate"]) + 4.5)

HyperparameterOptimizer(storage, space=space, seed=3).optimize(objective, int(n_trials), "erd")
"""


def score(config):
    import math

    return -abs(math.log10(config["rate"]) + 4.5)


class World:
    """A storage, what the killed process began, and a database whose clock can be moved on."""

    def __init__(self, folder: Path) -> None:
        self.storage, self.marks = folder / "studies.db", folder / "begun.ndjson"

    def begun(self):
        return [json.loads(line) for line in self.marks.read_text().splitlines()] if self.marks.exists() else []

    def doomed(self, *, stuck_in: int = 10**6, n_trials: int = 6, seconds: float = 0.0) -> subprocess.Popen:
        words = [self.storage, self.marks, stuck_in, n_trials, seconds]
        return subprocess.Popen([sys.executable, "-c", DOOMED, *map(str, words)], cwd=ROOT)

    def killed_in(self, trial: int, **how) -> None:
        """Start a search, and kill it with SIGKILL while its heart beats in that trial."""
        before = len(self.begun())
        process = self.doomed(stuck_in=trial, **how)
        self.wait(lambda: len(self.begun()) == before + trial + 1)
        self.wait(
            lambda: (
                self.ask(
                    "SELECT count(*) FROM trial_heartbeats h JOIN trials t USING (trial_id) WHERE t.state = 'RUNNING'"
                )
                == [(1,)]
            )
        )
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    def wait(self, happened) -> None:
        patience = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < patience
            time.sleep(0.02)

    def ask(self, sql: str):
        connection = sqlite3.connect(self.storage, timeout=PATIENCE_SECONDS)
        try:
            with connection:
                return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def an_hour_later(self, *_: float) -> None:
        self.ask("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")

    def search(self, n_trials: int = 6, objective=score, **how):
        optimizer = HyperparameterOptimizer(self.storage, space=SPACE, seed=3)
        return optimizer.optimize(objective, n_trials, "erd", **how)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_after_kill_9_the_next_run_tries_the_same_parameters_again(world) -> None:
    """The trial that died is lost and followed by its repetition; all trials are those of a search never killed."""
    whole = HyperparameterOptimizer(space=SPACE, seed=3).optimize(score, 6, "erd")
    world.killed_in(3)
    world.an_hour_later()
    found = world.search()
    assert world.begun()[3] == found.trials[3].params == found.trials[4].params
    assert [trial.state for trial in found.trials] == ["finished"] * 3 + ["lost"] + ["finished"] * 3
    assert found.trials[3].reason == "its process ended in the middle of it: tried again as trial 4"
    finished = [(trial.params, trial.score) for trial in found.trials if trial.state == "finished"]
    assert finished == [(trial.params, trial.score) for trial in whole.trials]
    assert found.best_params == whole.best_params
    assert found.note == (
        "it continues a search that was interrupted after 3 trials; 1 of 7 trials failed, the last one (3): "
        "its process ended in the middle of it: tried again as trial 4"
    )


@pytest.mark.slow
def test_the_next_run_waits_until_the_dead_are_known_to_be_dead(world) -> None:
    """Started at once after the kill, it waits out the grace of the heartbeat, and loses nothing either."""
    world.killed_in(1, n_trials=3)
    found = world.search(3)
    assert [trial.state for trial in found.trials] == ["finished", "lost", "finished", "finished"]
    assert found.trials[1].params == found.trials[2].params == world.begun()[1]


def test_a_search_that_is_over_is_not_continued(world) -> None:
    """The next call has its whole budget again."""
    world.search(2)
    again = world.search(2)
    assert (len(again.trials), again.note) == (4, "")


def test_the_budget_of_a_killed_search_is_not_begun_anew(world) -> None:
    """What was done counts; a smaller budget than that is used up already."""
    world.killed_in(2)
    world.an_hour_later()
    found = world.search(2)
    assert [trial.state for trial in found.trials] == ["finished", "finished", "lost"]
    assert found.trials[2].reason == "its process ended in the middle of it: tried again as trial 3"
    assert [trial.state for trial in world.search(1, siblings=[]).trials][3:] == ["finished"]
    assert world.search(1).trials[3].params == found.trials[2].params


def test_what_waited_in_the_queue_waits_still(world) -> None:
    """The champion and the defaults that the killed search had not come to are tried by the next, once each."""
    champion = {"rate": 2e-5, "rank": 8}

    class Killed(BaseException):
        """As SystemExit: nothing is caught, nothing is written."""

    def dies(config):
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            world.search(objective=dies, champion=champion)
        world.an_hour_later()
    found = world.search(3, champion=champion)
    assert [trial.origin for trial in found.trials] == ["champion", "defaults"] * 2 + ["search"]
    assert [trial.state for trial in found.trials] == ["lost", "lost", "finished", "finished", "finished"]
    assert {str(trial.params) for trial in found.trials if trial.origin == "champion"} == {str(champion)}


def test_a_trial_that_kills_its_process_three_times_is_given_up(world) -> None:
    """The search goes on without it, and its reason says so."""

    class Killed(BaseException):
        pass

    def dies_of_the_defaults(config):
        if config["rank"] == 16:
            raise Killed
        return score(config)

    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(Killed):
            world.search(3, dies_of_the_defaults)
        world.an_hour_later()
    found = world.search(3, dies_of_the_defaults)
    assert [trial.state for trial in found.trials] == ["lost"] * MOST_ATTEMPTS + ["finished"] * 2
    assert found.trials[2].reason == "its process ended in the middle of it: given up"
    assert found.trials[1].reason == "its process ended in the middle of it: tried again as trial 2"


def test_a_trial_that_died_before_its_first_heartbeat_is_found(world, monkeypatch) -> None:
    """It never becomes stale for optuna; here it is given a heartbeat, whose silence then counts."""
    world.killed_in(1, n_trials=3)
    world.ask("DELETE FROM trial_heartbeats")
    monkeypatch.setattr("components.study_keeping.take_up_lost_trials.__kwdefaults__", {"sleep": world.an_hour_later})
    found = world.search(3)
    assert [trial.state for trial in found.trials] == ["finished", "lost", "finished", "finished"]
    assert found.trials[2].params == found.trials[1].params


def test_a_trial_that_died_before_its_parameters_were_drawn_costs_nothing(world) -> None:
    """There is nothing to repeat; the search draws what it would have drawn."""
    world.killed_in(1, n_trials=3)
    world.ask("DELETE FROM trial_params WHERE trial_id = 2")
    world.an_hour_later()
    found = world.search(3)
    assert [trial.state for trial in found.trials] == ["finished", "lost", "finished", "finished"]
    assert found.trials[1].params == {}
    assert found.trials[2].params == world.begun()[1]


def test_killed_between_failing_and_being_queued_again(world) -> None:
    """Whoever died after the trial was called dead and before its successor was queued loses nothing."""
    world.killed_in(1, n_trials=3)
    world.ask("UPDATE trials SET state = 'FAIL', datetime_complete = datetime('now') WHERE state = 'RUNNING'")
    found = world.search(3)
    assert [trial.state for trial in found.trials] == ["finished", "lost", "finished", "finished"]
    assert found.trials[2].params == world.begun()[1]


def test_ctrl_c_is_an_interruption_too(world) -> None:
    """The search that was stopped by hand goes on with the trial that it was in."""

    def interrupted(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.search(2, interrupted)
    found = world.search(2)
    assert [trial.state for trial in found.trials] == ["lost", "finished", "finished"]
    assert found.trials[0].params == found.trials[1].params


def test_in_memory_an_interruption_is_taken_up_as_well() -> None:
    """The optimizer that lived on continues its search."""
    optimizer = HyperparameterOptimizer(space=SPACE)

    def leaves(config):
        raise SystemExit

    with pytest.raises(SystemExit):
        optimizer.optimize(leaves, 2)
    found = optimizer.optimize(score, 2)
    assert [trial.state for trial in found.trials] == ["lost", "finished", "finished"]
    assert found.trials[0].params == found.trials[1].params
    assert found.trials[0].reason.endswith("tried again as trial 1")


def test_a_study_at_which_another_process_works_is_left_alone(world, monkeypatch) -> None:
    """Its heart goes on beating, so nothing of it is called dead."""
    process = world.doomed(stuck_in=0, n_trials=2)
    try:
        world.wait(lambda: len(world.begun()) == 1)
        monkeypatch.setattr(
            "components.study_keeping.take_up_lost_trials.__kwdefaults__", {"sleep": lambda _: time.sleep(0.05)}
        )
        with pytest.raises(BadInput) as told:
            world.search(1)
        assert str(told.value) == (
            "study 'erd': found 'trial 0, which another process is running', expected one process at a time. "
            "Wait for it, or search in another storage."
        )
        assert world.ask("SELECT state FROM trials") == [("RUNNING",)]
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_nothing_is_lost(world, seed, monkeypatch) -> None:
    """A search killed again and again at random moments has as many trials as one that was never killed, each whole.

    They begin with the same draws; a kill between two draws of a trial may draw its second one anew.
    """
    monkeypatch.setattr("components.study_keeping.MOST_ATTEMPTS", 99)
    whole = HyperparameterOptimizer(space=SPACE, seed=3).optimize(score, 6, "erd")
    chance = random.Random(seed)
    for _ in range(4):
        process = world.doomed(seconds=0.05)
        time.sleep(chance.uniform(0.5, 2.0))
        process.kill()
        process.wait(PATIENCE_SECONDS)
        if world.storage.exists() and world.ask("SELECT name FROM sqlite_master WHERE name = 'trial_heartbeats'"):
            world.an_hour_later()
    found = world.search()
    finished = [trial for trial in found.trials if trial.state == "finished"]
    assert [trial.params["rate"] for trial in finished[:6]] == [trial.params["rate"] for trial in whole.trials]
    assert [trial.score for trial in finished] == [score(dict(trial.params)) for trial in finished]
    assert {trial.state for trial in found.trials} <= {"finished", "lost"}


def test_each_artifact_type_has_a_study_that_can_be_read_by_eye(world) -> None:
    """In one file, under its own name."""
    for name in ("erd", "code: prototype 🙂"):
        HyperparameterOptimizer(world.storage, space=SPACE).optimize(score, 1, name)
    assert world.ask("SELECT study_name FROM studies") == [("erd",), ("code: prototype 🙂",)]


def test_failures_are_kept_with_their_reason(world) -> None:
    """The next process reads them as this one does."""
    world.search(2, lambda config: None)
    found = world.search(1)
    assert [trial.reason for trial in found.trials[:2]] == [
        "score: found None, expected a finite number, returned."
    ] * 2


def test_a_storage_that_cannot_be_used_is_said(tmp_path) -> None:
    """No folder, no database, no study of ours, another space: each with what to do."""
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_text("this is no database " * 100)
    with pytest.raises(BadInput, match=r"storage: found '.*, expected a file in a folder that exists"):
        open_storage(tmp_path / "nowhere" / "s.db")
    with pytest.raises(
        BadInput, match=r"storage: found .*expected a database that optuna can open. Move the file away"
    ):
        open_storage(rubbish)
    with pytest.raises(BadInput, match=r"storage: found \"nosuch://x: Can't load plugin"):
        open_storage("nosuch://x")
    ours = World(tmp_path)
    ours.search(1)
    with pytest.raises(BadInput) as told:
        HyperparameterOptimizer(ours.storage).optimize(score, 1, "erd")
    assert str(told.value) == (
        "study 'erd': found 'a search of another space', expected the bounds of this one for batch_size, "
        "learning_rate, lora_alpha, lora_r, num_epochs, rank, rate, warmup_ratio. Search it in another storage."
    )


def test_a_study_of_somebody_else_is_left_alone(tmp_path) -> None:
    """Its trials mean what they mean to its maker."""
    with quiet(), quiet_log():
        theirs = optuna.create_study(storage=f"sqlite:///{tmp_path / 's.db'}", study_name="erd", direction="minimize")
        theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        theirs._storage._backend.engine.dispose()
    with pytest.raises(
        BadInput, match=r"study 'erd': found 'trials that were not made here', expected a study of our own"
    ):
        HyperparameterOptimizer(tmp_path / "s.db").optimize(score, 1, "erd")


def test_a_url_is_a_storage(tmp_path) -> None:
    """As SQLAlchemy writes it."""
    place = f"sqlite:///{tmp_path / 'by_url.db'}"
    HyperparameterOptimizer(place, space=SPACE).optimize(score, 1)
    assert (tmp_path / "by_url.db").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are read from /proc")
def test_no_connection_stays_open(world) -> None:
    """The file may be moved, copied or deleted as soon as the search is over, or has failed."""
    world.search(1)
    with pytest.raises(KeyboardInterrupt):
        world.search(1, lambda config: (_ for _ in ()).throw(KeyboardInterrupt))
    opened = [Path(f"/proc/self/fd/{number.name}") for number in Path("/proc/self/fd").iterdir()]
    assert [path for path in opened if path.is_symlink() and path.resolve() == world.storage.resolve()] == []


def test_no_journal_file_is_written(world) -> None:
    """One file, the database; a torn last line makes optuna's journal unreadable."""
    world.search(1)
    assert [path.name for path in world.storage.parent.iterdir()] == ["studies.db"]


def test_the_grace_is_a_few_heartbeats() -> None:
    """A process that was merely busy for a moment is not called dead."""
    storage = open_storage("sqlite://")
    assert storage.grace_period == GRACE_SECONDS > 3 * storage.get_heartbeat_interval()
    storage.engine.dispose()
