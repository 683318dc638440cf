"""Writes docs/reference/ and docs/stages.md anew from the program itself: `python -m docs.reference`.

tests/test_reference.py compares, so that the pages cannot say what the program does not.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from daemon.cli.main import VERBS, Parser, parser_of
from daemon.config_faults import told_key, written
from daemon.config_schema import schema_text
from daemon.settings import ONLY_AT_START
from daemon.settings_told import KeyTold, keys_told
from docs.reference.stages_page import stages_page

HERE = Path(__file__).parent
COMMANDS = """\
# Commands

Written by `python -m docs.reference` from the program itself, and compared by the tests. `adaptd VERB --help` says the
same at the terminal.

What a verb gives goes to stdout, what it has to say to stderr, where `-q` or `--quiet`, which every verb has, silences
all but what went wrong. Reading verbs take `--json` (each document says its `schema`; later versions only add to it)
and work with the daemon down. Colours and progress are for terminals alone; `NO_COLOR` switches colours off.
`--config PATH` and `--quiet` may stand before the verb, too.

| exit code | means |
|---|---|
| 0 | ok |
| 1 | failed, or found something wrong |
| 2 | the command line cannot be understood |
| 3 | the daemon is needed and does not run |
| 4 | no such thing |
| 5 | refused by a gate |
| 75 | not now: try later |
| 78 | the configuration cannot be used |
"""
CONFIG = """\
# Configuration

Written by `python -m docs.reference` from the program itself, and compared by the tests.

`config.toml` is looked for in this order: `--config` (for programs, `adaptd.configure(config=…)`), `ADAPTD_CONFIG`, the
nearest `config.toml` with an `[adaptd]` table in or above the working folder, `~/.config/adaptd/` (or
`$XDG_CONFIG_HOME/adaptd/`), `/etc/adaptd/`. `adaptd config path` says which it is, and why. Relative paths in it are
relative to it, wherever they are said.

A variable `ADAPTD__SECTION__KEY` of the environment counts before the file, for the daemon, the verbs and the programs
that record alike. It is read as a TOML value, or else as a text; an empty one says nothing. Where no file is found,
`ADAPTD__ADAPTD__STATE_DIR` with an absolute path is enough. `adaptd config show --origin` shows what holds, and who
says so.

Every mistake is told at once, by `adaptd config check` and by whatever needs the configuration (exit code 78), at its
place: `config.toml:5:14: log.durability: expected "full" or "normal", found "ful", did you mean "full"?`, or
`environment ADAPTD__LOG__DURABILITY: …`. What is not known is a mistake, too.

Each workload has a table `[workloads.name]` under a name of your own, and further ones below it; in a variable every
level has its `__`, as in `ADAPTD__WORKLOADS__SUPPORT__TRIGGER__DAYS`. `config check` and the daemon's start also load
what a workload names, and tell what its stages would not take.

A running daemon reads the file again on HUP; one with a mistake is refused, and the old values stay in force.

Editors that follow the line `#:schema` complete keys and mark mistakes: `adaptd init` and `adaptd run` write the schema
into the state folder, `adaptd config schema` prints it, and here it is [config.schema.json](config.schema.json).
"""


def commands_page() -> str:
    """docs/reference/commands.md."""
    return COMMANDS + "".join("\n" + "\n".join(_verb(parser_of(verb), "##")) + "\n" for verb in VERBS)


def config_page() -> str:
    """docs/reference/config.md."""
    lines = []
    section: tuple[str, ...] = ()
    for key in keys_told():
        if key.path[:-1] != section:
            section = key.path[:-1]
            lines += ["", f"## [{told_key(section)}]", "", str(key.table.__doc__)]
        lines += ["", *_key(key)]
    return CONFIG + "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Every page, with what it must say."""
    return {
        HERE / "commands.md": commands_page(),
        HERE / "config.md": config_page(),
        HERE / "config.schema.json": schema_text(),
        HERE.parent / "stages.md": stages_page(),
    }


# Verbs


def _verb(parser: Parser, heading: str) -> Iterator[str]:
    examples, notes = parser.parts()
    yield from (f"{heading} {parser.prog}", "", parser.sentence())
    if examples:
        yield from ("", "```text", *examples, "```")
    options = [action for action in parser._actions if action.dest not in ("help", "quiet", "verb")]
    if options:
        yield from ("", "| | |", "|---|---|", *(f"| {_name(action)} | {_meaning(action)} |" for action in options))
    if notes:
        yield from ("", " ".join(notes.split()))
    for below in parser.below.values():
        yield from ("", *_verb(below, heading + "#"))


def _name(action: argparse.Action) -> str:
    value = action.metavar or "\\|".join(map(str, action.choices or ()))
    if action.nargs == "?":
        value = f"[{value}]"
    if action.nargs == 0:
        return ", ".join(f"`{name}`" for name in action.option_strings)
    return ", ".join(f"`{name} {value}`" for name in action.option_strings) or f"`{value}`"


def _meaning(action: argparse.Action) -> str:
    text = re.sub(r"\|", r"\\|", action.help or "")
    return text + (" (required)" if action.required and action.option_strings else "")


# Settings


def _key(key: KeyTold) -> list[str]:
    name = ".".join(key.path)
    examples = ", ".join(f"`{written(one)}`" for one in key.examples)
    needs = " After a change the daemon has to be started again." if name in ONLY_AT_START else ""
    return [
        f"### {name}",
        "",
        key.about + needs,
        "",
        "| expected | default | for instance | in the environment |",
        "|---|---|---|---|",
        f"| {key.expected} | {_default(key.default)} | {examples} | `{key.variable}` |",
    ]


def _default(value: object) -> str:
    return "not set" if value is None else f"`{written(value)}`"


def main() -> int:
    """Write what is not as it must be; say what was written."""
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
