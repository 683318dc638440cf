"""This file knows `adaptd train now`, `pause`, `resume` and `cancel`: what a person says to the nights."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from daemon.cli.main import add_config
from daemon.cli.printing import harmless, print_json, say

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from adaptd.locating import Place


def add_train(parser: argparse.ArgumentParser) -> None:
    """The options of `train` and of the verbs below it: `now`, and one for each workload with a command of its own."""
    from daemon.cli.training import add_commands

    parser.epilog = (
        "examples:\n  adaptd train now                    every workload\n  adaptd train now support\n"
        "  adaptd train sbert --data a.csv     a model from a file, without the daemon\n\n"
        "Needs no window and no trigger; `adaptd status` shows what comes of it. Exit\n"
        "codes: 0 it is asked for, 4 there is no such workload, 75 nights are paused."
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    now = verbs.add_parser("now", help="train as soon as the daemon can, in or out of the window")
    now.add_argument("workload", metavar="WORKLOAD", nargs="?", help="one of config.toml; all of them without it")
    _finish(now, "train_asked")
    add_commands(verbs)


def add_pause(parser: argparse.ArgumentParser) -> None:
    """The options of `pause`."""
    parser.epilog = (
        "examples:\n  adaptd pause                         until `adaptd resume`\n  adaptd pause --until 06:00\n"
        '  adaptd pause --until 3h --reason "a demonstration"\n\n'
        "A run that is under way saves its checkpoint and goes on afterwards. Times are\n"
        "those of the zone under [night]. Exit code 1 when a pause holds already."
    )
    parser.add_argument("--until", metavar="WHEN", help="06:00, 2026-11-26 06:00, 90m, 3h or 2d; without it for good")
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who look at `adaptd status`")
    _finish(parser, "paused")


def add_resume(parser: argparse.ArgumentParser) -> None:
    """The options of `resume`."""
    parser.epilog = "examples:\n  adaptd resume\n\nWhere nothing is paused it says so, and that is no mistake."
    _finish(parser, "resumed")


def add_cancel(parser: argparse.ArgumentParser) -> None:
    """The options of `cancel`."""
    parser.epilog = (
        'examples:\n  adaptd cancel run-0007\n  adaptd cancel 7 --reason "the wrong base model"\n\n'
        "What it has learnt is given up; the next batch may have its examples again. Exit\n"
        "code 4 when there is no such run, 1 when it is over already."
    )
    parser.add_argument("run", metavar="RUN", help="its id, or its number alone")
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who look at the run later")
    _finish(parser, "cancelled")


def _finish(parser: argparse.ArgumentParser, document: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"as one JSON document, adaptd.{document}/1")
    add_config(parser)


def train(options: argparse.Namespace) -> int:
    """Ask for it, and say what will happen; or do what a workload's own command does."""
    if options.verb != "now":
        from daemon.cli.training import run_command

        return run_command(options)
    place, done = _asked(options, {"verb": "train", "workload": options.workload}, "asks for it")
    running = _is_running(place)
    if options.json:
        print_json({"schema": "adaptd.train_asked/1", **done, "daemon_running": running})
        return 0
    for name in done["workloads"]:
        print(harmless(f"{name}: training is asked for"))
    if running:
        say("adaptd: the daemon begins now, in or out of the window; a run that waits goes on first")
    else:
        say("adaptd: nothing happens before the daemon runs: adaptd run")
    return 0


def pause(options: argparse.Namespace) -> int:
    """From now on."""
    from daemon.asking_nights import told_pause
    from daemon.moments import moment_of

    place, zone = _found(options)
    until = None if options.until is None else _moment(options.until, zone)
    _, done = _asked(options, {"verb": "pause", "until": until, "reason": options.reason}, "pauses", place)
    if options.json:
        moment = None if until is None else moment_of(until)
        print_json({"schema": "adaptd.paused/1", "until": moment, "reason": options.reason})
        return 0
    print(harmless(told_pause(done, zone)))
    if until is None:
        say("adaptd: `adaptd resume` ends it")
    return 0


def resume(options: argparse.Namespace) -> int:
    """Where nothing is paused, nothing is done."""
    _, done = _asked(options, {"verb": "resume"}, "resumes")
    if options.json:
        print_json({"schema": "adaptd.resumed/1", **done})
    else:
        print("resumed: windows count again" if done["was_paused"] else "nothing was paused")
    return 0


def cancel(options: argparse.Namespace) -> int:
    """For good."""
    run = f"run-{int(options.run):04d}" if options.run.isdecimal() else options.run
    _, done = _asked(options, {"verb": "cancel", "run": run, "reason": options.reason}, "cancels it")
    if options.json:
        print_json({"schema": "adaptd.cancelled/1", **done})
    else:
        print(harmless(f"{done['run']}: cancelled"))
    return 0


def _asked(
    options: argparse.Namespace, request: dict[str, Any], does: str, place: Place | None = None
) -> tuple[Place, dict[str, Any]]:
    from adaptd.locating import find
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress

    place = find(options.config) if place is None else place
    with progress() as tell:
        return place, have_done(place, request, tell, does)


def _found(options: argparse.Namespace) -> tuple[Place, ZoneInfo]:
    """The place, and the zone that its nights are in."""
    from pathlib import Path

    from adaptd.locating import find
    from daemon.nights import zone_of
    from daemon.settings import read_settings

    place = find(options.config)
    settings = read_settings(None if place.config_path is None else Path(place.config_path))
    return place, zone_of(settings.night.timezone)


def _moment(text: str, zone: ZoneInfo) -> int:
    from daemon.clock_and_chance import SystemClock
    from daemon.moments_meant import NotAMoment, moment_meant

    try:
        return moment_meant(text, SystemClock().now(), zone)
    except NotAMoment as wrong:
        raise NotAMoment(f"pause: --until: {wrong}") from None


def _is_running(place: Place) -> bool:
    from daemon.state_lock import running_pid

    return running_pid(place.state_dir) is not None
