"""The V2 document's loop upon a real state folder: real files, real preparing, and one real training."""

import contextlib
import json
import sqlite3
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from adaptd.errors import AdaptdError
from components.active_learner import ActiveLearner
from components.adaptive_learning_enhanced import SECONDS_BETWEEN_STEPS, EnhancedAdaptiveLearningLoop
from components.bad_input import BadInput
from components.batch_manager_adaptive import AdaptiveBatchManager
from components.curriculum_learner import CurriculumLearner
from components.data_augmenter import DataAugmenter
from components.hard_negative_miner import HardNegativeMiner
from components.hyperparameter_optimizer import HyperparameterOptimizer
from components.performance_tracker import PerformanceTracker
from components.preference_learner import PreferenceLearner
from components.reward_calculator_enhanced import EnhancedRewardCalculator
from daemon.clock_and_chance import SystemChance, SystemClock
from daemon.embedded import settings_for
from daemon.embedded_shaping import shaping_of
from daemon.event_reading import EventReader
from daemon.forgetting import MEMORIES
from daemon.opening import open_state
from daemon.pool_sources import Sources
from daemon.rebuilding import check
from daemon.stage_line import StageLine
from daemon.standing import LiveStanding
from daemon.state_lock import StateInUse

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
    """Turns until something was told with one of these words."""
    told, end = [], time.monotonic() + PATIENCE_SECONDS
    while not any(word in line for line in told for word in words):
        assert time.monotonic() < end, told
        told += loop.step()
        time.sleep(0.02)
    return told


def kinds_in(folder):
    reader = EventReader.open(folder)
    try:
        return [event["kind"].partition("/")[0] for event in reader.after(0)]
    finally:
        reader.close()


def batch_of(folder):
    """What the log says of the newest batch."""
    return bodies_of(folder, "batch_formed/1")[-1]


def bodies_of(folder, kind):
    with contextlib.closing(sqlite3.connect(folder / "events.db")) as log:
        found = log.execute("SELECT body FROM events WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
    return [json.loads(body) for (body,) in found]


def test_feedback_becomes_a_model_outside_any_window(made, tmp_path):
    """Recorded, formed as the batch manager says, trained in a child, and judged; no night was opened."""
    loop = made(**MINIMAL)
    fill(loop)
    step_until(loop, "turned down", "promoted", "challenger")
    kinds = kinds_in(tmp_path / "state")
    of_runs = ["batch_formed", "run_planned", "run_started", "run_finished"]
    assert [kind for kind in kinds if kind in of_runs] == of_runs
    assert "night_opened" not in kinds
    statistics = loop.get_statistics()
    assert (statistics["feedback_events"], statistics["training_batches"]) == (60, 1)
    assert statistics["training_runs"] == {"finished": 1}
    assert statistics == json.loads(json.dumps(statistics))


def test_the_tracker_is_told_of_each_judging(made):
    """Per artifact type and in all; another tracker, or the loop of another process, is told of it again."""
    loop = made(**MINIMAL)
    fill(loop, 120)
    told = step_until(loop, "of 100 on")
    trend = loop.performance_tracker.get_performance_trend("ticket")
    assert trend["models"] == ["tiny_classifier/1"]
    assert trend["scores"] == loop.performance_tracker.get_performance_trend()["scores"]
    assert trend["success_rates"][0] == pytest.approx(trend["scores"][0] / 100)
    assert f"tiny_classifier/1 did {trend['scores'][0]:.1f} of 100 on {trend['examples'][0]} held-out examples" in told
    assert loop.get_statistics()["best_model"] == "tiny_classifier/1"
    loop.step()
    assert len(loop.performance_tracker.state) == 1
    loop.performance_tracker = PerformanceTracker(patience=1, success_score=50)
    loop.step()
    assert loop.performance_tracker.get_performance_trend("ticket")["scores"] == trend["scores"]
    loop.close()
    another = made(**MINIMAL)
    another.step()
    assert another.performance_tracker.get_performance_trend("ticket")["scores"] == trend["scores"]


def test_the_miner_knows_the_failures_of_the_log(made):
    """Each once, whatever is asked first; another miner, or another process's, those of the learn side."""
    loop = made()
    for number in range(30):
        loop.record_feedback(f"case {number} {number * number}", "wrong", "ticket", "m", 20.0 if number % 2 else 90.0)
    assert loop.get_statistics()["hard_negatives"] == 15
    loop.step()
    assert loop.get_statistics()["hard_negatives"] == 15
    loop.hard_negative_miner = HardNegativeMiner()
    loop.step()
    known = {one.input for one in loop.hard_negative_miner.get_hard_negatives()}
    assert 0 < len(known) < 15
    assert all(int(text.split()[1]) % 2 for text in known)
    loop.close()
    another = made()
    another.step()
    assert {one.input for one in another.hard_negative_miner.get_hard_negatives()} == known
    off = made(enable_hard_negative_mining=False)
    another.close()
    off.step()
    assert len(off.hard_negative_miner) == 0


def test_the_next_run_is_trained_by_what_the_optimizer_has_found(made, tmp_path):
    """What the workload has no setting for is left out; the log says who chose, once, and other words win later."""
    loop = made(**MINIMAL)
    found = loop.hparam_optimizer.optimize(lambda config: -abs(config["learning_rate"] - 2e-5), n_trials=4)
    fill(loop)
    told = step_until(loop, "judged on")
    assert "tiny_classifier: the settings that hparam_optimizer has found for any are taken" in told
    (plan,) = bodies_of(tmp_path / "state", "run_planned/1")
    assert plan["settings"]["learning_rate"] == found.best_params["learning_rate"]
    assert "lora_rank" not in plan["settings"]
    (chosen,) = bodies_of(tmp_path / "state", "settings_chosen/1")
    assert (chosen["settings"], chosen["trials"]) == (found.best_params, 4)
    loop.hparam_optimizer = HyperparameterOptimizer()
    assert not [line for line in loop.step() if "hparam_optimizer" in line]


def test_a_component_that_is_replaced_takes_effect_in_the_next_batch(made, tmp_path):
    """The batch tells the new settings, as any batch does: it was shaped by them."""
    loop = made(**(MINIMAL | {"enable_curriculum": True}))
    fill(loop)
    loop.step()
    loop.reward_calculator = EnhancedRewardCalculator(time_decay_rate=0.5, balance_threshold=7)
    step_until(loop, "formed")
    assert loop.get_statistics()["curriculum"]["current_stage"] == "easy"
    loop.close()
    body = batch_of(tmp_path / "state")
    settings = {stage["name"]: stage["settings"] for stage in body["stages"]}
    assert (settings["reward_feedback"]["time_decay_rate"], settings["reward_feedback"]["balance_threshold"]) == (
        0.5,
        7,
    )
    assert settings["size_batch"]["max_batch_size"] == 12
    assert "in_process" not in body["fingerprints"]


class Indifferent(EnhancedRewardCalculator):
    """A calculator of the host's own, to which everything is worth the same."""

    def undecayed(self, worths, difficulties):
        return super().undecayed(worths, difficulties) * 0 + 0.625

    def decay(self, ages_days):
        return super().decay(ages_days) * 0 + 1.0


def test_what_no_config_can_name_shapes_the_batch_and_marks_it(made, tmp_path):
    """The object itself is used; the check of the batch says why it is not formed again, and its rows hold."""
    loop = made(**MINIMAL, enable_hard_negative_mining=False)
    loop.reward_calculator = Indifferent()
    fill(loop)
    step_until(loop, "formed")
    loop.close()
    body = batch_of(tmp_path / "state")
    assert body["fingerprints"]["in_process"] == "reward_calculator: Indifferent"
    assert set(body["rows"]["weight"]) == {0.625}
    checked = checked_batch(tmp_path / "state")
    assert checked.why_not == "shaped by what no config.toml can name: reward_calculator: Indifferent"
    assert checked.ok


def checked_batch(folder):
    settings = settings_for(None)
    with open_state(folder, settings, SystemClock(), SystemChance()) as state:
        sources = Sources(folder, state.log, state.sealing, lambda: settings)
        return check(1, LiveStanding(state.log, state.views, sources, folder / MEMORIES), settings, folder)


@pytest.mark.parametrize(
    ("name", "component", "stage", "settings"),
    [
        ("reward_calculator", EnhancedRewardCalculator(0.9), "reward_feedback", {"time_decay_rate": 0.9}),
        ("curriculum_learner", CurriculumLearner(0.2), "order_by_difficulty", {"easy_threshold": 0.2}),
        ("active_learner", ActiveLearner("typical"), "pick_informative", {"rule": "typical"}),
        ("hard_negative_miner", HardNegativeMiner(40), "mine_hard_negatives", {"failure_below": 40.0}),
        ("data_augmenter", DataAugmenter(3, methods=["output"]), "augment_examples", {"factor": 3}),
        ("data_augmenter", DataAugmenter(3, methods=["output"]), "augment_examples", {"methods": ["output"]}),
        ("batch_manager", AdaptiveBatchManager(5), "size_batch", {"min_batch_size": 5}),
        ("preference_learner", PreferenceLearner(min_margin=20), "pair_preferences", {"min_margin": 20.0}),
        ("preference_learner", PreferenceLearner(near_equal=False), "pair_preferences", {"near": False}),
    ],
)
def test_each_component_is_settings_of_its_stage(made, name, component, stage, settings):
    """A config.toml could say the same; and the stages take all of it."""
    loop = made(enable_preference_learning=True)
    setattr(loop, name, component)
    shaping = shaping_of(loop)
    assert settings.items() <= shaping.settings[stage].items()
    assert not shaping.unnamed
    for workload in shaping.applied(settings_for(None)).workloads.values():
        StageLine.load("w", workload, Path("nowhere"))


@pytest.mark.parametrize(
    ("name", "component", "told"),
    [
        ("curriculum_learner", CurriculumLearner(weights={"artifact_type": 1.0}), "weights"),
        ("active_learner", ActiveLearner("v2_mix", 0.5, 0.25, 0.25), "weights"),
        ("active_learner", ActiveLearner("typical_then_margin"), "strategy"),
        ("active_learner", ActiveLearner(embed="hashing"), "embed"),
        ("hard_negative_miner", HardNegativeMiner(hard_share=1.0), "hard_share"),
        ("data_augmenter", DataAugmenter(use_back_translation=True, translate=list), "translate"),
        ("data_augmenter", DataAugmenter(synonyms={"a": ["b"]}), "synonyms"),
        ("data_augmenter", DataAugmenter(embed=list), "embed"),
        ("data_augmenter", DataAugmenter(held_out=["x"]), "held_out"),
        ("reward_calculator", Indifferent(), "Indifferent"),
        ("preference_learner", PreferenceLearner(pairing="best_against_rest"), "pairing"),
        ("preference_learner", PreferenceLearner(validate=lambda *_: ""), "validate"),
    ],
)
def test_what_no_setting_can_say_is_told(made, name, component, told):
    """By the component's name, and what of it is beyond config; the stages take the rest."""
    loop = made(enable_preference_learning=True)
    setattr(loop, name, component)
    shaping = shaping_of(loop)
    assert shaping.unnamed == (f"{name}: {told}",)
    for workload in shaping.applied(settings_for(None)).workloads.values():
        StageLine.load("w", workload, Path("nowhere"))


def test_flags_take_stages_out_and_in(made):
    """A flag that is changed counts from then on; a stage that is off is not asked what its component is."""
    loop = made(**MINIMAL, enable_hard_negative_mining=False)
    loop.active_learner = object()
    assert loop.stages() == ["keep_quality", "reward_feedback", "size_batch"]
    assert not shaping_of(loop).unnamed
    loop.enable_preference_learning = loop.enable_curriculum = True
    assert loop.stages() == ["keep_quality", "reward_feedback", "order_by_difficulty", "pair_preferences", "size_batch"]


def test_one_loop_at_a_time_owns_the_folder_and_each_may_record(made):
    """The second one's step says who has it; what it recorded is taken in by the first."""
    first, second = made(), made()
    first.step()
    second.record_feedback("2+2", "4", "sums", validation_score=90)
    with pytest.raises(StateInUse, match="already runs on it"):
        second.step()
    assert first.get_statistics()["feedback_events"] == 1
    first.close()
    assert second.get_statistics()["feedback_events"] == 1


def test_in_the_background_it_steps_by_itself_and_ends_with_close(made):
    """Whoever asks does so from his own thread; no thread of the loop is left."""
    loop = made(background=True)
    loop.record_feedback("2+2", "4", "sums", validation_score=30)
    statistics = loop.get_statistics()
    assert (statistics["feedback_events"], statistics["hard_negatives"]) == (1, 1)
    loop.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("adaptd-loop")]


def test_a_step_in_the_background_that_fails_is_told_and_tried_again(made, caplog):
    """Logged at once, and once for each reason; in the statistics until a step has gone well."""
    caplog.set_level("INFO", "components.adaptive_learning_enhanced")
    loop = made(background=True)
    right, loop.hparam_optimizer = loop.hparam_optimizer, SimpleNamespace(found={"erd": object()})
    wait_for(lambda: loop.get_statistics()["failure"] is not None)
    assert loop.get_statistics()["failure"].startswith("AttributeError: 'object' object has no attribute")
    time.sleep(3 * SECONDS_BETWEEN_STEPS)
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.getMessage().partition(":")[0] for record in warned] == [
        "a step in the background failed, and is tried again"
    ]
    assert warned[0].exc_info
    loop.hparam_optimizer = right
    wait_for(lambda: loop.get_statistics()["failure"] is None)
    fill(loop)
    wait_for(lambda: any("batch 1 formed" in record.getMessage() for record in caplog.records))


def wait_for(happened):
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_value_that_cannot_be_used_is_refused(made):
    """By its name, with what was expected."""
    with pytest.raises(AdaptdError, match=r"record_feedback: score: expected .*0.*100"):
        made().record_feedback("2+2", "4", "sums", validation_score=103)


def test_a_closed_loop_says_so(made):
    """It does not open the folder again by itself."""
    loop = made()
    loop.close()
    with pytest.raises(BadInput, match="loop: found 'closed', expected one that is open"):
        loop.record_feedback("2+2", "4", "sums")


def test_without_the_daemon_it_says_what_to_install(made, monkeypatch):
    """The techniques alone can be there without it."""
    monkeypatch.setitem(sys.modules, "daemon.embedded", None)
    with pytest.raises(BadInput, match=r"expected the daemon of adaptd\. Install the whole distribution: pip install"):
        made().step()
