"""Nights as the log tells of them: judgings, decisions and rollbacks, made by hand, in a real state folder."""

from datetime import UTC, date, datetime, timedelta
from math import sqrt

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import KINDS, own_event
from daemon.opening import open_state
from daemon.settings import settings_of
from tests import made_state

FIRST = date(2026, 11, 12)
DAY = 86_400_000_000
CONFIG = """
[adaptd]
[device]
use = "cpu"
[embeddings]
model = "hashing"
[workloads.support]
plugin = "tiny_classifier"
"""


def moment(night, hours=1.5):
    """Microseconds of an hour of the n-th night's date."""
    midnight = datetime.combine(FIRST + timedelta(days=night), datetime.min.time(), UTC)
    return round((midnight.timestamp() + hours * 3600) * 1e6)


def named(night):
    return (FIRST + timedelta(days=night)).isoformat()


def interval(mean, rows):
    """As wide as the normal one, within 0 and 1."""
    half = 1.959964 * sqrt(max(mean * (1 - mean), 0.001) / rows)
    return {"mean": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half)}


def pair(means, rows):
    return dict(zip(("champion", "challenger"), (interval(mean, rows) for mean in means), strict=True))


def opened(night):
    at = moment(night, 1)
    return (
        moment(night, 1),
        "night_opened",
        {"date": named(night), "opens_at": at, "closes_at": at + DAY // 5, "late": False},
    )


def not_formed(night, reason="3 of 20 new examples", workload="support", hours=1.1):
    return moment(night, hours), "batch_not_formed", {"workload": workload, "night": named(night), "reason": reason}


def judged(night, model, champion, means, rows=400, workload="support", hours=1.5, **more):
    """`means` of champion and challenger; more slices as in `types={"erd": (0.5, 0.6)}`."""
    types = more.pop("types", {})
    slices = {"all": means} | {f"type {name}": one for name, one in types.items()}
    metrics = {name: {"rows": rows, "correct": pair(one, rows)} for name, one in slices.items()}
    success = {name: pair(one, rows) for name, one in slices.items()}
    body = {"workload": workload, "model": model, "champion": champion, "run": f"run-{model:04}", "outputs": []}
    took = {f"type {name}": {"champion": 0.002 + 0.001 * n, "challenger": 0.003} for n, name in enumerate(types)}
    body |= {"latencies": took}
    body |= {"metric": "correct", "higher_is_better": True, "success": success, "metrics": metrics}
    return (
        moment(night, hours),
        "challenger_judged",
        body | {"latency": {"champion": 0.002, "challenger": 0.003}} | more,
    )


def promoted(night, model, workload="support", hours=1.6, by="gate", reason=None):
    decision = {"verdict": "promote", "sentence": "Promoted: correct +5.0 points, and worse nowhere."}
    body = {"workload": workload, "model": model, "by": by, "reason": reason, "level": 0.01, "decision": decision}
    return moment(night, hours), "challenger_promoted", body


def turned_down(night, model, workload="support", hours=1.6, failed=None, verdict="turn down"):
    decision = None if failed else {"verdict": verdict, "sentence": "Turned down: correct -2.0 points."}
    body = {"workload": workload, "model": model, "champion": 1, "level": 0.01, "decision": decision, "failed": failed}
    return moment(night, hours), "challenger_turned_down", body


def rolled_back(night, old, to, workload="support", hours=14.0, reason="it lied"):
    return moment(night, hours), "champion_rolled_back", {"workload": workload, "from": old, "to": to, "reason": reason}


def planned(night, run, workload="support"):
    return moment(night, 1.2), "run_planned", {"run": run, "batch": 1, "workload": workload, "night": named(night)}


def run_failed(night, run, reason="the loss is no number", *, final=True):
    return moment(night, 1.3), "run_failed", {"run": run, "attempt": 1, "reason": reason, "final": final}


def make(folder, events, config=CONFIG):
    """A place whose log has them, with views folded to its head."""
    made_state.init(folder)
    (folder / "config.toml").write_text(config)
    settings = settings_of(config, folder / "config.toml")
    clock, chance = StoppedClock(moment(0, 0)), SeededChance(3)
    with open_state(folder / "state", settings, clock, chance) as state:
        state.log.append([own_event(KINDS[kind], body, at, chance) for at, kind, body in events])
        state.views.catch_up()
    return folder


def a_season(nights=40):
    """Rising, then still; a night of a lost run, idle ones, a rollback; erd falls at the end."""
    events, champion, before, level = [], None, None, 0.55
    for night in range(nights):
        events.append(opened(night))
        if night % 7 == 6:
            events.append(not_formed(night))
            continue
        if night == 11:
            events += [planned(night, "run-0900"), run_failed(night, "run-0900")]
            continue
        model, better = night + 1, night < 20 and night % 3 == 0
        then, level = level, min(0.84, level + 0.04) if better else level
        erd = 0.8 if night < nights - 3 else 0.72
        types = {"erd": (erd, erd), "sql": (then, level)}
        events.append(judged(night, model, champion, (then, level if better else then - 0.02), rows=900, types=types))
        events.append(promoted(night, model) if better else turned_down(night, model))
        champion, before = (model, champion) if better else (champion, before)
        if night == 18:
            events.append(rolled_back(night, champion, before))
            champion, level = before, level - 0.04
    return events
