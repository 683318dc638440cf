"""The V2 document's loop in one process: record feedback, and let batches be formed and learnt from in the background.

Log, stage line, runs and gate are the daemon's own (daemon/embedded.py), on one state folder that one loop or one
daemon owns at a time; so this file needs the whole distribution. A batch is formed as soon as the batch manager says
that there is enough, whatever the hour, and learnt in a child process. Nothing happens by itself: call `step` now and
then, or say `background=True`. Components may be exchanged, and flags changed, at any time: the next batch goes by it.

    >>> loop = EnhancedAdaptiveLearningLoop(enable_augmentation=False)
    >>> loop.stages()
    ['keep_quality', 'reward_feedback', 'order_by_difficulty', 'pick_informative', 'mine_hard_negatives', 'size_batch']
    >>> loop.batch_manager.max_batch_size
    100

`performance_tracker` is told of every judging: how the new model did, per artifact type, on what is held out (0-100).
The next run is trained by what `hparam_optimizer` has found last, as far as the workload has such settings and
config.toml does not name them. `hard_negative_miner` is told of what is recorded here with a score, and of what the
log has of the learn side.

Deliberately not here: a search for hyper-parameters by itself, since the objective is the caller's (`adaptd tune` has
one). `enable_preference_learning` is for workloads that learn from pairs. What of an `active_learner` or
`hard_negative_miner` no setting can name shapes nothing; the batch is marked all the same. A step in the background
that fails is logged at once, is in `get_statistics()` until one has gone well, and is tried again.
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):  # python components/adaptive_learning_enhanced.py
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from components.active_learner import ActiveLearner
from components.bad_input import BadInput
from components.batch_manager_adaptive import AdaptiveBatchManager
from components.curriculum_learner import CurriculumLearner
from components.data_augmenter import DataAugmenter
from components.hard_negative_miner import HardNegativeMiner
from components.hyperparameter_optimizer import HyperparameterOptimizer
from components.performance_tracker import PerformanceTracker
from components.preference_learner import PreferenceLearner
from components.reward_calculator_enhanced import EnhancedRewardCalculator

SECONDS_BETWEEN_STEPS = 0.25
logger = logging.getLogger(__name__)


TurnTold = tuple[list[str], str | None]
"""What a step did, in words, and what will be tried again."""


class EnhancedAdaptiveLearningLoop:
    """The loop of the V2 document upon a state folder. Flags and components are attributes that may be set."""

    def __init__(
        self,
        enable_curriculum: bool = True,  # noqa: FBT001, FBT002 - the V2 document's arguments
        enable_active_learning: bool = True,  # noqa: FBT001, FBT002
        enable_augmentation: bool = True,  # noqa: FBT001, FBT002
        enable_preference_learning: bool = False,  # noqa: FBT001, FBT002
        enable_hard_negative_mining: bool = True,  # noqa: FBT001, FBT002
        *,
        state_dir: str | os.PathLike[str] | None = None,
        background: bool = False,
    ) -> None:
        self.enable_curriculum = enable_curriculum
        self.enable_active_learning = enable_active_learning
        self.enable_augmentation = enable_augmentation
        self.enable_preference_learning = enable_preference_learning
        self.enable_hard_negative_mining = enable_hard_negative_mining
        self.reward_calculator = EnhancedRewardCalculator()
        self.batch_manager = AdaptiveBatchManager()
        self.curriculum_learner = CurriculumLearner()
        self.active_learner = ActiveLearner()
        self.data_augmenter = DataAugmenter()
        self.hard_negative_miner = HardNegativeMiner()
        self.performance_tracker = PerformanceTracker()
        self.hparam_optimizer = HyperparameterOptimizer()
        self.preference_learner = PreferenceLearner()
        self._state_dir, self._closed = state_dir, False
        self._inner: Any = None
        self._lock = threading.Lock()
        self._owner = _Owner(self._stepped) if background else None

    def record_feedback(
        self,
        input_data: Any,
        ai_output: Any,
        artifact_type: str,
        model_used: str | None = None,
        validation_score: float | None = None,
        feedback_type: Any = None,
        context: Any = None,
        **more: Any,
    ) -> str:
        """Leaves the feedback in the folder's spool and gives its id; `more` are fields of adaptd.record_feedback."""
        given = {"input_data": input_data, "ai_output": ai_output, "artifact_type": artifact_type}
        given |= {"model_used": model_used, "validation_score": validation_score, "feedback_type": feedback_type}
        event_id: str = self._embedded().record({**given, "context": context, **more})
        if self.enable_hard_negative_mining and validation_score is not None:
            self.hard_negative_miner.record_failure(input_data, ai_output, validation_score, artifact_type)
        return event_id

    def step(self) -> list[str]:
        """One turn, which waits for no child: what was done, in words. Raises where the folder is somebody else's."""
        told, failure = self._owned(self._stepped)
        return [*told, *([failure] if failure else [])]

    def _stepped(self) -> TurnTold:
        report = self._embedded().step()
        return list(report.told), report.failure

    def get_statistics(self) -> dict[str, Any]:
        """Counts of the whole log, whatever process recorded it, and where the curriculum is; all of it is JSON.

        `failure` is what went wrong with the newest step in the background; None where that went well.
        """
        counts: dict[str, Any] = self._owned(lambda: self._embedded().counts())
        stage = counts.pop("stage") or self.curriculum_learner.current_stage
        counts["curriculum"] = {"enabled": self.enable_curriculum, "current_stage": stage}
        counts["hard_negatives"] = len(self.hard_negative_miner.get_hard_negatives())
        counts["stages"] = self.stages()
        counts["best_model"] = best.model if (best := self.performance_tracker.best_model()) is not None else None
        counts["failure"] = None if self._owner is None else self._owner.failure
        return counts

    def stages(self) -> list[str]:
        """The stages that the next batch goes through, as flags and components say now."""
        return list(_daemon().shaping_of(self).stages)

    def close(self) -> None:
        """Ends the thread and lets the folder go; a run that trains saves its checkpoint, and goes on another time."""
        self._closed = True
        owner, self._owner = self._owner, None
        if self._inner is not None:
            (owner.call if owner is not None else _at_once)(self._inner.close)
        if owner is not None:
            owner.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _owned(self, work: Callable[[], Any]) -> Any:
        """In the thread that owns the folder: databases may be used by the thread alone that has opened them."""
        return work() if self._owner is None else self._owner.call(work)

    def _embedded(self) -> Any:
        if self._closed:
            raise BadInput("loop", "closed", "one that is open", "Make another on the same state folder.")
        with self._lock:
            if self._inner is None:
                self._inner = _daemon().Embedded(self._state_dir, self)
        return self._inner


class _Owner:
    """A thread that owns the folder, and one that asks it for a step now and then."""

    def __init__(self, step: Callable[[], TurnTold]) -> None:
        self._step = step
        self.failure: str | None = None
        self._thread: int | None = None
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1, "adaptd-loop")
        self._ticker = threading.Thread(target=self._tick, name="adaptd-loop-ticker", daemon=True)
        self._ticker.start()

    def call(self, work: Callable[[], Any]) -> Any:
        if threading.get_ident() == self._thread:
            return work()
        return self._submit(work).result()

    def _submit(self, work: Callable[[], Any]) -> Future[Any]:
        def owned() -> Any:
            self._thread = threading.get_ident()
            return work()

        return self._pool.submit(owned)

    def _tick(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_STEPS):
            try:
                self._note(self._submit(self._step))
            except RuntimeError:  # the interpreter ends, and nobody has closed the loop
                return

    def _note(self, stepped: Future[TurnTold]) -> None:
        """What a step has done is logged, and why it failed, once for each reason."""
        error = stepped.exception()
        told, failure = ([], f"{type(error).__name__}: {error}") if error is not None else stepped.result()
        for line in told:
            logger.info("%s", line)
        if failure is not None and failure != self.failure:
            logger.warning("a step in the background failed, and is tried again: %s", failure, exc_info=error)
        self.failure = failure

    def end(self) -> None:
        self._over.set()
        self._ticker.join()
        self._pool.shutdown()


def _at_once(work: Callable[[], Any]) -> Any:
    return work()


def _daemon() -> Any:
    """The daemon's side of the loop; the technique files alone do not have it."""
    try:
        import daemon.embedded as embedded
    except ModuleNotFoundError as error:
        step = "Install the whole distribution: pip install adaptd"
        raise BadInput("daemon.embedded", f"no module {error.name}", "the daemon of adaptd", step) from error
    return embedded


if __name__ == "__main__":
    import tempfile
    import time

    with tempfile.TemporaryDirectory() as folder, EnhancedAdaptiveLearningLoop(state_dir=folder) as loop:
        loop.batch_manager = AdaptiveBatchManager(min_batch_size=20, max_batch_size=30, default_batch_size=20)
        for number in range(60):
            kind, words = (("refund", "money back please"), ("login", "cannot sign in"))[number % 2]
            loop.record_feedback(f"{words} {number} {number * number}", kind, "ticket", "m", 70.0 + number % 30)
        told, end = list[str](), time.monotonic() + 120
        while not any("batch" in line for line in told) and time.monotonic() < end:
            told += loop.step()
            time.sleep(0.05)
        statistics = loop.get_statistics()
        print(*(line for line in told if "batch" in line), sep="\n")
        for name in ("feedback_events", "training_batches", "curriculum", "stages"):
            print(f"{name}: {statistics[name]}"[:80])
