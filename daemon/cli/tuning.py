"""This file knows `adaptd tune`: a search for better training settings, and how what it came to is shown."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from daemon.cli.main import add_config
from daemon.cli.printing import harmless, print_json, say

if TYPE_CHECKING:
    from adaptd.locating import Place

SCHEMA = "adaptd.tune/1"


def add_tune(parser: argparse.ArgumentParser) -> None:
    """The options of `tune`."""
    parser.epilog = (
        "examples:\n  adaptd tune support\n  adaptd tune support --artifact-type erd --trials 50\n"
        "  adaptd tune support --minutes 30\n\n"
        "Each trial trains on what may be learnt, and is scored on what training\n"
        "validates on; nothing that judges models is looked at. The settings that hold\n"
        "now are the first trial. Later runs begin from what was chosen; what\n"
        "config.toml names still wins. A search that was ended goes on with the same\n"
        "command.\n"
        "Exit codes: 0 chosen, 1 nothing to search with, 4 no such workload, 75 not now."
    )
    parser.add_argument("workload", metavar="WORKLOAD", help="one of config.toml")
    parser.add_argument("--artifact-type", metavar="TYPE", help="from and for that type alone")
    parser.add_argument("--trials", type=_trials, metavar="N", help="how many trainings at most (default: 20)")
    parser.add_argument("--minutes", type=_minutes, metavar="M", help="how long at most")
    parser.add_argument("--json", action="store_true", help=f"as one JSON document, {SCHEMA}")
    add_config(parser)


def _trials(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 10,000, found {text!r}")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 100_000:
        raise argparse.ArgumentTypeError(f"expected a number of minutes above 0, found {text!r}")
    return minutes


def tune(options: argparse.Namespace) -> int:
    """Search here, and hand the choice to whoever owns the state folder."""
    from adaptd.locating import find
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress

    place = find(options.config)
    with progress() as tell:
        found = _searched(place, options, tell)
        chosen = have_done(place, {"verb": "tune", "chosen": found}, tell, "takes the choice over")
    if options.json:
        print_json({"schema": SCHEMA, **chosen})
    else:
        _print(chosen)
    return 0


def _searched(place: Place, options: argparse.Namespace, tell: Any) -> dict[str, Any]:
    import os
    from pathlib import Path

    from daemon import tuning
    from daemon.asking_nights import NoSuchWorkload
    from daemon.clock_and_chance import SystemClock
    from daemon.settings import read_settings

    config_path = None if place.config_path is None else Path(place.config_path)
    settings = read_settings(config_path)
    if options.workload not in settings.workloads:
        raise NoSuchWorkload(options.workload, list(settings.workloads))
    asked = tuning.Asked(options.workload, options.artifact_type, options.trials or tuning.TRIALS, options.minutes)
    beside = Path.cwd() if config_path is None else config_path.parent
    return tuning.tune(
        tuning.Place(Path(place.state_dir), beside, settings, os.environ), asked, SystemClock().now(), tell
    )


def _print(chosen: dict[str, Any]) -> None:
    width = max(map(len, chosen["settings"]), default=0)
    for name, value in chosen["settings"].items():
        before = chosen["before"].get(name)
        was = "" if before == value else f"   was {before:g}" if before is not None else ""
        print(harmless(f"{name:<{width}}  {value:g}{was}"))
    before = "none" if chosen["baseline_score"] is None else f"{chosen['baseline_score']:.4g}"
    print(harmless(f"{chosen['metric']} {chosen['score']:.4g} on {chosen['validated']:,} validated, before {before}"))
    if chosen["note"]:
        say(f"adaptd: {chosen['note']}")
    say(
        f"adaptd: {chosen['trials']} trials in this study; later runs of {chosen['workload']} begin from these settings"
    )
