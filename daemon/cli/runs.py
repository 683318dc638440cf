"""This file knows `adaptd runs`: what was trained, is and will be, how far it is, what it printed, how two compare."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from daemon.cli.main import NoSuchThing, add_config
from daemon.cli.printing import count_of, cut, duration_of, folded, harmless, in_columns, line_width, print_json, say
from daemon.cli.run_words import run_document, run_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adaptd.locating import Place
    from daemon.night_outlook import NightOutlook
    from daemon.run_telling import RunTold

HEAD = ("run", "workload", "batch", "planned (UTC)", "how it stands")
WATCH_SECONDS = 1.0
FOLLOW_SECONDS = 0.2
CHUNK = 1 << 16
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def add_runs(parser: argparse.ArgumentParser) -> None:
    """The options of `runs` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd runs list\n  adaptd runs show 7                 how far it is, its losses, how it ended\n"
        "  adaptd runs show run-0007 --watch\n  adaptd runs logs 7 -f              what its process prints\n"
        "  adaptd runs compare 6 7 --md"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    listed = verbs.add_parser("list", help="every run, newest first")
    show = verbs.add_parser("show", help="one run: how far it is, its losses, how it ended")
    show.add_argument("--watch", action="store_true", help="look again every second, until it is over or Ctrl-C")
    logs = verbs.add_parser("logs", help="everything that the process of a run printed")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until it is over or Ctrl-C")
    compare = verbs.add_parser("compare", help="two runs side by side: plan, settings, metrics")
    compare.add_argument("run", metavar="A", help="a run's id, or its number alone")
    compare.add_argument("other", metavar="B", help="another one")
    compare.add_argument("--md", action="store_true", help="as a Markdown table")
    for below in (show, logs):
        below.add_argument("run", metavar="RUN", help="its id, or its number alone")
    for below, act in ((listed, _list), (show, _show), (logs, _logs), (compare, _compare)):
        if below is not logs:
            below.add_argument("--json", action="store_true", help="as one JSON document")
        add_config(below)
        below.set_defaults(act=act)


def runs(options: argparse.Namespace) -> int:
    """Look, and change nothing."""
    from adaptd.locating import find

    try:
        return int(options.act(options, find(options.config)))
    except KeyboardInterrupt:
        return 0


def _now() -> int:
    from daemon.clock_and_chance import SystemClock

    return SystemClock().now()


def _nights(place: Place) -> NightOutlook | None:
    """For the clock on the wall; None where config.toml says nothing of workloads, or is wrong."""
    from daemon.config_checked import faults_of
    from daemon.night_outlook import outlooks_of

    if faults_of(place.config_path, os.environ):
        return None
    return outlooks_of(place.table, {"pause": None, "late_until": None, "workloads": {}})[0]


def _found(place: Place, name: str) -> RunTold:
    from daemon.queries import run_told

    run = run_told(place.state_dir, name)
    if run is None:
        raise NoSuchThing(f"no run {name!r}, expected an id or a number. `adaptd runs list` shows which there are.")
    return run


# Listing


def _list(options: argparse.Namespace, place: Place) -> int:
    from daemon.moments import short_moment_of
    from daemon.queries import runs_listed

    found, now = runs_listed(place.state_dir), _now()
    if options.json:
        print_json({"schema": "adaptd.runs/1", "runs": [run_document(one, now) for one in found]})
        return 0
    nights = _nights(place)
    rows = [
        (one.run, str(one.plan.get("workload")), str(one.plan.get("batch")), short_moment_of(one.record["planned_at"]))
        for one in found
    ]
    words = [run_words(one, now, nights) for one in found]
    for line in in_columns([(*row, said) for row, said in zip(rows, words, strict=True)], HEAD, line_width()):
        print("\n".join(folded(line, line_width(), 4)))
    if not found:
        say("adaptd: no run yet. A batch begins one: `adaptd batch preview` shows what tonight would learn.")
    return 0


# One of them


def _show(options: argparse.Namespace, place: Place) -> int:
    nights = _nights(place)
    while True:
        run, now = _found(place, options.run), _now()
        if options.json:
            print_json({"schema": "adaptd.run/1", **_document(run, now)})
        else:
            clear = CLEAR if options.watch and sys.stdout.isatty() else ""
            print(clear + "\n".join(_page(run, now, nights)), flush=True)
        if not options.watch or run.state in ("finished", "failed", "cancelled"):
            return 0
        time.sleep(WATCH_SECONDS)


def _document(run: RunTold, now: int) -> dict[str, Any]:
    return run_document(run, now) | {"plan": run.plan, "losses": run.losses}


def _page(run: RunTold, now: int, nights: NightOutlook | None) -> Iterator[str]:
    """What there is to know, each line as wide as the terminal."""
    from daemon.run_telling import chart_of

    width = line_width()
    for name, text in _facts(run, now, nights).items():
        yield from folded(harmless(f"{name:<9} {text}"), width, 10)
    for flag in run.last.get("flags") or ():
        yield from folded(harmless(f"{'flag':<9} {flag}"), width, 10)
    chart = chart_of(run.losses, min(width or 80, 100))
    yield from ["", "loss", *(cut(line, width) for line in chart)] if chart else ()


def _facts(run: RunTold, now: int, nights: NightOutlook | None) -> dict[str, str]:
    plan, last = run.plan, run.last
    facts = {
        "run": f"{run.run}, of batch {plan.get('batch')}",
        "workload": f"{plan.get('workload')} ({(plan.get('plugin') or {}).get('name')}, {plan.get('mode')})",
        "state": run_words(run, now, nights),
        "step": f"{run.step:,}" + (f" of {run.steps:,}" if run.steps else ""),
        "trained": f"{duration_of(run.seconds)}, in {count_of(run.record['starts'], 'start')}",
    }
    if last.get("device"):
        facts["device"] = str(last["device"])
    if run.record["failures"]:
        facts["failures"] = ", ".join(f"{count} × {how}" for how, count in sorted(run.record["failures"].items()))
    if plan.get("base_model"):
        facts["base"] = str(plan["base_model"])
    if plan.get("settings"):
        facts["settings"] = ", ".join(f"{name} = {value!r}" for name, value in sorted(plan["settings"].items()))
    metrics = {name: value for name, value in (last.get("metrics") or {}).items() if value is not None}
    if metrics:
        facts["metrics"] = ", ".join(f"{name} {value:.6g}" for name, value in sorted(metrics.items()))
    if last.get("model_hash"):
        facts["model"] = str(last["model_hash"])
    return facts


# What it printed


def _logs(options: argparse.Namespace, place: Place) -> int:
    from daemon.run_telling import out_log

    run = _found(place, options.run)
    path = out_log(place.state_dir, run)
    position = _print_from(path, 0)
    if position == 0 and not options.follow:
        say(f"adaptd: {run.run} has printed nothing, or its folder was let go of")
    while options.follow:
        over = _found(place, options.run).state in ("finished", "failed", "cancelled")
        position = _print_from(path, position)
        if over:
            break
        time.sleep(FOLLOW_SECONDS)
    return 0


def _print_from(path: str, position: int) -> int:
    """What was printed from there on; returns where it ends. A last line without its end waits for it."""
    try:
        with open(path, "rb") as file:
            file.seek(position)
            while chunk := file.read(CHUNK):
                end = chunk.rfind(b"\n") + 1 or len(chunk)
                sys.stdout.write(harmless(chunk[:end].decode(errors="replace")))
                position += end
                file.seek(position)
    except FileNotFoundError:
        return position
    sys.stdout.flush()
    return position


# Two of them


def _compare(options: argparse.Namespace, place: Place) -> int:
    from daemon.run_telling import compared

    one, other = _found(place, options.run), _found(place, options.other)
    lines, now = compared(one, other), _now()
    if options.json:
        documents = [_document(one, now), _document(other, now)]
        print_json({"schema": "adaptd.runs_compared/1", "runs": documents})
    elif options.md:
        rows = [("", one.run, other.run), ("---", "---:", "---:"), *lines]
        print("\n".join("| " + " | ".join(harmless(cell).replace("|", "\\|") for cell in row) + " |" for row in rows))
    else:
        differing = [(name, a, b, "" if a == b else "≠") for name, a, b in lines]
        for line in in_columns([("", one.run, other.run, ""), *differing], ("", "", "", ""), None):
            print(cut(line, line_width()))
    return 0
