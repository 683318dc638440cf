"""This file knows how the daemon talks about its work: lines for a person at a terminal, JSON for everything else.

A place that cannot be written to (a pipe whose reader has gone, a full disk) never stops the daemon.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from daemon.clock_and_chance import MICROSECONDS, Clock


class Lines:
    """Writes one line after another, as far as they can be written."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def msg(self, line: str) -> None:
        """Write one line now."""
        with contextlib.suppress(OSError, ValueError):
            self._out.write(line + "\n")
            self._out.flush()

    debug = info = warning = error = critical = msg


def logger_to(out: TextIO, clock: Clock, environ: Mapping[str, str]) -> FilteringBoundLogger:
    """The daemon's logger on that stream, with the time from that clock."""
    terminal = out.isatty()
    processors: list[Processor] = [structlog.stdlib.add_log_level, _stamp(clock, short=terminal)]
    if terminal:
        colours = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        processors.append(structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=24))
    else:
        processors += [_first_things_first, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
    made: FilteringBoundLogger = structlog.wrap_logger(
        Lines(out), processors, wrapper_class=structlog.make_filtering_bound_logger("info")
    )
    return made


def _first_things_first(_: WrappedLogger, __: str, told: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When, how grave and what before everything else, as one reads a line."""
    first = {name: told.pop(name) for name in ("timestamp", "level", "event")}
    return first | dict(told)


def _stamp(clock: Clock, *, short: bool) -> Processor:
    def stamp(_: WrappedLogger, __: str, told: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        at = datetime.fromtimestamp(clock.now() / MICROSECONDS, UTC)
        told["timestamp"] = at.astimezone().strftime("%H:%M:%S") if short else at.isoformat(timespec="milliseconds")
        return told

    return stamp
