"""How lines are erased from a spool file that its host still holds: overwritten in place, by newlines.

Only lines that were taken in: the caller knows which. The length stays, so that neither the host, which appends, nor
the position up to which the file was read notices; empty lines are passed over by whoever reads them again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Span(NamedTuple):
    """Where a line stands in its file, without its newline."""

    start: int
    length: int


def find_spans(path: Path, end: int, wanted: Callable[[bytes], bool]) -> list[Span]:
    """The lines before `end` that are wanted; none when the file has gone."""
    return [Span(start, len(line)) for start, line in _lines(path, end) if line and wanted(line)]


def blank(path: Path, spans: Sequence[Span]) -> None:
    """On disk when it returns. A file that has gone has no lines; raises OSError where this user may not write."""
    if not spans:
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(descriptor).st_size
        for start, length in spans:
            os.pwrite(descriptor, b"\n" * max(0, min(length, size - start)), start)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(path: Path, end: int) -> Iterator[tuple[int, bytes]]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        start = 0
        while start < end and (line := file.readline(end - start)):
            yield start, line.rstrip(b"\n")
            start += len(line)
