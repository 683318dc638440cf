"""Feedback → a reward between −1 and 1: a smooth score, its age, how hard the task was, and how common its type is.

    reward = clip(tanh((score − 50)/25 + shift of the word) ∘ difficulty, ±1) × 0.95^days × √(fair share / examples)

The V2 document's four features, in this order. The idea of each, and what was decided where the document is silent:

* **Score and word** become a worth by tanh (components/feedback_values.py); several feedbacks on one output fold into
  one worth (components/feedback_folding.py). No score and no word of quality: NaN, not 0.
* **Difficulty** d from 0 to 1 is credit: success at something hard is worth up to 1.5 times as much. Failure at
  something hard is *less* to blame, so a negative worth is divided by the same factor: a reward never falls when
  the task was harder. (Multiplying it, as a plain reading has it, would make failing at what is hard the worst that
  can be, and a model would learn to shun it. `negative_difficulty="boost"` does so; "leave" leaves it.) Which
  failures to train on is the hard negative miner's question, not the reward's.
* **Decay and balance** say how much a feedback still counts, and shrink either sign towards 0. Age is counted to the
  moment `as_of`, from max(0, as_of − min(occurred_at, received_at)); what is stored is not decayed.
* **Balance**: a type is over-sampled when it has more than `balance_threshold` examples *and* more than the average
  type; its rewards shrink by √(limit / count), so that its sum still grows, slowly. One type alone is never too many.

It reads no clock and keeps no state: the counts of types are those of the column, or are handed over.

    >>> calculator = EnhancedRewardCalculator()
    >>> event = {"validation_score": 85.0, "feedback_type": "success", "difficulty": 0.8,
    ...          "occurred_at": "2026-11-11T00:00:00Z"}
    >>> round(calculator.calculate_reward(event), 4)  # boosted to 1.34, clipped
    1.0
    >>> print(calculator.explain_reward(event, as_of="2026-11-21T00:00:00Z").why())
    worth +0.956; difficulty 0.80 × 1.40 → +1.000; 10.0 days × 0.599 → +0.599
    >>> calculator.calculate_rewards([90, 10, 10], ["success", "failure", "failure"], [0, 0, 7], [0, 0, 1]).round(4)
    array([ 0.9705, -0.9705, -0.4518])
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):  # python components/reward_calculator_enhanced.py
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_number, one_of, same_length, whole_number
from components.category_columns import Coded, coded
from components.event_times import SECONDS_A_DAY, event_seconds, seconds
from components.example_difficulty import WEIGHTS, explain_difficulty
from components.example_fields import field
from components.feedback_folding import FoldedFeedback, fold_feedback
from components.feedback_values import KINDS, checked_scores, kind_shifts, worth

__all__ = ["KINDS", "EnhancedRewardCalculator", "RewardTerms", "fold_feedback"]

Floats = NDArray[np.float64]
_BLOCK = 1 << 15  # rows counted at once, so that what lies between stays in the cache
NEGATIVE_DIFFICULTY = ("soften", "boost", "leave")
# A low score makes no task hard here: it would excuse itself.
DIFFICULTY_WEIGHTS = {name: weight for name, weight in WEIGHTS.items() if name != "past_score"}


@dataclass(frozen=True, slots=True)
class RewardTerms:
    """A reward and the terms that it was made of, in the order in which they were applied."""

    reward: float
    worth: float  # of the score and the words, or of the fold of several feedbacks
    difficulty: float | None  # None: nothing of the example was known
    difficulty_factor: float
    undecayed: float  # after the boost and the clip: what views store
    age_days: float
    decay: float
    type_count: int | None
    balance: float
    folded: FoldedFeedback

    def why(self) -> str:
        """One line: each term that changed something, and what it made of the reward."""
        if np.isnan(self.worth):
            return "no reward: nothing that was said tells of quality"
        parts = [f"worth {self.worth:+.3f}"]
        if self.difficulty_factor != 1:
            parts.append(f"difficulty {self.difficulty:.2f} × {self.difficulty_factor:.2f} → {self.undecayed:+.3f}")
        if self.decay != 1:
            parts.append(f"{self.age_days:.1f} days × {self.decay:.3f} → {self.undecayed * self.decay:+.3f}")
        if self.balance != 1:
            parts.append(f"{self.type_count} of its type × {self.balance:.3f} → {self.reward:+.3f}")
        return "; ".join(parts)


class EnhancedRewardCalculator:
    """The V2 document's reward, for one event, for all feedback on one output, and for columns."""

    def __init__(
        self,
        time_decay_rate: float = 0.95,
        difficulty_weight: float = 1.5,
        balance_threshold: int = 100,
        *,
        negative_difficulty: str = "soften",
    ) -> None:
        self.time_decay_rate = one_number("time_decay_rate", time_decay_rate, 0.0, 1.0, above=True)
        self.difficulty_weight = one_number("difficulty_weight", difficulty_weight, 1.0)
        self.balance_threshold = whole_number("balance_threshold", balance_threshold, low=1)
        self.negative_difficulty = one_of("negative_difficulty", negative_difficulty, NEGATIVE_DIFFICULTY)

    # One event, or all feedback on one output

    def calculate_reward(
        self, feedback_event: Any, as_of: Any = None, *, type_counts: Mapping[str, int] | None = None
    ) -> float:
        """The reward of one feedback, −1 to 1; NaN where it says nothing of quality.

        Without `as_of` the event's own moment is now, so nothing has decayed. Without `type_counts` (examples of each
        artifact type) nothing is known to be over-sampled.
        """
        return self.explain_reward(feedback_event, as_of, type_counts=type_counts).reward

    def explain_reward(
        self, feedback_event: Any, as_of: Any = None, *, type_counts: Mapping[str, int] | None = None
    ) -> RewardTerms:
        """The reward of one feedback with its terms."""
        return self.fold_feedback([feedback_event], as_of, type_counts=type_counts)

    def fold_feedback(
        self,
        feedback_events: Iterable[Any],
        as_of: Any = None,
        *,
        example: Any = None,
        type_counts: Mapping[str, int] | None = None,
    ) -> RewardTerms:
        """The one reward of all feedback on one output, whatever the order in which it came.

        `example` is what the feedback is about, where the events do not carry it: its difficulty and artifact type
        are read. Without `as_of` the newest moment among the feedback that counts is now.
        """
        events = list(feedback_events)
        folded = fold_feedback(events)
        about = [example] if example is not None else events
        difficulty, kind = _difficulty(about), _said_once(about, "artifact_type")
        count, balance = self._one_balance(kind, type_counts)
        age = _age(folded, as_of, events)
        value = np.array([folded.worth])
        undecayed = self.undecayed(value, np.array([difficulty or 0.0]))
        decay = float(self.decay(np.array([age]))[0])
        return RewardTerms(
            reward=float(undecayed[0]) * decay * balance,
            worth=folded.worth,
            difficulty=difficulty,
            difficulty_factor=float(self._factors(value, np.array([difficulty or 0.0]))[0]),
            undecayed=float(undecayed[0]),
            age_days=age,
            decay=decay,
            type_count=count,
            balance=balance,
            folded=folded,
        )

    def _one_balance(self, kind: str | None, type_counts: Mapping[str, int] | None) -> tuple[int | None, float]:
        """How many examples its type has, None where that is not known, and what that leaves of the reward."""
        if kind is None or type_counts is None:
            return None, 1.0
        one = Coded(np.zeros(1, np.int64), (kind,))
        return int(_counts(one, type_counts)[0]), float(self.balance(one, type_counts)[0])

    # Columns

    def calculate_rewards(
        self,
        scores: ArrayLike,
        kinds: Any = None,
        ages_days: ArrayLike | None = None,
        difficulties: ArrayLike | None = None,
        artifact_types: Any = None,
        *,
        scored: ArrayLike | None = None,
        type_counts: ArrayLike | Mapping[str, int] | None = None,
    ) -> Floats:
        """A reward per row, each row one feedback; NaN where a row says nothing of quality.

        Quickest: float64 columns, kinds as codes into KINDS (-1: none), artifact types as codes or `Coded`. Arrays of
        text (dtype U) cost about 70 ms more per million rows and column, lists and arrays of objects twice that.
        `scored` says which rows have a score; without it all must. The counts of types are those of the column; hand
        over `type_counts` (by code, or by name) where the rows are a part of the pool. A column left out has no effect.
        """
        numbers, has_score = checked_scores(scores, scored)
        shifts = kind_shifts(kinds, has_score)
        days = None if ages_days is None else finite_numbers("ages_days", ages_days, low=0.0)
        hard = None if difficulties is None else _shares("difficulties", difficulties)
        balance = None if artifact_types is None else self.balance(artifact_types, type_counts)
        given = {"scores": numbers, "ages_days": days, "difficulties": hard, "artifact_types": balance}
        rows = same_length(**{name: column for name, column in given.items() if column is not None})
        rewards = np.empty(rows)
        for start in range(0, rows, _BLOCK):
            part = slice(start, start + _BLOCK)
            rewards[part] = worth(numbers[part], has_score[part], shifts[part])
            if hard is not None:
                rewards[part] = self._credited(rewards[part], hard[part])
            if days is not None:
                rewards[part] *= np.power(self.time_decay_rate, days[part])
            if balance is not None:
                rewards[part] *= balance[part]
        return rewards

    def undecayed(self, worths: ArrayLike, difficulties: ArrayLike) -> Floats:
        """Worths (NaN: none) with their difficulty, clipped to ±1: what views store."""
        value, hard = np.asarray(worths, np.float64), _shares("difficulties", difficulties)
        same_length(worths=value, difficulties=hard)
        return self._credited(value, hard)

    def _credited(self, worths: Floats, hard: Floats) -> Floats:
        credited: Floats = np.clip(worths * self._factors(worths, hard), -1.0, 1.0)
        return credited

    def _factors(self, worths: Floats, hard: Floats) -> Floats:
        """What each worth is multiplied with: 1 to `difficulty_weight`, and by default its inverse where it is bad."""
        boost = 1.0 + (self.difficulty_weight - 1.0) * hard
        if self.negative_difficulty == "boost":
            return boost
        softer = 1.0 / boost if self.negative_difficulty == "soften" else np.ones(len(boost))
        return np.where(worths < 0, softer, boost)

    def decay(self, ages_days: ArrayLike) -> Floats:
        """What is left of a reward after so many days (components.event_times.ages_in_days counts them)."""
        days = finite_numbers("ages_days", ages_days, low=0.0)
        left: Floats = np.power(self.time_decay_rate, days)
        return left

    def balance(self, artifact_types: Any, type_counts: ArrayLike | Mapping[str, int] | None = None) -> Floats:
        """What is left of a reward whose type is over-sampled; 1 for a row without a type."""
        found = coded("artifact_types", artifact_types)
        counts = _counts(found, type_counts)
        factors = np.append(self._balance_of_counts(counts), 1.0)  # -1, none, reads the last
        balance: Floats = factors[found.codes]
        return balance

    def _balance_of_counts(self, counts: NDArray[np.int64]) -> Floats:
        present = counts[counts > 0]
        limit = max(float(self.balance_threshold), float(present.mean()) if len(present) else 0.0)
        return np.sqrt(limit / np.maximum(counts, limit))


def _shares(thing: str, given: ArrayLike) -> Floats:
    return finite_numbers(thing, given, low=0.0, high=1.0)


def _difficulty(about: Sequence[Any]) -> float | None:
    """The difficulty that the example says, or what its lengths and type say of it; None where it says nothing."""
    said = _said_once(about, "difficulty")
    if said is not None:
        return float(finite_numbers("difficulty", [said], low=0.0, high=1.0)[0])
    found = [explain_difficulty(example, DIFFICULTY_WEIGHTS) for example in about]
    known = [difficulty.difficulty for difficulty in found if difficulty.signals]
    return max(known, default=None)


def _said_once(about: Sequence[Any], name: str) -> Any:
    """What the events on one output say of it; they may not say two things."""
    said = {getattr(value, "value", value) for value in (field(event, name) for event in about) if value is not None}
    if len(said) > 1:
        raise BadInput(name, sorted(map(str, said)), "one value in all feedback on one output")
    return next(iter(said), None)


def _counts(found: Coded, type_counts: ArrayLike | Mapping[str, int] | None) -> NDArray[np.int64]:
    if type_counts is None:
        return np.bincount(found.codes[found.codes >= 0])
    if isinstance(type_counts, Mapping):
        return _counts_by_name(found, type_counts)
    counts = np.asarray(type_counts)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (len(counts) and counts.min() < 0):
        raise BadInput("type_counts", type_counts, "a count per code of artifact_types, or a mapping from names")
    if len(found.codes) and found.codes.max() >= len(counts):
        raise BadInput("type_counts", f"{len(counts)} counts", f"one for each code up to {int(found.codes.max())}")
    return counts.astype(np.int64, copy=False)


def _counts_by_name(found: Coded, type_counts: Mapping[str, int]) -> NDArray[np.int64]:
    """The counts of the column's types, and after them those of types that the column does not have."""
    if not found.names and len(found.codes) and found.codes.max() >= 0:
        raise BadInput("type_counts", "names", "a count per code, as artifact_types are codes without names")
    counts = {name: whole_number(f"type_counts[{name!r}]", count) for name, count in type_counts.items()}
    others = [count for name, count in counts.items() if name not in set(found.names)]
    return np.array([*(counts.get(name, 0) for name in found.names), *others], np.int64)


def _age(folded: FoldedFeedback, as_of: Any, events: Sequence[Any]) -> float:
    if as_of is None:
        return 0.0
    now = seconds("as_of", as_of)
    if np.isnan(folded.worth):
        return 0.0
    if folded.moment is None:
        known = [event_seconds(event) is not None for event in events]
        raise BadInput("occurred_at", None, "when the feedback was given", f"{known.count(False)} events do not say.")
    return max(0.0, (now - folded.moment) / SECONDS_A_DAY)


if __name__ == "__main__":
    calculator = EnhancedRewardCalculator()
    print("What a score of 65 is worth, by age and difficulty:\n")
    print("difficulty    today   a week   a month   a quarter")
    for hard in (0.0, 0.5, 1.0):
        days = np.array([0.0, 7.0, 30.0, 90.0])
        row = calculator.calculate_rewards(np.full(4, 65.0), None, days, np.full(4, hard))
        print(f"{hard:10.1f} " + "".join(f"{reward:9.3f}" for reward in row))
    print("\nSix feedbacks on one output, in any order:\n")
    told = [
        {"id": "a", "rater": "ann", "score": 90, "seq": 1, "occurred_at": 1_795_000_000},
        {"id": "b", "rater": "bob", "thumb": "down", "seq": 2, "occurred_at": 1_795_000_100},
        {"id": "c", "rater": "ann", "score": 40, "seq": 3, "supersedes": "a", "occurred_at": 1_795_000_200},
        {"id": "d", "implicit": "copy", "seq": 4, "occurred_at": 1_795_000_300},
        {"id": "e", "rater": "eve", "score": 5, "seq": 5, "occurred_at": 1_795_000_400},
        {"id": "f", "retracts": "e", "seq": 6, "occurred_at": 1_795_000_500},
    ]
    terms = calculator.fold_feedback(told, as_of=1_795_000_200 + 7 * SECONDS_A_DAY, example={"difficulty": 0.5})
    print(terms.folded.why())
    print(terms.why())
    for place, reason in terms.folded.left_out.items():
        print(f"  {told[place]['id']} does not count: {reason}")
