"""This file knows `adaptd bugreport`: what to send along when something is wrong, without anybody's texts in it."""

from __future__ import annotations

import argparse

from daemon.cli.main import add_config
from daemon.cli.printing import folded, harmless, line_width, print_json, say


def add_bugreport(parser: argparse.ArgumentParser) -> None:
    """The options of `bugreport`."""
    parser.epilog = (
        "examples:\n  adaptd bugreport > report.md\n  adaptd bugreport --json\n\n"
        "Texts, names, folders and ids are left out or masked; read it before you\nsend it."
    )
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.bugreport/1")
    add_config(parser)


def bugreport(options: argparse.Namespace) -> int:
    """Print the report; a place that is broken, or that is not there, is part of it."""
    from daemon.bug_report import bug_report
    from daemon.clock_and_chance import SystemClock

    found = bug_report(options.config, SystemClock())
    if options.json:
        findings = [one._asdict() for one in found.findings]
        print_json({"schema": "adaptd.bugreport/1", **found._asdict(), "findings": findings})
        return 0
    lines = ["# adaptd: a report", "", "What happened, and what was expected instead: ", ""]
    lines += _table("versions", found.versions) + _table("settings that were changed", found.settings)
    lines += _table("counts", found.counts)
    lines += _list("findings", [f"{one.level:<5} {one.name}: {one.found}" for one in found.findings])
    lines += _list("in the way", found.troubles)
    width = line_width()
    print("\n".join(piece for line in lines for piece in folded(harmless(line), width, 10)))
    say("adaptd: texts, names, folders and ids are masked; read it before you send it")
    return 0


def _table(title: str, rows: dict[str, object] | dict[str, str] | dict[str, int]) -> list[str]:
    if not rows:
        return []
    wide = max(map(len, rows))
    return [f"## {title}", "", *(f"    {name:<{wide}}  {value}" for name, value in rows.items()), ""]


def _list(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *(f"    {line}" for line in lines), ""] if lines else []
