"""This file knows how progress is drawn: one line on stderr, at a terminal alone, with the time that is left.

Nothing is drawn for work that is done in a moment, with --quiet, or where the line could not be taken away again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from daemon.cli.printing import cut, duration_of, harmless, may_talk
from daemon.telling import Tell, silent

FIRST_SECONDS = 0.5
EVERY_SECONDS = 0.2
EARLIEST_GUESS_SECONDS = 1.0
BEGINNING_OF_THE_LINE = "\r\033[K"


class Progress:
    """One line that is drawn again and again, and is gone at the end."""

    def __init__(self, out: TextIO, now: float, width: int) -> None:
        self._out, self._width = out, width
        self._doing, self._began, self._first = "", now, 0
        self._drawn = now + FIRST_SECONDS - EVERY_SECONDS
        self._is_there = False

    def tell(self, doing: str, done: int, total: int, now: float) -> None:
        """Draw, if it is time to."""
        if doing != self._doing:
            self._doing, self._began, self._first = doing, now, done
        if now - self._drawn >= EVERY_SECONDS:
            self._drawn, self._is_there = now, True
            self._out.write(BEGINNING_OF_THE_LINE + self._line(done, total, now - self._began))
            self._out.flush()

    def _line(self, done: int, total: int, taken: float) -> str:
        told = harmless(f"{self._doing}: {done:,}" if done else self._doing)
        if total > 0:
            share = min(1.0, done / total)
            told = harmless(f"{self._doing}: {100 * share:.0f}%") + self._left(done, total, taken)
        return cut(told, self._width - 1)

    def _left(self, done: int, total: int, taken: float) -> str:
        advanced = done - self._first
        if advanced <= 0 or taken < EARLIEST_GUESS_SECONDS:
            return ""
        return f", {duration_of(taken * max(0, total - done) / advanced)} left"

    def end(self) -> None:
        """Leave no trace."""
        if self._is_there:
            self._out.write(BEGINNING_OF_THE_LINE)
            self._out.flush()


@contextmanager
def progress() -> Iterator[Tell]:
    """What long work is to tell how far it is."""
    if not (may_talk() and sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")):
        yield silent
        return
    line = Progress(sys.stderr, time.monotonic(), _width())
    try:
        yield lambda doing, done, total: line.tell(doing, done, total, time.monotonic())
    finally:
        line.end()


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
