"""Give every example its reward, and the weight with which it is learnt.

The reward, −1 to 1, is the worth of all feedback on the example, credited for difficulty, decayed by its age at the
moment and balanced by its artifact type (components/reward_calculator_enhanced.py). The weight is a magnitude: what was
judged bad counts as much as what was judged good and stays in the pool with its negative reward, since some workloads
learn from it (as KTO's undesirable outputs); one that imitates outputs has to look at the reward's sign. An example of
which nothing tells the quality, such as a bare category, keeps the weight it had.

Where a correction or a category tells what is right, that is what is learnt, and the output's worth says nothing of it:
the weight is `told_weight` at least. A preference only says which of two is better, and weighs what its reward says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Moment, Pool
from components.adaptive_learning import AdaptiveLearningLoop
from components.bad_input import one_number, one_of
from components.example_difficulty import COMPLEXITY, checked_complexity, complexities
from components.reward_calculator_enhanced import NEGATIVE_DIFFICULTY, EnhancedRewardCalculator

SHAPES = ("smooth", "steps")
WEIGHTS = ("undecayed", "reward", "none")
TELLING = ("correction", "category")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RewardSettings:
    shape: str = "smooth"  # "steps" are V1's six rewards, from scores alone: no difficulty, age or balance
    weight: str = "undecayed"  # whose magnitude is the weight: before decay and balance, the "reward", or "none"
    told_weight: float = 1.0  # at the least, where a correction or category tells what is right; 0.0: the reward alone
    least_weight: float = 0.1  # of an example that was found middling: it is learnt from a little
    time_decay_rate: float = 0.95  # what is left of a reward after a day
    difficulty_weight: float = 1.5  # what success at the hardest is multiplied with
    negative_difficulty: str = "soften"  # failure at something hard: "soften", "boost" or "leave"
    balance_threshold: int = 100  # so many examples of an artifact type are never too many
    complexity: dict[str, float] = field(
        default_factory=lambda: dict(COMPLEXITY)
    )  # 0 to 1, of artifact types: the difficulty where no stage gave one

    def __post_init__(self) -> None:
        one_of("shape", self.shape, SHAPES)
        one_of("weight", self.weight, WEIGHTS)
        one_number("told_weight", self.told_weight, 0.0)
        one_number("least_weight", self.least_weight, 0.0, 1.0)
        one_of("negative_difficulty", self.negative_difficulty, NEGATIVE_DIFFICULTY)
        checked_complexity(self.complexity)
        self.calculator()

    def calculator(self) -> EnhancedRewardCalculator:
        """The component with these settings; it checks the rest of them."""
        return EnhancedRewardCalculator(
            self.time_decay_rate,
            self.difficulty_weight,
            self.balance_threshold,
            negative_difficulty=self.negative_difficulty,
        )


class RewardFeedback:
    """Rewards by worth, difficulty, age and balance; weights by their magnitude."""

    name: ClassVar[str] = "reward_feedback"
    Settings: ClassVar[type] = RewardSettings

    def __init__(self, settings: RewardSettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:  # noqa: ARG002 ages are counted to the moment already
        undecayed, fading = self._steps(pool) if self.settings.shape == "steps" else self._smooth(pool)
        reward = undecayed * fading
        known, told = ~np.isnan(undecayed), self._told(pool, undecayed)
        weight = pool["weight"].copy()
        if self.settings.weight != "none":
            size = np.where(told, self.settings.told_weight, np.abs(undecayed))
            size = size * fading if self.settings.weight == "reward" else size
            weight[known] *= np.maximum(size[known], self.settings.least_weight)
        shaped = pool.with_columns(reward=reward, weight=weight)
        return _because(shaped, self.name, known, told, (reward, pool["worth"], pool["age_days"], weight))

    def _told(self, pool: Pool, undecayed: Floats) -> NDArray[np.bool_]:
        """Where what is right was told, and that weighs more than what the output was worth."""
        more = np.abs(undecayed) < self.settings.told_weight  # NaN is not
        return pool.says(*TELLING) & more & (self.settings.weight != "none")

    def _smooth(self, pool: Pool) -> tuple[Floats, Floats]:
        """Rewards of today, and what age and balance leave of them."""
        calculator = self.settings.calculator()
        undecayed = calculator.undecayed(pool["worth"], self._difficulty(pool))
        ages = np.maximum(np.nan_to_num(pool["age_days"]), 0.0)
        types = pool["artifact_type"].astype(np.int64) - 1  # 0 is none given
        return undecayed, calculator.decay(ages) * calculator.balance(types)

    def _difficulty(self, pool: Pool) -> Floats:
        names = pool.names.get("artifact_type", ())
        of_type = complexities(pool["artifact_type"], names, self.settings.complexity)
        given = pool["difficulty"]
        return np.nan_to_num(np.where(np.isnan(given), of_type, given))

    def _steps(self, pool: Pool) -> tuple[Floats, Floats]:
        """The bucket of the score; without one, the worth to the nearest half. They do not fade."""
        score, worth = pool["score"], pool["worth"]
        scored = ~np.isnan(score)
        reward = np.round(worth * 2) / 2
        reward[scored] = AdaptiveLearningLoop().rewards(score[scored])
        return reward, np.ones(len(pool))


def _because(
    pool: Pool, stage: str, known: NDArray[np.bool_], told: NDArray[np.bool_], values: tuple[Floats, ...]
) -> Pool:
    words = "reward {0:+.2f}, of a worth of {1:+.2f} at {2:.1f} days; weight {3:.2f}"
    for rows, said, shown in (
        (known & ~told, words, values),
        (told, words + ", since what is right was told", values),
        (~known, "no reward: nothing that was said tells of quality; the weight stays", ()),
    ):
        pool = pool.because(stage, said, np.flatnonzero(rows), *shown) if rows.any() else pool
    return pool


STAGE = RewardFeedback
