"""What fires a run while a window is open: five questions, each answered with its figures in one line.

Pure functions of a pool and of what the last batch said of itself. They read no clock, no log and no configuration
but the trigger settings that they are handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool
from adaptd.plugin.stage import FiresAt
from daemon.night_settings import TriggerSettings

MICROSECONDS_A_DAY = 86_400_000_000
WITHOUT_SIZING = FiresAt(20, "the smallest batch of the V2 document; no stage sizes batches")
WORTH_WINDOW = 200  # the newest examples whose mean worth is compared
WORTH_AT_LEAST = 50  # fewer say nothing of a fall
DRIFT_WINDOW = 10_000  # the newest inputs of either kind whose mean is taken
DRIFT_AT_LEAST = 20


class Trigger(NamedTuple):
    """One question's answer. `missing` is how many new examples would change it, 0 where that is not the question."""

    name: str
    fires: bool
    words: str
    missing: int = 0


class Decision(NamedTuple):
    """Whether a run is worth it now, and what each trigger says."""

    fires: bool
    triggers: tuple[Trigger, ...]

    @property
    def by(self) -> list[str]:
        """The triggers that fire, in words."""
        return [trigger.words for trigger in self.triggers if trigger.fires]

    @property
    def why_not(self) -> list[str]:
        """Those that do not, in words."""
        return [trigger.words for trigger in self.triggers if not trigger.fires]

    @property
    def missing(self) -> int:
        """At least so many examples must come before new ones alone can change it; 0 where they cannot."""
        return min((trigger.missing for trigger in self.triggers if trigger.missing), default=0)


def decide(
    settings: TriggerSettings,
    pool: Pool,
    moment: Moment,
    fires_at: FiresAt | None,
    last: Mapping[str, Any] | None,
    *,
    by_hand: bool = False,
) -> Decision:
    """All configured triggers on this pool; `last` is the workload's newest batch, as the view of batches tells it.

    `fires_at` is what the stage that sizes batches says, None where there is none.
    """
    told = tuple(_asked(settings, pool, moment, fires_at, last))
    if by_hand:
        return Decision(True, (Trigger("by_hand", True, "asked for by hand"), *told))
    if not told:
        return Decision(False, (Trigger("none", False, "no trigger is set: only `adaptd train now` starts a run"),))
    fires = [trigger.fires for trigger in told]
    return Decision(all(fires) if settings.combine == "all" else any(fires), told)


def _asked(
    settings: TriggerSettings, pool: Pool, moment: Moment, fires_at: FiresAt | None, last: Mapping[str, Any] | None
) -> Sequence[Trigger]:
    new = new_examples(pool)
    told = []
    if settings.new_examples == "sized":
        told.append(enough_new(new, fires_at or WITHOUT_SIZING))
    elif settings.new_examples > 0:
        told.append(enough_new(new, FiresAt(settings.new_examples, "")))
    if settings.days is not None:
        told.append(days_passed(new, settings.days, _days_since(pool, moment, last), last is not None))
    if settings.reward_drop is not None:
        told.append(worth_fell(settings.reward_drop, worth_figures(pool), (last or {}).get("figures")))
    if settings.drift is not None:
        told.append(inputs_drifted(settings.drift, pool))
    return told


def new_examples(pool: Pool) -> int:
    """How many the workload has not learnt from."""
    return int(np.count_nonzero(pool["times_learnt"] == 0))


def enough_new(new: int, fires_at: FiresAt) -> Trigger:
    """Are there as many new examples as a run is worth?"""
    wanted = max(1, fires_at.new_examples)
    words = f"{new:,} of {wanted:,} new examples" + (f"; {fires_at.words}" if fires_at.words else "")
    return Trigger("new_examples", new >= wanted, words, max(0, wanted - new))


def days_passed(new: int, wanted: float, days: float, has_run: bool) -> Trigger:  # noqa: FBT001 what `days` counts from
    """Has it been so long since the last batch, or since the first feedback where there was none?"""
    since = "the last batch" if has_run else "the first feedback"
    words = f"{days:.1f} of {wanted:g} days since {since}"
    if not new:
        return Trigger("days", False, f"{words}, and no new example", 1)
    return Trigger("days", days >= wanted, words)


def _days_since(pool: Pool, moment: Moment, last: Mapping[str, Any] | None) -> float:
    if last is not None:
        return float(max(0, moment.now - last["at"]) / MICROSECONDS_A_DAY)
    return float(pool["age_days"].max(initial=0.0))


def worth_figures(pool: Pool) -> dict[str, Any]:
    """The mean worth of the newest feedback, and of how many examples: what a batch tells the next one."""
    told = np.flatnonzero(~np.isnan(pool["worth"]))
    newest = told[np.argsort(pool["age_days"][told], kind="stable")[:WORTH_WINDOW]]
    mean = round(float(pool["worth"][newest].mean()), 9) if len(newest) else None
    return {"worth_mean": mean, "worth_count": len(newest)}


def worth_fell(drop: float, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> Trigger:
    """Is the newest feedback worth less than it was when the last batch was formed?"""
    few = f"expected {WORTH_AT_LEAST} examples that feedback says something of"
    if before is None or before["worth_mean"] is None:
        return Trigger("reward_drop", False, "worth of feedback: no batch yet to compare with")
    if min(now["worth_count"], before["worth_count"]) < WORTH_AT_LEAST:
        words = f"worth of feedback: {now['worth_count']} now and {before['worth_count']} at the last batch, {few}"
        return Trigger("reward_drop", False, words)
    fell = before["worth_mean"] - now["worth_mean"]
    words = f"worth of feedback {now['worth_mean']:+.2f}, {before['worth_mean']:+.2f} at the last batch; drop {drop:g}"
    return Trigger("reward_drop", round(fell, 9) >= drop, words)


def inputs_drifted(distance: float, pool: Pool) -> Trigger:
    """Are new inputs elsewhere than those that were learnt?"""
    has = pool["embedding_row"] >= 0
    new = _newest(pool, has & (pool["times_learnt"] == 0))
    learnt = _newest(pool, has & (pool["times_learnt"] > 0))
    if min(len(new), len(learnt)) < DRIFT_AT_LEAST:
        words = f"drift: {len(new)} new and {len(learnt)} learnt inputs, expected {DRIFT_AT_LEAST} of each"
        return Trigger("drift", False, words)
    found = _cosine_distance(pool.embeddings(new).mean(axis=0), pool.embeddings(learnt).mean(axis=0))
    return Trigger("drift", found >= distance, f"drift of inputs {found:.3f} of {distance:g}")


def _newest(pool: Pool, mask: Any) -> Any:
    rows = np.flatnonzero(mask)
    if len(rows) <= DRIFT_WINDOW:
        return rows
    return rows[np.argsort(pool["age_days"][rows], kind="stable")[:DRIFT_WINDOW]]


def _cosine_distance(one: Any, other: Any) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1.0 if norm == 0 else float(1 - np.dot(one, other) / norm)
