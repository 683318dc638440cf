"""What the child does by itself: its heart, what it does with less memory, and the errors that it tells."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from daemon.heartbeat import MOST_LOSSES, Heart
from daemon.model_shelf import ModelDamaged, Shelf
from daemon.night_settings import WorkloadSettings
from daemon.run_child import Refused, _base_model, device_of, halved, words_of
from daemon.run_folder import RunFolder, Spec, Start
from tests.run_world import NOW, Config, World, forget_loaded_plugins


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run-0001")
    folder.path.mkdir()
    return folder


def heart(folder, told=lambda: False, seconds=None, **clock):
    return Heart(folder, Start(start=2, device="cpu", beside="/", seconds=seconds), told, **clock)


def test_the_heart_beats_where_the_training_speaks(folder):
    """At most twice a second, whatever it says."""
    moment = [100.0]
    beating = heart(folder, elapsed=lambda: moment[0])
    for step in range(1, 101):
        moment[0] += 0.1
        beating.should_stop()
        beating.log({"step": step, "steps": 200, "loss": 1 / step})
    told = folder.progress()
    assert 16 <= told.beat <= 21
    assert (told.start, told.steps) == (2, 200)
    assert told.rate == pytest.approx(10, rel=0.02)
    assert told.left_seconds == pytest.approx((200 - told.step) / 10, rel=0.05)


def test_a_step_that_hangs_is_silent(folder):
    """Nothing beats beside it."""
    beating = heart(folder)
    beating.log({"step": 1})
    before = folder.progress()
    assert folder.progress() == before


def test_what_is_no_number_is_not_told(folder):
    """JSON has none of them."""
    beating = heart(folder)
    beating.log({"step": 1, "loss": float("nan")})
    beating.log({"step": 2, "loss": float("inf")})
    beating.beat(now=True)
    assert (folder.progress().loss, folder.progress().losses) == (None, [])


def test_the_curve_is_thinned_out_and_goes_on_after_a_pause(folder):
    """As many points as a chart needs; those after the checkpoint are told again."""
    first = heart(folder)
    for step in range(1, 5001):
        first.log({"step": step, "loss": 1 / step})
    assert len(first.losses) <= MOST_LOSSES
    assert first.losses[0] == (1, 1.0)
    assert first.losses[-1][0] > 4900
    second = heart(folder)
    second.take_up(first.progress(), from_step=3000)
    assert second.step == 3000
    assert second.losses[-1][0] <= 3000
    for step in range(3001, 5001):
        second.log({"step": step, "loss": 1 / step})
    assert [step for step, _ in second.losses] == sorted({step for step, _ in second.losses})
    assert len(second.losses) <= MOST_LOSSES
    heart(folder).take_up(None, 0)


@pytest.mark.parametrize(("word", "reason"), [("window", "window"), ("device", "device"), ("something else", "person")])
def test_a_wish_is_heard_at_the_next_step(folder, word, reason):
    """And once heard it holds."""
    beating = heart(folder)
    assert not beating.should_stop()
    folder.ask_to_stop(word)
    assert beating.should_stop()
    (folder.path / "stop").unlink()
    assert beating.should_stop()
    assert beating.stopped_by == reason
    assert beating.yielded_in() >= 0


def test_a_signal_and_the_window_s_end_are_wishes_too(folder):
    """Of the daemon, and of nobody."""
    by_signal, by_time = heart(folder, told=lambda: True), heart(folder, seconds=0.0)
    assert by_signal.should_stop()
    assert by_time.should_stop()
    assert (by_signal.stopped_by, by_time.stopped_by) == ("daemon", "window")
    assert heart(folder).yielded_in() is None


@dataclass(frozen=True)
class Sized:
    micro_batch_size: int | None = None
    batch_size: int = 32


@dataclass(frozen=True)
class Unsized:
    batch_size: int = 32


def test_less_memory_halves_what_is_learnt_at_once():
    """What one step learns from stays; settings that do not say are left alone."""
    assert halved(Sized(), 1) == Sized(16)
    assert halved(Sized(8), 2) == Sized(2)
    assert halved(Sized(8), 9) == Sized(1)
    assert halved(Sized(), 0) == Sized()
    assert halved(Unsized(), 3) == Unsized()


def beginning_from(path):
    return Spec(run="run-0001", batch=1, workload="a", plugin="a", code="", mode="full", settings={}, seed=1, names={},
                base_model=str(path))  # fmt: skip


def test_a_base_model_has_to_be_there():
    """Nothing is downloaded."""
    with pytest.raises(Refused, match=r"base_model /nowhere/model: no folder there, expected the model to begin from"):
        _base_model(beginning_from("/nowhere/model"))


def test_a_champion_is_whole_before_a_run_begins_from_it(tmp_path):
    """Its files are hashed again; a folder of somebody's own has no hashes."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "weights").write_text("as they were")
    assert _base_model(beginning_from(own)) == own
    shelf = Shelf(tmp_path / "shelf")
    shelf.put(3, own, {}, "")
    assert _base_model(beginning_from(shelf.path(3))) == shelf.path(3)
    (shelf.path(3) / "weights").unlink()
    (shelf.path(3) / "weights").write_text("otherwise")
    with pytest.raises(ModelDamaged, match="weights is not as it was written"):
        _base_model(beginning_from(shelf.path(3)))


def test_the_child_sees_its_own_gpu_alone():
    """Which torch calls the first one."""
    assert (device_of("cuda:3"), device_of("cpu")) == ("cuda:0", "cpu")


def test_words_of_others_are_not_told():
    """They may quote a text; kind and place are enough, and out.log has the rest."""
    try:
        raise KeyError("my knee hurts")
    except KeyError as error:
        told = words_of(error)
    assert told.startswith("KeyError at ")
    assert "knee" not in told
    assert told.endswith("; out.log has the rest")


# As a process


@pytest.fixture
def world(tmp_path):
    forget_loaded_plugins()
    world = World(tmp_path)
    yield world
    world.close()


def by_hand(world):
    """What somebody types who looks for a fault."""
    command = [sys.executable, "-P", "-m", "daemon.run_child", str(world.of().path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd="/")


def planned(world, **settings):
    world.config = Config({"counting": WorkloadSettings(settings=settings)})
    world.queue.follow(world.config)
    world.batches.add()
    world.queue.plan(NOW)
    world.of().write("start.json", Start(start=1, device="cpu", beside=str(world.folder)))


def test_it_can_be_started_by_hand(world):
    """And prints where somebody sees it."""
    planned(world)
    done = by_hand(world)
    assert done.returncode == 0
    assert "run-0001: finished at step 6" in done.stdout
    assert world.of().result(1).state == "finished"


def test_it_does_not_start_beside_another(world):
    """One process trains a run."""
    planned(world, steps=10_000, pause=0.01)
    world.turn()
    done = by_hand(world)
    assert (done.returncode, done.stdout) == (75, "run-0001: another process trains it\n")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("spec.json", "{", "spec.json: found Input data was truncated"),
        ("columns.npz", "PK", "columns.npz: found"),
        ("derived.jsonl", "{}\n", "derived.jsonl: found KeyError"),
    ],
)
def test_a_hostile_folder_is_refused_with_its_reason(world, name, content, words):
    """In the result, and in what is printed; no second try."""
    planned(world)
    (world.of().path / name).write_text(content)
    assert by_hand(world).returncode == 1
    result = world.of().result(1)
    assert (result.state, result.how) == ("failed", "refused")
    assert words in result.reason


def test_a_pause_that_nobody_wished_is_a_failure(world):
    """Else a run would begin again for ever."""
    path = world.folder / "plugins" / "workloads" / "counting.py"
    path.write_text(path.read_text().replace("if job.should_stop() and", "if step == 2 or job.should_stop() and"))
    forget_loaded_plugins()
    planned(world)
    assert by_hand(world).returncode == 1
    assert world.of().result(1).reason == "the workload paused, and nobody had asked it to"


def test_it_is_nice(world):
    """The host's own programs come first."""
    planned(world, steps=10_000, pause=0.01)
    world.turn()
    world.until(world.at_step(1))
    pid = world.events()[-1][1]["pid"]
    assert os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0) in (10, 19)
    assert os.getpgid(pid) == pid
