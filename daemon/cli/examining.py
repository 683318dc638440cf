"""This file knows `adaptd doctor`: each thing that may be wrong on a line of its own, with what to do about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from daemon.cli.main import add_config
from daemon.cli.printing import harmless, print_json

if TYPE_CHECKING:
    from daemon.examining import Finding


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
            print(harmless(f"{finding.level:<5} {finding.name:<12} {finding.found}"))
            if finding.next_step:
                print(harmless(f"{'':<18} → {finding.next_step}"))
    return 1 if bad else 0


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

    import adaptd
    from adaptd.locating import find
    from daemon.clock_and_chance import SystemClock
    from daemon.examining import watch_one_event

    place = find(options.config)
    adaptd.configure(config=place.config_path)
    return [watch_one_event(Path(place.state_dir), SystemClock(), lambda: time.sleep(0.1))]
