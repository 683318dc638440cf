"""The V2 document's loop upon a real state folder: real files, real preparing, and one real training."""

import time

import msgspec
import pytest

from components.adaptive_learning_enhanced import EnhancedAdaptiveLearningLoop
from components.batch_manager_adaptive import AdaptiveBatchManager
from daemon.event_reading import EventReader

PATIENCE_SECONDS = 120
SMALL = AdaptiveBatchManager(min_batch_size=10, max_batch_size=12, default_batch_size=10)
KINDS = {"refund": "money back please", "login": "cannot sign in", "delivery": "where is my parcel"}
MINIMAL = {"enable_curriculum": False, "enable_active_learning": False, "enable_augmentation": False}


@pytest.fixture(autouse=True)
def leases(tmp_path, monkeypatch):
    monkeypatch.setenv("ADAPTD_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("ADAPTD__DEVICE__USE", "cpu")


@pytest.fixture
def made(tmp_path):
    """Makes loops on one state folder, and closes them."""
    loops = []

    def make(**given):
        loops.append(EnhancedAdaptiveLearningLoop(state_dir=tmp_path / "state", **given))
        loops[-1].batch_manager = SMALL
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()


def fill(loop, count=60):
    for n, (label, words) in enumerate(list(KINDS.items()) * (count // 3)):
        loop.record_feedback(f"{words} {n} {n * n}", label, "ticket", "m", 60.0 + n % 40)


def step_until(loop, *words):
    """Turns until something was told with these words."""
    told, end = [], time.monotonic() + PATIENCE_SECONDS
    while not any(word in line for line in told for word in words):
        assert time.monotonic() < end, told
        told += loop.step()
        time.sleep(0.02)
    return told


def bodies(folder, kind):
    reader = EventReader.open(folder)
    try:
        return [event for event in reader.after(0) if event["kind"].startswith(f"{kind}/")]
    finally:
        reader.close()


def body_of_batch(folder):
    event = bodies(folder, "batch_formed")[-1]
    body = event.get("body", event)
    return msgspec.json.decode(body) if isinstance(body, str | bytes) else body


def test_feedback_becomes_a_model_outside_any_window(made, tmp_path):
    """Recorded, formed as the batch manager says, trained in a child, and judged; no night was opened."""
    loop = made(**MINIMAL)
    fill(loop)
    step_until(loop, "turned down", "promoted", "Promoted", "challenger")
    kinds = [event["kind"].partition("/")[0] for event in _all(tmp_path / "state")]
    assert [kind for kind in kinds if kind in {"batch_formed", "run_planned", "run_started", "run_finished"}] == [
        "batch_formed", "run_planned", "run_started", "run_finished",
    ]  # fmt: skip
    assert "night_opened" not in kinds
    statistics = loop.get_statistics()
    assert (statistics["feedback_events"], statistics["training_batches"]) == (60, 1)
    assert statistics["training_runs"] == {"finished": 1}


def _all(folder):
    reader = EventReader.open(folder)
    try:
        return list(reader.after(0))
    finally:
        reader.close()
