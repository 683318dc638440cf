"""Say how many new examples fire a run, and make the batch: the new ones, and a share of what was learnt before.

How many fire a run is the V2 document's rule (components/batch_manager_adaptive.py), 20 to 100: for each artifact type
among the new examples by how many wait, how good they are, how rare the type is and how its scores go; the run's number
is the mean over the types, each counted by its new examples.

The batch holds the new examples, the newest first where there are more than `max_examples`; then so many of the earlier
ones that they are `replay_share` of the whole, so that a model does not forget what it knew: the most typical ones by
their embeddings, by chance where there are none. What was derived goes with its source, and takes seats as it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import FiresAt, Moment, Pool
from adaptd.plugin.pool import Rows
from components.bad_input import one_number, one_of, whole_number
from components.batch_manager_adaptive import AdaptiveBatchManager, BatchSize
from components.bounded_choice import RULES, choose_rows
from components.recent_means import recent_means
from components.score_trends import FEWEST, trend_of

TURN = 20  # scored examples that count as one evaluation of the trend
TURNS = 5
REPLAY_RULES = tuple(rule for rule in RULES if rule in ("typical", "random", "newest"))
_TOLD = 3  # artifact types that are named


@dataclass(frozen=True)
class SizingSettings:
    min_batch_size: int = 20  # new examples that fire a run, at the least
    max_batch_size: int = 100  # and at the most
    default_batch_size: int = 50  # around which the number moves
    target_quality: float = 0.7  # the mean score, 0 to 1, from which on fewer examples suffice
    replay_share: float = 0.25  # of the batch, that was learnt before
    replay_rule: str = "typical"  # which of the earlier ones: "typical", "random" or "newest"
    max_examples: int = 2000  # in a batch, derived ones among them
    looked_at: int = 6_000  # earlier examples whose embeddings are read

    def __post_init__(self) -> None:
        one_number("replay_share", self.replay_share, 0.0, 0.9)
        one_of("replay_rule", self.replay_rule, REPLAY_RULES)
        whole_number("max_examples", self.max_examples, low=1)
        whole_number("looked_at", self.looked_at, low=1)
        self.manager()

    def manager(self) -> AdaptiveBatchManager:
        """The component with these settings; it checks the rest of them."""
        return AdaptiveBatchManager(
            self.min_batch_size, self.max_batch_size, self.default_batch_size, self.target_quality
        )


class Families(NamedTuple):
    """For each row the row that it was made from, itself where it was recorded, -1 where that is gone; and seats."""

    head: NDArray[np.int64]
    seats: NDArray[np.int64]  # of each head: one, and one for each row made from it


class SizeBatch:
    """Says when there is enough to learn from, and what is learnt: new examples, replay, and what was derived."""

    name: ClassVar[str] = "size_batch"
    Settings: ClassVar[type] = SizingSettings

    def __init__(self, settings: SizingSettings) -> None:
        self.settings = settings

    # When

    def fires_at(self, pool: Pool, moment: Moment) -> FiresAt:  # noqa: ARG002 no chance is in it
        new = _new(pool)
        waiting = int(np.count_nonzero(new))
        if not waiting:
            return FiresAt(self.settings.min_batch_size, "nothing new to learn from yet")
        sizes = dict(self._sizes(pool, new))
        counts = np.bincount(pool["artifact_type"][new])
        mean = sum(found.size * int(counts[code]) for code, found in sizes.items()) / waiting
        if len(sizes) == 1:
            return FiresAt(round(mean), next(iter(sizes.values())).why())
        most = sorted(sizes, key=lambda code: (-counts[code], code))[:_TOLD]
        told = ", ".join(f"{sizes[code].size} for {sizes[code].artifact_type} ({counts[code]} new)" for code in most)
        more = f" and {len(sizes) - _TOLD} more" if len(sizes) > _TOLD else ""
        return FiresAt(round(mean), f"{round(mean)}, the mean over artifact types of {told}{more}")

    def _sizes(self, pool: Pool, new: NDArray[np.bool_]) -> Iterator[tuple[int, BatchSize]]:
        """The document's size for each artifact type among the new examples."""
        types, manager = pool["artifact_type"], self.settings.manager()
        counts = np.bincount(types[pool["example"] >= 0])
        average = counts[counts > 0].mean()
        quality = _mean_quality(pool, new)
        trends = recent_means(types, np.nan_to_num(pool["age_days"]), pool["score"], size=TURN, turns=TURNS)
        for code in np.unique(types[new]).tolist():
            known = quality[code] if not np.isnan(quality[code]) else self.settings.target_quality
            means = trends.get(code, np.empty(0))
            yield (
                code,
                manager.explain_batch_size(
                    _name(pool, code),
                    int(np.count_nonzero(new)),
                    float(known),
                    rarity=max(0.0, 1.0 - float(counts[code] / average)),
                    trend=trend_of(means).slope if len(means) >= FEWEST else None,
                ),
            )

    # What

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        families = _families(pool, self.settings.max_examples)
        new = pool.newest(_new(pool), self.settings.max_examples)
        new = new[np.lexsort((-pool["example"][new], pool["age_days"][new]))]
        fresh = new[np.cumsum(families.seats[new]) <= self.settings.max_examples]
        left = self.settings.max_examples - int(families.seats[fresh].sum())
        earlier = pool.in_order((pool["times_learnt"] > 0) & (pool["example"] >= 0))
        replay, words = self._replay(pool, earlier, self._wanted(len(fresh), len(earlier), left), moment)
        replay = replay[np.cumsum(families.seats[replay]) <= left]
        pool = _because(pool, "new", fresh)
        pool = _because(pool, words, replay, pool["times_learnt"])
        return self._whole(pool, families, np.concatenate([fresh, replay]))

    def _wanted(self, fresh: int, earlier: int, left: int) -> int:
        share = self.settings.replay_share
        return min(round(fresh * share / (1.0 - share)), earlier, left)

    def _replay(self, pool: Pool, earlier: Rows, wanted: int, moment: Moment) -> tuple[Rows, str]:
        has_vector = pool["embedding_row"][earlier] >= 0
        rule = self.settings.replay_rule
        if rule == "typical" and not has_vector.any():
            rule = "random"
        found = choose_rows(
            lambda places: pool.embeddings(earlier[places]),
            has_vector,
            wanted,
            rule=rule,
            rng=moment.rng(self.name),
            ages=pool["age_days"][earlier],
            looked_at=self.settings.looked_at,
        )
        how = {"typical": "the most typical of its cluster", "random": "drawn by chance", "newest": "of the newest"}
        among = found.looked_at or len(earlier)
        return earlier[found.rows], f"replay: {how[rule]}, of {among} looked at; learnt {{0:.0f}} times before"

    def _whole(self, pool: Pool, families: Families, heads: Rows) -> Pool:
        """These rows with what was made from them; why all the others are not in the batch."""
        stays = np.zeros(len(pool), np.bool_)
        stays[heads] = True
        recorded, earlier = pool["example"] >= 0, pool["times_learnt"] > 0
        made = pool.in_order(~recorded & (families.head >= 0) & stays[families.head])[::-1]  # as they were made
        made = made[_turns(families.head[made]) < self.settings.max_examples - 1]
        stays[made] = True
        pool = _because(pool, "goes with the example that it was made from", made)
        for mask, words in (
            (recorded & earlier, "learnt {0:.0f} times before, and not drawn for replay"),
            (recorded & ~earlier, f"new, but the batch is full: {self.settings.max_examples} examples"),
            (~recorded, "what it was made from is not in the batch, or fills it with others"),
        ):
            pool = _because(pool, words, np.flatnonzero(mask & ~stays), pool["times_learnt"], kept=False)
        return pool.take(np.flatnonzero(stays))


def _because(pool: Pool, words: str, rows: Rows, *values: NDArray[np.generic], kept: bool = True) -> Pool:
    return pool.because(SizeBatch.name, words, rows, *values, kept=kept) if len(rows) else pool


def _new(pool: Pool) -> NDArray[np.bool_]:
    """What was recorded and never learnt; what was derived of it is made anew each night."""
    new: NDArray[np.bool_] = (pool["times_learnt"] == 0) & (pool["example"] >= 0)
    return new


def _mean_quality(pool: Pool, new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each artifact type's new examples the mean score, 0 to 1, or what the worth stands for; NaN where none is."""
    score, types = pool["score"][new] / 100.0, pool["artifact_type"][new]
    quality = np.where(np.isnan(score), (1.0 + pool["worth"][new]) / 2.0, score)
    known = ~np.isnan(quality)
    rows = int(types.max()) + 1
    sums = np.bincount(types[known], weights=quality[known], minlength=rows)
    counts = np.bincount(types[known], minlength=rows)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(rows, np.nan), where=counts > 0)
    return means


def _name(pool: Pool, code: int) -> str:
    names = pool.names.get("artifact_type", ())
    named = names[code] if code < len(names) else None
    return named or ("those of no type" if code == 0 else f"type {code}")


def _families(pool: Pool, most: int) -> Families:
    """Children of children belong to what was recorded; a family has no more seats than the batch."""
    head = np.arange(len(pool))
    derived = np.flatnonzero(pool["example"] < 0)
    if len(derived):
        in_order = pool.in_order()
        numbers, wanted = pool["example"][in_order], pool["derived_from"][derived]
        places = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        head[derived] = np.where(numbers[places] == wanted, in_order[places], -1)
        while (unsettled := derived[(head[derived] >= 0) & (pool["example"][head[derived]] < 0)]).size:
            head[unsettled] = head[head[unsettled]]  # a child has a lower number than its source: this ends
    own = head[derived]
    children = np.bincount(own[own >= 0], minlength=len(pool))
    return Families(head, np.minimum(1 + children, most))


def _turns(heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row how many rows before it have the same head."""
    order = np.argsort(heads, kind="stable")
    _, starts, counts = np.unique(heads[order], return_index=True, return_counts=True)
    turns = np.empty(len(heads), np.int64)
    turns[order] = np.arange(len(heads)) - np.repeat(starts, counts)
    return turns


STAGE = SizeBatch
