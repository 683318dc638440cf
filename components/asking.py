"""Which outputs to ask people about: rows without a label whose label would teach the most.

A strategy looks at embeddings, at which rows are labelled, and, where it needs them, at beliefs: the model's
probabilities, or those of a light probe on the labelled rows. `typical_then_margin` is the one that measured best:
typical rows until there are enough labels, then the least certain in each of many clusters (Citovsky et al. 2021,
arXiv 2107.14263, with k-means for the clusters).

It does not ask anybody anything, and does not look at labels that it is not given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, one_of, same_length
from components.bad_input import scores as check_scores
from components.choosing import (
    Choice,
    check_budget,
    check_finite,
    check_labelled,
    check_labels,
    check_pool,
    check_weights,
)
from components.clustering import Floats, Places, Rows, blocks, kmeans
from components.coverage import Spread, by_balls, by_gradient, farthest_first, pure_radius
from components.large_pools import EXACT_UP_TO, shortlist_of, typical_of_many
from components.light_probe import Probe, fit_probe
from components.typicality import typical_rows
from components.uncertainty import GOOD_SCORE, check_probabilities, entropies, margins

V2_WEIGHTS = (0.4, 0.3, 0.3)  # uncertainty, diversity, quality
# when typicality has given what it can; with at least 200 the margins came too late on Davidson's tweets and small talk
LEAST_LABELS, MOST_LABELS, LABELS_PER_CLASS = 100, 500, 3
_BLOCK = 16_384
_SHORTLIST = 10  # times the budget: the least certain rows among which clusters are made

Terms = dict[str, NDArray[Any]]
Picks = tuple[Places, Terms]


@dataclass(slots=True)
class AskPool:
    """What a strategy sees: all rows, which are labelled with what, which are free, and what a model believes."""

    embeddings: Rows
    labelled: Places
    labels: NDArray[Any]  # aligned with labelled, or empty
    given: NDArray[Any] | None  # probabilities (rows, classes)
    rng: np.random.Generator
    over: str = "auto"
    weights: tuple[float, float, float] = V2_WEIGHTS
    how: str = "exact"
    free: Places = field(init=False)

    def __post_init__(self) -> None:
        free = np.ones(len(self.embeddings), dtype=bool)
        free[self.labelled] = False
        self.free = np.flatnonzero(free)

    def points(self) -> Floats:
        check_finite(self.embeddings)
        return np.asarray(self.embeddings, dtype=np.float32)

    def classes(self) -> int:
        """How many classes there are, as far as one can tell."""
        return self.given.shape[1] if self.given is not None else len(np.unique(self.labels))

    def has_beliefs(self) -> bool:
        return self.given is not None or self.classes() > 1

    def beliefs(self, strategy: str) -> NDArray[Any]:
        """Probabilities of all rows: the model's, or the probe's."""
        return self.given if self.given is not None else self._probe(strategy).believe(self.embeddings)

    def unsure(self, strategy: str, measure: Callable[[NDArray[Any]], NDArray[np.float32]]) -> NDArray[np.float32]:
        """A measure of every row's beliefs; what a probe believes of a million rows is not kept."""
        if self.given is not None:
            return measure(self.given)
        probe, found = self._probe(strategy), np.empty(len(self.embeddings), dtype=np.float32)
        for at, block in blocks(self.embeddings, _BLOCK):
            found[at] = measure(probe.believe(block))
        return found

    def _probe(self, strategy: str) -> Probe:
        if not len(self.labels):
            step = "Give probabilities or labels, or use typical_then_margin, which begins without either."
            raise BadInput(f"strategy {strategy}", "neither probabilities nor labels", "one of them", step)
        check_finite(self.embeddings)
        return fit_probe(self.embeddings[self.labelled], self.labels)


def choose_to_ask(
    embeddings: Rows,
    budget: int,
    *,
    strategy: str = "typical_then_margin",
    labelled: Sequence[int] | Places = (),
    labels: Sequence[Any] | NDArray[Any] = (),
    scores: Sequence[float] | NDArray[Any] = (),
    probabilities: NDArray[Any] | None = None,
    over: str = "auto",
    weights: tuple[float, float, float] = V2_WEIGHTS,
    rng: np.random.Generator,
) -> Choice:
    """Rows to ask about, the first the most wanted, out of those that are not labelled.

    `labels` or `scores` (0-100, a success from 70) are aligned with `labelled`; `probabilities` are a model's, for all
    rows. Above 50,000 rows typicality looks at a shortlist, or at all of them with over="all"; all else is exact.
    `weights` are v2_mix's. Raises BadInput for a pool, budget or value that cannot be worked with, or above the
    strategy's ask_limit.
    """
    one_of("strategy", strategy, STRATEGIES)
    one_of("over", over, ("auto", "all"))
    rows = check_pool(embeddings)
    limit = ask_limit(strategy)
    if limit is not None and len(rows) > limit:
        step = f"Use one of {', '.join(name for name in STRATEGIES if ask_limit(name) is None)}, or ask about fewer."
        raise BadInput(f"strategy {strategy}", f"{len(rows)} rows", f"at most {limit}", step)
    places = check_labelled(labelled, len(rows))
    pool = AskPool(
        rows,
        places,
        _classes_of(places, labels, scores),
        None if probabilities is None else check_probabilities(probabilities, len(rows)),
        rng,
        over,
        check_weights(weights),
    )
    chosen, terms = _STRATEGIES[strategy](pool, check_budget(budget, len(pool.free)))
    return Choice(chosen, terms, strategy, pool.how)


def ask_limit(strategy: str) -> int | None:
    """The largest pool that the strategy takes, None when a million rows are fine."""
    return _LIMITS.get(one_of("strategy", strategy, STRATEGIES))


def labels_suffice(labelled: int, classes: int) -> bool:
    """Whether typicality has done its part and uncertainty can take over."""
    return labelled >= min(MOST_LABELS, max(LEAST_LABELS, LABELS_PER_CLASS * classes))


def _classes_of(labelled: Places, labels: Any, scores: Any) -> NDArray[Any]:
    if len(scores):
        if len(labels):
            raise BadInput("labels and scores", "both", "one of them")
        same_length(labelled=labelled, scores=scores)
        return check_scores("scores", scores) >= GOOD_SCORE
    if not len(labels):
        return np.empty(0)
    same_length(labelled=labelled, labels=labels)
    return check_labels(labels)


def _random(pool: AskPool, budget: int) -> Picks:
    rows = pool.rng.choice(pool.free, budget, replace=False)
    return rows, {"chance": np.full(budget, budget / len(pool.free))}


def _margin(pool: AskPool, budget: int) -> Picks:
    apart = pool.unsure("margin", margins)
    rows = pool.free[least(apart[pool.free], budget)]
    return rows, {"margin": apart[rows]}


def _entropy(pool: AskPool, budget: int) -> Picks:
    unsure = pool.unsure("entropy", entropies)
    rows = pool.free[least(-unsure[pool.free], budget)]
    return rows, {"entropy": unsure[rows]}


def _badge(pool: AskPool, budget: int) -> Picks:
    rows, lengths, apart = by_gradient(pool.points(), pool.beliefs("badge"), pool.free, budget, pool.rng)
    return rows, {"gradient_length": lengths, "distance": apart}


def _typiclust(pool: AskPool, budget: int) -> Picks:
    count = len(pool.embeddings)
    if count <= EXACT_UP_TO:
        found = typical_rows(pool.points(), pool.labelled, budget, pool.rng)
        return found.rows, found.terms()
    if pool.over == "all":
        found = typical_of_many(pool.embeddings, pool.labelled, budget, pool.rng)
        pool.how = f"all {count} rows, the nearest 32 of each cluster compared"
        return found.rows, found.terms()
    places = shortlist_of(count, pool.labelled, budget, pool.rng)
    some = pool.embeddings[places]
    found = typical_of_many(some, np.searchsorted(places, pool.labelled), budget, pool.rng, places=places)
    pool.how = f"shortlist of {len(places)} of {count} rows, one of each stretch of {count / len(places):.1f}"
    return places[found.rows], found.terms()


def _cluster_margin(pool: AskPool, budget: int) -> Picks:
    apart = pool.unsure("cluster_margin", margins)
    unsure = pool.free[least(apart[pool.free], _SHORTLIST * budget)]
    points = pool.embeddings[unsure]
    check_finite(points, unsure)
    of_row = kmeans(points, budget, pool.rng).of_row
    best = first_of_each(of_row, budget)  # unsure is in order of margin
    return unsure[best], {"margin": apart[unsure[best]], "cluster": of_row[best]}


def _k_center(pool: AskPool, budget: int) -> Picks:
    begin = pool.labelled if len(pool.labelled) else pool.rng.choice(pool.free, 1)
    missing = budget - (len(pool.labelled) == 0)
    rows, apart = farthest_first(pool.points(), begin, missing)
    if not len(pool.labelled):
        rows, apart = np.concatenate([begin, rows]), np.concatenate([[0.0], apart])  # the first: by chance
    return rows, {"distance": apart}


def _probcover(pool: AskPool, budget: int) -> Picks:
    points = pool.points()
    radius = pure_radius(points, pool.classes() if pool.has_beliefs() else budget, pool.rng)
    rows, covers = by_balls(points, pool.labelled, budget, radius, pool.rng)
    return rows, {"newly_covered": covers, "radius": np.full(budget, radius)}


def _typical_then_margin(pool: AskPool, budget: int) -> Picks:
    if pool.has_beliefs() and labels_suffice(len(pool.labelled), pool.classes()):
        return _cluster_margin(pool, budget)
    return _typiclust(pool, budget)


def _v2_mix(pool: AskPool, budget: int) -> Picks:
    """The V2 document's weights; an output without a rating has the model's confidence for its quality."""
    if pool.has_beliefs():
        sure = pool.beliefs("v2_mix").max(axis=1).astype(np.float64)
    else:
        sure = np.full(len(pool.embeddings), 0.5)  # nothing is known: diversity alone decides
    return weigh_and_spread(pool.points(), pool.labelled, budget, 1 - sure, sure, pool.weights)


def weigh_and_spread(
    points: Floats,
    taken: Places,
    budget: int,
    uncertainty: NDArray[np.float64],
    quality: NDArray[np.float64],
    weights: tuple[float, float, float],
) -> Picks:
    """Rows with the largest sums of uncertainty, distance to all before as a share of the largest, and quality."""
    spread, picks, terms = Spread(points, taken), [], []
    free = np.ones(len(points), dtype=bool)
    free[taken] = False
    fixed = weights[0] * uncertainty + weights[2] * quality
    for _ in range(budget):
        apart = np.sqrt(spread.distances.astype(np.float64))
        largest = apart[free].max()
        far = np.ones(len(points)) if np.isinf(largest) else apart / max(largest, 1e-12)
        worth = np.where(free, fixed + weights[1] * far, -np.inf)
        row = int(worth.argmax())
        picks.append(row)
        terms.append((worth[row], uncertainty[row], far[row], quality[row]))
        free[row] = False
        spread.take(row)
    columns = np.array(terms).T
    return np.array(picks, dtype=np.int64), dict(
        zip(("sum", "uncertainty", "diversity", "quality"), columns, strict=True)
    )


def least(values: NDArray[Any], count: int) -> Places:
    """Places of the smallest values, in order; of equals the first."""
    return np.argsort(values, kind="stable")[:count]


def first_of_each(of_row: Places, count: int) -> Places:
    """Places in the order: the first of each cluster, then the second of each, and so on."""
    order = np.argsort(of_row, kind="stable")
    sizes = np.bincount(of_row)
    turn = np.empty(len(of_row), dtype=np.int64)
    turn[order] = np.arange(len(of_row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.lexsort((np.arange(len(of_row)), turn))[:count]


_STRATEGIES: dict[str, Callable[[AskPool, int], Picks]] = {
    "random": _random,
    "margin": _margin,
    "entropy": _entropy,
    "badge": _badge,
    "typiclust": _typiclust,
    "cluster_margin": _cluster_margin,
    "k_center": _k_center,
    "probcover": _probcover,
    "typical_then_margin": _typical_then_margin,
    "v2_mix": _v2_mix,
}
STRATEGIES: tuple[str, ...] = tuple(_STRATEGIES)
_LIMITS = dict.fromkeys(("badge", "k_center", "probcover", "v2_mix"), EXACT_UP_TO)
