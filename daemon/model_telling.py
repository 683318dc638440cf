"""This file knows what can be asked of models, with the daemon running or not: typed answers, never a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daemon.event_reading import EventReader
from daemon.model_cards import Source, card_of, readme_of
from daemon.model_forgetting import Lineage
from daemon.model_naming import named, workload_named
from daemon.model_shelf import NoSuchModel, Shelf
from daemon.sealing import Sealing
from daemon.shelves import FOLDER
from daemon.telling import Tell, silent
from daemon.views.batches import Batches
from daemon.views.examples import Examples
from daemon.views.models import FIRST, Model, Models, Standing
from daemon.views.page import Ints
from daemon.views.reading import at_head
from daemon.views.runs import Runs


class ModelTold(NamedTuple):
    """A model, where its files are (None: let go of, or a base model from elsewhere), and how large they are."""

    workload: str
    model: Model
    path: str | None
    size: int
    forgotten: int


class ModelTellings:
    """The models of one state folder."""

    def __init__(self, reader: EventReader, state_dir: Path, destroyed: Ints, tell: Tell = silent) -> None:
        self.reader, self.state_dir = reader, state_dir
        makers = (Models, Batches, Runs, Examples)
        self.models, self.batches, self.runs, self.examples = self._views = at_head(  # type: ignore[assignment]
            reader.log, state_dir / "views.db", makers, tell
        )
        self.forgotten = np.unique(self.examples.outputs_under(destroyed)) if len(destroyed) else destroyed

    models: Models
    batches: Batches
    runs: Runs
    examples: Examples

    @property
    def standings(self) -> dict[str, Standing]:
        """Every workload that has models, and how it stands."""
        return {workload: self.models.standing(workload) for workload in self.models.workloads()}

    def shelf(self, workload: str) -> Shelf:
        """Where its models are."""
        return Shelf(self.state_dir / FOLDER / workload)

    def listed(self) -> list[ModelTold]:
        """All of them, by workload, the newest first."""
        return [
            self._told(workload, standing, number)
            for workload, standing in self.standings.items()
            for number in sorted(standing.models, reverse=True)
        ]

    def found(self, text: str) -> ModelTold:
        """The one that is meant. NotNamed or NotClear."""
        workload, number = named(self.standings, text)
        return self._told(workload, self.models.standing(workload), number)

    def _told(self, workload: str, standing: Standing, number: int) -> ModelTold:
        path = self.shelf(workload).path(number)
        there = path.is_dir()
        size = sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if there else 0
        forgotten = Lineage(self.batches, standing).learnt_of(number, self.forgotten)
        return ModelTold(workload, standing.models[number], str(path) if there else None, size, forgotten)

    @property
    def source(self) -> Source:
        """What cards are written from."""
        return Source(self.reader.log, self.runs, self.batches, self.forgotten)

    def card(self, told: ModelTold) -> dict[str, Any]:
        """Everything that is known of it."""
        card = card_of(self.source, told.workload, self.models.standing(told.workload), told.model.number)
        return card | {"embeddings": self.shelf(told.workload).embeddings(told.model.number)}

    def readme(self, told: ModelTold) -> str:
        """The same for people."""
        return readme_of(self.card(told))

    def champion(self, workload: str | None) -> ModelTold:
        """The model in use. NotNamed or NotClear for the workload, NoSuchModel where it has none in use."""
        name = workload_named(self.standings, workload)
        number = self.models.standing(name).champion
        if number is None:
            raise NoSuchModel(self.shelf(name).folder, FIRST, self.shelf(name).numbers())
        return self._told(name, self.models.standing(name), number)

    def path(self, told: ModelTold, *, check: bool) -> str:
        """Where its files are. NoSuchModel without any; with `check` every file is hashed again, or ModelDamaged."""
        shelf = self.shelf(told.workload)
        if told.path is None:
            raise NoSuchModel(shelf.folder, told.model.number, shelf.numbers())
        if check:
            shelf.check(told.model.number)
        return told.path


@contextmanager
def model_tellings(state_dir: str, tell: Tell = silent) -> Iterator[ModelTellings]:
    """The models of that folder, opened for reading. LogError where there is no log."""
    with ExitStack() as closing:
        reader = EventReader.open(state_dir)
        closing.callback(reader.close)
        sealing = Sealing.open_read_only(Path(state_dir) / "keys.db")
        closing.callback(sealing.close)
        destroyed = np.array(sealing.destroyed(), np.int64)
        yield ModelTellings(reader, Path(state_dir), destroyed, tell)
