"""Pick what to train on when there is more than a night can learn.

The labels are there, training time is what is saved: the rule `typical` (one example of each cluster of the embeddings)
was best of those that need no class, and below chance on no set (docs/techniques.md, «What to train on»). All
candidates are looked at up to `looked_at`, above it one of each of so many equal stretches of the log. Examples without
an embedding have their share of the seats, the newest first. A budget above the pool picks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Moment, Pool
from adaptd.plugin.pool import Rows
from components.bad_input import one_of, whole_number
from components.bounded_choice import LOOKED_AT, RULES, ChosenRows, choose_rows

AMONG = ("new", "all")


@dataclass(frozen=True)
class PickingSettings:
    budget: int = 1500  # examples that stay; the batch has room for 500 more, learnt before
    rule: str = "typical"  # or newest, random, v2_mix, margin, k_center …; a class is an example's artifact type
    among: str = "new"  # "all" picks among examples that were learnt before, too
    looked_at: int = LOOKED_AT  # candidates whose embeddings are read

    def __post_init__(self) -> None:
        whole_number("budget", self.budget, low=1)
        one_of("rule", self.rule, RULES)
        one_of("among", self.among, AMONG)
        whole_number("looked_at", self.looked_at, low=1)


class PickInformative:
    """Keeps the examples that are worth a night's training time."""

    name: ClassVar[str] = "pick_informative"
    Settings: ClassVar[type] = PickingSettings

    def __init__(self, settings: PickingSettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        candidates = pool.in_order(self._candidates(pool))
        if len(candidates) <= self.settings.budget:
            return pool
        found = choose_rows(
            lambda places: pool.embeddings(candidates[places]),
            pool["embedding_row"][candidates] >= 0,
            self.settings.budget,
            rule=self.settings.rule,
            rng=moment.rng(self.name),
            ages=pool["age_days"][candidates],
            labels=pool["artifact_type"][candidates],
            scores=_scores(pool, candidates),
            looked_at=self.settings.looked_at,
        )
        return self._told(pool, candidates, found)

    def _candidates(self, pool: Pool) -> NDArray[np.bool_]:
        recorded: NDArray[np.bool_] = pool["example"] >= 0
        return recorded & (pool["times_learnt"] == 0) if self.settings.among == "new" else recorded

    def _told(self, pool: Pool, candidates: Rows, found: ChosenRows) -> Pool:
        chosen = candidates[found.rows]
        by_rule, newest = chosen[: found.by_rule], chosen[found.by_rule :]
        if len(by_rule):
            words = [f"picked, {self.settings.rule}"]
            words += [f"{name.replace('_', ' ')} {{{place}:.2f}}" for place, name in enumerate(found.terms)]
            values = [_spread(len(pool), by_rule, terms) for terms in found.terms.values()]
            pool = pool.because(self.name, ", ".join(words), by_rule, *values)
        if len(newest):
            without = "" if self.settings.rule == "newest" else " of those without an embedding"
            pool = pool.because(self.name, f"picked as one of the newest{without}: {{0:.1f}} days", newest, _ages(pool))
        stays = np.ones(len(pool), np.bool_)
        stays[candidates] = False
        stays[chosen] = True
        return pool.keep(stays, self.name, f"not among the {self.settings.budget} picked of {len(candidates)}")


def _spread(rows: int, places: Rows, values: NDArray[np.generic]) -> NDArray[np.float64]:
    column = np.full(rows, np.nan)
    column[places] = values
    return column


def _ages(pool: Pool) -> NDArray[np.float64]:
    ages: NDArray[np.float64] = pool["age_days"]
    return ages


def _scores(pool: Pool, rows: Rows) -> NDArray[np.float64]:
    """Scores; where there is none, what the worth stands for, and 50 of what nothing is known."""
    score, worth = pool["score"][rows], np.nan_to_num(pool["worth"][rows])
    return np.where(np.isnan(score), 50.0 * (1.0 + worth), score)


STAGE = PickInformative
