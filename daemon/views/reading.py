"""This file knows how somebody who only reads gets views at the log's head: what is saved, and the rest folded here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daemon.event_log import EventLog
from daemon.telling import Tell, silent
from daemon.views.folding import Fold
from daemon.views.page import Vocabulary
from daemon.views.saving import load_saved
from daemon.views.store import PAGE_EVENTS, Maker, fold_next


def at_head(log: EventLog, views_db: Path, makers: Sequence[Maker], tell: Tell = silent) -> list[Fold]:
    """One view of each maker, as of the log's head now; nothing is saved."""
    folds = [make() for make in makers]
    saved = load_saved(views_db, folds)
    position = 0 if saved is None else saved[0]
    if saved is not None and not _is_of(log, saved):
        folds, position = [make() for make in makers], 0
    last, vocabulary, count = log.head().seq, Vocabulary(), 1
    while count and position < last:
        position, count = fold_next(log, folds, position, min(PAGE_EVENTS, last - position), vocabulary)
        tell("folding the log", position, last)
    return folds


def _is_of(log: EventLog, saved: tuple[int, bytes]) -> bool:
    """Whether views.db stands at an event of this log."""
    if not saved[0]:
        return True
    found = log.read_after(saved[0] - 1, 1, ("seq", "chain"))
    return bool(found) and tuple(found[0]) == saved
