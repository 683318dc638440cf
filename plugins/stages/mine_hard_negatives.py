"""Give failures their share of what is learnt: the hardest weigh more, up to a share of all weight.

A failure has a score under 60 or, unscored, a negative worth. How hard it is: how deep, how often and how lately it
failed (components/hard_examples.py), in the column `hard`. Where failures have less than `share` of the weight, among
new examples or among those learnt before, they gain what lacks, the harder the more, each up to `most_times` its own;
where they have more, they are left as they are. What a wrong rating probably made hard is set aside: it keeps its
weight and gains none. So is what contradicts itself (thumbs up on what failed), what never came right however often it
was learnt, and, where `compared` says so, what its neighbours contradict (components/label_noise.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Moment, Pool
from components.bad_input import one_number, whole_number
from components.hard_examples import DECAY_PER_DAY, FAILURE_BELOW, HARD_SHARE, difficulties
from components.hard_negative_miner import GIVE_UP_AFTER, SUSPECT_FROM
from components.label_noise import neighbour_probabilities, suspect_labels
from components.large_pools import stretches

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MiningSettings:
    share: float = HARD_SHARE  # of all weight, that failures are brought up to
    failure_below: float = FAILURE_BELOW  # the score under which an output failed
    most_times: float = 3.0  # its own weight, that a failure may come to
    decay_per_day: float = DECAY_PER_DAY  # a failure of yesterday is so much less recent
    suspect_from: float = SUSPECT_FROM  # how probably a rating is wrong before its example is set aside, 0 to 1
    give_up_after: int = GIVE_UP_AFTER  # times that a failure was learnt and still is one
    compared: int = 0  # examples of which neighbours are asked whether a failure is one; 0 asks none

    def __post_init__(self) -> None:
        one_number("share", self.share, 0.0, 0.95)
        one_number("failure_below", self.failure_below, 0.0, 100.0, above=True)
        one_number("most_times", self.most_times, 1.0, 100.0)
        one_number("decay_per_day", self.decay_per_day, 0.0, 1.0)
        one_number("suspect_from", self.suspect_from, 0.0, 1.0, above=True)
        whole_number("give_up_after", self.give_up_after, low=1)
        whole_number("compared", self.compared, high=20_000)


class MineHardNegatives:
    """Weighs hard failures up to their share, and sets aside what a wrong rating made hard."""

    name: ClassVar[str] = "mine_hard_negatives"
    Settings: ClassVar[type] = MiningSettings

    def __init__(self, settings: MiningSettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        score = _scores(pool)
        failed = self._failed(pool)
        doubt = np.maximum(_contradiction(pool), self._against_neighbours(pool, failed, moment)) * failed
        given_up = failed & (pool["times_learnt"] >= self.settings.give_up_after)
        suspect = failed & (doubt >= self.settings.suspect_from)
        hard = np.zeros(len(pool))
        mined = np.flatnonzero(failed & ~suspect & ~given_up)
        hard[mined] = difficulties(
            score[mined],
            np.maximum(pool["downs"][mined], 1),
            np.nan_to_num(pool["age_days"][mined]),
            suspicion=doubt[mined],
            failure_below=self.settings.failure_below,
            decay_per_day=self.settings.decay_per_day,
        ).difficulty
        weight = self._weights(pool, hard, failed)
        shaped = pool.with_columns(hard=hard, weight=weight)
        return self._told(shaped, pool["weight"], score, doubt, suspect, given_up & ~suspect)

    def _weights(self, pool: Pool, hard: Floats, failed: Mask) -> Floats:
        """Among what is new and among what was learnt before: a batch takes of the one as it will, not of the other."""
        weight, share, most = pool["weight"].copy(), self.settings.share, self.settings.most_times
        for part in (pool["times_learnt"] == 0, pool["times_learnt"] > 0):
            weight[part] = weights_with_share(weight[part], hard[part], failed[part], share, most)
        return weight

    def _failed(self, pool: Pool) -> Mask:
        score, worth = pool["score"], pool["worth"]
        failed: Mask = np.where(np.isnan(score), worth < 0, score < self.settings.failure_below)
        return failed & (pool["example"] >= 0)

    def _against_neighbours(self, pool: Pool, failed: Mask, moment: Moment) -> Floats:
        """By how much others nearby speak against a failure, for some failures and as many others."""
        doubt = np.zeros(len(pool))
        places = pool["embedding_row"] >= 0
        rng, half = moment.rng(self.name), self.settings.compared // 2
        rows = [pool.in_order(places & failed), pool.in_order(places & ~failed & ~np.isnan(_scores(pool)))]
        if not half or not all(map(len, rows)):
            return doubt
        some = np.concatenate([each[stretches(len(each), half, rng)] for each in rows])
        labels = failed[some].astype(np.int64)
        vectors = pool.embeddings(some)
        if vectors.shape[1]:
            found = suspect_labels(labels, neighbour_probabilities(vectors, labels, classes=2))
            doubt[some] = found.suspicion
        return doubt

    def _told(self, pool: Pool, before: Floats, score: Floats, doubt: Floats, suspect: Mask, given_up: Mask) -> Pool:
        times = np.divide(pool["weight"], before, out=np.ones(len(pool)), where=before > 0)
        said = (
            (pool["hard"] > 0, "hard {0:.2f}: a score of {1:.0f}; weight {2:.2f} times", (pool["hard"], score, times)),
            (suspect, "failed, but its rating is probably wrong ({0:.0%}): set aside", (doubt,)),
            (given_up, "learnt {0:.0f} times and never came right: set aside", (pool["times_learnt"].astype(float),)),
        )
        for mask, words, values in said:
            if mask.any():
                pool = pool.because(self.name, words, np.flatnonzero(mask), *values)
        return pool


def weights_with_share(weight: Floats, hard: Floats, failed: Mask, share: float, most_times: float) -> Floats:
    """The weights with what failures lack of their share of all weight, dealt out by how hard each is."""
    of_failures, of_others = float(weight[failed].sum()), float(weight[~failed].sum())
    lacking = share / (1.0 - share) * of_others - of_failures
    pull = weight * hard
    if lacking <= 0 or pull.sum() <= 0:
        return weight
    most = np.where(hard > 0, most_times * weight, weight)
    raised: Floats = np.minimum(weight + lacking * pull / pull.sum(), most)
    return raised


def _scores(pool: Pool) -> Floats:
    """Scores; where there is none, what the worth stands for; NaN where nothing is known."""
    score = pool["score"]
    scores: Floats = np.where(np.isnan(score), 50.0 * (1.0 + pool["worth"]), score)
    return scores


def _contradiction(pool: Pool) -> Floats:
    """The share of good ratings among the thumbs and the score of an example that failed."""
    ups, downs = pool["ups"].astype(np.float64), pool["downs"]
    ratings = ups + downs + ~np.isnan(pool["score"])
    share: Floats = np.divide(ups, ratings, out=np.zeros(len(pool)), where=ratings > 0)
    return share


STAGE = MineHardNegatives
