"""This file knows `adaptd export`: the whole log as lines that another adaptd can take in again.

The events stream in pages, so the size of the log does not matter. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import IO

from daemon.cli.main import add_config
from daemon.cli.printing import as_json, count_of, say


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.epilog = (
        "examples:\n  adaptd export --format native --output events.ndjson\n"
        "  adaptd export --format native | gzip > events.ndjson.gz"
    )
    parser.add_argument(
        "--format", choices=["native"], required=True, help="native: one JSON object a line, with its id"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to (default: standard output); replaced when it is whole"
    )
    add_config(parser)


def export(options: argparse.Namespace) -> int:
    """Write every event that is in the log now."""
    from adaptd.locating import find
    from daemon.event_reading import EventReader

    written = 0
    with closing(EventReader.open(find(options.config).state_dir)) as reader, _output(options.output) as out:
        newest = reader.newest
        for event in reader.after(0):
            if event["seq"] > newest:
                break
            out.write(as_json(event))
            written += 1
    if options.output:
        say(f"{count_of(written, 'event')} written to {options.output}")
    return 0


@contextmanager
def _output(name: str | None) -> Iterator[IO[bytes]]:
    if name is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
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
