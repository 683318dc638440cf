"""How measurements are made here: cases interleaved in one run, ratios round by round with their spread, JSON written.

A machine that others load makes absolute times worthless: what counts is the ratio inside a round.
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


class Case:
    """Something to be measured: its name, one call of it, how many calls a round has, and what it promises."""

    def __init__(self, name: str, call: Callable[[], Any], calls: int, durability: str = "") -> None:
        self.name, self.call, self.calls, self.durability = name, call, calls, durability
        self.rounds: list[list[float]] = []  # microseconds of each call, per round

    def run_round(self) -> None:
        clock, call, times = time.perf_counter_ns, self.call, []
        for _ in range(self.calls):
            began = clock()
            call()
            times.append((clock() - began) / 1000)
        self.rounds.append(times)

    def summary(self) -> dict[str, Any]:
        times = [t for times in self.rounds for t in times]
        return {
            "durability": self.durability,
            "calls": len(times),
            "p50_us": percentile(times, 50),
            "p99_us": percentile(times, 99),
            "max_us": round(max(times), 2),
        }


def touch_free_memory(share: float = 0.4) -> int:
    """Touch this share of the free memory once and give it back; returns its bytes.

    In a virtual machine a page that the guest has never touched costs a trap into the host when it is first used: some
    10 µs, once per 4 kB. A service's machine has done that long ago, so it is done here before anything is measured.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    held = bytearray(int(free * share))
    for place in range(0, len(held), 4096):
        held[place] = 1
    return len(held)


def interleave(cases: Sequence[Case], rounds: int) -> None:
    """Run every case in every round, in an order that turns, after one round that warms up and is not counted."""
    for turn in range(rounds + 1):
        for i in range(len(cases)):
            cases[(turn + i) % len(cases)].run_round()
    for case in cases:
        del case.rounds[0]


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 2)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median and quartiles of what each round gave."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": round(middle, 4), "q1": round(low, 4), "q3": round(high, 4), "rounds": len(values)}


class Spread:
    """Median and quartiles, as an object."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = list(values)

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(values)

    def as_dict(self) -> dict[str, Any]:
        return spread(self.values)


def ratio(above: Case, below: Case, percent: float = 50) -> dict[str, Any]:
    """How many times `below` each round of `above` took, at that percentile."""
    pairs = zip(above.rounds, below.rounds, strict=True)
    return spread([percentile(a, percent) / percentile(b, percent) for a, b in pairs])


def goal(value: float, limit: float, *, at_most: bool) -> dict[str, Any]:
    met = value <= limit if at_most else value >= limit
    return {"value": round(value, 4), "at_most" if at_most else "at_least": limit, "met": met}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def arguments(name: str, *, rounds: int) -> argparse.Namespace:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument("--json", type=Path, default=RESULTS / f"{name}.json", help="where the result is written")
    return parser.parse_args()


def write_json(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **result}, indent=2) + "\n")
    sys.stdout.write(f"written: {path}\n")


def show_goals(goals: dict[str, dict[str, Any]]) -> None:
    """One line per goal: met or not, the value, the limit."""
    for name, one in goals.items():
        limit = f"≤ {one['at_most']}" if "at_most" in one else f"≥ {one['at_least']}"
        sys.stdout.write(f"{'met   ' if one['met'] else 'MISSED'} {name}: {one['value']} ({limit})\n")
