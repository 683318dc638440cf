"""Which rated examples to train on, when training on all of them costs too much: labels are there, time is not.

Another question than what to ask: labels cost nothing here, so a rule may look at every label and score. What each rule
is worth is measured by bench/subset_selection.py. Rules: `random`; `balanced` (as many of each class); `typical`
(one per cluster), `balanced_typical` (within each class); `k_center` (farthest first); `herding` (within each class,
the means of the chosen follow the mean of all: Welling 2009); `margin`, `cluster_margin` (doubt of the model); `hard`,
`easy` (the least and the most belief in the true label), `hard_trimmed` (hard, but for the twentieth that is
probably mislabelled); `v2_mix` (the V2 document's weights).

What a rule needs and is not given is an error, never a silent fall back on another rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.asking import V2_WEIGHTS, Picks, first_of_each, least, weigh_and_spread
from components.bad_input import BadInput, one_of, same_length
from components.bad_input import scores as check_scores
from components.choosing import Choice, check_budget, check_finite, check_labels, check_pool, check_weights
from components.clustering import Floats, Places, Rows, groups, kmeans
from components.coverage import farthest_first
from components.large_pools import EXACT_UP_TO, FIT_PER_CLUSTER, stretches
from components.light_probe import Probe, fit_probe
from components.typicality import typical_rows
from components.uncertainty import chances_of_scores, check_probabilities, margins

SUSPECT = 0.05  # the share of rows whose label is believed the least, taken for mislabelled
_SHORTLIST = 10


@dataclass
class RatedPool:
    """What a rule sees: embeddings, and of labels, scores and a model's probabilities those that there are."""

    embeddings: Rows
    labels: NDArray[Any] | None
    scores: NDArray[np.float64] | None
    given: NDArray[Any] | None
    classes: NDArray[Any] | None  # names of the columns of given
    rng: np.random.Generator
    rule: str
    weights: tuple[float, float, float]
    places: Places | None = None  # the rows' numbers in the whole pool

    def only(self, places: Places) -> RatedPool:
        """The same of some rows."""
        return replace(
            self,
            embeddings=self.embeddings[places],
            labels=None if self.labels is None else self.labels[places],
            scores=None if self.scores is None else self.scores[places],
            given=None if self.given is None else self.given[places],
            places=places,
        )

    @cached_property
    def points(self) -> Floats:
        check_finite(self.embeddings, self.places)
        return np.asarray(self.embeddings, dtype=np.float32)

    @cached_property
    def probe(self) -> Probe:
        return fit_probe(self.points, self.needed_labels)

    @property
    def needed_labels(self) -> NDArray[Any]:
        if self.labels is None:
            raise BadInput(f"rule {self.rule}", "no labels", "a label for each row", "Give labels, or use typical.")
        return self.labels

    @cached_property
    def of_class(self) -> Places:
        return np.unique(self.needed_labels, return_inverse=True)[1].astype(np.int64)

    def doubt(self) -> NDArray[np.float64]:
        """The margin of the model; else that of the scores, around a success; else that of the probe."""
        if self.given is not None:
            return margins(self.given).astype(np.float64)
        if self.scores is not None:
            return margins(chances_of_scores(self.scores)).astype(np.float64)
        return margins(self.probe.held_out).astype(np.float64)

    def belief(self) -> NDArray[np.float64]:
        """The model's probability of the true label; else the score; else that of a probe that has not seen the row."""
        if self.given is not None and self.labels is not None:
            assert self.classes is not None
            place = np.searchsorted(self.classes, self.labels)
            return np.asarray(self.given[np.arange(len(place)), place], dtype=np.float64)
        if self.scores is not None:
            return self.scores / 100
        return self.probe.held_out[np.arange(len(self.of_class)), self.of_class].astype(np.float64)


def choose_to_train(
    embeddings: Rows,
    budget: int,
    *,
    rule: str,
    labels: Sequence[Any] | NDArray[Any] | None = None,
    scores: Sequence[float] | NDArray[Any] | None = None,
    probabilities: NDArray[Any] | None = None,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    weights: tuple[float, float, float] = V2_WEIGHTS,
    rng: np.random.Generator,
) -> Choice:
    """Rows to train on, the first the most wanted; above 50,000 rows, what looks at embeddings has a shortlist.

    `labels`, `scores` (0-100) and `probabilities` are aligned with the rows; `classes` names the columns of the
    probabilities, by default the distinct labels in their order. `weights` are v2_mix's. Raises BadInput.
    """
    one_of("rule", rule, TRAIN_RULES)
    rows = check_pool(embeddings)
    asked = check_budget(budget, len(rows))
    if labels is not None:
        same_length(embeddings=rows, labels=labels)
    if scores is not None:
        same_length(embeddings=rows, scores=scores)
    known = None if labels is None else check_labels(labels)
    pool = RatedPool(
        rows,
        known,
        None if scores is None else check_scores("scores", scores),
        None if probabilities is None else check_probabilities(probabilities, len(rows)),
        _columns(known, probabilities, classes),
        rng,
        rule,
        check_weights(weights),
    )
    believed = probabilities is not None or scores is not None
    if len(rows) <= EXACT_UP_TO or rule in _ANY_SIZE or (rule in _BY_BELIEF and believed):
        return Choice(*_RULES[rule](pool, asked), rule)
    places = stretches(len(rows), max(EXACT_UP_TO, FIT_PER_CLUSTER * asked), rng)
    chosen, terms = _RULES[rule](pool.only(places), asked)
    how = f"shortlist of {len(places)} of {len(rows)} rows, one of each stretch of {len(rows) / len(places):.1f}"
    return Choice(places[chosen], terms, rule, how)


def _columns(labels: NDArray[Any] | None, probabilities: Any, classes: Any) -> NDArray[Any] | None:
    """The class of each column of the probabilities, sorted; None when labels and probabilities do not meet."""
    if labels is None or probabilities is None:
        return None
    names = np.unique(labels) if classes is None else np.asarray(classes)
    if len(names) != np.shape(probabilities)[1]:
        found = f"{len(names)} classes and {np.shape(probabilities)[1]} columns"
        raise BadInput("probabilities", found, "a column for each class", "Name the columns: classes=model.classes_.")
    if (names[:-1] >= names[1:]).any() or not np.isin(labels, names).all():
        raise BadInput("classes", names.tolist(), "sorted names that hold every label")
    return names


def _random(pool: RatedPool, budget: int) -> Picks:
    count = len(pool.embeddings)
    return pool.rng.choice(count, budget, replace=False), {"chance": np.full(budget, budget / count)}


def _balanced(pool: RatedPool, budget: int) -> Picks:
    of_class = pool.of_class
    shuffled = pool.rng.permutation(len(of_class))
    rows = shuffled[first_of_each(of_class[shuffled], budget)]
    return rows, {"class": pool.needed_labels[rows], "class_size": np.bincount(of_class)[of_class[rows]]}


def _typical(pool: RatedPool, budget: int) -> Picks:
    found = typical_rows(pool.points, np.empty(0, dtype=np.int64), budget, pool.rng)
    return found.rows, found.terms()


def _balanced_typical(pool: RatedPool, budget: int) -> Picks:
    def typical_of(members: Places, share: int) -> Picks:
        found = typical_rows(pool.points[members], np.empty(0, dtype=np.int64), share, pool.rng)
        return members[found.rows], found.terms()

    return _by_class(pool, _equal_shares(np.bincount(pool.of_class), budget), typical_of)


def _k_center(pool: RatedPool, budget: int) -> Picks:
    begin = pool.rng.choice(len(pool.points), 1)
    rows, apart = farthest_first(pool.points, begin, budget - 1)
    return np.concatenate([begin, rows]), {"distance": np.concatenate([[0.0], apart])}  # the first: by chance


def _herding(pool: RatedPool, budget: int) -> Picks:
    def follow_the_mean(members: Places, share: int) -> Picks:
        points = pool.points[members]
        mean, owed = points.mean(axis=0), points.mean(axis=0)
        free, picks, nearness = np.ones(len(points), dtype=bool), [], []
        for _ in range(share):
            worth = np.where(free, points @ owed, -np.inf)
            row = int(worth.argmax())
            picks.append(row)
            nearness.append(float(worth[row]))
            free[row] = False
            owed = owed + mean - points[row]
        return members[picks], {"pull": np.array(nearness)}

    return _by_class(pool, _equal_shares(np.bincount(pool.of_class), budget), follow_the_mean)


def _margin(pool: RatedPool, budget: int) -> Picks:
    apart = pool.doubt()
    rows = least(apart, budget)
    return rows, {"margin": apart[rows]}


def _cluster_margin(pool: RatedPool, budget: int) -> Picks:
    apart = pool.doubt()
    unsure = least(apart, min(len(apart), _SHORTLIST * budget))
    points = pool.embeddings[unsure]
    check_finite(points, unsure)
    of_row = kmeans(points, budget, pool.rng).of_row
    first = first_of_each(of_row, budget)
    return unsure[first], {"margin": apart[unsure[first]], "cluster": of_row[first]}


def _hard(pool: RatedPool, budget: int) -> Picks:
    belief = pool.belief()
    rows = least(belief, budget)
    return rows, {"belief": belief[rows]}


def _hard_trimmed(pool: RatedPool, budget: int) -> Picks:
    belief = pool.belief()
    spared = min(int(SUSPECT * len(belief)), len(belief) - budget)
    rows = least(belief, spared + budget)[spared:]
    return rows, {"belief": belief[rows]}


def _easy(pool: RatedPool, budget: int) -> Picks:
    belief = pool.belief()
    rows = least(-belief, budget)
    return rows, {"belief": belief[rows]}


def _v2_mix(pool: RatedPool, budget: int) -> Picks:
    good = pool.belief()
    return weigh_and_spread(pool.points, np.empty(0, dtype=np.int64), budget, 1 - good, good, pool.weights)


def _equal_shares(sizes: Places, budget: int) -> Places:
    """As many of each class, no more than it has; what small classes leave goes to the others."""
    of_class = np.repeat(np.arange(len(sizes)), sizes)
    return np.bincount(of_class[first_of_each(of_class, budget)], minlength=len(sizes))


def _by_class(pool: RatedPool, shares: Places, choose: Callable[[Places, int], Picks]) -> Picks:
    """Each class's picks; then all first picks, all second ones, and so on."""
    order, starts = groups(pool.of_class, len(shares))
    parts = [
        (*choose(order[starts[one] : starts[one + 1]], int(shares[one])), one)
        for one in np.flatnonzero(shares).tolist()
    ]
    rows = np.concatenate([part[0] for part in parts])
    of_class = np.repeat([part[2] for part in parts], [len(part[0]) for part in parts])
    turn = first_of_each(of_class, len(rows))
    terms = {name: np.concatenate([part[1][name] for part in parts])[turn] for name in parts[0][1]}
    return rows[turn], {"class": pool.needed_labels[rows[turn]], **terms}


_RULES: dict[str, Callable[[RatedPool, int], Picks]] = {
    "random": _random,
    "balanced": _balanced,
    "typical": _typical,
    "balanced_typical": _balanced_typical,
    "k_center": _k_center,
    "herding": _herding,
    "margin": _margin,
    "cluster_margin": _cluster_margin,
    "hard": _hard,
    "hard_trimmed": _hard_trimmed,
    "easy": _easy,
    "v2_mix": _v2_mix,
}
TRAIN_RULES: tuple[str, ...] = tuple(_RULES)
_ANY_SIZE = ("random", "balanced")
_BY_BELIEF = ("margin", "cluster_margin", "hard", "hard_trimmed", "easy")
