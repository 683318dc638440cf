"""This file knows how a batch is made of a pool at a moment: triggers, stages, rows, hashes, and the event's body.

The same for the daemon that forms one, for a look at what tonight would learn, and for forming one again later. It
writes no event; the memories of stages are kept where the caller says.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adaptd import __version__
from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool, Rows
from daemon.batches import FormedBatch, RowHashes, hash_over, reasons_of, rows_of, seed_of, validation_of
from daemon.deriving import as_text
from daemon.event_log import EventLog
from daemon.night_settings import WorkloadSettings
from daemon.plugin_loading import Plugin, load
from daemon.pooling import Pooled, Source, Wanted, pool_of
from daemon.pooling import validation_of as validation_pool
from daemon.stage_line import Failed, Shaped, StageLine
from daemon.stage_memory import StageMemory
from daemon.triggers import Decision, decide, new_examples, worth_figures
from daemon.views.batches import Batches, digest_of
from daemon.views.examples import Examples

HELD_APART, COPY = "held apart", "a made example whose input is nearly equal to a held-out one"
REASON_KEPT = 500  # characters
MOST_VALIDATION = 2000  # more make no better stop, and each costs a look at what was said of it


@dataclass(frozen=True)
class Standing:
    """A log up to one position: what was folded of it, and what pools are made from."""

    log: EventLog
    examples: Examples
    batches: Batches
    source: Source
    position: int
    memories: Path | None = None  # the folder of what stages remember; None: from the start, and kept nowhere

    def newest_of(self, outputs: Rows) -> Rows:
        """The number of the newest feedback on each of these outputs."""
        resolved = self.examples.resolved("seq", "newest_seq")
        order = np.argsort(resolved["seq"], kind="stable")
        places = order[np.searchsorted(resolved["seq"], outputs, sorter=order)]
        newest: Rows = resolved["newest_seq"][places].astype(np.int64)
        return newest


class Line(NamedTuple):
    """One configured workload: its plugin, what an example of it must have, and its stages."""

    workload: str
    plugin: Plugin
    needs: tuple[str, ...]
    settings: WorkloadSettings
    stages: StageLine

    @classmethod
    def load(cls, workload: str, settings: WorkloadSettings, beside: Path) -> Line:
        """As config.toml says it; PluginRejected or BadSettings where that cannot be."""
        plugin = load("workload", settings.plugin or workload, beside)
        made = plugin.make(settings.settings, f"workloads.{workload}.settings")
        stages = StageLine.load(workload, settings, beside)
        return cls(workload, plugin, tuple(made.describe().needs), settings, stages)

    @property
    def wanted(self) -> Wanted:
        """Which examples it can use."""
        return Wanted(self.settings.artifact_types, self.needs)

    @property
    def filter(self) -> dict[str, Any]:
        """What of config.toml decides over the pool and the line, beside the stages themselves."""
        types = sorted(self.settings.artifact_types)
        return {"artifact_types": types, "needs": sorted(self.needs), "on_error": self.settings.on_error}


class NotYet(NamedTuple):
    """Why there is no batch: a kind of reason, and words with the figures."""

    kind: str  # plugin, empty, triggers, stage, nothing_left
    reason: str
    triggers: tuple[str, ...] = ()
    missing: int = 0


class Made(NamedTuple):
    """What came of one attempt: all that was found out, whether or not there is a batch."""

    line: Line
    moment: Moment
    taken: Pooled
    decision: Decision | None
    shaped: Shaped | None
    batch: FormedBatch | None
    why_not: NotYet | None

    @property
    def failures(self) -> list[Failed]:
        """The stages that failed, whatever became of the batch."""
        return [] if self.shaped is None else self.shaped.failures


def moment_of(standing: Standing, workload: str, number: int, now: int) -> Moment:
    """The moment at which the batch of that number is formed."""
    return Moment(now, standing.position, seed_of(standing.log.salt, workload, number))


class BeginsFrom(NamedTuple):
    """The model that a batch's run is to begin from, where it is not the champion; None: one that has learnt nothing.

    What that model has not learnt is new to the batch.
    """

    model: int | None


def begins_from(body: Mapping[str, Any]) -> BeginsFrom | None:
    """As a batch's event says it; None where it is the champion."""
    return BeginsFrom(**body["begins_from"]) if "begins_from" in body else None


def make(
    standing: Standing,
    line: Line,
    now: int,
    night: str | None,
    *,
    asked: bool = False,
    in_any_case: bool = False,
    begins: BeginsFrom | None = None,
) -> Made:
    """The next batch, where triggers, stages and rows give one. `in_any_case`: also what no trigger fires for."""
    number = standing.batches.next_number()
    moment = moment_of(standing, line.workload, number, now)
    taken = take(standing, line, moment, begins)
    decision = _decided(standing, line, _waiting(standing, line, taken.pool), moment, by_hand=asked)
    if isinstance(decision, Failed):
        return Made(line, moment, taken, None, Shaped(taken.pool, [], [decision], refused=True), None, _of(decision))
    why_not = _why_not(taken, decision)
    if why_not is not None and not (in_any_case and len(taken.pool)):
        return Made(line, moment, taken, decision, None, None, why_not)
    shaped, batch = shape(standing, line, taken, moment, number, night, decision.by)
    if batch is not None and begins is not None:
        batch = batch._replace(body=batch.body | {"begins_from": begins._asdict()})
    return Made(line, moment, taken, decision, shaped, batch, why_not or (None if batch else _left_none(taken, shaped)))


def take(standing: Standing, line: Line, moment: Moment, begins: BeginsFrom | None = None) -> Pooled:
    """What the workload may learn from at that moment. NotPrepared where that cannot be known yet."""
    batches, workload = standing.batches, line.workload
    times = batches.times_learnt(workload) if begins is None else batches.times_learnt_by(workload, begins.model)
    return pool_of(standing.source, line.wanted, times, moment)


def _waiting(standing: Standing, line: Line, pool: Pool) -> Pool:
    """The pool as triggers count it: what was in a batch whose model was turned down fires no other run by itself."""
    times = standing.batches.times_in_batches(line.workload)
    known = np.flatnonzero(pool["example"] < len(times))
    tried = np.zeros(len(pool), np.int32)
    tried[known] = times[pool["example"][known]]
    return pool.with_columns(times_learnt=tried)


def validation_at(standing: Standing, line: Line, moment: Moment) -> Pool:
    """What a run stops by: the newest of the validate side, in the order of the log."""
    pool = validation_pool(standing.source, line.wanted, moment)
    return pool.take(np.sort(pool.newest(np.ones(len(pool), np.bool_), MOST_VALIDATION)))


def _decided(standing: Standing, line: Line, pool: Pool, moment: Moment, *, by_hand: bool) -> Decision | Failed:
    fires_at = line.stages.fires_at(pool, moment) if line.settings.trigger.new_examples == "sized" else None
    if isinstance(fires_at, Failed):
        if line.settings.on_error == "refuse":
            return fires_at
        fires_at = None
    last = standing.batches.newest(line.workload)
    return decide(line.settings.trigger, pool, moment, fires_at, last, by_hand=by_hand)


def _why_not(taken: Pooled, decision: Decision) -> NotYet | None:
    if not len(taken.pool):
        reason = taken.advice or "nothing to learn from: no rated output on the learn side"
        return NotYet("empty", reason[:REASON_KEPT], (), 1)
    if not decision.fires:
        why_not = tuple(decision.why_not)
        return NotYet("triggers", "; ".join(why_not)[:REASON_KEPT], why_not, decision.missing)
    return None


def _of(failed: Failed) -> NotYet:
    return NotYet("stage", f"stage {failed.stage!r}: {failed.reason}; on_error = refuse"[:REASON_KEPT])


def _left_none(taken: Pooled, shaped: Shaped) -> NotYet:
    if shaped.refused:
        return _of(shaped.failures[-1])
    counts = {told["name"]: sum(one["count"] for one in told["left_out"]) for told in shaped.stages}
    words = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    return NotYet("nothing_left", f"the stages left none of {len(taken.pool):,} examples: {words}"[:REASON_KEPT])


def shape(
    standing: Standing, line: Line, taken: Pooled, moment: Moment, number: int, night: str | None, by: list[str]
) -> tuple[Shaped, FormedBatch | None]:
    """The pool after all stages, and the batch of that number; none where a stage refused it or nothing is left."""
    folder = None if standing.memories is None else standing.memories / line.workload
    shaped = line.stages.shape(taken.pool, moment, StageMemory(folder, taken.pool, standing.newest_of))
    shaped, copies = _less_copies(shaped, standing.source, moment)
    if shaped.refused or not len(shaped.pool):
        return shaped, None
    validation = validation_at(standing, line, moment)
    hashes = RowHashes(standing.log, standing.examples)
    salt, row_hashes = standing.log.salt, hashes.of_pool(shaped.pool)
    body = {
        "batch": number,
        "workload": line.workload,
        "plugin": {"name": line.plugin.name, "code": line.plugin.code_hash},
        "night": night,
        "by": by,
        "position": moment.log_position,
        "now": moment.now,
        "seed": moment.seed,
        "filter": line.filter,
        "stages": shaped.stages,
        "fingerprints": fingerprints(taken),
        "held_apart": {**taken.held_apart, **({"derived": copies} if copies else {})},
        "figures": {"pool": len(taken.pool), "new": new_examples(taken.pool), **worth_figures(taken.pool)},
        "rows": rows_of(shaped.pool, row_hashes),
        "reasons": reasons_of(shaped.pool),
        "validation": validation_of(validation, hashes.of_pool(validation), salt),
        "hash": hash_over(salt, row_hashes),
    }
    repeated = _repeated(standing, line.workload, shaped.pool)
    body |= {} if repeated is None else {"repeats": repeated}
    return shaped, FormedBatch(number, replace(shaped.pool, reasons=()), validation, body)


def _repeated(standing: Standing, workload: str, pool: Pool) -> int | None:
    """The first batch that learnt the same examples anew, of which nothing was said since: this one is it once more."""
    anew = pool["example"][(pool["example"] > 0) & (pool["times_learnt"] == 0)]
    same = [told for told in standing.batches.listed(workload) if told["anew"] == digest_of(anew)]
    if not len(anew) or not same:
        return None
    said = int(standing.newest_of(anew).max())
    return next((int(told["batch"]) for told in same if said <= told["position"]), None)


def _less_copies(shaped: Shaped, source: Source, moment: Moment) -> tuple[Shaped, int]:
    """Without what a stage made and that is nearly equal to a held-out input, and how many those are.

    What was recorded is held apart already; a stage sees no held-out example, so it cannot look itself.
    """
    pool, derived = shaped.pool, source.derived
    made = np.flatnonzero(pool["derived_from"] >= 0)
    if derived is None or not len(made):
        return shaped, 0
    inputs = [as_text(text.get("input")) or "" for text in pool.texts(made)]
    is_copy = np.zeros(len(pool), np.bool_)
    is_copy[made] = derived.near_held_out(inputs, moment.log_position)
    return shaped._replace(pool=pool.keep(~is_copy, HELD_APART, COPY)), int(is_copy.sum())


def fingerprints(taken: Pooled) -> dict[str, str | None]:
    """What beside code and settings of the plugins decides over a batch."""
    return {
        "adaptd": __version__,
        "numpy": np.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "embeddings": taken.embeddings,
    }
