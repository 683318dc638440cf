"""This file knows how a run is told in words and as JSON: how it stands, how far it is, when it will end or pause."""

from __future__ import annotations

from daemon.cli.printing import duration_of
from daemon.moments import moment_of, short_moment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from daemon.night_outlook import NightOutlook
    from daemon.run_telling import RunTold

PAUSED_FOR = {
    "window": "its window closed",
    "person": "somebody asked for it",
    "device": "somebody else wanted the device",
    "daemon": "the daemon ended",
}


def run_words(run: RunTold, now: int, nights: NightOutlook | None = None) -> str:
    """«42%, 3 minutes left», «paused at 60%, its window closed», «finished in 5 minutes», «given up: …»."""
    last = run.last
    if run.state == "running":
        return _running(run, now, nights)
    if run.state == "finished":
        return f"finished in {duration_of(run.seconds)}"
    if run.state in ("failed", "cancelled"):
        what = "given up" if run.state == "failed" else "cancelled"
        return f"{what}: {last['reason']}" if last.get("reason") else what
    waits = f"; waits: {run.waits_for}" if run.waits_for else ""
    if run.state == "paused":
        why = PAUSED_FOR.get(str(last.get("reason")), str(last.get("reason")))
        return f"paused at {_share(run, now)}, {why}{waits}"
    if run.state == "waiting":
        return f"failed and is tried again: {last.get('reason')}{waits}"
    return f"planned{waits}"


def _share(run: RunTold, now: int) -> str:
    share = run.forecast(now).share
    return f"step {run.step:,}" if share is None else f"{100 * share:.0f}%"


def _running(run: RunTold, now: int, nights: NightOutlook | None) -> str:
    if not run.alive:
        return "begins"
    told = run.forecast(now)
    if told.pauses_at is not None and told.share_then is not None:
        then = f"will pause at {_clock(told.pauses_at, now, nights)} at about {100 * told.share_then:.0f}%"
        return f"{_share(run, now)}, {then}, goes on the night after"
    left = "" if told.left_seconds is None else f", {duration_of(told.left_seconds)} left"
    return f"{_share(run, now)}{left}"


def _clock(moment: int, now: int, nights: NightOutlook | None) -> str:
    """By the clock on the wall where nights are configured; else in UTC."""
    return nights.moment(moment, now) if nights is not None else f"{short_moment_of(moment)[11:16]} UTC"


def run_document(run: RunTold, now: int) -> dict[str, Any]:
    """One run as JSON; later versions of adaptd only add to it."""
    told = run.forecast(now)
    return {
        "run": run.run,
        "state": run.state,
        "workload": run.plan.get("workload"),
        "batch": run.plan.get("batch"),
        "night": run.plan.get("night"),
        "planned_at": moment_of(run.record["planned_at"]),
        "changed_at": moment_of(run.record["at"]),
        "step": run.step,
        "steps": run.steps,
        "share": told.share,
        "loss": run.alive.get("loss"),
        "seconds": round(run.seconds, 3),
        "left_seconds": told.left_seconds,
        "pauses_at": None if told.pauses_at is None else moment_of(told.pauses_at),
        "share_at_pause": told.share_then,
        "starts": run.record["starts"],
        "pauses": run.record["pauses"],
        "failures": run.record["failures"],
        "reason": run.last.get("reason"),
        "waits_for": run.waits_for or None,
        "device": run.last.get("device"),
        "metrics": run.last.get("metrics"),
        "model_hash": run.last.get("model_hash"),
        "flags": run.last.get("flags"),
    }
