"""This file knows `adaptd import`: rows of a file become events, and every row that cannot is told and kept.

The daemon may be down: the rows wait in the spool like what any program records.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing, nullcontext
from typing import IO, TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.main import Usage, add_config
from daemon.cli.printing import complain, count_of, harmless, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.moving.importing import Import
    from daemon.moving.rows import Defaults, Row

FIRST_SHOWN = 5
FLUSH_EVERY_ROWS = 50_000


class NothingRecorded(AdaptdError):
    """Recording is switched off, so an import would do nothing."""


def add_import(parser: argparse.ArgumentParser) -> None:
    """The options of `import`."""
    parser.usage = "adaptd import FILE [--format FORMAT] [--dry-run] …"
    parser.epilog = (
        "examples:\n  adaptd import events.ndjson --dry-run\n"
        "  adaptd import chats.jsonl --artifact-type support\n"
        "  adaptd import answers.csv --column input=Question --column output=Answer\n"
        "  zcat events.ndjson.gz | adaptd import - --format native\n\n"
        "Exit codes: 0 every row was taken or was there, 1 some were rejected."
    )
    parser.add_argument("file", metavar="FILE", help="what to take in; - is standard input")
    parser.add_argument(
        "--format", choices=["auto", "native", "chat", "csv"], default="auto", help="default: told by the file"
    )
    parser.add_argument(
        "--column", metavar="FIELD=NAME", action="append", default=[], help="CSV: the column that a field is in"
    )
    parser.add_argument("--artifact-type", metavar="TEXT", help="of rows that name none; not of native ones")
    parser.add_argument(
        "--source", choices=["human", "llm_judge", "code"], help="who judged, in rows that do not say it"
    )
    parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    parser.add_argument("--rejects", metavar="FILE", help="where rows go that cannot be taken (FILE.rejects.jsonl)")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.import/1")
    add_config(parser)


def import_(options: argparse.Namespace) -> int:
    """Take in what can be taken in, tell the rest."""
    if options.file == "-":
        return _import(options, sys.stdin.buffer, "standard input")
    with open(options.file, "rb") as file:
        return _import(options, file, options.file)


def _import(options: argparse.Namespace, file: IO[bytes], name: str) -> int:
    from adaptd.locating import find
    from daemon.moving.importing import Import, RejectsFile, first_full
    from daemon.moving.known_events import KnownEvents
    from daemon.moving.lines import lines_of
    from daemon.moving.telling_formats import format_of

    first, lines = first_full(lines_of(file))
    told_format = options.format if options.format != "auto" or not first else format_of(name, first)
    defaults = _defaults(options, told_format)
    rows = _rows(told_format, lines, _mapping(options.column, told_format), name)
    first_rejects: list[tuple[int, str]] = []
    rejects = None if options.dry_run else RejectsFile(options.rejects or _rejects_name(options.file))

    def rejected(row: Row, reason: str) -> None:
        if len(first_rejects) < FIRST_SHOWN:
            first_rejects.append((row.number, reason))
        if rejects is not None:
            rejects.add(row, reason)

    with closing(KnownEvents(find(options.config).state_dir)) as known, closing(rejects) if rejects else nullcontext():
        work = Import(told_format, defaults, known, None if options.dry_run else _sink(options.config), rejected)
        _go_through(work, rows, file)
    _tell(options, work, told_format, first_rejects, rejects.path if rejects else None)
    return 1 if work.counts.rejected else 0


def _defaults(options: argparse.Namespace, told_format: str) -> Defaults:
    from daemon.moving.rows import Defaults

    if told_format == "native" and (options.artifact_type or options.source):
        raise Usage("--artifact-type and --source: expected with chat or csv; native rows say it themselves")
    return Defaults(options.artifact_type, options.source)


def _mapping(given: list[str], told_format: str) -> dict[str, str]:
    if given and told_format != "csv":
        raise Usage(f"--column: expected with csv, found {told_format}")
    mapping = {}
    for text in given:
        field, equals, name = text.partition("=")
        if not (field and equals and name):
            raise Usage(f"--column: expected FIELD=NAME, found {text!r}")
        mapping[field] = name
    return mapping


def _rows(told_format: str, lines: Iterator[Any], mapping: dict[str, str], name: str) -> Iterator[Row]:
    from daemon.moving.csv_rows import CsvRows
    from daemon.moving.importing import json_rows
    from daemon.moving.rows import BadRow

    if told_format != "csv":
        return json_rows(lines)
    try:
        table = CsvRows(lines, mapping)
    except BadRow as bad:
        raise Usage(f"{name}: {bad}") from None
    if table.others:
        say(f"adaptd: columns that no field is named after are kept in context: {', '.join(table.others)}")
    return table.rows()


def _rejects_name(name: str) -> str:
    return "standard-input.rejects.jsonl" if name == "-" else f"{name}.rejects.jsonl"


def _sink(config: str | None) -> Any:
    """The spool of this process, which does not hide a failing disk."""
    from adaptd.destination import open_sink
    from daemon.cli.recording import record_there

    record_there(config)
    sink = open_sink()
    if sink is None:
        raise NothingRecorded("ADAPTD_DISABLED is set, so nothing is recorded; unset it to import")
    return sink


def _go_through(work: Import, rows: Iterator[Row], file: IO[bytes]) -> None:
    """Everything through, and on the disk."""
    from daemon.cli.progress import progress

    size = _size_of(file)
    flushed = 0
    with progress() as tell:
        for _ in work.take(rows):
            if work.counts.rows - flushed >= FLUSH_EVERY_ROWS:
                _flush()
                flushed = work.counts.rows
            tell("importing", file.tell() if size else work.counts.rows, size)
        _flush()


def _size_of(file: IO[bytes]) -> int:
    """0 where nobody can know, as of a pipe."""
    try:
        return os.fstat(file.fileno()).st_size if file.seekable() else 0
    except OSError:
        return 0


def _flush() -> None:
    from adaptd.destination import here

    if here.sink is not None:
        here.sink.flush()


def _tell(
    options: argparse.Namespace,
    work: Import,
    told_format: str,
    first_rejects: list[tuple[int, str]],
    rejects: str | None,
) -> None:
    counts = work.counts
    if options.json:
        print_json(
            {
                "schema": "adaptd.import/1",
                "file": options.file,
                "format": told_format,
                "dry_run": options.dry_run,
                "rows": counts.rows,
                "taken": counts.taken,
                "there_already": counts.there_already,
                "passed_over": counts.passed_over,
                "rejected": counts.rejected,
                "first_rejects": [{"line": line, "reason": reason} for line, reason in first_rejects],
                "rejects_file": rejects if counts.rejected else None,
            }
        )
    else:
        print("\n".join(_page(options, work, told_format)))
    for line, reason in first_rejects:
        complain(f"adaptd: {harmless(options.file)}:{line}: {harmless(reason)}")
    if counts.rejected > len(first_rejects):
        complain(f"adaptd: and {counts.rejected - len(first_rejects):,} more")
    if counts.rejected and rejects:
        complain(f"adaptd: the rejected rows are in {harmless(rejects)}, each with its line and its reason")


def _page(options: argparse.Namespace, work: Import, told_format: str) -> list[str]:
    counts = work.counts
    lines = [f"{harmless(options.file)}: {count_of(counts.rows, 'row')} ({told_format})"]
    told = "would be taken, nothing was written" if options.dry_run else "taken: in the spool, for the daemon"
    lines.append(f"{counts.taken:>12,}  {told}")
    if counts.there_already:
        lines.append(f"{counts.there_already:>12,}  in the log already")
    if counts.passed_over:
        lines.append(f"{counts.passed_over:>12,}  passed over: events of the daemon itself")
    if counts.rejected:
        lines.append(f"{counts.rejected:>12,}  rejected")
    return lines
