"""Which rows of a large pool to take, when a row's vector is fetched only if it is looked at.

A million vectors are not read for the sake of a hundred picks. Candidates stand in the order in which they were
recorded; of many, one of each of `looked_at` equal stretches (or of 100 for each pick, where that is less) is looked at
(components/large_pools.py), and the rule of components/training_rows.py picks among those. Candidates without a vector
have their share of the seats, the newest first.
Above a million distances a turn, clusters are made along the 32 main directions of the vectors, and most turns see a
quarter of the rows. Each pick keeps a cluster of its own. Choosing 1,000 of 10,000 of CLINC150 (MiniLM, three seeds;
accuracy by chance 0.845), that taught as much (0.892) as 64 directions (0.893), and 250 and 400 of 6,000 (0.524 and
0.637 by chance) as much as all turns along all 384 numbers: 0.696 and 0.776, where those taught 0.702 and 0.766.
On hashed vectors (by chance 0.646) those had taught as much as all turns (0.717, 0.711), a shortlist of 4,000 less
(0.686), and two picks of each of half as many clusters little more than chance (0.652).

It knows no pool and no text; whoever calls it says how vectors are fetched.

>>> points = np.repeat(np.eye(4, dtype=np.float32), 25, axis=0)
>>> found = choose_rows(lambda rows: points[rows], np.ones(100, bool), 4, rule="typical", rng=np.random.default_rng(1))
>>> sorted((found.rows // 25).tolist()), found.looked_at
([0, 1, 2, 3], 100)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import one_of, whole_number
from components.clustering import Places, Rows, clusters_in_haste
from components.large_pools import stretches
from components.training_rows import TRAIN_RULES, choose_to_train
from components.typicality import most_typical

RULES: tuple[str, ...] = (*TRAIN_RULES, "newest")
LOOKED_AT = 12_000
_IN_HASTE_ABOVE = 1_000_000
_LEAST_LOOKED_AT, _PER_PICK = 2_000, 100
_WITHOUT_VECTORS = ("random", "newest")


@dataclass(frozen=True, slots=True, eq=False)
class ChosenRows:
    """Places among the candidates: first those that the rule picked, with its terms, then those without a vector."""

    rows: Places
    terms: dict[str, NDArray[Any]]  # of the first so many rows
    by_rule: int
    looked_at: int  # vectors that were fetched


def choose_rows(
    fetch: Callable[[Places], Rows],
    has_vector: ArrayLike,
    budget: int,
    *,
    rule: str,
    rng: np.random.Generator,
    ages: ArrayLike | None = None,
    labels: NDArray[Any] | None = None,
    scores: NDArray[Any] | None = None,
    looked_at: int = LOOKED_AT,
) -> ChosenRows:
    """As many of the candidates as the budget says, all where there are no more; `fetch` maps places to vectors.

    `ages`, `labels` and `scores` are aligned with the candidates; without ages the last candidates are the newest.
    """
    one_of("rule", rule, RULES)
    holds = np.asarray(has_vector, np.bool_)
    seats = min(whole_number("budget", budget), len(holds))
    age = -np.arange(len(holds), dtype=np.float64) if ages is None else np.asarray(ages, np.float64)
    if rule == "random":
        picked = rng.choice(len(holds), seats, replace=False) if seats else np.empty(0, np.int64)
        return ChosenRows(picked, {}, seats, 0)
    with_vector = np.flatnonzero(holds) if rule != "newest" else np.empty(0, np.int64)
    own_seats = round(seats * len(with_vector) / max(len(holds), 1))
    picks, terms, seen = _picked(fetch, with_vector, own_seats, rule, rng, labels, scores, looked_at)
    others = np.setdiff1d(np.arange(len(holds)), picks if seen else [], assume_unique=True)
    if seen:
        others = others[~holds[others]]
    rest = _newest(others, age, seats - len(picks))
    return ChosenRows(np.concatenate([picks, rest]), terms, len(picks), seen)


def _picked(
    fetch: Callable[[Places], Rows],
    candidates: Places,
    seats: int,
    rule: str,
    rng: np.random.Generator,
    labels: NDArray[Any] | None,
    scores: NDArray[Any] | None,
    looked_at: int,
) -> tuple[Places, dict[str, NDArray[Any]], int]:
    """The rule's picks, its terms, and how many vectors it saw: none where there are none to be had."""
    if not seats:
        return np.empty(0, np.int64), {}, 0
    size = max(seats, min(looked_at, max(_LEAST_LOOKED_AT, _PER_PICK * seats)))
    places = candidates[stretches(len(candidates), size, rng)]
    vectors = fetch(places)
    if not vectors.shape[1]:
        return np.empty(0, np.int64), {}, 0
    if rule == "typical" and len(places) * seats > _IN_HASTE_ABOVE:
        clusters = clusters_in_haste(vectors, seats, rng)
        found = most_typical(vectors, clusters, np.empty(0, np.int64), seats)
        return places[found.rows], found.terms(), len(places)
    own_labels = None if labels is None else labels[places]
    own_scores = None if scores is None else scores[places]
    choice = choose_to_train(vectors, seats, rule=rule, labels=own_labels, scores=own_scores, rng=rng)
    return places[choice.rows], choice.terms, len(places)


def _newest(candidates: Places, age: NDArray[np.float64], seats: int) -> Places:
    """The youngest; of equal ages the later ones."""
    return candidates[np.lexsort((-candidates, age[candidates]))][:seats]
