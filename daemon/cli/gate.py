"""This file knows `adaptd gate`: why a model was promoted or not, clause by clause, and what the budget has left."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from daemon.cli.main import add_config
from daemon.cli.printing import folded, harmless, in_columns, line_width, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adaptd.locating import Place
    from daemon.gate_telling import Explained, Fair, GateTellings, Shown

HEAD = ("workload", "ratings", "fair", "of", "golden", "wanted", "level of the next decision")


def add_gate(parser: argparse.ArgumentParser) -> None:
    """The options of `gate` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd gate explain run-0007         why it was promoted or not\n"
        "  adaptd gate explain support/3\n  adaptd gate explain 3 --json | jq .clauses\n"
        "  adaptd gate show                     the budget, and fair examples"
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    explain = verbs.add_parser("explain", help="why a model was promoted or not, with everything that was looked at")
    explain.add_argument("name", metavar="RUN|MODEL", help="a run's id, or a model's number, as in 3 or support/3")
    show = verbs.add_parser("show", help="what the year's budget has left, and how many fair examples there are")
    for below, act in ((explain, _explain), (show, _show)):
        below.add_argument("--json", action="store_true", help="as one JSON document")
        add_config(below)
        below.set_defaults(act=act)


def gate(options: argparse.Namespace) -> int:
    """Look, and change nothing."""
    from adaptd.locating import find
    from daemon.cli.progress import progress
    from daemon.gate_telling import gate_tellings

    place = find(options.config)
    with progress() as tell, gate_tellings(place.state_dir, tell) as tellings:
        return int(options.act(options, place, tellings))


# Why


def _explain(options: argparse.Namespace, _place: Place, tellings: GateTellings) -> int:
    found = tellings.explained(options.name)
    if options.json:
        print_json({"schema": "adaptd.gate_decision/1", **_document(found)})
        return 0
    width = line_width()
    for line in folded(harmless(found.sentence), width):
        print(line)
    print()
    for name, text in _facts(found).items():
        print("\n".join(folded(harmless(f"{name:<9} {text}"), width, 10)))
    if found.clauses:
        print("\nholds   what was looked at")
    for clause in found.clauses:
        print("\n".join(folded(harmless(f"{_holds(clause):<7} {clause['words']}"), width, 8)))
    return 0


def _holds(clause: Any) -> str:
    if not clause["figures"].get("tested", True):
        return "-"
    return "yes" if clause["holds"] else "NO"


def _document(found: Explained) -> dict[str, Any]:
    from daemon.moments import moment_of

    told = found.decided or {}
    return {
        "workload": found.workload,
        "model": found.model.number,
        "run": found.model.run,
        "champion": found.champion,
        "state": found.model.state,
        "decided_at": None if found.at is None else moment_of(found.at),
        "by": None if not told else "hand" if found.by_hand else "gate",
        "verdict": (told.get("decision") or {}).get("verdict"),
        "sentence": found.sentence,
        "level": told.get("level"),
        "clauses": found.clauses,
        "evidence": found.evidence,
        "failed": told.get("failed"),
        "rolled_back": found.rolled_back,
        "metrics": (found.model.judged or {}).get("metrics"),
    }


def _facts(found: Explained) -> dict[str, str]:
    from daemon.moments import short_moment_of

    run = f", of {found.model.run}" if found.model.run else ""
    facts = {"model": f"{found.workload}/{found.model.number}{run}; {found.model.state} now"}
    if found.champion is not None:
        facts["against"] = f"{found.workload}/{found.champion}, the champion then"
    elif found.evidence:
        facts["against"] = "what can be had without a model, since there was no champion"
    if found.at is not None:
        facts["decided"] = f"{short_moment_of(found.at)} UTC, {'by hand' if found.by_hand else 'by the gate'}"
    if found.rolled_back is not None:
        told = found.rolled_back
        why = f": {told['reason']}" if told["reason"] else ""
        facts["later"] = f"rolled back to model {told['to']}, {short_moment_of(told['at'])} UTC{why}"
    facts |= dict(_of_evidence(found))
    return facts


def _of_evidence(found: Explained) -> Iterator[tuple[str, str]]:
    told = found.evidence
    if "metric" not in told:
        return
    yield "metric", f"{told['metric']} {told['champion']:.3g} before, {told['challenger']:.3g} now"
    golden = f", and {told['golden']} of the golden set" if told["golden"] else ""
    yield "examples", f"{told['judged']}, {told['fair']} of them fair (ratings = {told['ratings']}){golden}"
    if told.get("smallest_gain"):  # models that answer alike show nothing of that
        gain = told["smallest_gain"]
        least = f"{100 * gain:.1f} points" if told.get("binary") else f"{gain:.3g}"
        yield "power", f"a true gain of {least} would have been seen in four nights of five"
    mix = told.get("sources") or {}  # decisions of earlier versions have none
    if mix.keys() - {"unsaid"}:
        yield "said by", ", ".join(f"{name} {part['judged']}, fair {part['fair']}" for name, part in mix.items())
    slow = told.get("latencies") or {}
    if len(slow) > 1:
        yield "latency", "; ".join(_latency(name, pair) for name, pair in slow.items())
    level = (found.decided or {}).get("level") or 0.0
    spent = f"{level:.2g} of {told['budget_left']:.2g} false promotions that could be spent"
    yield "budget", f"{spent} then" if level else f"nothing of {told['budget_left']:.2g}: nothing could be promoted"


def _latency(name: str, pair: Mapping[str, float]) -> str:
    was, now = 1000 * pair["was"], 1000 * pair["now"]
    return f"{name.removeprefix('type ')} {now:.3g} ms an example, was {was:.3g}"


# What is left


def _show(options: argparse.Namespace, place: Place, tellings: GateTellings) -> int:
    from pathlib import Path

    from daemon.clock_and_chance import SystemClock
    from daemon.settings import read_settings

    path = None if place.config_path is None else Path(place.config_path)
    beside = Path(place.state_dir) if path is None else path.parent
    found = tellings.shown(read_settings(path), beside, SystemClock().now())
    if options.json:
        workloads = [one._asdict() for one in found.workloads]
        print_json({"schema": "adaptd.gate/1", **found._asdict(), "workloads": workloads})
        return 0
    for line in _page(found):
        print(line)
    return 0


def _page(found: Shown) -> Iterator[str]:
    width = line_width()
    per_year = f"{found.per_year:g} false promotions a year, all workloads together"
    spent = f"{found.spent:.3g} by {found.decisions} decisions within a year, {found.left:.3g} left for now"
    yield from folded(f"budget    {per_year}", width, 10)
    yield from folded(f"spent     {spent}", width, 10)
    if not found.workloads:
        return
    yield ""
    yield from in_columns([_row(one) for one in found.workloads], HEAD, width)
    for one in found.workloads:
        if one.unreadable:
            yield from folded(harmless(f"{one.workload}: {one.unreadable}"), width)
    if any(one.evidence < one.wanted for one in found.workloads):
        yield ""
        words = (
            "More fair examples come with `adaptd ask --random`, with `adaptd golden`, or where all outputs are rated, "
            "by ratings = all."
        )
        yield from folded(words, width)


def _row(one: Fair) -> tuple[str, ...]:
    level = f"{one.level:.3g}" if one.evidence >= one.wanted else f"{one.level:.3g}, and it would spend nothing"
    golden = str(one.golden) if one.golden else ""
    return (one.workload, one.ratings, str(one.fair), str(one.judged), golden, str(one.wanted), level)
