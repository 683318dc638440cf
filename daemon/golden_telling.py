"""This file knows what can be asked of golden sets, with the daemon running or not: typed answers, never a change."""

from __future__ import annotations

from pathlib import Path

from daemon.event_reading import EventReader
from daemon.views.golden import Golden, GoldenSet
from daemon.views.reading import at_head


def golden_sets(state_dir: str) -> list[GoldenSet]:
    """The sets by name, as of the log's head. LogError where there is no log."""
    reader = EventReader.open(state_dir)
    try:
        (view,) = at_head(reader.log, Path(state_dir) / "views.db", [Golden])
    finally:
        reader.close()
    assert isinstance(view, Golden), view
    return [view.of(name) for name in view.names()]
