"""V1: the loop that the V2 document improves upon, kept as the baseline that benchmarks compare with.

As that document describes it: rewards in discrete buckets, similarity by characters, batches of 50, drawn at random,
no split into training and validation, and each artifact type for itself. After every fifty new feedbacks of a type,
fifty of all that it has are drawn. The document gives no figures for the buckets; those below are ours. Nothing decays,
nothing is hard or rare, and a feedback without a score counts by its type alone.

Deliberately not here: quality gates (components/quality_gates.py), storing, training. A batch is handed to `train`.

    >>> loop = AdaptiveLearningLoop(seed=1)
    >>> loop.record_feedback("Draw a shop", "erDiagram", "erd", "m", validation_score=85)
    0.5
    >>> loop.rewards([95, 85, 75, 65, 45, 5]).tolist()
    [1.0, 0.5, 0.25, 0.0, -0.5, -1.0]
    >>> loop.calculate_similarity("erDiagram", "erdiagram")
    0.8888888888888888
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):  # python components/adaptive_learning.py
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, whole_number
from components.bad_input import scores as checked_scores

BATCH_SIZE = 50
# From each score on, the reward: a step where V2 has a slope.
BUCKETS: tuple[tuple[float, float], ...] = ((0, -1.0), (40, -0.5), (60, 0.0), (70, 0.25), (80, 0.5), (90, 1.0))
TYPES: Mapping[str, float] = {"success": 0.5, "partial": 0.0, "corrected": 0.0, "failure": -0.5, "rejected": -1.0}


@dataclass(frozen=True, slots=True)
class LearnedExample:
    """One feedback as V1 keeps it."""

    input_data: Any
    ai_output: Any
    artifact_type: str
    model_used: str
    validation_score: float | None
    feedback_type: str | None
    context: Any
    reward: float


@dataclass(frozen=True, slots=True)
class LearningBatch:
    """Fifty examples of one artifact type, drawn at random from all that it has."""

    number: int
    artifact_type: str
    examples: tuple[LearnedExample, ...]


class AdaptiveLearningLoop:
    """The V1 loop: it gathers feedback, and after every fifty of a type hands a batch to `train`."""

    def __init__(
        self, batch_size: int = BATCH_SIZE, *, train: Callable[[LearningBatch], object] | None = None, seed: int = 0
    ) -> None:
        self.batch_size = whole_number("batch_size", batch_size, low=1)
        self.train = train
        self.batches: list[LearningBatch] = []
        self._rng = np.random.default_rng(whole_number("seed", seed))
        self._kept: dict[str, list[LearnedExample]] = {}
        self._rewards = 0.0

    def record_feedback(
        self,
        input_data: Any,
        ai_output: Any,
        artifact_type: str,
        model_used: str,
        validation_score: float | None = None,
        feedback_type: Any = None,
        context: Any = None,
    ) -> float:
        """Keeps a feedback and gives its reward; forms a batch when its type has enough."""
        kind = getattr(feedback_type, "value", feedback_type)
        reward = self.calculate_reward(validation_score, kind)
        example = LearnedExample(
            input_data, ai_output, _name(artifact_type), model_used, validation_score, kind, context, reward
        )
        kept = self._kept.setdefault(artifact_type, [])
        kept.append(example)
        self._rewards += reward
        if len(kept) % self.batch_size == 0:
            self._form_batch(artifact_type, kept)
        return reward

    def _form_batch(self, artifact_type: str, kept: list[LearnedExample]) -> None:
        drawn = tuple(kept[row] for row in self.draw(len(kept)).tolist())
        batch = LearningBatch(len(self.batches) + 1, artifact_type, drawn)
        self.batches.append(batch)
        if self.train is not None:
            self.train(batch)

    def calculate_reward(self, validation_score: float | None, feedback_type: str | None = None) -> float:
        """The bucket of the score; without one, what the type alone is worth, and 0 for a type that is unknown."""
        if validation_score is not None:
            return float(self.rewards([validation_score])[0])
        return TYPES.get(feedback_type or "", 0.0)

    def rewards(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The bucket of each score."""
        numbers = checked_scores("scores", scores)
        starts, worth = np.array(BUCKETS).T
        found: NDArray[np.float64] = worth[np.searchsorted(starts, numbers, side="right") - 1]
        return found

    def draw(self, rows: int) -> NDArray[np.int64]:
        """A batch's rows out of so many: at random, none twice; all of them where there are no more."""
        return self._rng.permutation(whole_number("rows", rows))[: self.batch_size]

    def calculate_similarity(self, text1: str, text2: str) -> float:
        """The share of characters that are the same at the same place, 0 to 1.

        So one letter more at the front makes two texts strangers.
        """
        one, other = _characters("text1", text1), _characters("text2", text2)
        shorter, longer = sorted((len(one), len(other)))
        return float((one[:shorter] == other[:shorter]).sum() / longer) if longer else 1.0

    def get_statistics(self) -> dict[str, Any]:
        """Counts: feedback, of each type, since each type's last batch; batches; and the mean reward."""
        counts = {kind: len(kept) for kind, kept in self._kept.items()}
        feedback = sum(counts.values())
        return {
            "feedback_events": feedback,
            "training_batches": len(self.batches),
            "feedback_by_artifact_type": counts,
            "waiting": {kind: count % self.batch_size for kind, count in counts.items()},
            "mean_reward": self._rewards / feedback if feedback else 0.0,
        }


def _name(artifact_type: Any) -> str:
    if isinstance(artifact_type, str) and artifact_type:
        return artifact_type
    raise BadInput("artifact_type", artifact_type, "the name of an artifact type")


def _characters(thing: str, text: Any) -> NDArray[np.uint32]:
    if isinstance(text, str):
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    raise BadInput(thing, text, "a text")


if __name__ == "__main__":
    loop = AdaptiveLearningLoop(train=lambda batch: print(f"batch {batch.number}: {len(batch.examples)} examples"))
    rng = np.random.default_rng(0)
    for score in rng.uniform(0, 100, 120).round():
        loop.record_feedback("Draw a shop", "erDiagram", "erd", "m", validation_score=score)
    print("\nWhat V1 makes of a score, and the step it takes at 90:\n")
    for score in (20.0, 50.0, 65.0, 75.0, 85.0, 89.9, 90.0):
        print(f"{score:6.1f}  {loop.calculate_reward(score):+.2f}")
    statistics = loop.get_statistics()
    print(f"\n{statistics['feedback_events']} feedbacks, waiting for the next batch: {statistics['waiting']}")
    print(f"similarity of 'shop' and 'a shop': {loop.calculate_similarity('shop', 'a shop'):.2f}")
