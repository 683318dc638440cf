"""How many labels each way of choosing needs, beside small-text and scikit-activeml in the same run.

    python -m bench.label_efficiency                                    the three sets of ../shared/data: hours
    python -m bench.label_efficiency --data FILE.jsonl [--budget 1000 --seeds 3 --json OUT]

FILE has JSON lines (gzipped or not) with `text`, `label` and perhaps `split`; without a split a fifth of each class is
judged on, drawn anew by every seed. Each strategy asks for a first share of labels, then step by step for more, from a
pool of frozen sentence embeddings; after each step logistic regression (C=10, as scikit-learn counts it) learns from
all that it has. Strategies that need labels first begin with the same random share. A peer that passes ten minutes of
CPU in one curve is stopped and reported; one that takes over a minute is spared further seeds once it is surely behind
ours, and the table says how many it had. Curves are kept in the cache folder: what was interrupted goes on there.

The score is accuracy, or macro-F1 where one class holds more than half of the texts. Prints each goal met or MISSED.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench.label_curves import (
    area,
    better_by_more_than_chance,
    interval,
    labels_needed,
    labels_to,
    share_of_random,
    surely_behind,
)
from bench.label_runs import Steps, Task, kept, lay_out, missing_peers, run, strategies, tasks_of
from bench.labelled_texts import LabelledTexts, UnreadableData, read_known, read_labelled
from bench.measuring import RESULTS, goal, show_goals, write_json
from bench.text_vectors import CACHE, MODEL, embedded

KNOWN = ("clinc150", "clinc150_imbalanced", "davidson")
OURS, BASELINE = "typical_then_margin", "random"
SHARES = (80, 90, 95)  # of the score of all labels together, in percent
MOST_OF_RANDOM = 0.55  # labels to 80 and 90 %, as a share of random's
AREA_AT_LEAST = {"clinc150": 1.10, "clinc150_imbalanced": 1.10, "davidson": 1.03}
LIMIT_SECONDS = 600.0
SLOW_SECONDS = 60.0  # a peer's curve that takes longer may be spared further seeds


def main(words: list[str] | None = None) -> int:
    given = _arguments(words)
    try:
        return _measure(given)
    except UnreadableData as error:
        print(error, file=sys.stderr)
        return 2


def _measure(given: argparse.Namespace) -> int:
    sets = [read_labelled(given.data)] if given.data else [read_known(name) for name in given.sets]
    result: dict[str, Any] = {"schema": "adaptd.bench.label_efficiency/1", "sets": {}, "goals": {}}
    for data in sets:
        figures = measured(data, given)
        result["encoder"] = figures.pop("encoder")
        result["sets"][data.name] = figures
        print_table(data.name, figures)
        result["goals"] |= goals_of(data.name, figures)
    path = given.json or (None if given.data else RESULTS / "label_efficiency.json")
    if path:
        from bench.label_plot import draw

        write_json(path, result)
        print(draw(result, path.with_suffix(".svg")))
    show_goals(result["goals"])
    for one in result["goals"].values():
        if one.get("who"):
            print(f"       {', '.join(one['who'])}")
    return 0


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.label_efficiency", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FILE", help="JSON lines with text, label and perhaps split; .gz too")
    add("--sets", nargs="+", choices=KNOWN, default=KNOWN, help="which of ../shared/data, without --data")
    add("--budget", type=_whole, default=2000, help="labels at the end of a curve (default 2000)")
    add("--start", type=_whole, help="labels at its beginning (default: a twentieth of the budget)")
    add("--step", type=_whole, help="labels asked for at a time (default: as --start)")
    add("--seeds", type=_whole, default=5, help="curves per strategy (default 5)")
    add("--strategies", nargs="+", metavar="NAME", help="these alone, and random")
    add("--no-peers", action="store_true", help="without small-text and scikit-activeml")
    add("--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS", help="CPU of a peer's curve (default 600)")
    add("--metric", choices=("accuracy", "macro_f1"), help="default: macro_f1 where a class holds more than half")
    add("--model", default=MODEL, help="the encoder: a sentence-transformers folder")
    add("--workers", type=_whole, default=2, help="processes, with a thread each (default 2)")
    add("--cache", type=Path, default=CACHE, help=f"where embeddings and finished curves stay (default {CACHE})")
    add("--json", type=Path, metavar="OUT", help="where the result is written, and its plot beside it")
    given = parser.parse_args(words)
    given.start = given.start or max(1, given.budget // 20)
    given.step = given.step or given.start
    if given.start > given.budget:
        parser.error(f"--start {given.start}: expected at most the budget, {given.budget}")
    if given.data and not given.data.is_file():
        parser.error(f"--data {given.data}: no such file")
    return given


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least 1")
    return int(text)


def measured(data: LabelledTexts, given: argparse.Namespace) -> dict[str, Any]:
    """Every curve of the set, run or read, and what they say together."""
    for note in data.notes:
        print(f"{data.name}: {note}")
    vectors, encoder = embedded(data, given.cache, given.model)
    folder = lay_out(data, vectors, given.cache)
    smallest = min(len(data.split(seed)[0]) for seed in range(given.seeds))
    steps = Steps(given.start, given.step, given.budget).within(smallest)
    missing = [] if given.no_peers else missing_peers()
    if missing:
        print(f"without peers: {' and '.join(missing)} not installed here (bench/requirements.txt lists them)")
    chosen = [one for one in strategies(not given.no_peers and not missing) if wanted(one.name, given)]
    if unknown := {BASELINE, *(given.strategies or [])} - {one.name for one in chosen}:
        raise UnreadableData(f"--strategies {' '.join(sorted(unknown))}: not known here")
    tasks = tasks_of(folder, given.cache, None, given.seeds, steps, 0.0)
    for one in chosen:
        limit = given.limit if one.is_peer else 10 * given.limit  # ours is told with its seconds, and never spared
        tasks += tasks_of(folder, given.cache, one, given.seeds, steps, limit)
    metric = given.metric or metric_of(data)
    curves = all_curves(tasks, given.workers, {one.name for one in chosen if one.is_peer}, metric)
    figures = summary(data, curves, {one.name: one.origin for one in chosen}, steps, metric)
    return figures | {"encoder": encoder}


def metric_of(data: LabelledTexts) -> str:
    return "macro_f1" if data.largest_share > 0.5 else "accuracy"


def wanted(name: str, given: argparse.Namespace) -> bool:
    return not given.strategies or name in given.strategies or name == BASELINE


def all_curves(tasks: list[Task], workers: int, peers: set[str], metric: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Ours, then seed by seed; a strategy that was stopped or failed on one seed is not run on the next."""
    curves: dict[tuple[str, int], dict[str, Any]] = {}
    given_up: set[str] = set()
    waiting = sorted(tasks, key=lambda task: (task.strategy not in ("", BASELINE, OURS), task.seed))
    context = get_context("spawn")  # a fork would take this process's threads' locks with it
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: dict[Future[dict[str, Any]], Task] = {}
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                if task.strategy in given_up or (task.strategy in peers and _spared(task.strategy, curves, metric)):
                    continue
                if (curve := kept(task)) is None:
                    running[pool.submit(run, task)] = task
                    continue
                _take(task, curve, curves, given_up)
            if running:
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(done)
                    _take(task, done.result(), curves, given_up)
                    _tell(task, curves[task.strategy, task.seed])
    return curves


def _spared(strategy: str, curves: dict[tuple[str, int], dict[str, Any]], metric: str) -> bool:
    """Whether another seed of it could tell nothing that is worth its minutes."""
    own = {seed: curve for (name, seed), curve in curves.items() if name == strategy}
    ours = {seed: curve for (name, seed), curve in curves.items() if name == OURS and curve["status"] == "ended"}
    if not own.keys() <= ours.keys() or any(curve["seconds"] <= SLOW_SECONDS for curve in own.values()):
        return False
    return surely_behind(
        [_area(own[seed], metric) for seed in own],
        [_area(ours[seed], metric) for seed in own],
        [_area(curve, metric) for curve in ours.values()],
    )


def _area(curve: dict[str, Any], metric: str) -> float:
    return area(curve["counts"], curve[metric])


def _take(task: Task, curve: dict[str, Any], curves: dict[Any, Any], given_up: set[str]) -> None:
    curves[task.strategy, task.seed] = curve
    if curve["status"] != "ended":
        given_up.add(task.strategy)


def _tell(task: Task, curve: dict[str, Any]) -> None:
    why = f" {curve['status']}: {curve['why']}" if curve["status"] != "ended" else ""
    print(f"  {task.strategy or 'all labels'}, seed {task.seed}: {curve['seconds']:.0f} s{why}", flush=True)


def summary(
    data: LabelledTexts, curves: dict[Any, Any], origins: dict[str, str], steps: Steps, metric: str
) -> dict[str, Any]:
    full = {seed: curve for (name, seed), curve in curves.items() if not name}
    seeds = sorted(full)
    figures: dict[str, Any] = {
        "metric": metric,
        "pool": full[seeds[0]]["rows"],
        "test": full[seeds[0]]["test_rows"],
        "classes": full[seeds[0]]["classes"],
        "own_split": data.test is not None,
        "counts": steps.counts,
        "seeds": len(seeds),
        "all_labels": interval([full[seed][metric] for seed in seeds]),
        "notes": list(data.notes),
    }
    random = {seed: curves[BASELINE, seed] for seed in seeds}
    targets = {share: {seed: full[seed][metric] * share / 100 for seed in seeds} for share in SHARES}
    told = {}
    for name, origin in origins.items():
        own = {seed: curves[name, seed] for seed in seeds if (name, seed) in curves}
        if any(curve["status"] != "ended" for curve in own.values()):
            told[name] = {"origin": origin} | _unfinished(next(x for x in own.values() if x["status"] != "ended"))
        else:
            told[name] = {"origin": origin} | _finished(own, random, targets, metric, steps)
    figures["strategies"] = dict(sorted(told.items(), key=lambda item: -item[1].get("area", {}).get("mean", 0)))
    if OURS in told and told[OURS]["status"] == "ended":
        for name in (name for name, one in told.items() if one["status"] == "ended"):
            run = [seed for seed in seeds if (name, seed) in curves]
            both = ([_area(curves[who, seed], metric) for seed in run] for who in (name, OURS))
            told[name]["against_ours"] = better_by_more_than_chance(*both)
    return figures


def _unfinished(curve: dict[str, Any]) -> dict[str, Any]:
    reached = curve["counts"][-1] if curve["counts"] else 0
    return {name: curve[name] for name in ("status", "why", "seconds")} | {"labels_reached": reached}


def _finished(
    of_seed: dict[int, Any], random: dict[int, Any], targets: dict[int, Any], metric: str, steps: Steps
) -> dict[str, Any]:
    own = list(of_seed.values())
    areas, randoms = ([_area(curves[seed], metric) for seed in of_seed] for curves in (of_seed, random))
    figures: dict[str, Any] = {
        "status": "ended",
        "area": interval(areas),
        "area_of_random": interval([a / b for a, b in zip(areas, randoms, strict=True)]),
        "labels_to": {},
        "choosing_seconds": round(float(np.mean([one["choosing_seconds"] for one in own])), 2),
        "curve": {
            "mean": np.mean([one[metric] for one in own], axis=0).round(4).tolist(),
            "sd": np.std([one[metric] for one in own], axis=0, ddof=min(1, len(own) - 1)).round(4).tolist(),
        },
    }
    for share, wished in targets.items():
        needed, by_random = (
            [labels_to(curves[seed]["counts"], curves[seed][metric], wished[seed]) for seed in of_seed]
            for curves in (of_seed, random)
        )
        figures["labels_to"][str(share)] = labels_needed(needed) | {
            "of_random": share_of_random(needed, by_random, steps.budget)
        }
    return figures


def goals_of(name: str, figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The goals of this set; on texts of one's own the last one alone, since nobody set others."""
    ours = figures["strategies"].get(OURS)
    if not ours or ours["status"] != "ended":
        return {}
    goals: dict[str, dict[str, Any]] = {}
    if name in AREA_AT_LEAST:
        of_random = ours["area_of_random"]["mean"]
        goals[f"{name}: area under the curve, of random's"] = goal(of_random, AREA_AT_LEAST[name], at_most=False)
    if name.startswith("clinc"):
        for share in (80, 90):
            of_random = ours["labels_to"][str(share)]["of_random"]["mean"]
            title = f"{name}: labels to {share} %, of random's"
            never = {"value": None, "at_most": MOST_OF_RANDOM, "met": False}
            goals[title] = never if of_random is None else goal(of_random, MOST_OF_RANDOM, at_most=True)
    peers = list(_peers(figures))
    better = [one for one, of in peers if of["against_ours"]["better"]]
    if peers:
        title = f"{name}: of {len(peers)} peers in time, those with a larger area by more than its standard error"
        goals[title] = goal(len(better), 0, at_most=True) | {"who": better}
    return goals


def _peers(figures: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in figures["strategies"].items():
        if one["origin"] != "adaptd" and "against_ours" in one:
            yield name, one


def print_table(name: str, figures: dict[str, Any]) -> None:
    """One line per strategy, the largest area first."""
    full = figures["all_labels"]["mean"]
    print(f"\n{name}: {figures['metric']}, {figures['seeds']} seeds; pool {figures['pool']}, test {figures['test']}, "
          f"{figures['classes']} classes; all labels {full:.3f}")  # fmt: skip
    print(f"{'':42}{'labels to':>9}{'':13}{'of random':>13}   area {'of random':>14}  seconds")
    print(f"{'':42}{'80 %':>6} {'90 %':>7} {'95 %':>7}{'80 %':>8} {'90 %':>5}")
    for strategy, one in figures["strategies"].items():
        if one["status"] != "ended":
            print(f"{strategy:42}{one['status']} at {one['labels_reached']} labels: {one['why']}")
            continue
        needed = [_number(one["labels_to"][str(share)].get("mean"), 0) for share in SHARES]
        shares = [_number(one["labels_to"][str(share)]["of_random"]["mean"], 2) for share in (80, 90)]
        of_random = one["area_of_random"]
        fewer = f", {of_random['n']} seeds" if of_random["n"] < figures["seeds"] else ""
        spread = f"±{(of_random['high'] - of_random['mean']):.3f}" if "high" in of_random else ""
        told = f"{strategy:42}{needed[0]:>6} {needed[1]:>7} {needed[2]:>7}{shares[0]:>8} {shares[1]:>5}"
        areas = f"{one['area']['mean']:.4f} {of_random['mean']:>6.3f} {spread:7}"
        print(f"{told}  {areas} {one['choosing_seconds']:>8.1f}{fewer}")
    print(flush=True)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
