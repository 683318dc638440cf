"""This file knows how what two models answered becomes a decision in the log: level, chance, and the whole evidence.

The level comes from the budget that all workloads share, and from every decision that the log has; chance from a seed
of the log. The decision itself is `daemon.gate`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adaptd.plugin.workload import Metric
from components.promotion_statistics import left_of, level_now
from daemon.batches import seed_of
from daemon.clock_and_chance import seeded_rng
from daemon.event_kinds import CHALLENGER_PROMOTED, CHALLENGER_TURNED_DOWN, Body, Kind
from daemon.gate import Answers, Case, Decision, Policy, Ratings, decide, fair_of
from daemon.judge_results import Results
from daemon.views.models import Model, Standing, Taken

if TYPE_CHECKING:
    from daemon.night_settings import GateSettings

DAY = 86_400_000_000  # microseconds
NOBODY = Answers(champion=np.zeros(0), challenger=np.zeros(0), artifact_type=(), fair=np.zeros(0, np.bool_))


class Level(NamedTuple):
    """What the next decision of a workload may spend, and what all of them may together."""

    level: float
    left: float


def level_of(gate: GateSettings, taken: Sequence[Taken], workload: str, sharing: int, now: int) -> Level:
    """By the decisions that the log has of all workloads. A clock that was set back gives nothing more."""
    per_year, days = gate.false_promotions_per_year, [one.at / DAY for one in taken]
    left = left_of(per_year, days, [one.level for one in taken], max([now / DAY, *days]))
    mine = [one.at for one in taken if one.workload == workload]
    since = max(0.0, (now - max(mine)) / DAY) if mine else 1.0
    return Level(level_now(per_year, max(1, sharing), since, left=left), left)


def policy_of(gate: GateSettings) -> Policy:
    """What the gate goes by."""
    return Policy(
        judge_wanted=gate.judge_wanted,
        when_few=gate.when_few,
        slice_min=gate.slice_min,
        margin=gate.margin,
        most_negative_flips=gate.most_negative_flips,
        most_latency=gate.most_latency,
        most_size=gate.most_size,
    )


def case_of(
    metric: Metric, results: Results | None, told: Mapping[str, Any] | None, ratings: Ratings, level: Level
) -> Case:
    """What a decision rests on: the answers, and what `challenger_judged` says beside them."""
    if results is None or told is None:
        return Case(metric=metric.name, judged=NOBODY, ratings=ratings, level=level.level, budget_left=level.left)
    latency = _pair(told.get("latency"))
    by_type = {name: _pair(one) for name, one in (told.get("latencies") or {}).items()}
    return Case(
        metric=metric.name,
        judged=results.judged.answers(metric),
        golden=None if results.golden is None else results.golden.answers(metric),
        ratings=ratings,
        latency=latency,
        latencies={name: pair for name, pair in by_type.items() if pair is not None},
        size=_pair(told.get("size")),
        level=level.level,
        budget_left=level.left,
    )


def _pair(told: Mapping[str, float] | None) -> tuple[float, float] | None:
    """Of champion and challenger; None where there was no champion to measure."""
    if told is None or "champion" not in told:
        return None
    return float(told["champion"]), float(told["challenger"])


def decided(case: Case, gate: GateSettings, salt: bytes, workload: str, model: int) -> Decision:
    """By a chance that nobody outside the log can foresee."""
    return decide(case, policy_of(gate), seeded_rng(seed_of(salt, f"gate of {workload}", model)))


def spent(decision: Decision, case: Case, gate: GateSettings) -> float:
    """What the decision took of the budget: nothing where too few fair examples could have promoted nobody."""
    return case.level if len(fair_of(case)) >= gate.judge_wanted and len(decision.clauses) > 1 else 0.0


def event_of(workload: str, model: Model, standing: Standing, decision: Decision, level: float) -> tuple[Kind, Body]:
    """With the whole evidence."""
    body = {"workload": workload, "model": model.number, "run": model.run, "level": level, "decision": asdict(decision)}
    if decision.verdict == "promote":
        told = {"previous": standing.champion, "by": "gate", "reason": decision.sentence}
        return CHALLENGER_PROMOTED, body | told
    return CHALLENGER_TURNED_DOWN, body | {"champion": standing.champion, "failed": None}


def failed_event(workload: str, model: Model, standing: Standing, why: str) -> tuple[Kind, Body]:
    """Turned down since it could not be judged: nothing was decided, and nothing spent."""
    body = {"workload": workload, "model": model.number, "run": model.run, "champion": standing.champion}
    return CHALLENGER_TURNED_DOWN, body | {"level": 0.0, "decision": None, "failed": why}
