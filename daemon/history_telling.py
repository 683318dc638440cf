"""This file knows what can be asked of the nights so far, with the daemon running or not: typed answers, no change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon.config_faults import nearest
from daemon.event_reading import EventReader
from daemon.night_course import ALL, Course, Figure, Happened
from daemon.telling import Tell, silent
from daemon.views.history import History
from daemon.views.reading import at_head

TYPE = "type "  # how slices of artifact types are named in events


class NotTold(AdaptdError):
    """Nothing is known of a workload or an artifact type of that name."""

    exit_code = 4


class HistoryTold(NamedTuple):
    """The nights of one workload, what of them is shown, and on which examples: `all`, or an artifact type's slice."""

    workload: str
    course: Course
    shown: Sequence[Happened]
    part: str = ALL

    @property
    def artifact_type(self) -> str | None:
        """The one that is looked at by itself."""
        return None if self.part == ALL else self.part.removeprefix(TYPE)

    @property
    def short(self) -> Mapping[str, Any]:
        """What is remarkable, as `status` tells it."""
        return self.course.short()

    @property
    def standing(self) -> Mapping[str, Any]:
        """Plateau, drop and direction of that part."""
        return self.course.standing_of(self.part)

    def figure(self, one: Happened) -> Figure | None:
        """What the model in use reached on that part."""
        return one.figures.get(self.part)

    def challenger(self, one: Happened) -> Figure | None:
        """What the model that was judged reached."""
        return one.challengers.get(self.part)


class Asked(NamedTuple):
    """What somebody wants to see: one workload or all, one artifact type or all together, the last so many nights."""

    workload: str | None = None
    artifact_type: str | None = None
    nights: int = 30


def histories(state_dir: str, asked: Asked, tell: Tell = silent) -> list[HistoryTold]:
    """Of an artifact type only the workloads that were judged on it. NotTold; LogError where there is no log."""
    with closing(EventReader.open(state_dir)) as reader:
        (view,) = at_head(reader.log, Path(state_dir) / "views.db", (History,), tell)
    assert isinstance(view, History)
    courses = {name: view.course(name) for name in _named(view.workloads(), asked.workload)}
    told = [HistoryTold(name, course, _last(course, asked.nights)) for name, course in courses.items()]
    if asked.artifact_type is None:
        return told
    part = f"{TYPE}{asked.artifact_type}"
    having = [one._replace(part=part) for one in told if part in one.course.slices()]
    if not having:
        raise _no_such_type(asked.artifact_type, told)
    return having


def _last(course: Course, nights: int) -> list[Happened]:
    """What came of the last so many nights of which anything is known."""
    wanted = set(sorted({one.night for one in course.happened})[-nights:])
    return [one for one in course.happened if one.night in wanted]


def _named(known: Sequence[str], workload: str | None) -> Sequence[str]:
    if workload is None or workload in known:
        return known if workload is None else [workload]
    raise NotTold(f"no night of {workload!r} yet, expected {' or '.join(known) or 'none'}{_guess(workload, known)}")


def _no_such_type(artifact_type: str, told: Sequence[HistoryTold]) -> NotTold:
    slices = {name for one in told for name in one.course.slices()}
    known = sorted(name.removeprefix(TYPE) for name in slices if name.startswith(TYPE))
    was = f"expected {' or '.join(known) or 'none yet'}{_guess(artifact_type, known)}"
    return NotTold(f"no model was judged on artifact type {artifact_type!r}, {was}")


def _guess(meant: str, known: Sequence[str]) -> str:
    near = nearest(meant, list(known))
    return f", did you mean {near!r}?" if near else "."
