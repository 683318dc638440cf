"""From feedback in the log to a model in a run's folder: the real shift, forming, queue, child and workload."""

import os
import time

import pytest

from components.bad_input import BadInput
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.main_loop import MainLoop
from daemon.night_building import parts_of, shift_of
from daemon.opening import open_state
from daemon.settings import settings_of
from tests import made_state

CONFIG = """
[adaptd]
[night]
window = "00:00-24:00"
[device]
use = "cpu"
[embeddings]
model = "hashing"
[workloads.support]
plugin = "tiny_classifier"
settings = { epochs = 3, checkpoint_every = 5 }
trigger = { new_examples = 10 }
"""
PATIENCE_SECONDS = 90
LABELS = {"refund": "money back please", "login": "cannot sign in", "delivery": "where is my parcel"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("ADAPTD_LEASES", str(tmp_path / "leases"))
    folder = made_state.init(tmp_path)
    (folder / "config.toml").write_text(CONFIG)
    lines = [
        {"kind": "feedback_recorded/1", "id": f"f{n}", "artifact_type": "ticket", "input": f"{words} {n} {n * n}"}
        | ({"output": label, "score": 90.0} if n % 2 else {"output": "other", "correction": label})
        for n, (label, words) in enumerate(list(LABELS.items()) * 30)
    ]
    made_state.spool(folder, lines)
    return folder


def test_a_night_leaves_a_model(place):
    """Prepared, formed, planned, started and finished, turn by turn; the model answers."""
    clock, chance = StoppedClock(made_state.NOW), SeededChance(3)
    settings = settings_of(CONFIG, place / "config.toml")
    with open_state(place / "state", settings, clock, chance, beside=place) as state:
        parts = parts_of(state, settings, place / "config.toml", clock, chance)
        shift = shift_of(state, settings, parts, clock, chance)
        loop = MainLoop(state.intake, state.views, shift=shift)
        told, end = [], time.monotonic() + PATIENCE_SECONDS
        while "challenger_turned_down" not in kinds(state):
            assert time.monotonic() < end, told
            report = loop.turn(clock.advance(seconds=0.1))
            told += [*report.told, *([report.failure] if report.failure else [])]
            time.sleep(0.02)
        shift.stop(clock.now())
    of_the_night = [kind for kind in kinds_of(place) if kind.startswith(("night_", "batch_formed", "run_"))]
    assert of_the_night == ["night_opened", "batch_formed", "run_planned", "run_started", "run_finished"]
    model = place / "state" / "runs" / "run-0001" / "model"
    assert predict(model, ["where is my parcel 7"]) == ["delivery"]
    with pytest.raises(BadInput):
        predict(place, ["x"])
    assert os.listdir(place / "state" / "runs") == ["run-0001"]


def kinds(state):
    return [kind.partition("/")[0] for (kind,) in state.log.read_after(0, 5000, ("kind",))]


def kinds_of(place):
    from daemon.event_reading import EventReader

    reader = EventReader.open(place / "state")
    try:
        return [event["kind"].partition("/")[0] for event in reader.after(0)]
    finally:
        reader.close()


def predict(model, inputs):
    from daemon.plugin_loading import load

    workload = load("workload", "tiny_classifier", model).make({}, "test")
    return workload.predict(model, inputs, "cpu")
