"""This file knows `adaptd doctor`: each thing that may be wrong on a line of its own, with what to do about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from daemon.cli.main import add_config
from daemon.cli.printing import coloured, folded, harmless, line_width, print_json

if TYPE_CHECKING:
    from daemon.examining import Finding


COLOUR_OF = {"ok": "green", "warn": "yellow", "bad": "red"}


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    parser.epilog = (
        "examples:\n  adaptd doctor\n  sudo -u www-data adaptd doctor --host    can that user record here?\n\n"
        "Exit code 1 when something is bad; a warning leaves it 0."
    )
    parser.add_argument("--host", action="store_true", help="record a test event as this user and see it arrive")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.doctor/1")
    add_config(parser)


def doctor(options: argparse.Namespace) -> int:
    """Look at everything; 1 when something is bad."""
    findings = _host(options) if options.host else _place(options)
    bad = any(finding.level == "bad" for finding in findings)
    if options.json:
        print_json({"schema": "adaptd.doctor/1", "ok": not bad, "findings": [one._asdict() for one in findings]})
    else:
        for finding in findings:
            print("\n".join(_lines(finding, line_width())))
    return 1 if bad else 0


def _lines(finding: Finding, width: int | None) -> list[str]:
    """The finding and what to do about it, folded at a terminal."""
    lines = folded(harmless(f"{finding.name:<12} {finding.found}"), width and width - 6, 13)
    if finding.next_step:
        lines += folded(harmless(f"{'':<12} → {finding.next_step}"), width and width - 6, 15)
    level = coloured(f"{finding.level:<5}", COLOUR_OF[finding.level])
    return [f"{level if not number else '     '} {line}" for number, line in enumerate(lines)]


def _place(options: argparse.Namespace) -> list[Finding]:
    from pathlib import Path

    from adaptd.locating import find
    from daemon.clock_and_chance import SystemClock
    from daemon.examining import examine
    from daemon.moments import moment_of
    from daemon.queries import status_of

    place, clock = find(options.config), SystemClock()
    status = status_of(place.state_dir, place.config_path, place.table, moment_of(clock.now())[:10])
    return examine(Path(place.state_dir), status, clock)


def _host(options: argparse.Namespace) -> list[Finding]:
    import time
    from pathlib import Path

    from daemon.cli.progress import progress
    from daemon.cli.recording import record_there
    from daemon.clock_and_chance import SystemClock
    from daemon.examining import watch_one_event

    place = record_there(options.config)
    with progress() as tell:

        def pause() -> None:
            tell("waiting for the event to arrive", 0, 0)
            time.sleep(0.1)

        return [watch_one_event(Path(place.state_dir), SystemClock(), pause)]
