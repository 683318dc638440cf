"""How hard a failure is, and how many hard examples belong into a batch: columns in, columns out.

difficulty = (½ depth + ¼ repeats + ¼ recency) · ½ for each success since · (1 − suspicion), every term from 0 to 1:
depth is how far the score lies under the threshold, repeats is 1 − ½^(failures − 1), recency is 0.95 per day (online
hard example mining, Shrivastava et al. 2016, with what feedback adds to it: time, repetition, doubt).

It does not look at texts and draws no conclusion from a single number: every term is handed back.

>>> found = difficulties([30.0, 30.0], [1, 3], [0.0, 0.0])
>>> found.difficulty.tolist(), found.repeats.tolist()
([0.5, 0.6875], [0.0, 0.75])
>>> mix_hard([55.0] * 50 + [90.0] * 50, 40, rng=np.random.default_rng(0)).why
'14 of 40 are hard (35%)'
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import finite_numbers, same_length, scores, whole_number

FAILURE_BELOW = 60.0  # the V2 document: scores under 60 are failures
HARD_SHARE = 0.35  # the V2 document: hard examples 10% → 35%
DECAY_PER_DAY = 0.95
WEIGHTS = {"depth": 0.5, "repeats": 0.25, "recency": 0.25}

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difficulties:
    """A difficulty from 0 to 1 per row, and the terms that make it."""

    difficulty: _Numbers
    depth: _Numbers
    repeats: _Numbers
    recency: _Numbers
    unsolved: _Numbers
    trust: _Numbers

    def hardest(self, limit: int) -> NDArray[np.int64]:
        """The rows of the hardest, hardest first; the earlier row goes first among equals."""
        return np.argsort(-self.difficulty, kind="stable")[: whole_number("limit", limit)]


def difficulties(
    failed_scores: ArrayLike,
    failures: ArrayLike,
    ages_days: ArrayLike,
    *,
    successes_since: ArrayLike | None = None,
    suspicion: ArrayLike | None = None,
    failure_below: float = FAILURE_BELOW,
    decay_per_day: float = DECAY_PER_DAY,
) -> Difficulties:
    """Difficulties of failures: mean failed score (0–100), number of failures, days since the last; a row each.

    An age under 0 (a clock that was set back) counts as 0. A score at or over the threshold has depth 0.
    """
    score = scores("failed_scores", failed_scores)
    count = finite_numbers("failures", failures, low=1.0)
    age = np.maximum(finite_numbers("ages_days", ages_days), 0.0)
    since = (
        np.zeros(len(score)) if successes_since is None else finite_numbers("successes_since", successes_since, low=0.0)
    )
    doubt = np.zeros(len(score)) if suspicion is None else finite_numbers("suspicion", suspicion, low=0.0, high=1.0)
    same_length(failed_scores=score, failures=count, ages_days=age, successes_since=since, suspicion=doubt)
    (below,) = finite_numbers("failure_below", [failure_below], low=1e-9, high=100.0)
    (decay,) = finite_numbers("decay_per_day", [decay_per_day], low=0.0, high=1.0)
    depth = np.maximum(below - score, 0.0) / below
    repeats = 1.0 - 0.5 ** (count - 1.0)
    recency = decay**age
    unsolved, trust = 0.5**since, 1.0 - doubt
    weighted = WEIGHTS["depth"] * depth + WEIGHTS["repeats"] * repeats + WEIGHTS["recency"] * recency
    return Difficulties(weighted * unsolved * trust, depth, repeats, recency, unsolved, trust)


@dataclass(frozen=True, slots=True)
class HardMix:
    """Which rows make the batch, the hard ones first, and why there are so many of them."""

    rows: NDArray[np.int64]
    hard: int  # the first so many rows are hard
    why: str

    @property
    def hard_share(self) -> float:
        return self.hard / len(self.rows) if len(self.rows) else 0.0


def mix_hard(
    score: ArrayLike,
    budget: int,
    *,
    rng: np.random.Generator,
    difficulty: ArrayLike | None = None,
    hard_share: float = HARD_SHARE,
    failure_below: float = FAILURE_BELOW,
) -> HardMix:
    """A batch of which `hard_share` are failures, the hardest first (by score when no difficulty is given).

    Where failures are fewer, all are taken and others fill the seats; where others are too few, seats stay empty rather
    than that more failures are learnt than was asked for. A difficulty of 0 marks a failure that is not to be used.
    """
    values = scores("score", score)
    hardness = 1.0 - values / 100.0 if difficulty is None else finite_numbers("difficulty", difficulty, low=0.0)
    same_length(score=values, difficulty=hardness)
    seats = whole_number("budget", budget)
    (share,) = finite_numbers("hard_share", [hard_share], low=0.0, high=1.0)
    (below,) = finite_numbers("failure_below", [failure_below], low=0.0, high=100.0)
    failed = values < below
    usable = np.flatnonzero(failed & (hardness > 0))
    others = np.flatnonzero(~failed)
    wanted = int(share * seats + 1e-9)  # .35 · 20 is 6.999… in binary
    hard = usable[np.argsort(-hardness[usable], kind="stable")][:wanted]
    rest = rng.permutation(others)[: seats - len(hard)]
    rows = np.concatenate([hard, rest]).astype(np.int64)
    return HardMix(rows, len(hard), _why(len(hard), len(rows), wanted, seats, share))


def _why(hard: int, taken: int, wanted: int, seats: int, share: float) -> str:
    said = f"{hard} of {taken} are hard ({hard / taken:.0%})" if taken else "nothing was taken"
    if hard < wanted:
        said += f"; {wanted} were wanted ({share:.0%} of {seats}), no more failures exist"
    if taken < seats:
        said += f"; {seats - taken} of {seats} seats stay empty"
    return said
