"""This file knows what log and components of the V2 document's loop tell each other beside the stage line.

The tracker is told of each judging: how the new model did on what is held out, per artifact type, on the document's
scale from 0 to 100. The miner is told of what the log has on the learn side with a score. What the optimizer has found
gets into the log as any search's choice does, and the next run is trained by it. All go by the component that is there
now: another tracker or miner is told everything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from adaptd.plugin.moment import Moment
from daemon.clock_and_chance import Chance
from daemon.event_kinds import SETTINGS_CHOSEN, own_event
from daemon.judge_folder import judge_folder
from daemon.judge_results import BadResults, Results
from daemon.opening import State
from daemon.pool_sources import Sources
from daemon.pooling import Wanted, rated_of
from daemon.settings import Settings
from daemon.views.chosen import Chosen
from daemon.views.examples import Examples
from daemon.views.models import JUDGED, Models

MOST_SCORES = 5_000
ANY = "any"  # the optimizer's word for all artifact types together
STUDY = "in the host's own process"


def told_of_judgings(state: State, tracker: Any) -> Iterator[str]:
    """Each judging that the tracker does not know yet, the oldest first."""
    known = {one.model for one in tracker.state}
    for fact in state.views.of(Models).facts():
        name = f"{fact['workload']}/{fact.get('model')}"
        if fact["kind"] == JUDGED and name not in known:
            known.add(name)
            found = _scores(state, fact)
            if found is not None:
                tracker.record_evaluation(name, *found, latencies_ms=_latencies(fact, found[1]))
                yield f"{name} did {found[0].mean():.1f} of 100 on {len(found[0])} held-out examples"


def _latencies(fact: dict[str, Any], types: list[str | None]) -> Any:
    """Milliseconds that the new model took for each example: of its type, else of all together; None if not known."""
    took = (fact.get("latency") or {}).get("challenger")
    if took is None:
        return None
    by_type = fact.get("latencies") or {}
    return np.array([1000.0 * by_type.get(f"type {name}", {}).get("challenger", took) for name in types])


def _scores(state: State, fact: dict[str, Any]) -> tuple[Any, Any] | None:
    """Of the target metric, per example; None where it is no share, or the answers are gone."""
    path = judge_folder(state.state_dir, fact["workload"], fact["model"]).results
    try:
        judged = Results.read(path, fact["results"], fact["metric"]).judged
    except BadResults:
        return None
    scores = judged.challenger[fact["metric"]] if len(judged) else np.zeros(0)
    if not len(scores) or scores.min() < 0.0 or scores.max() > 1.0:
        return None
    return 100.0 * scores, [name or None for name in judged.artifact_type]


def told_of_scores(state: State, settings: Settings, miner: Any) -> None:
    """Of the newest outputs of the learn side that have a score; the miner itself knows what is a failure."""
    sources = Sources(state.state_dir, state.log, state.sealing, lambda: settings)
    moment = Moment(0, state.views.position, 0)
    pool = rated_of(sources(state.views.of(Examples)), Wanted(), moment)
    rows = np.flatnonzero(~np.isnan(pool["score"]))[-MOST_SCORES:]
    for text, score in zip(pool.texts(rows), pool["score"][rows].tolist(), strict=True):
        if text.get("input") is not None and text.get("output") is not None and text.get("artifact_type"):
            miner.record_failure(text["input"], text["output"], score, text["artifact_type"])


def take_found(state: State, found: Any, workloads: Iterable[str], chance: Chance, now: int) -> Iterator[str]:
    """An Optimization becomes `settings_chosen` of each workload; nothing where that is what was chosen last."""
    artifact_type = None if found.artifact_type == ANY else found.artifact_type
    if not np.isfinite(found.best_score):
        return
    for workload in workloads:
        newest = state.views.of(Chosen).newest(workload, artifact_type)
        before = dict(newest["settings"]) if newest else {}
        if before != dict(found.best_params):
            body = _choice(workload, artifact_type, found, before)
            state.log.append([own_event(SETTINGS_CHOSEN, body, now, chance)])
            state.views.catch_up()
            yield f"{workload}: the settings that hparam_optimizer has found for {found.artifact_type} are taken"


def _choice(workload: str, artifact_type: str | None, found: Any, before: dict[str, Any]) -> dict[str, Any]:
    return {
        "workload": workload,
        "artifact_type": artifact_type,
        "settings": dict(found.best_params),
        "metric": "score",
        "score": float(found.best_score),
        "baseline_score": None,
        "before": before,
        "trials": len(found.trials),
        "learnt": 0,
        "validated": 0,
        "seconds": 0.0,
        "study": STUDY,
        "note": found.note,
    }
