"""Easy examples first, then harder ones: four stages, and a state that advances when the scores allow it.

Curriculum learning (Bengio et al. 2009). Difficulty is 0 to 1, of signals that have names (components/
example_difficulty.py), or the rank of a model's loss. Below 0.35 is easy, below 0.65 medium, the rest hard. A stage
trains on: **easy** its own, easiest first; **medium** its own with one easy example to every two; **hard** its own;
**mixed** everything, shuffled. Three evaluations in a row above 75 lead to the next stage; there is no way back.

Measured here, order by difficulty needed 1.5 to 2 times the steps of a shuffled one on CLINC150, and others found the
same (Wu et al. 2021, arXiv 2012.03107: a gain only on short budgets or noisy labels). So it can be "off", which is
"mixed" from the start, or "by_loss". It reads no text for its meaning, and trains nothing.

    >>> learner = CurriculumLearner()
    >>> examples = [{"input": "x" * n, "artifact_type": "architecture"} for n in (2000, 20, 900, 150)]
    >>> stages = learner.organize_by_curriculum(examples)
    >>> {name: [len(one["input"]) for one in stages[name]] for name in ("easy", "medium", "hard")}
    {'easy': [], 'medium': [20, 150], 'hard': [900, 2000]}
    >>> [learner.record_evaluation(score).stage for score in (80, 76, 60, 76, 78, 90)]
    ['easy', 'easy', 'easy', 'easy', 'easy', 'medium']
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):  # python components/curriculum_learner.py
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_of, same_length, whole_number
from components.bad_input import scores as checked_scores
from components.example_difficulty import (
    Difficulty,
    checked_complexity,
    checked_weights,
    difficulties,
    explain_difficulty,
    signals_of,
    weighed,
)
from components.example_fields import column

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

STAGES = ("easy", "medium", "hard", "mixed")
MODES = ("stages", "off", "by_loss")
EASY_TO_MEDIUM = 2  # of the medium stage, so many medium examples to each easy one


@dataclass(frozen=True, slots=True)
class CurriculumState:
    """Where the curriculum stands: a value, to be stored as it is."""

    stage: str = "easy"
    above: int = 0  # evaluations in a row above the progression score, in this stage
    served: int = 0  # examples handed out in this stage
    evaluations: int = 0  # in all stages


class CurriculumLearner:
    """The V2 document's curriculum. All that changes is `state`."""

    def __init__(
        self,
        easy_threshold: float = 0.35,
        medium_threshold: float = 0.65,
        progression_score: float = 75.0,
        *,
        evaluations_to_advance: int = 3,
        mode: str = "stages",
        weights: Mapping[str, float] | None = None,
        complexity: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        thresholds = finite_numbers("thresholds", [easy_threshold, medium_threshold], low=0.0, high=1.0)
        if easy_threshold > medium_threshold:
            raise BadInput("easy_threshold", easy_threshold, f"at most the medium_threshold, {medium_threshold:g}")
        self.easy_threshold, self.medium_threshold = thresholds.tolist()
        self.progression_score = float(checked_scores("progression_score", [progression_score])[0])
        self.evaluations_to_advance = whole_number("evaluations_to_advance", evaluations_to_advance, low=1)
        self.mode = one_of("mode", mode, MODES)
        self.weights, self.complexity = checked_weights(weights), checked_complexity(complexity)
        self.seed = whole_number("seed", seed)
        self.state = CurriculumState(stage="mixed" if mode == "off" else "easy")

    @property
    def current_stage(self) -> str:
        """The stage that the next batch is for."""
        return self.state.stage

    # How hard

    def difficulties(
        self,
        *,
        input_lengths: ArrayLike | None = None,
        output_lengths: ArrayLike | None = None,
        artifact_types: Any = None,
        context_lengths: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        scored: ArrayLike | None = None,
        losses: ArrayLike | None = None,
    ) -> Floats:
        """A difficulty per row, 0 to 1: by loss the share of rows with a lower loss, else the weighted signals."""
        if self.mode == "by_loss":
            return _ranked(losses)
        return difficulties(
            input_lengths=input_lengths,
            output_lengths=output_lengths,
            artifact_types=artifact_types,
            context_lengths=context_lengths,
            scores=scores,
            scored=scored,
            weights=self.weights,
            complexity=self.complexity,
        )

    def explain_difficulty(self, example: Any) -> Difficulty:
        """What an example's named signals say of it; by loss its difficulty is its rank among the others instead."""
        return explain_difficulty(example, self.weights, self.complexity)

    def difficulties_of(self, examples: Iterable[Any], losses: ArrayLike | None = None) -> Floats:
        """The difficulty of each example; by loss, `losses` are handed over or are the examples' field `loss`."""
        rows = list(examples)
        if self.mode != "by_loss":
            return weighed(signals_of(rows, self.complexity), self.weights)
        ranked = _ranked(column(rows, "loss", np.nan) if losses is None else losses)
        same_length(examples=rows, losses=ranked)
        return ranked

    # In which order

    def stage_numbers(self, difficulties: ArrayLike) -> NDArray[np.int8]:
        """0 easy, 1 medium, 2 hard, for each row."""
        hard = finite_numbers("difficulties", difficulties, low=0.0, high=1.0)
        thresholds = np.array([self.easy_threshold, self.medium_threshold])
        return np.searchsorted(thresholds, hard, side="right").astype(np.int8)

    def order(self, difficulties: ArrayLike, stage: str | None = None) -> Rows:
        """The rows that a stage trains on, in this order; without `stage` the current one."""
        name = self.state.stage if stage is None else one_of("stage", stage, STAGES)
        numbers = self.stage_numbers(difficulties)
        if name == "mixed":
            rng = np.random.default_rng(self.seed)
            shuffled: Rows = rng.permutation(len(numbers))
            return shuffled
        easiest_first = np.argsort(np.asarray(difficulties, np.float64), kind="stable")
        parts: list[Rows] = [easiest_first[numbers[easiest_first] == number] for number in range(3)]
        return _blended(parts[0], parts[1]) if name == "medium" else parts[STAGES.index(name)]

    def next_rows(self, difficulties: ArrayLike, batch_size: int = 30) -> tuple[Rows, str]:
        """The rows of the next batch and their stage; what was handed out in this stage before comes last.

        A stage with fewer rows than the batch is filled up from its neighbours, nearest in difficulty first, and gives
        the same batch until it is left.
        """
        own = self.order(difficulties)
        fill = self._neighbours(difficulties) if len(own) < batch_size else own[:0]
        return np.array(self._take(own, fill, batch_size), np.int64), self.state.stage

    def _neighbours(self, difficulties: ArrayLike) -> Rows:
        """Rows of other stages, nearest in difficulty first: upwards, and from the hard stage downwards."""
        hard = np.asarray(difficulties, np.float64)
        numbers, number = self.stage_numbers(hard), STAGES.index(self.state.stage)
        downwards = self.state.stage == "hard"
        others = np.flatnonzero(numbers < number if downwards else numbers > number)
        others = others[np.argsort(hard[others], kind="stable")]
        return others[::-1] if downwards else others

    def organize_by_curriculum(self, examples: Iterable[Any], losses: ArrayLike | None = None) -> dict[str, list[Any]]:
        """What each stage trains on, in order: the caller's own examples under easy, medium, hard and mixed."""
        rows = list(examples)
        hard = self.difficulties_of(rows, losses)
        return {stage: [rows[place] for place in self.order(hard, stage).tolist()] for stage in STAGES}

    def get_next_training_batch(
        self, stages: Mapping[str, Sequence[Any]], batch_size: int = 30
    ) -> tuple[list[Any], str]:
        """The next examples of the current stage and its name; the same rules as `next_rows`, on organised examples.

        An empty pool gives an empty batch; a batch larger than the pool is the whole pool.
        """
        for stage in STAGES:
            if stage not in stages:
                raise BadInput("stages", sorted(stages), f"the four of organize_by_curriculum: {', '.join(STAGES)}")
        own = stages[self.state.stage]
        fill = _neighbouring(stages, self.state.stage) if len(own) < batch_size else []
        return list(self._take(own, fill, batch_size)), self.state.stage

    def _take(self, own: Any, fill: Any, batch_size: int) -> list[Any]:
        size = whole_number("batch_size", batch_size, low=1)
        if len(own) < size:
            taken = [*own, *fill[: size - len(own)]]
        else:
            start = self.state.served % len(own)
            taken = [*own[start : start + size], *own[: max(0, start + size - len(own))]]
        self.state = replace(self.state, served=self.state.served + len(taken))
        return taken

    # When to go on

    def record_evaluation(self, score: float) -> CurriculumState:
        """Counts an evaluation's mean score, goes on to the next stage when it is time, and gives the new state."""
        value = float(checked_scores("score", [score])[0])
        state = replace(self.state, evaluations=self.state.evaluations + 1)
        state = replace(state, above=state.above + 1 if value > self.progression_score else 0)
        if state.above >= self.evaluations_to_advance and state.stage != STAGES[-1]:
            state = replace(state, stage=STAGES[STAGES.index(state.stage) + 1], above=0, served=0)
        self.state = state
        return state

    # Storing

    def state_as_json(self) -> dict[str, Any]:
        """The state as plain values that JSON can hold."""
        return asdict(self.state)

    def restore(self, stored: CurriculumState | Mapping[str, Any]) -> None:
        """Goes on from a state, or from what `state_as_json` gave."""
        values = asdict(stored) if isinstance(stored, CurriculumState) else dict(stored)
        expected = asdict(CurriculumState())
        if set(values) != set(expected):
            raise BadInput("curriculum state", sorted(values), f"the fields {', '.join(expected)}")
        counts = {name: whole_number(name, values[name]) for name in ("above", "served", "evaluations")}
        self.state = CurriculumState(stage=one_of("stage", values["stage"], STAGES), **counts)


def _ranked(losses: ArrayLike | None) -> Floats:
    """The share of rows with a lower loss; equal losses are equally hard."""
    if losses is None:
        raise BadInput(
            "losses", None, "a loss for each example", 'Hand them over, or take another mode than "by_loss".'
        )
    numbers = finite_numbers("losses", losses)
    lower = np.searchsorted(np.sort(numbers), numbers)
    return lower / max(len(numbers) - 1, 1)


def _blended(easy: Rows, medium: Rows) -> Rows:
    """One easy row, then two medium ones, and so on while there are both; the rest of the longer one at the end."""
    places = np.concatenate((np.arange(len(easy)) * float(EASY_TO_MEDIUM), np.arange(len(medium)) + 0.5))
    blended: Rows = np.concatenate((easy, medium))[np.argsort(places, kind="stable")]
    return blended


def _neighbouring(stages: Mapping[str, Sequence[Any]], stage: str) -> list[Any]:
    """What fills up a short stage: the other examples, nearest in difficulty first."""
    easy = {id(example) for example in stages["easy"]}
    medium = [example for example in stages["medium"] if id(example) not in easy]
    if stage == "easy":
        return [*medium, *stages["hard"]]
    if stage == "medium":
        return list(stages["hard"])
    return [*reversed(medium), *reversed(stages["easy"])] if stage == "hard" else []


if __name__ == "__main__":
    words = {"erd": 40, "code_prototype": 700, "architecture": 2_500}
    examples = [{"input": "x" * (words[kind] * n), "artifact_type": kind} for kind in words for n in (1, 2, 3)]
    learner = CurriculumLearner()
    print("What makes an example hard:\n")
    for example in examples[::3]:
        print(f"{example['artifact_type']:>15}  {learner.explain_difficulty(example).why()}")
    stages = learner.organize_by_curriculum(examples)
    print("\nStages: " + ", ".join(f"{name} {len(part)}" for name, part in stages.items()))
    print("\nscore   batch of 2, in characters   stage")
    for score in (70, 78, 80, 83, 79, 85, 90, 77):
        batch, stage = learner.get_next_training_batch(stages, batch_size=2)
        lengths = ", ".join(str(len(example["input"])) for example in batch)
        print(f"{score:5d}   {lengths:26}  {stage} → {learner.record_evaluation(score).stage}")
