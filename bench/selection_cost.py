"""What choosing 1,000 of up to a million rows costs and what a shortlist loses, beside small-text and scikit-activeml.

    python -m bench.selection_cost [--rows N --rounds N --no-peers --json OUT]

The pool is a file of float16 embeddings, 384 numbers a row (bench/made_pool.py), mapped, and in the page cache. Each
choice runs in a process of its own, with as many threads as there are cores; in a round each size is chosen from once
by shortlist and once over all rows, in an order that turns. On a machine that others load the CPU seconds say more
than the seconds; both are told, with the load at the time.

Gain: by how much the mean distance of the rows (every tenth) to their nearest chosen one falls below that of a random
choice. A shortlist keeps the share of the gain of all rows that it has. Peers: their strategies that need no labels,
each at growing sizes until one takes more CPU seconds than ours takes over all rows of the whole pool.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.label_runs import missing_peers
from bench.made_pool import made_pool
from bench.measuring import RESULTS, goal, show_goals, spread, write_json
from bench.one_choice import measured
from bench.text_vectors import CACHE

ROWS, BUDGET, ROUNDS = 1_000_000, 1_000, 3
WAYS = {"shortlist": "auto", "all rows": "all"}
SIZES = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
OUR_SIZES = SIZES[2:]
EVERY = 10  # rows for each that is looked at when a gain is measured
LIMITS = {"shortlist": 4.0, "all rows": 8.0}
MOST_MB, LEAST_KEPT = 1_500.0, 0.9

Choose = Callable[[dict[str, Any]], "dict[str, Any] | None"]


def main(words: list[str] | None = None) -> int:
    given = _arguments(words)
    pool = made_pool(given.rows, given.cache)
    np.load(pool, mmap_mode="r").view(np.uint16).max()  # into the page cache
    result: dict[str, Any] = {"schema": "adaptd.bench.selection_cost/1", "rows": given.rows, "budget": given.budget}
    taken = costs(pool, [size for size in OUR_SIZES if size < given.rows] + [given.rows], given.budget, given.rounds)
    result["sizes"] = told_costs(taken)
    result["gain"] = gains(pool, taken, given.rows, given.budget)
    missing = [] if given.no_peers else missing_peers()
    if missing:
        print(f"without peers: {' and '.join(missing)} not installed here (bench/requirements.txt lists them)")
    limit = result["sizes"][str(given.rows)]["all rows"]["cpu_seconds"]["median"]
    names = [] if given.no_peers or missing else peers_without_labels()
    result["peers"] = {name: largest(name, pool, given.rows, given.budget, limit) for name in names}
    result["goals"] = goals(result)
    print(report(result))
    show_goals(result["goals"])
    if given.json:
        from bench.selection_plot import draw

        write_json(given.json, result)
        print(draw(result, given.json.with_suffix(".svg")))
    return 0


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.selection_cost")
    add = parser.add_argument
    add("--rows", type=int, default=ROWS, help=f"of the largest pool (default {ROWS:,})")
    add("--budget", type=int, default=BUDGET, help=f"rows to choose (default {BUDGET:,})")
    add("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    add("--no-peers", action="store_true", help="without small-text and scikit-activeml")
    add("--cache", type=Path, default=CACHE, help=f"where the pool's file stays, 0.8 GB (default {CACHE})")
    add("--json", type=Path, default=RESULTS / "selection_cost.json", help="where the result is written")
    return parser.parse_args(words)


def costs(
    pool: Path, sizes: Sequence[int], budget: int, rounds: int, choose: Choose = measured
) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """For each size and way what each round took."""
    cases = [(size, name) for size in sizes for name in WAYS]
    taken: dict[int, dict[str, list[dict[str, Any]]]] = {size: {name: [] for name in WAYS} for size in sizes}
    for turn in range(rounds):
        for i in range(len(cases)):
            size, name = cases[(turn + i) % len(cases)]
            spec = {"pool": str(pool), "rows": size, "budget": budget, "seed": turn, "way": WAYS[name]}
            one = choose(spec)
            assert one is not None  # nothing limits ours
            taken[size][name].append(one)
            print(f"  {size:>9,} {name:9} {one['seconds']:6.2f} s, CPU {one['cpu_seconds']:6.2f}", flush=True)
    return taken


def told_costs(taken: dict[int, dict[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Spreads instead of rounds; JSON has texts as keys."""
    return {
        str(size): {
            name: {what: spread([one[what] for one in rounds]) for what in ("seconds", "cpu_seconds", "load")}
            | {"peak_mb": max(one["peak_mb"] for one in rounds)}
            for name, rounds in ways.items()
        }
        for size, ways in taken.items()
    }


def gains(pool: Path, taken: dict[int, Any], rows: int, budget: int) -> dict[str, Any]:
    """The mean distances of the whole pool to what each round chose, and what the shortlist keeps."""
    whole = np.load(pool, mmap_mode="r")
    found: dict[str, list[float]] = {"random": [], **{name: [] for name in WAYS}}
    for turn in range(len(taken[rows]["all rows"])):
        by_chance = np.random.default_rng([turn, 1]).choice(rows, budget, replace=False)
        chosen = {"random": by_chance} | {name: taken[rows][name][turn]["picks"] for name in WAYS}
        for name, picks in chosen.items():
            found[name].append(mean_distance(whole, picks))
    kept = [
        (chance - short) / (chance - full)
        for chance, short, full in zip(found["random"], found["shortlist"], found["all rows"], strict=True)
    ]
    return {"mean_distance": {name: spread(values) for name, values in found.items()}, "kept": spread(kept)}


def mean_distance(pool: Any, picks: Any, every: int = EVERY) -> float:
    """Of the rows to their nearest chosen one."""
    from components.clustering import nearest

    chosen = np.asarray(pool[np.sort(np.asarray(picks))], dtype=np.float32)
    return float(np.sqrt(nearest(pool[::every], chosen)[1]).mean())


def peers_without_labels() -> list[str]:
    """Those of their strategies that begin by themselves."""
    from bench.asking_peers import peers

    return [one.name for one in peers() if one.starts_itself]


def largest(name: str, pool: Path, rows: int, budget: int, limit: float, choose: Choose = measured) -> dict[str, Any]:
    """The largest pool from which the peer chooses within the limit, what that took, and how near its picks are."""
    reached: dict[str, Any] = {"rows": 0}
    tried = []
    for size in [size for size in SIZES if budget < size < rows] + [rows]:
        spec = {"pool": str(pool), "rows": size, "budget": budget, "seed": 0, "way": name, "limit": limit}
        one = choose(spec)
        took = "over the limit" if one is None else f"{one['cpu_seconds']:.2f} s"
        print(f"  {name}, {size:,} rows: {took}", flush=True)
        if one is None or one["cpu_seconds"] > limit:
            return reached | {"over_at": size, "tried": tried}
        tried.append({"rows": size, "cpu_seconds": round(one["cpu_seconds"], 3)})
        distance = mean_distance(np.load(pool, mmap_mode="r"), one["picks"])
        seconds = {what: round(one[what], 3) for what in ("seconds", "cpu_seconds")}
        reached = {"rows": size, **seconds, "peak_mb": one["peak_mb"], "mean_distance": round(distance, 4)}
    return reached | {"over_at": None, "tried": tried}


def goals(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was set beforehand, met or not by the median of the rounds; memory by the worst of them."""
    whole = result["sizes"][str(result["rows"])]
    about = f"{result['budget']:,} of {result['rows']:,}"
    found = {
        f"choosing {about}, {name}, seconds": goal(whole[name]["seconds"]["median"], limit, at_most=True)
        for name, limit in LIMITS.items()
    }
    peak = max(whole[name]["peak_mb"] for name in WAYS)
    found[f"choosing {about}, memory in MB"] = goal(peak, MOST_MB, at_most=True)
    found["the shortlist's share of the gain of all rows"] = goal(
        result["gain"]["kept"]["median"], LEAST_KEPT, at_most=False
    )
    return found


def report(result: dict[str, Any]) -> str:
    """Sizes with their costs, the gain, and each peer."""
    lines = [f"{'rows':>9} {'way':10}{'seconds':>9}{'CPU s':>8}{'MB':>7}{'load':>6}"]
    for size, ways in result["sizes"].items():
        for name, one in ways.items():
            cells = [one[what]["median"] for what in ("seconds", "cpu_seconds")]
            load = one["load"]["median"]
            lines.append(f"{int(size):>9,} {name:10}{cells[0]:>9.2f}{cells[1]:>8.2f}{one['peak_mb']:>7.0f}{load:>6.1f}")
    far = {name: one["median"] for name, one in result["gain"]["mean_distance"].items()}
    kept = result["gain"]["kept"]
    lines.append(f"mean distance to the nearest chosen: {', '.join(f'{name} {far[name]:.4f}' for name in far)}")
    lines.append(
        f"of the gain of all rows the shortlist keeps {kept['median']:.3f} ({kept['q1']:.3f}–{kept['q3']:.3f})"
    )
    for name, one in result["peers"].items():
        more = f"{one['cpu_seconds']:.1f} CPU s, mean distance {one['mean_distance']:.4f}" if one["rows"] else ""
        lines.append(f"{name}: up to {one['rows']:,} rows in that time; {more}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
