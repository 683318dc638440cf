"""Say how difficult each example is and, where it is wanted, learn the easy ones first.

Difficulty, 0 to 1, comes of what the columns give: the artifact type's complexity and how the output fared; and of the
texts' lengths, for the newest `most_texts` examples that were never learnt. The shipped mode is "off": easy to hard
needed 1.5 to 2 times the steps of a shuffled order on CLINC150. "stages" is the V2 document's: of new examples only
what the current stage trains on stays, easiest first, filled up to `batch_size`; the stage goes on when the mean score
of three evaluations in a row is above 75, an evaluation being fifty scored examples, in the order of their age.
"by_loss" takes the rank of a model's loss, in a column `loss` that an earlier stage made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Moment, Pool, StageRefused
from components.bad_input import whole_number
from components.curriculum_learner import CurriculumLearner
from components.example_difficulty import COMPLEXITY, complexities, lengths_as_signals, weighed
from components.example_fields import as_text

Floats = NDArray[np.float64]
LENGTHS = {"input_length": "input", "output_length": "output", "context_length": "context"}


@dataclass(frozen=True)
class CurriculumSettings:
    mode: str = "off"  # "stages" learns easy ones first, "by_loss" those with a small loss
    easy_threshold: float = 0.35  # below it is easy
    medium_threshold: float = 0.65  # below it is medium
    progression_score: float = 75.0  # the mean score above which an evaluation counts
    evaluations_to_advance: int = 3  # so many of them in a row lead to the next stage
    evaluation_size: int = 50  # scored examples that make an evaluation
    batch_size: int = 100  # a stage with fewer examples is filled up with the nearest in difficulty
    most_texts: int = 500  # new examples whose texts' lengths are looked at, the newest
    complexity: dict[str, float] = field(default_factory=lambda: dict(COMPLEXITY))  # 0 to 1, of artifact types

    def __post_init__(self) -> None:
        whole_number("evaluation_size", self.evaluation_size, low=1)
        whole_number("batch_size", self.batch_size, low=1)
        whole_number("most_texts", self.most_texts)
        self.learner(0)

    def learner(self, seed: int) -> CurriculumLearner:
        """The component with these settings; it checks the rest of them."""
        return CurriculumLearner(
            self.easy_threshold,
            self.medium_threshold,
            self.progression_score,
            evaluations_to_advance=self.evaluations_to_advance,
            mode=self.mode,
            complexity=self.complexity,
            seed=seed,
        )


class OrderByDifficulty:
    """Gives difficulties; of new examples leaves in what the curriculum's stage trains on, in its order."""

    name: ClassVar[str] = "order_by_difficulty"
    Settings: ClassVar[type] = CurriculumSettings

    def __init__(self, settings: CurriculumSettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        learner = self.settings.learner(int(moment.rng(self.name).integers(2**31)))
        difficulty = self._by_loss(pool, learner) if self.settings.mode == "by_loss" else self._by_signals(pool)
        shaped = pool.with_columns(difficulty=difficulty)
        if self.settings.mode == "off" or not len(pool):
            return shaped.because(self.name, "difficulty {0:.2f}", np.arange(len(pool)), difficulty)
        return self._ordered(shaped, learner)

    def _by_loss(self, pool: Pool, learner: CurriculumLearner) -> Floats:
        if "loss" not in pool.columns:
            raise StageRefused(self.name, "mode = 'by_loss' without a column 'loss', expected a stage that gives one")
        return learner.difficulties(losses=pool["loss"])

    def _by_signals(self, pool: Pool) -> Floats:
        names = pool.names.get("artifact_type", ())
        signals = {
            "artifact_type": complexities(pool["artifact_type"], names, self.settings.complexity),
            "past_score": 1.0 - pool["score"] / 100.0,
        }
        return weighed({**signals, **lengths_as_signals(self._lengths(pool))})

    def _lengths(self, pool: Pool) -> dict[str, Floats]:
        """Characters of each text, NaN where it was not looked at."""
        new = (pool["times_learnt"] == 0) & (pool["example"] >= 0)
        rows = pool.newest(new, self.settings.most_texts)
        found = {signal: np.full(len(pool), np.nan) for signal in LENGTHS}
        texts = pool.texts(rows)
        for signal, name in LENGTHS.items():
            said = [text.get(name) for text in texts]
            found[signal][rows] = [np.nan if one is None else len(as_text(one)) for one in said]
        return found

    def _ordered(self, pool: Pool, learner: CurriculumLearner) -> Pool:
        for mean in self._evaluations(pool).tolist():
            if learner.record_evaluation(mean).stage == "mixed":
                break
        new = pool.in_order((pool["times_learnt"] == 0) & (pool["example"] >= 0))
        difficulty = pool["difficulty"][new]
        own = learner.order(difficulty)
        if len(own) < self.settings.batch_size and len(new):
            own = learner.next_rows(difficulty, min(self.settings.batch_size, len(new)))[0]
        left_out = np.ones(len(pool), np.bool_)
        left_out[new[own]] = False
        rest = np.flatnonzero((pool["times_learnt"] > 0) | (pool["example"] < 0))
        left_out[rest] = False
        told = f"difficulty {{0:.2f}}; the curriculum is at its stage {learner.current_stage}"
        pool = pool.because(self.name, told, new[own], pool["difficulty"])
        if left_out.any():
            pool = pool.because(self.name, told, np.flatnonzero(left_out), pool["difficulty"], kept=False)
        return pool.take(np.concatenate([new[own], rest]))

    def _evaluations(self, pool: Pool) -> Floats:
        """Mean scores of so many scored examples each, the oldest first; what is left over waits."""
        scored = pool.in_order(~np.isnan(pool["score"]))
        by_age = scored[np.argsort(-np.nan_to_num(pool["age_days"][scored]), kind="stable")]
        whole = len(by_age) // self.settings.evaluation_size
        scores = pool["score"][by_age[: whole * self.settings.evaluation_size]]
        means: Floats = scores.reshape(whole, self.settings.evaluation_size).mean(axis=1)
        return means


STAGE = OrderByDifficulty
