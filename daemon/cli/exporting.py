"""This file knows `adaptd export`: the whole log for another adaptd, its outputs as chats, or a table with feedback.

What is written streams, so the size of the log does not matter. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import IO

from daemon.cli.main import NoSuchThing, add_config
from daemon.cli.printing import as_json, count_of, say


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.epilog = (
        "examples:\n  adaptd export --format native --output events.ndjson\n"
        "  adaptd export --format native | gzip > events.ndjson.gz\n"
        "  adaptd export --format chat --output chats.jsonl\n"
        "  adaptd export --format csv --output feedback.csv"
    )
    parser.add_argument(
        "--format",
        choices=["native", "chat", "csv"],
        required=True,
        help="native: every event, whole; chat: outputs as messages, corrected; csv: outputs beside their feedback",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to (default: standard output); replaced when it is whole"
    )
    add_config(parser)


def export(options: argparse.Namespace) -> int:
    """Write what is in the log now."""
    from adaptd.locating import find
    from daemon.cli.progress import progress
    from daemon.moving.exporting import FORMATS
    from daemon.queries import export_size

    state_dir = find(options.config).state_dir
    pieces = FORMATS[options.format](state_dir, as_json)
    written = 0
    with closing(pieces), _output(options.output) as out, progress() as tell:  # type: ignore[type-var]
        total = export_size(state_dir, native=options.format == "native")
        for piece in pieces:
            out.write(piece)
            written += 1
            tell("exporting", written, total)
    if options.output:
        thing = {"native": "event", "chat": "output", "csv": "output"}[options.format]
        say(f"{count_of(written - (options.format == 'csv'), thing)} written to {options.output}")
    return 0


@contextmanager
def _output(name: str | None) -> Iterator[IO[bytes]]:
    if name is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if not os.path.isdir(os.path.dirname(os.path.abspath(name))):
        raise NoSuchThing(f"--output {name}: its folder is not there, expected one to write to. Make it: mkdir")
    unfinished = f"{name}.{os.getpid()}.unfinished"
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, name)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise
