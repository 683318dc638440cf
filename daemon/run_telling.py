"""This file knows what can be asked of runs, with the daemon running or not: how each stands, how far, its losses.

Standard library alone, and few small reads: `status` comes here. What a run was told to learn is in views.db, how far
it is in its own folder; nothing is changed.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from daemon.run_forecast import Forecast

MOST_BYTES = 4 << 20
UNFINISHED = ("planned", "running", "paused", "waiting")


class RunTold:
    """One run: the view's record, the last heartbeat of its process, and what it waits for."""

    def __init__(self, record: Mapping[str, Any], progress: Mapping[str, Any], waits_for: str) -> None:
        self.record = record
        self.progress = progress
        self.waits_for = waits_for

    @property
    def run(self) -> str:
        return str(self.record["run"])

    @property
    def state(self) -> str:
        return str(self.record["state"])

    @property
    def plan(self) -> Mapping[str, Any]:
        plan: Mapping[str, Any] = self.record.get("plan", {})
        return plan

    @property
    def last(self) -> Mapping[str, Any]:
        last: Mapping[str, Any] = self.record["last"]
        return last

    @property
    def alive(self) -> Mapping[str, Any]:
        """The heartbeat of the start that is under way; empty where none is, or it has not beaten yet."""
        fresh = self.state == "running" and self.progress.get("start") == self.record["starts"]
        return self.progress if fresh else {}

    @property
    def step(self) -> int:
        return int(self.alive.get("step") or self.record.get("step") or self.last.get("from_step") or 0)

    @property
    def steps(self) -> int | None:
        steps = self.alive.get("steps") or self.record.get("steps")
        return None if steps is None else int(steps)

    @property
    def seconds(self) -> float:
        """How long it was trained, pauses not counted."""
        return float(self.record["milliseconds"]) / 1000 + float(self.alive.get("seconds") or 0.0)

    @property
    def losses(self) -> list[tuple[int, float]]:
        """Steps with their losses, thinned out."""
        points = self.progress.get("losses") or []
        return [(int(step), float(loss)) for step, loss in points]

    def forecast(self, now: int) -> Forecast:
        """When it will end, or pause, by its own speed."""
        from daemon.run_forecast import forecast

        rate = self.alive.get("rate") or self.record.get("rate")
        until = self.last.get("until") if self.state == "running" else None
        return forecast(self.step, self.steps, rate, until, now)


def runs_listed(state_dir: str) -> list[RunTold]:
    """Every run, newest first."""
    from daemon.views.summary import read_runs

    records = [one for one in read_runs(f"{state_dir}/views.db") if "plan" in one]
    return [told_of(state_dir, record) for record in sorted(records, key=lambda one: -int(one["planned_seq"]))]


def run_told(state_dir: str, run: str) -> RunTold | None:
    """One of them, by its id or its number; None where there is none."""
    wanted = f"run-{int(run):04}" if run.isascii() and run.isdigit() else run
    return next((one for one in runs_listed(state_dir) if one.run == wanted), None)


def told_of(state_dir: str, record: Mapping[str, Any]) -> RunTold:
    """A run of the view, with what lies in its folder."""
    folder = os.path.join(state_dir, "runs", str(record["run"]))
    unfinished = record["state"] in UNFINISHED
    waits_for = _text(f"{folder}/waiting") if unfinished and record["state"] != "running" else ""
    return RunTold(record, _json(f"{folder}/progress.json"), waits_for)


def out_log(state_dir: str, run: RunTold) -> str:
    """Where everything lies that its process printed."""
    return os.path.join(state_dir, "runs", run.run, "out.log")


def compared(one: RunTold, other: RunTold) -> list[tuple[str, str, str]]:
    """What is to be compared of two runs, line by line; settings and metrics only where either has them."""
    lines = [(name, _shown(a), _shown(b)) for name, a, b in _facts_of_both(one, other)]
    for part, left, right in (
        ("setting", one.plan.get("settings") or {}, other.plan.get("settings") or {}),
        ("metric", one.last.get("metrics") or {}, other.last.get("metrics") or {}),
    ):
        names = sorted({*left, *right})
        lines += [(f"{part} {name}", _shown(left.get(name)), _shown(right.get(name))) for name in names]
    return lines


def _facts_of_both(one: RunTold, other: RunTold) -> list[tuple[str, Any, Any]]:
    facts = [_facts(one), _facts(other)]
    return [(name, facts[0][name], facts[1][name]) for name in facts[0]]


def _facts(run: RunTold) -> dict[str, Any]:
    plugin = run.plan.get("plugin") or {}
    return {
        "state": run.state,
        "workload": run.plan.get("workload"),
        "batch": run.plan.get("batch"),
        "mode": run.plan.get("mode"),
        "code": (plugin.get("code") or "")[:12] or None,
        "steps": run.step or None,
        "seconds": round(run.seconds, 1),
        "starts": run.record["starts"],
        "failures": sum(run.record["failures"].values()),
        "last loss": run.losses[-1][1] if run.losses else None,
        "model": (run.last.get("model_hash") or "")[:12] or None,
    }


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _json(path: str) -> dict[str, Any]:
    """What the file holds, if it is an object; nothing where it is torn or not there."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(2000).strip()
    except OSError:
        return ""


MOST_APART = 4  # characters between two columns of a short run


def chart_of(losses: Sequence[tuple[int, float]], width: int, height: int = 8) -> list[str]:
    """The losses as lines of characters: each column the mean of its steps, the scale at the left."""
    if len(losses) < 2:
        return []
    room = max(8, width - 12)
    columns = _columns(losses, room)
    low, high = min(columns), max(columns)
    span = (high - low) or 1.0
    places = [round((height - 1) * (high - loss) / span) for loss in columns]
    apart = max(1, min(MOST_APART, room // len(places)))
    rows = ["".join(("•" if place == row else " ").ljust(apart) for place in places) for row in range(height)]
    scale = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    lines = [f"{scale.get(row, ''):>10} {text}".rstrip() for row, text in enumerate(rows)]
    end = f"step {losses[-1][0]:,}"
    first = f"step {losses[0][0]:,}"
    return [*lines, f"{'':>10} {first}  {end:>{max(1, apart * len(columns) - len(first) - apart - 1)}}"]


def _columns(losses: Sequence[tuple[int, float]], room: int) -> list[float]:
    count = min(room, len(losses))
    bounds = [len(losses) * place // count for place in range(count + 1)]
    parts = [losses[bounds[place] : bounds[place + 1]] for place in range(count)]
    return [sum(loss for _, loss in part) / len(part) for part in parts]
