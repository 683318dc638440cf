"""This file knows `adaptd golden`: examples that models are judged on at every promotion, and that none learns from."""

from __future__ import annotations

import argparse
import json
from typing import Any

from daemon.cli.main import Usage, add_config
from daemon.cli.printing import count_of, harmless, in_columns, line_width, print_json, say

HEAD = ("set", "version", "examples", "not frozen", "frozen (UTC)")
DEFAULT = "default"
NAME = r"[a-z0-9_-]{1,60}"


def add_golden(parser: argparse.ArgumentParser) -> None:
    """The options of `golden` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd golden import golden.jsonl\n  adaptd golden import golden.jsonl --set support\n"
        "  adaptd golden freeze --set support\n  adaptd golden list\n  adaptd golden retire --set support\n\n"
        'A line: {"input": "2+2", "reference": "4", "artifact_type": "sums"}; `subject`\n'
        "may be given too. A workload is judged on the set of its own name, or else on\n"
        "the one called default, once it is frozen. Nothing learns from any of it, nor\n"
        "from what is nearly equal to it."
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    imported = verbs.add_parser("import", help="put the examples of a file into a set")
    imported.add_argument("file", metavar="FILE", help="a JSON object a line, with input and reference")
    freeze = verbs.add_parser("freeze", help="judge on what is in a set from now on, as its next version")
    listed = verbs.add_parser("list", help="the sets, and which version of each is judged on")
    retire = verbs.add_parser("retire", help="judge on a set no longer")
    for below, act in ((imported, _import), (freeze, _freeze), (listed, _list), (retire, _retire)):
        if below is not listed:
            below.add_argument("--set", metavar="NAME", default=DEFAULT, help="which set, `default` without it")
        below.add_argument("--json", action="store_true", help="as one JSON document")
        add_config(below)
        below.set_defaults(act=act)


def golden(options: argparse.Namespace) -> int:
    """Look, or keep."""
    import re

    name = getattr(options, "set", DEFAULT)
    if not re.fullmatch(NAME, name):
        raise Usage(f"golden: --set: {name!r}, expected a name of 1 to 60 lower-case letters, digits, _ and -")
    return int(options.act(options))


def _have_done(options: argparse.Namespace, request: dict[str, Any], schema: str, does: str) -> dict[str, Any] | None:
    """The answer, or None where it was printed as JSON."""
    from adaptd.locating import find
    from daemon.cli.asking_daemon import have_done
    from daemon.cli.progress import progress

    with progress() as tell:
        done = have_done(find(options.config), request | {"set": options.set}, tell, does)
    if options.json:
        print_json({"schema": f"adaptd.{schema}/1", **done})
        return None
    return done


def _import(options: argparse.Namespace) -> int:
    rows = _rows_of(options.file)
    done = _have_done(options, {"verb": "golden import", "rows": rows}, "golden_imported", "takes them in")
    if done is not None:
        print(f"{done['set']}: {count_of(done['recorded'], 'example')} recorded, {done['known']:,} were there already")
        if done["refused"]:
            say(f"adaptd: {count_of(done['refused'], 'example')} of forgotten subjects left out")
        if done["recorded"]:
            say(f"adaptd: `adaptd golden freeze --set {done['set']}` has models judged on them")
    return 0


def _rows_of(path: str) -> list[Any]:
    """The file's lines, checked before anybody is asked; BadRow names the first that is no example."""
    from daemon.golden_keeping import BadRow, check_row

    rows = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise BadRow(f"line {number}: {error}, expected a JSON object") from None
                check_row(number, rows[-1])
    if not rows:
        raise Usage(f"golden import: {path}: no example in it, expected a JSON object a line")
    return rows


def _freeze(options: argparse.Namespace) -> int:
    done = _have_done(options, {"verb": "golden freeze"}, "golden_frozen", "freezes it")
    if done is not None:
        print(f"{done['set']}: version {done['version']}, {count_of(done['rows'], 'example')}")
    return 0


def _retire(options: argparse.Namespace) -> int:
    done = _have_done(options, {"verb": "golden retire"}, "golden_retired", "retires it")
    if done is not None:
        print(f"{done['set']}: judged on no longer")
    return 0


def _list(options: argparse.Namespace) -> int:
    from adaptd.locating import find
    from daemon.golden_telling import golden_sets
    from daemon.moments import moment_of, short_moment_of

    found = golden_sets(find(options.config).state_dir)
    if options.json:
        sets = [
            {"set": one.name, "version": one.version, "examples": len(one.frozen), "new": one.new}
            | {"frozen_at": None if one.frozen_at is None else moment_of(one.frozen_at)}
            for one in found
        ]
        print_json({"schema": "adaptd.golden_sets/1", "sets": sets})
        return 0
    rows = [
        (one.name, str(one.version or "-"), f"{len(one.frozen):,}", f"{one.new:,}",
         "-" if one.frozen_at is None else short_moment_of(one.frozen_at))
        for one in found
    ]  # fmt: skip
    for line in in_columns(rows, HEAD, line_width()):
        print(harmless(line))
    if not found:
        say("adaptd: no golden set yet. `adaptd golden import FILE` begins one.")
    return 0
