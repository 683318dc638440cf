"""This file knows `adaptd config`: is the configuration good, what holds, who says so, and where it is."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from adaptd.errors import ConfigUnreadable
from daemon.cli import main as cli
from daemon.cli.printing import coloured, harmless, line_width, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.settings_told import ValueTold


def add_config(parser: argparse.ArgumentParser) -> None:
    """The options of `config` and of the verbs below it."""
    parser.epilog = (
        "examples:\n  adaptd config check\n"
        "  adaptd config check --config new.toml --json\n"
        "  adaptd config show --origin           and who says so\n"
        "  adaptd config schema > config.schema.json\n"
        "  adaptd config path                    as in: $EDITOR $(adaptd config path)\n\n"
        "ADAPTD__SECTION__KEY in the environment counts before the file, for instance\n"
        "ADAPTD__LOG__DURABILITY=normal. Exit code 78 when something is wrong."
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    check = verbs.add_parser("check", help="every mistake, also in what workloads name, with line and column")
    show = verbs.add_parser("show", help="what holds for every key")
    show.add_argument("--origin", action="store_true", help="say of each who says so")
    schema = verbs.add_parser("schema", help="what may be said, as a JSON Schema for editors")
    path = verbs.add_parser("path", help="which file it is")
    for below, done in ((check, _check), (show, _show), (path, _path)):
        below.add_argument("--json", action="store_true", help="as one JSON document")
        cli.add_config(below)
        below.set_defaults(look=done)
    schema.set_defaults(look=_schema)


def config(options: argparse.Namespace) -> int:
    """Look; nothing is changed."""
    return int(options.look(options))


def _check(options: argparse.Namespace) -> int:
    from daemon.config_faults import BadConfig
    from daemon.queries import config_faults

    path, why = _found(options)
    faults = config_faults(path, os.environ)
    lines = BadConfig(path, faults).lines()
    if options.json:
        told = [fault._asdict() | {"told": line} for fault, line in zip(faults, lines, strict=True)]
        print_json({"schema": "adaptd.config_check/1", **_file(path, why), "ok": not faults, "faults": told})
    elif faults:
        print(harmless("\n".join(lines)))
    else:
        print(harmless(f"{path or why}: ") + coloured("OK", "green"))
    return cli.BAD_CONFIG if faults else 0


def _show(options: argparse.Namespace) -> int:
    from daemon.config_faults import told_key
    from daemon.queries import settings_told

    path, why = _found(options)
    told = settings_told(path, os.environ)
    if options.json:
        print_json({"schema": "adaptd.config/1", **_file(path, why), "keys": [_document(one) for one in told]})
        return 0
    width = line_width()
    for number, one in enumerate(told):
        if not number or told[number - 1].path[:-1] != one.path[:-1]:
            print(("\n" if number else "") + harmless(f"[{told_key(one.path[:-1])}]"))
        print("\n".join(_lines(one, path, width) if options.origin else [_pair(one)]))
    return 0


def _document(told: ValueTold) -> dict[str, Any]:
    origin = {"kind": told.origin, "line": told.line, "column": told.column, "variable": told.variable}
    known = {name: value for name, value in origin.items() if value}
    return {"key": told.key, "value": told.value, "default": told.default, "origin": known}


def _pair(told: ValueTold) -> str:
    from daemon.config_faults import told_key, written

    if told.value is None:  # TOML has no word for it
        return harmless(f"# {told_key(told.path[-1:])} is not set")
    return harmless(f"{told_key(told.path[-1:])} = {written(told.value)}")


def _lines(told: ValueTold, path: Path | None, width: int | None) -> list[str]:
    """The key with its origin beside it as a comment, or above it where that would be too wide."""
    name = path.name if path else ""
    origin = {"file": f"{name}:{told.line}:{told.column}", "environment": f"environment {told.variable}"}
    comment = harmless(f"# {origin.get(told.origin, told.origin)}")
    if told.value is None:
        return [_pair(told)]
    line = f"{_pair(told):<30}  {comment}"
    return [line] if width is None or len(line) <= width else [comment, _pair(told)]


def _schema(_options: argparse.Namespace) -> int:
    from daemon.config_schema import schema_text

    sys.stdout.write(schema_text())
    return 0


def _path(options: argparse.Namespace) -> int:
    path, why = _found(options)
    if options.json:
        print_json({"schema": "adaptd.config_path/1", **_file(path, why)})
        return 0
    if path is not None:
        print(path)
    say(harmless(f"adaptd: {why}"))
    return 0


def _file(path: Path | None, why: str) -> dict[str, Any]:
    return {"config": None if path is None else str(path), "why": why}


def _found(options: argparse.Namespace) -> tuple[Path | None, str]:
    """The file, and why it is that one; a file that cannot be read is the one that is asked about, too."""
    from pathlib import Path

    from adaptd.locating import find

    try:
        place = find(options.config)
    except ConfigUnreadable as unreadable:
        if not os.path.isfile(unreadable.path):
            raise
        return Path(unreadable.path), unreadable.why
    return (None if place.config_path is None else Path(place.config_path)), place.why
