"""This file knows what forming stands on: the views as they are now, or the log folded anew up to a position.

Folding writes nothing, so it serves with the daemon up or down. It keeps what it folded last.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from daemon.batch_making import Standing
from daemon.event_log import EventLog
from daemon.pooling import Source
from daemon.telling import Tell, silent
from daemon.views.batches import Batches
from daemon.views.examples import Examples
from daemon.views.page import Vocabulary
from daemon.views.saving import load_saved
from daemon.views.store import PAGE_EVENTS, Views, fold_next

SourceOf = Callable[[Examples], Source]


class LiveStanding:
    """For the daemon: what the views have folded."""

    def __init__(self, log: EventLog, views: Views, source_of: SourceOf, memories: Path | None = None) -> None:
        self._log = log
        self._views = views
        self._source_of = source_of
        self._memories = memories

    def now(self) -> Standing:
        """As of the views' position."""
        examples, position = self._views.of(Examples), self._views.position
        source = self._source_of(examples)
        return Standing(self._log, examples, self._views.of(Batches), source, position, self._memories)

    def at(self, position: int) -> Standing:
        """As of an earlier position; what stages remember is taken up where it was kept up to there."""
        return folded_at(self._log, position, self._source_of, self._memories)


class FoldedStanding:
    """For who only reads: what is saved of the views, and the rest of the log folded in this process."""

    def __init__(self, log: EventLog, source_of: SourceOf, views: Path, tell: Tell = silent) -> None:
        self._log = log
        self._views = views
        self._source_of = source_of
        self._tell = tell
        self._newest: Standing | None = None

    def now(self) -> Standing:
        """As of the log's head when this was first asked."""
        if self._newest is None:
            examples, batches, position = self._saved()
            self._newest = _folded_on(
                self._log, examples, batches, position, self._log.head().seq, self._source_of, None, self._tell
            )
        return self._newest

    def _saved(self) -> tuple[Examples, Batches, int]:
        """As views.db has them, where that is a state of this log; else from the first event."""
        examples, batches = Examples(), Batches()
        saved = load_saved(self._views, [examples, batches])
        if saved is not None and saved[0]:
            found = self._log.read_after(saved[0] - 1, 1, ("seq", "chain"))
            if found and tuple(found[0]) == saved:
                return examples, batches, saved[0]
        return Examples(), Batches(), 0

    def at(self, position: int) -> Standing:
        """As of that position, with what stages remember fed from the first example."""
        return folded_at(self._log, position, self._source_of, None, self._tell)


def folded_at(log: EventLog, last: int, source_of: SourceOf, memories: Path | None, tell: Tell = silent) -> Standing:
    """The log up to the event `last`, folded in memory."""
    return _folded_on(log, Examples(), Batches(), 0, last, source_of, memories, tell)


def _folded_on(
    log: EventLog,
    examples: Examples,
    batches: Batches,
    position: int,
    last: int,
    source_of: SourceOf,
    memories: Path | None,
    tell: Tell,
) -> Standing:
    vocabulary, count = Vocabulary(), 1
    while count and position < last:
        limit = min(PAGE_EVENTS, last - position)
        position, count = fold_next(log, [examples, batches], position, limit, vocabulary)
        tell("folding the log", position, last)
    return Standing(log, examples, batches, source_of(examples), position, memories)
