"""This file knows the shelves of all workloads as the log wants them: links, cards, and which folders may go.

`settle` makes it so and can be done again after a kill anywhere. What it has seen to once it looks at again only when
something about models, or somebody's forgetting, has come into the log since; links are looked at each time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from daemon.event_log import EventLog
from daemon.model_cards import Source, card_of, readme_of
from daemon.model_forgetting import Affected, affected
from daemon.model_shelf import ModelDamaged, NoSuchModel, Shelf
from daemon.views.batches import Batches
from daemon.views.models import FIRST, Models, Standing
from daemon.views.page import Ints
from daemon.views.runs import Runs

if TYPE_CHECKING:
    from daemon.night_parts import Judges, Told
    from daemon.nights import Night
    from daemon.settings import Settings

FOLDER = "models"
TARGETS = 3  # so many champions before this one are kept to be rolled back to
AView = TypeVar("AView")


class KnowsOutputs(Protocol):
    """The part of the examples that is needed."""

    def outputs_under(self, pseudonyms: Ints) -> Ints: ...


class Folds(Protocol):
    """The part of the views that is needed."""

    @property
    def examples(self) -> KnowsOutputs: ...
    def of(self, kind: type[AView]) -> AView: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class Keys(Protocol):
    """Who was forgotten."""

    def destroyed(self) -> list[int]: ...


class Shelves:
    """One state folder's."""

    def __init__(self, state_dir: Path, log: EventLog, views: Folds, keys: Keys, keep: int = 10) -> None:
        self.folder = state_dir / FOLDER
        self._keep = keep
        self._log, self._views, self._keys = log, views, keys
        self._seen: dict[str, tuple[int, int]] = {}  # by workload: the newest event about its models, and forgetting

    def follow(self, keep: int) -> None:
        """So many others are kept from now on."""
        self._keep = keep
        self._seen = {}

    @property
    def view(self) -> Models:
        """The models as the log has them."""
        return self._views.of(Models)

    def of(self, workload: str) -> Shelf:
        """The shelf of one workload."""
        return Shelf(self.folder / workload)

    def standings(self) -> dict[str, Standing]:
        """Every workload that has models, and how it stands."""
        return {workload: self.view.standing(workload) for workload in self.view.workloads()}

    def forgotten(self) -> Ints:
        """The outputs of those who were forgotten, by number in the log."""
        destroyed = np.array(self._keys.destroyed(), np.int64)
        return np.unique(self._views.examples.outputs_under(destroyed)) if len(destroyed) else destroyed

    def source(self) -> Source:
        """What cards are written from, as of now."""
        return Source(self._log, self._views.of(Runs), self._views.of(Batches), self.forgotten())

    def learnt_from(self, pseudonyms: Collection[int]) -> list[Affected]:
        """The models that learnt from outputs under these pseudonyms."""
        outputs = self._views.examples.outputs_under(np.array(sorted(pseudonyms), np.int64))
        return list(affected(self.view, self._views.of(Batches), outputs))

    # As the log wants it

    def settle(self) -> list[str]:
        """Links, cards and folders as the log says; returns what was otherwise, in words."""
        told: list[str] = []
        for workload in self.view.workloads():
            told += self._settle(workload)
        return told

    def _settle(self, workload: str) -> Iterator[str]:
        standing, shelf = self.view.standing(workload), self.of(workload)
        for link in shelf.point_as(standing.links) if shelf.folder.is_dir() else ():
            yield f"{workload}: {link} is {_named(standing.links[link])}"
        newest = max((int(fact["seq"]) for fact in self.view.facts(workload)), default=0)
        seen = (newest, self._views.of(Runs).forgotten_at)
        if self._seen.get(workload) != seen and shelf.folder.is_dir():
            shelf.clean()
            yield from self._let_go(workload, standing, shelf)
            self._renew(workload, standing, shelf)
            self._seen[workload] = seen

    def _renew(self, workload: str, standing: Standing, shelf: Shelf) -> None:
        source = self.source()
        for number in set(shelf.numbers()) & set(standing.models):
            card = card_of(source, workload, standing, number) | {"embeddings": shelf.embeddings(number)}
            try:
                shelf.renew(number, card, readme_of(card))
            except (ModelDamaged, NoSuchModel):
                continue  # whoever wants to use it is told

    def _let_go(self, workload: str, standing: Standing, shelf: Shelf) -> Iterator[str]:
        """The oldest models that nobody needs."""
        needed = kept_in_any_case(standing)
        others = [number for number in shelf.numbers() if number in standing.models and number not in needed]
        for number in others[: max(0, len(others) - self._keep)]:
            shelf.remove(number)
            yield f"{workload}: the files of model {number} are let go of"


class Builds(Protocol):
    """Who builds indexes."""

    def follow(self, settings: Settings) -> None: ...
    def turn(self, now: int) -> Told: ...
    def stop(self) -> Told: ...


class JudgesAndKeeps:
    """Who judges, and then sees to the shelves and their indexes: `daemon.night_parts.Judges`."""

    def __init__(self, judges: Judges, shelves: Shelves, indexes: Builds) -> None:
        self._judges, self._shelves, self._indexes = judges, shelves, indexes

    def follow(self, settings: Settings) -> None:
        """The configuration that holds from now on."""
        self._judges.follow(settings)
        self._shelves.follow(settings.models.keep)
        self._indexes.follow(settings)

    def busy(self, workload: str) -> bool:
        """Whether a model of it is not decided about yet."""
        return self._judges.busy(workload)

    def turn(self, now: int, night: Night | None, asked: Collection[str]) -> Told:
        """The next step for each workload, and then everything on the shelves as the log says."""
        told: list[str] = []
        try:
            told += self._judges.turn(now, night, asked)
        finally:
            told += self._shelves.settle()  # whatever keeps the others from being judged, links follow the log
        return [*told, *self._indexes.turn(now)]

    def stop(self, now: int) -> Told:
        """Nothing may be done now, or the daemon ends; links follow the log all the same."""
        return [*self._judges.stop(now), *self._shelves.settle(), *self._indexes.stop()]


def kept_in_any_case(standing: Standing) -> set[int]:
    """The champion and those to roll back to, what is pinned or not decided, and what a kept one cannot do without."""
    models = standing.models
    needed = {FIRST, *standing.champions[-1 - TARGETS :]}
    needed |= {number for number, model in models.items() if model.pinned or model.state == "challenger"}
    return needed | {models[number].base or FIRST for number in needed & models.keys()}


def _named(number: Any) -> str:
    return "none" if number is None else f"model {number}"
