"""A search trains for real, looks at validation alone, goes on where it was killed, and its choice is an event."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from daemon import forgetting, settings_choosing, tuning
from daemon.asking_nights import NoSuchWorkload, Place
from daemon.clock_and_chance import SeededChance
from daemon.night_settings import DeviceSettings, WorkloadSettings
from daemon.plugin_loading import load
from daemon.settings import Settings
from daemon.tuning import Asked, DeviceTaken, TunedAlready, tune
from daemon.tuning_space import CannotTune, space_of
from daemon.views.chosen import Chosen
from tests.derived_world import DerivedWorld
from tests.intake_world import feedback, output

ROOT = Path(__file__).parents[1]
WORDS = {
    "refund": ("money", "back", "pay", "return"),
    "parcel": ("parcel", "late", "driver", "street"),
    "login": ("password", "login", "mail", "account"),
}
SETTINGS = {"epochs": 4, "hidden": 8, "features": 64, "batch_size": 16, "warmup_ratio": 0.0}


class TuningWorld(DerivedWorld):
    """Corrected outputs on all sides, and what is needed to search over them."""

    def __init__(self, folder):
        super().__init__(folder)
        (folder / "leases").mkdir()
        self.folder = folder
        self.workload = WorkloadSettings(plugin="tiny_classifier", settings=SETTINGS)

    def fill(self, count=90):
        rng = np.random.default_rng(4)
        for number in range(count):
            label = list(WORDS)[number % 3]
            told = " ".join([*rng.choice(WORDS[label], 2), *(f"w{word}" for word in rng.integers(0, 10**6, 6))])
            side = ("learn", "validate", "judge")[number % 10 // 4 if number % 10 < 8 else 2]
            text = self.text_on(side, f"{told} {{}}")
            self.send(output(f"o{number}", input=text, output="refund", artifact_type=("mail", "chat")[number % 2]))
            self.send(feedback(f"f{number}", f"o{number}", correction=label))
        self.prepare()

    @property
    def place(self):
        settings = Settings(workloads={"support": self.workload}, device=DeviceSettings(use="cpu"))
        environ = os.environ | {"ADAPTD_LEASES": str(self.folder / "leases"), "OMP_NUM_THREADS": "1"}
        return tuning.Place(self.state_dir, ROOT, settings, environ)

    def tune(self, **asked):
        return tune(self.place, Asked("support", **{"trials": 2, **asked}), self.clock.now())


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    world = TuningWorld(tmp_path_factory.mktemp("tuning"))
    world.fill()
    yield world
    world.close()


@pytest.fixture
def world(filled):
    """The same log, with no search in it."""
    import shutil

    shutil.rmtree(filled.state_dir / "tuning", ignore_errors=True)
    filled.workload = WorkloadSettings(plugin="tiny_classifier", settings=SETTINGS)
    return filled


pytestmark = pytest.mark.slow  # each trial is a process that loads torch


def test_the_settings_that_hold_are_the_first_trial_and_the_best_are_chosen(world):
    """Over what config.toml does not name; every trial is a training of its own."""
    found = world.tune(trials=2)
    assert found["before"] == {"learning_rate": 0.01}
    assert set(found["settings"]) == {"learning_rate"}
    assert (found["metric"], found["trials"]) == ("correct", 2)
    assert 0 <= found["baseline_score"] <= found["score"] <= 1
    assert found["study"] == "tuning/support/any"
    assert found["seconds"] > 0


def test_no_judge_example_is_looked_at(world, monkeypatch):
    """Of what is written down for the trials, and of what is read for them."""
    seen = {}
    monkeypatch.setattr(tuning, "write_pool", lambda path, pool: seen.update({path.name: pool}))
    with pytest.raises(CannotTune, match="no trial came to a score"):
        world.tune(trials=1)
    sides = {name: set(pool["side"].tolist()) for name, pool in seen.items()}
    assert sides == {"learn": {1}, "validate": {2}}


def test_a_search_for_one_type_is_of_that_type(world, monkeypatch):
    """With a study of its own."""
    seen = {}
    written = tuning.write_pool
    monkeypatch.setattr(tuning, "write_pool", lambda path, pool: (seen.update({path.name: pool}), written(path, pool)))
    found = world.tune(artifact_type="chat", trials=1)
    assert found["artifact_type"] == "chat"
    assert found["study"] == "tuning/support/type-chat"
    for pool in seen.values():
        assert {pool.names["artifact_type"][place] for place in pool["artifact_type"].tolist()} == {"chat"}
    assert tuning.study_folder(world.state_dir, Asked("support", "../é")).parent == world.state_dir / "tuning/support"


def test_nothing_but_numbers_is_left(world):
    """No pool, no model, no text."""
    world.tune(trials=1)
    left = {path.name for path in (world.state_dir / "tuning/support/any").iterdir()}
    assert left == {"lock", "out.log", "study.json", "study.sqlite3"}


def test_forgetting_takes_away_what_a_killed_search_has_left(world):
    """Its last trial's model, and what that printed."""
    left = world.state_dir / "tuning/support/any"
    (left / "trial/out").mkdir(parents=True)
    (left / "trial/out/model.safetensors").write_text("learnt from somebody")
    (left / "out.log").write_text("somebody's words")
    world.send(output("of-somebody", input="x", output="refund", subject="somebody"))
    forgetting.forget(world.state, "somebody", world.clock.now(), SeededChance(3))
    world.prepare()
    assert list(left.iterdir()) == []


def killed_search(world, after):
    """A search in a process of its own, killed with -9 once so many trials are in its study."""
    code = f"""
import os, sys
from pathlib import Path
from daemon import tuning
from daemon.night_settings import DeviceSettings, WorkloadSettings
from daemon.settings import Settings
workloads = dict(support=WorkloadSettings(plugin="tiny_classifier", settings={SETTINGS!r}))
settings = Settings(workloads=workloads, device=DeviceSettings(use="cpu"))
place = tuning.Place(Path(sys.argv[1]), Path(sys.argv[2]), settings, os.environ)
tell = lambda what, done, of: print(done, flush=True)
tuning.tune(place, tuning.Asked("support", trials=3), int(sys.argv[3]), tell)
"""
    command = [sys.executable, "-P", "-c", code, str(world.state_dir), str(ROOT), str(world.clock.now())]
    environ = world.place.environ | {"PYTHONPATH": str(ROOT)}
    search = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    for line in search.stdout:
        if int(line) == after:
            break
    search.send_signal(signal.SIGKILL)
    assert search.wait() == -signal.SIGKILL
    search.stdout.close()


def test_a_search_that_was_killed_goes_on_with_what_it_had(world):
    """On the data of its beginning, and comes to what an undisturbed one comes to."""
    whole = world.tune(trials=3)
    (world.state_dir / "tuning").rename(world.folder / "whole")
    killed_search(world, after=1)
    assert json.loads((world.state_dir / "tuning/support/any/study.json").read_text())["open"]
    world.send(output("later", input=world.text_on("validate", "later {}"), output="login"))
    world.send(feedback("f-later", "later", correction="login"))
    done = world.tune(trials=3)
    world.prepare()
    assert "it continues a search that was interrupted" in done["note"]
    assert (done["settings"], done["score"]) == (whole["settings"], whole["score"])
    assert done["validated"] == whole["validated"]
    assert not json.loads((world.state_dir / "tuning/support/any/study.json").read_text())["open"]


def test_scores_on_other_data_are_not_compared(world):
    """More feedback is another exam: the study begins anew."""
    assert world.tune(trials=1)["trials"] == 1
    assert world.tune(trials=1)["trials"] == 2
    world.send(output("more", input=world.text_on("learn", "more {}"), output="login"))
    world.send(feedback("f-more", "more", correction="login"))
    world.prepare()
    assert world.tune(trials=1)["trials"] == 1


def test_what_was_chosen_is_where_the_next_search_begins(world):
    """The choice in the log counts as what holds now."""
    chosen = world.tune(trials=1) | {"settings": {"learning_rate": 0.042}}
    place = Place(world.state.log, world.state.views, None, SeededChance(3), world.clock.now())
    settings_choosing.take_choice(place, ["support"], chosen, "id-1")
    world.prepare()
    assert world.tune(trials=1)["before"] == {"learning_rate": 0.042}


def test_a_choice_is_one_event_however_often_it_is_handed_over(world):
    """And the views know it."""
    place = Place(world.state.log, world.state.views, None, SeededChance(3), world.clock.now())
    chosen = world.tune(trials=1) | {"settings": {"learning_rate": 0.03}}
    before = world.state.log.head().seq
    for _ in range(2):
        assert settings_choosing.take_choice(place, ["support"], chosen, "id-2") == chosen
    assert world.state.log.head().seq == before + 1
    assert world.state.views.of(Chosen).settings_for("support") == {"learning_rate": 0.03}
    with pytest.raises(NoSuchWorkload):
        settings_choosing.take_choice(place, ["other"], chosen, "id-3")
    for wrong in ({"score": "high"}, {"settings": {"learning_rate": "rm"}}, {"trials": None}):
        with pytest.raises(settings_choosing.NoChoice, match="expected what a search of this adaptd comes to"):
            settings_choosing.take_choice(place, ["support"], chosen | wrong, "id-4")


def test_the_time_that_it_may_take_is_kept(world):
    """A trial that would take longer is stopped at a step's boundary, and has no score."""
    world.workload = WorkloadSettings(
        plugin="tiny_classifier", settings=SETTINGS | {"epochs": 1e6, "patience": 1_000_000}
    )
    began = time.monotonic()
    with pytest.raises(CannotTune, match=r"no trial came to a score.*Nothing was chosen"):
        world.tune(trials=2, minutes=0.05)
    assert time.monotonic() - began < 60


def test_a_trial_that_fails_has_its_reason_and_the_search_goes_on(world):
    """Its words are told."""
    world.workload = WorkloadSettings(plugin="tiny_classifier", settings=SETTINGS, base_model="nowhere")
    with pytest.raises(CannotTune, match=r"1 of 1 trials failed, the last one .*: TrialFailed: model: found"):
        world.tune(trials=1)


def test_what_cannot_be_searched_is_told(world):
    """Everything named, too little to validate on, a device that a run has, another search."""
    everything = SETTINGS | {"learning_rate": 0.02}
    world.workload = WorkloadSettings(plugin="tiny_classifier", settings=everything)
    with pytest.raises(CannotTune, match=r"nothing to search, since config\.toml names learning_rate, batch_size"):
        world.tune()
    world.workload = WorkloadSettings(plugin="tiny_classifier", settings=SETTINGS, artifact_types=("none",))
    with pytest.raises(
        CannotTune, match="0 rated examples to learn from and 0 to validate on, expected at least 1 and"
    ):
        world.tune()
    world.workload = WorkloadSettings(plugin="tiny_classifier", settings=SETTINGS)
    description = load("workload", "tiny_classifier", ROOT).make({}, "x").describe()
    told = "no device is free: a run has cpu"
    with tuning._device(world.place, description), pytest.raises(DeviceTaken, match=told):
        world.tune()
    folder = world.state_dir / "tuning/support/any"
    with tuning._alone(folder), pytest.raises(TunedAlready, match="another process searches there"):
        world.tune()


def test_the_space_holds_what_is_used_now_and_nothing_that_config_names():
    """Wide enough for both; the documented space for a workload that says none."""
    plugin = load("workload", "tiny_classifier", ROOT)
    usual = {"learning_rate": 0.01, "batch_size": 32, "epochs": 30.0, "warmup_ratio": 0.05, "hidden": 32}
    space = space_of(plugin, "w", {"epochs": 3}, usual, usual | {"learning_rate": 0.5, "batch_size": 2})
    assert set(space) == {"learning_rate", "batch_size", "warmup_ratio", "hidden"}
    assert (space["learning_rate"].high, space["batch_size"].low) == (0.5, 2)
    bare = plugin._replace(made_by=type("Bare", (), {}))
    assert set(space_of(bare, "w", {}, {"learning_rate": 1e-4, "epochs": 3}, {"learning_rate": 1e-4})) == {
        "learning_rate"
    }
    with pytest.raises(CannotTune, match="tiny_classifier has none of learning_rate"):
        space_of(bare, "w", {}, {"steps": 3}, {})
    assert dataclasses.is_dataclass(space["hidden"])
