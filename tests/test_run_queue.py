"""Runs from plan to end, with real processes: started, paused, killed, found again, tried again, given up."""

import json
import os
import signal
from datetime import date

import pytest

from daemon import forgetting
from daemon.event_kinds import CHALLENGER_PROMOTED, CHAMPION_ROLLED_BACK, MODEL_SHELVED, RUN_CANCELLED
from daemon.night_parts import NoSuchRun, NothingToCancel
from daemon.night_settings import WorkloadSettings
from daemon.nights import Night
from tests.run_world import NOW, Config, World, forget_loaded_plugins

HOUR = 3600 * 1_000_000


@pytest.fixture
def world(tmp_path):
    forget_loaded_plugins()
    world = World(tmp_path)
    yield world
    world.close()


def configure(world, runs=None, **settings):
    world.config = Config({"counting": WorkloadSettings(settings=settings)}, **(runs or {}))
    world.queue.follow(world.config)


def night(seconds, now=NOW):
    return Night(date(2023, 11, 14), now, now + round(seconds * 1e6))


def test_a_batch_becomes_a_run_and_the_run_a_model(world):
    """Planned, started, finished: three events, a model with its hashes, and everything that was printed."""
    world.batches.add()
    assert world.queue.busy("counting")
    world.until(world.is_("finished"))
    assert world.kinds() == ["planned", "started", "finished"]
    body = world.events()[-1][1]
    assert (body["step"], body["flags"]) == (6, ["a flag"])
    assert body["metrics"] == {"sum": world.sum()[0], "odd": None}
    assert world.of().check_model(body["model_hash"]) is None
    out = world.of().out_log.read_text()
    assert "hello from counting 11 examples\n" in out
    assert "and to stderr\n" in out
    assert not world.queue.busy("counting")
    assert not world.children


def test_texts_come_from_the_log_and_derived_ones_from_the_folder(world):
    """Each row says what its events said; of a run that is over the derived texts are gone."""
    world.batches.add()
    world.until(world.is_("finished"))
    assert world.sum()[1] == [["in" * n, f"out {n}"] for n in range(2, 12)] + [["derived", "d"]]
    assert not (world.of().path / "derived.jsonl").exists()


def test_a_run_that_pauses_goes_on_and_ends_as_if_nothing_had_been(world):
    """The reason stands in the event; the sum is that of a run without a pause."""
    configure(world, steps=40, pause=0.02)
    world.batches.add(night="2023-11-14")
    world.until(world.at_step(5), night=night(3600))
    assert world.queue.ask_to_yield(world.clock.now(), "window") == ["run-0001 is told to pause, reason: window"]
    assert world.queue.ask_to_yield(world.clock.now(), "window") == []
    world.until(world.is_("paused"), starts=False)
    kind, body = world.events()[-1]
    assert (kind, body["reason"], body["steps"]) == ("run_paused", "window", 40)
    assert 5 <= body["step"] < 40
    assert body["checkpoint_seconds"] < 30
    world.until(world.is_("finished"), night=night(3600))
    starts = [body for kind, body in world.events() if kind == "run_started"]
    assert [start["from_step"] for start in starts] == [0, body["step"]]
    paused = world.sum()[0]
    world.batches.add()
    world.until(world.is_("finished", 2))
    assert world.sum(2)[0] == paused


@pytest.mark.parametrize("wrong", ["raise", "memory", "exit", "kill"])
def test_what_fails_is_tried_again_from_its_checkpoint(world, wrong):
    """Once wrong, then right; the event says how, and no text of anybody."""
    configure(world, wrong=wrong)
    world.batches.add()
    world.until(world.is_("finished"))
    assert world.kinds() == ["planned", "started", "failed", "started", "finished"]
    body = world.events()[2][1]
    assert (body["attempt"], body["final"]) == (1, False)
    told = {
        "raise": ("error", "RuntimeError at "),
        "memory": ("memory", "MemoryError at "),
        "exit": ("died", "its process ended with exit code 3 and without a result"),
        "kill": ("died", "its process was ended by signal 9, as the kernel does when memory runs out"),
    }[wrong]
    assert body["how"] == told[0]
    assert body["reason"].startswith(told[1])
    assert "secret" not in json.dumps(world.events())
    assert world.events()[3][1]["from_step"] == 3
    assert ("RuntimeError: a secret text" in world.of().out_log.read_text()) == (wrong == "raise")


def test_memory_that_runs_out_halves_what_is_learnt_at_once(world):
    """Where the settings say how much that is: after one failure 16 of 32."""
    configure(world, wrong="memory")
    world.batches.add()
    world.until(world.is_("finished"))
    assert world.sum()[2] == 16


def test_a_run_is_given_up_after_so_many_attempts(world):
    """And the same batch is not planned again in the same way; with other settings it is."""
    configure(world, {"attempts": 2}, wrong="exit", times=99)
    world.batches.add(hash_="same")
    world.until(world.is_("failed"))
    assert world.kinds() == ["planned", "started", "failed", "started", "failed"]
    assert [body["final"] for kind, body in world.events() if kind == "run_failed"] == [False, True]
    world.batches.add(hash_="same")
    assert not world.queue.busy("counting")
    assert world.queue.plan(NOW) == ["batch 2 is not planned: it is batch 1 again, which was given up"]
    assert world.queue.plan(NOW) == []
    configure(world)
    assert world.queue.busy("counting")
    world.until(world.is_("finished", 2))


def test_what_was_rolled_back_is_not_learnt_again_in_the_same_way(world):
    """The same batch under another number is the same candidate."""
    world.batches.add(hash_="same")
    world.until(world.is_("finished"))
    of = {"workload": "counting"}
    world.log.append(MODEL_SHELVED, of | {"model": 1, "run": "run-0001", "batch": 1, "hash": "x", "base": None}, NOW)
    world.log.append(CHALLENGER_PROMOTED, of | {"model": 1, "previous": 0, "by": "gate", "reason": None}, NOW)
    world.log.append(CHAMPION_ROLLED_BACK, of | {"from": 1, "to": 0, "reason": None}, NOW)
    world.batches.add(hash_="same")
    assert not world.queue.busy("counting")
    told = ["batch 2 is not planned: it is batch 1 again, whose model was rolled back"]
    assert world.queue.plan(NOW) == told
    world.batches.add(repeats=1)
    assert world.queue.plan(NOW) == [told[0].replace("batch 2", "batch 3", 1)]
    world.batches.add(repeats=3)  # of which nothing was rolled back
    assert world.queue.busy("counting")
    configure(world, steps=7)
    assert world.queue.busy("counting")


def test_an_unhealthy_run_goes_on_once_from_its_last_good_checkpoint(world):
    """The second time it is given up, whatever attempts are left."""
    configure(world, wrong="unhealthy")
    world.batches.add()
    world.until(world.is_("finished"))
    assert world.events()[2][1]["reason"] == "not a number at step 3"
    assert world.events()[2][1]["how"] == "unhealthy"


def test_a_run_that_stays_unhealthy_is_given_up(world):
    configure(world, {"attempts": 9}, wrong="unhealthy", times=99, every=99)
    world.batches.add()
    world.until(world.is_("failed"))
    assert world.kinds() == ["planned", "started", "failed", "started", "failed"]


def test_silence_is_taken_for_death(world):
    """A hung step reports nothing, since no thread beats for it; the process is ended, and the run goes on."""
    configure(world, {"silent_seconds": 600}, wrong="hang")
    world.batches.add()
    world.turn()
    world.until(lambda: world.of().checkpointed_step() == 3)
    world.until(world.is_("waiting"), seconds=60, starts=False)
    body = world.events()[-1][1]
    assert body["how"] == "silent"
    assert body["reason"].startswith("it has reported nothing for ")
    world.until(world.is_("finished"))


def test_a_clock_that_jumps_is_no_silence(world):
    """A machine that slept for a day has not been silent: a turn counts a minute at most."""
    configure(world, {"silent_seconds": 600}, steps=400, pause=0.05)
    world.batches.add()
    world.until(world.at_step(2))
    for _ in range(3):
        world.turn(seconds=86_400)
    assert not [text for text in world.told if "is killed" in text]


def test_a_child_that_does_not_heed_is_ended_when_patience_is_over(world):
    """What it had saved is where the run goes on."""
    configure(world, steps=100_000, pause=0.01, wrong="deaf")
    world.batches.add()
    world.until(world.at_step(2))
    world.queue.ask_to_yield(world.clock.now(), "person")
    world.until(world.is_("paused"), seconds=30, starts=False)
    assert any("it did not end within 120 seconds of being told to" in text for text in world.told)
    assert world.events()[-1][1]["reason"] == "person"


# Windows


def test_nothing_is_begun_for_the_last_minute(world):
    """Nor for less than a checkpoint takes."""
    world.batches.add(night="2023-11-14")
    world.turn(night(59))
    assert world.kinds() == ["planned"]
    world.turn(night(120))
    assert world.kinds() == ["planned", "started"]


def test_a_child_ends_by_itself_when_its_window_closes(world):
    """Also when no daemon is left that would tell it."""
    configure(world, steps=100_000, pause=0.01)
    world.batches.add()
    world.turn()
    start = world.of().start()
    assert start.seconds is None
    world.queue.cancel("run-0001", None, world.clock.now())
    world.until(lambda: not world.children)
    world.batches.add(night="2023-11-14")
    world.turn(night(61, world.clock.now()))
    assert world.of(2).start().seconds == pytest.approx(61, abs=1)
    assert world.events()[-1][1]["until"] is not None


# Kills


def test_a_child_outlives_the_daemon_and_is_found_again(world):
    """The one that comes back knows it by its lock, tells it to pause, and notes its end."""
    configure(world, steps=2000, pause=0.02)
    world.batches.add()
    world.until(world.at_step(2))
    pid = world.events()[-1][1]["pid"]
    world.die()
    world.come_back()
    world.turn()
    assert world.told[-1] == f"run-0001 goes on in process {pid}, which an earlier daemon started"
    assert world.children
    world.queue.ask_to_yield(world.clock.now(), "person")
    world.until(world.is_("paused"), starts=False)
    assert world.kinds() == ["planned", "started", "paused"]
    assert world.events()[-1][1]["reason"] == "person"


def test_an_end_that_nobody_saw_is_noted_by_the_next_daemon(world):
    """By its result."""
    configure(world, steps=20, pause=0.02)
    world.batches.add()
    world.until(world.at_step(2))
    world.die()
    world.orphans[-1].wait()
    world.come_back()
    world.turn()
    assert world.kinds() == ["planned", "started", "finished"]


def test_a_power_cut_is_no_failure_when_a_checkpoint_is_newer(world):
    """Daemon and child gone at once: paused by nobody's wish, and it goes on."""
    configure(world, steps=60, pause=0.02)
    world.batches.add()
    world.until(world.at_step(9))
    world.die()
    world.orphans[-1].kill()
    world.orphans[-1].wait()
    world.come_back()
    world.until(world.is_("finished"))
    assert world.kinds() == ["planned", "started", "paused", "started", "finished"]
    assert world.events()[2][1]["reason"] == "daemon"


def test_without_a_newer_checkpoint_it_is_one(world):
    """A run that takes the machine down each time is given up one day."""
    configure(world, steps=2000, pause=0.02, every=1000)
    world.batches.add()
    world.until(world.at_step(2))
    world.die()
    world.orphans[-1].kill()
    world.orphans[-1].wait()
    world.come_back()
    world.turn()
    body = world.events()[2][1]
    assert body["reason"].startswith("its process is gone, and it saved no checkpoint")
    assert (body["attempt"], body["final"]) == (1, False)


class Killed(Exception):
    """Stands for kill -9 of the daemon."""


@pytest.mark.parametrize("deed", range(1, 7))
def test_a_daemon_that_is_killed_between_any_two_deeds_is_followed_by_one_that_ends_it(world, deed):
    """Just before or just after each event; the outcome is that of a night without a kill."""
    append, count = type(world.state.log).append, 0

    def kill_at_deed(entries, *rest, **how):
        nonlocal count
        count += 1
        if count == deed and deed % 2:
            raise Killed
        done = append(world.state.log, entries, *rest, **how)
        count += 1
        if count == deed:
            raise Killed
        return done

    configure(world, steps=20)
    world.batches.add()
    world.state.log.append = kill_at_deed
    with pytest.raises(Killed):
        world.until(world.is_("finished"))
    world.die()
    world.come_back()
    world.until(world.is_("finished"))
    world.turn()
    assert [kind for kind in world.kinds() if kind != "paused"].count("planned") == 1
    assert world.kinds()[-1] == "finished"
    assert world.kinds().count("finished") == 1
    assert "failed" not in world.kinds()
    assert world.sum()[0] == pytest.approx(world.events()[-1][1]["metrics"]["sum"], abs=0)


def test_a_plan_without_its_folder_is_written_again_from_the_batch(world):
    """Killed between the two."""
    world.batches.add()
    world.queue.plan(NOW)
    for path in world.of().path.iterdir():
        path.unlink()
    world.until(world.is_("finished"))
    assert world.kinds() == ["planned", "started", "finished"]


def test_a_plan_whose_batch_cannot_be_had_fails_with_the_reason(world):
    """No retry would help."""
    world.batches.add()
    world.queue.plan(NOW)
    (world.of().path / "spec.json").unlink()
    world.batches.lost.add(1)
    world.turn()
    body = world.events()[-1][1]
    assert body["reason"] == "its folder is not there, and batch 1: formed again it has other rows"
    assert (body["how"], body["final"]) == ("refused", True)


def test_a_batch_that_cannot_be_had_has_its_run_and_the_reason(world):
    """So that it does not wait for ever."""
    world.batches.add()
    world.batches.lost.add(1)
    world.turn()
    assert world.kinds() == ["planned", "failed"]
    assert world.events()[-1][1]["reason"] == "batch 1: formed again it has other rows"
    assert not world.queue.busy("counting")


def test_a_batch_of_a_workload_that_is_configured_no_more_fails_with_the_reason(world):
    """Nothing of it is begun."""
    world.batches.add("gone")
    world.turn()
    told = "workload 'gone' is configured no more, expected [workloads.gone] in config.toml"
    assert world.events()[-1][1]["reason"] == told


def test_a_mode_that_the_workload_does_not_have_is_refused(world):
    world.config = Config({"counting": WorkloadSettings(mode="lora")})
    world.queue.follow(world.config)
    world.batches.add()
    world.turn()
    assert world.events()[-1][1]["reason"] == "workloads.counting.mode = 'lora': counting has full alone"


def test_other_code_than_that_of_the_plan_is_refused(world):
    """The child looks at the file as it is now."""
    world.batches.add()
    world.queue.plan(NOW)
    path = world.folder / "plugins" / "workloads" / "counting.py"
    path.write_text(path.read_text() + "\n# changed\n")
    world.until(world.is_("failed"))
    body = world.events()[-1][1]
    assert body["reason"].startswith("workload 'counting': its code is ")
    assert "Put " in body["reason"]
    assert (body["how"], body["final"]) == ("refused", True)


@pytest.mark.parametrize(("wrong", "words"), [("no model", "left no model"), ("link", "neither a file nor a folder")])
def test_a_model_that_is_none_is_refused(world, wrong, words):
    configure(world, wrong=wrong)
    world.batches.add()
    world.until(world.is_("failed"))
    assert words in world.events()[-1][1]["reason"]
    assert not world.of().model.exists()


def test_a_finished_run_whose_model_is_not_there_is_not_finished(world):
    """Somebody took it away before the end was noted."""
    configure(world, {"attempts": 1}, steps=20, pause=0.02)
    world.batches.add()
    world.until(world.at_step(2))
    world.die()
    world.orphans[-1].wait()
    (world.of().model / "adaptd-manifest.json").write_text("{}")
    world.come_back()
    world.turn()
    assert "expected that of the run's model" in world.events()[-1][1]["reason"]


# Cancelling, forgetting, the end of the daemon


def test_a_cancelled_run_ends_at_once_and_stays_ended(world):
    """Running or planned; what it had saved for going on is gone."""
    configure(world, steps=100_000, pause=0.01)
    world.batches.add()
    world.until(world.at_step(2))
    world.queue.cancel("run-0001", "a mistake", world.clock.now())
    world.until(lambda: not world.children)
    world.turn()
    assert world.kinds() == ["planned", "started", "cancelled"]
    assert world.events()[-1][1] == {"run": "run-0001", "reason": "a mistake"}
    assert not world.of().checkpoints.exists()
    with pytest.raises(NothingToCancel, match="run-0001 is cancelled already, expected one that"):
        world.queue.cancel("run-0001", None, world.clock.now())
    with pytest.raises(NoSuchRun, match=r"no run 'run-0009'\. `adaptd runs list` shows"):
        world.queue.cancel("run-0009", None, world.clock.now())


def test_a_daemon_killed_between_cancelling_and_its_deed_is_followed_by_one_that_does_it(world):
    """The child of a cancelled run is ended, and has no event."""
    configure(world, steps=100_000, pause=0.01)
    world.batches.add()
    world.until(world.at_step(2))
    process = world.children["run-0001"].child._process
    world.log.append(RUN_CANCELLED, {"run": "run-0001", "reason": None}, world.clock.now())
    world.die()
    world.come_back()
    world.turn()
    assert process.wait(30) == -signal.SIGKILL
    world.turn()
    assert world.kinds() == ["planned", "started", "cancelled"]


def test_a_run_that_would_learn_from_somebody_forgotten_is_cancelled(world):
    """By any event of theirs on an output of the batch; the texts in its folder are gone."""
    world.rate(3, subject="ann")
    world.batches.add()
    world.turn()
    world.until(lambda: world.children)
    forgetting.forget(world.state, "ann", world.clock.now(), world.chance)
    world.state.views.catch_up()
    world.until(lambda: not world.children)
    assert "run-0001 is cancelled: a subject that it was to learn from was forgotten" in world.told
    assert world.kinds()[-1] == "cancelled"
    assert not (world.of().path / "derived.jsonl").exists()


def test_what_a_child_printed_goes_with_a_subject_that_it_learnt_from(world):
    """A workload may print what it reads; the output of others stays."""
    world.batches.add()
    world.until(world.is_("finished"))
    world.rate(3, subject="ann")
    world.batches.add()
    world.until(world.is_("finished", 2))
    forgetting.forget(world.state, "ann", world.clock.now(), world.chance)
    assert world.of(2).out_log.read_text() == ""
    assert "hello" in world.of(1).out_log.read_text()


def test_forgetting_somebody_else_cancels_nothing(world):
    world.batches.add()
    world.queue.plan(NOW)
    world.rate(3, subject="ann")
    forgetting.forget(world.state, "ann", world.clock.now(), world.chance)
    world.state.views.catch_up()
    world.until(world.is_("finished"))


def test_the_daemon_s_end_pauses_its_children(world):
    """They are told, waited for, and have their events."""
    configure(world, steps=100_000, pause=0.01)
    world.batches.add()
    world.until(world.at_step(2))
    told = world.queue.stop(world.clock.now())
    assert told == ["run-0001 is told to pause, reason: daemon", "run-0001 paused: daemon"]
    assert world.kinds() == ["planned", "started", "paused"]


def test_term_is_as_good_as_being_told(world):
    """A machine that shuts down sends it."""
    configure(world, steps=100_000, pause=0.01)
    world.batches.add()
    world.until(world.at_step(2))
    os.kill(world.events()[-1][1]["pid"], signal.SIGTERM)
    world.until(world.is_("paused"), starts=False)
    assert world.events()[-1][1]["reason"] == "daemon"


def test_one_device_serves_one_run_at_a_time(world):
    """The second waits, says why, and comes to its turn."""
    world.config = Config(
        {
            "counting": WorkloadSettings(settings={"steps": 30, "pause": 0.02}),
            "other": WorkloadSettings(plugin="counting"),
        }
    )
    world.queue.follow(world.config)
    world.batches.add()
    world.batches.add("other")
    world.until(world.at_step(1))
    world.turn()
    assert "run-0002 waits: another run has cpu" in world.told
    assert (world.of(2).path / "waiting").read_text() == "another run has cpu"
    world.until(world.is_("finished", 2))
    assert world.kinds().count("started") == 2


def test_folders_of_runs_that_are_over_are_let_go_of(world):
    """All but the newest, and never one that is not over."""
    configure(world, {"keep_folders": 1})
    for _ in range(3):
        world.batches.add()
    world.until(world.is_("finished", 3))
    assert sorted(path.name for path in (world.state.state_dir / "runs").iterdir()) == ["run-0003"]


def test_outside_the_windows_only_what_was_asked_for_runs(world):
    """A run without a night, or of a workload that was asked for meanwhile; windows do not end those."""
    configure(world, steps=100_000, pause=0.01)
    world.batches.add(night="2023-11-14")
    world.queue.plan(NOW)
    assert world.queue.start_next(NOW, None, ()) == []
    assert len(world.queue.start_next(NOW, None, ["counting"])) == 1
    assert world.of().start().seconds is None
    assert world.queue.ask_to_yield(NOW, "window", ["counting"]) == []
    assert world.queue.ask_to_yield(NOW, "window") == ["run-0001 is told to pause, reason: window"]
    world.until(world.is_("paused"), starts=False)
    world.batches.add()
    world.queue.plan(NOW)
    assert world.queue.start_next(NOW, None, ()) == [
        f"run-0002 started on cpu, process {world.children['run-0002'].child.pid}"
    ]
    assert world.queue.ask_to_yield(NOW, "window") == []
    assert world.queue.ask_to_yield(NOW, "person") == ["run-0002 is told to pause, reason: person"]


def test_a_child_has_little_of_the_daemon_s_environment(world, monkeypatch):
    """No tokens, no PYTHONPATH, nothing is fetched."""
    from daemon.run_process import _environment

    environ = {"PATH": "/bin", "AWS_SECRET": "x", "PYTHONPATH": "/evil", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0"}
    made = _environment(environ, None)
    assert set(made) & set(environ) == {"PATH", "LC_ALL", "CUDA_VISIBLE_DEVICES"}
    assert (made["CUDA_VISIBLE_DEVICES"], made["HF_HUB_OFFLINE"]) == ("", "1")
    assert _environment(environ, "GPU-7")["CUDA_VISIBLE_DEVICES"] == "GPU-7"


def test_a_folder_for_leases_that_cannot_be_used_is_waited_for(world):
    """Told once, and left where `runs show` finds it; the daemon goes on."""
    (world.folder / "leases").touch()
    world.batches.add()
    world.turn()
    world.turn()
    (told,) = [text for text in world.told if text.startswith("run-0001 waits: ")]
    assert "Set ADAPTD_LEASES to a folder" in told
    (world.folder / "leases").unlink()
    world.until(world.is_("finished"))


def test_a_hostile_folder_ends_its_run_and_nothing_else(world):
    """Also where somebody was forgotten since."""
    world.batches.add()
    world.queue.plan(NOW)
    (world.of().path / "spec.json").write_text("[1]")
    world.rate(3, subject="ann")
    forgetting.forget(world.state, "ann", world.clock.now(), world.chance)
    world.state.views.catch_up()
    world.turn()
    body = world.events()[-1][1]
    assert "spec.json: found Expected `object`, got `array`" in body["reason"]
    assert body["final"]


def test_a_heartbeat_and_a_result_of_somebody_else_end_no_daemon(world):
    """What cannot be believed is a failure of the run."""
    configure(world, {"attempts": 1}, steps=20, pause=0.02)
    world.batches.add()
    world.until(world.at_step(2))
    world.die()
    world.orphans[-1].wait()
    (world.of().path / "result.json").write_text('{"start": "one"}')
    (world.of().path / "progress.json").write_text("[]")
    world.come_back()
    world.turn()
    assert "result.json: found Expected `int`, got `str`" in world.events()[-1][1]["reason"]
