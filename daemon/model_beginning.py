"""This file knows which model a run begins from: the champion, or one that has learnt nothing from the forgotten.

The second where `forget --retrain` asked for the training: what began from the champion would know what that knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon.batch_making import BeginsFrom, begins_from
from daemon.event_log import EventLog
from daemon.model_cards import body_of
from daemon.model_forgetting import Lineage
from daemon.shelves import Folds, Shelves
from daemon.views.batches import Batches
from daemon.views.nights import NightBook

WITHOUT = "without_forgotten"
"""In the body of `training_asked`."""


class Beginning:
    """Asked before a batch is formed by hand, and for each that is planned."""

    def __init__(self, log: EventLog, views: Folds, shelves: Shelves) -> None:
        self._log, self._views, self._shelves = log, views, shelves

    def __call__(self, batch: Mapping[str, Any]) -> Path | None:
        """The folder to begin from; None for the base model of config.toml."""
        workload, begins = str(batch["workload"]), begins_from(batch)
        number = self._shelves.view.standing(workload).champion if begins is None else begins.model
        return None if number is None else self._shelves.of(workload).path(number)

    def asked(self, workload: str) -> BeginsFrom | None:
        """For the first batch after an ask that says so."""
        asked = self._views.of(NightBook).asked_at(workload)
        if asked is None or not body_of(self._log, asked).get(WITHOUT):
            return None
        if any(asked < batch["seq"] for batch in self._views.of(Batches).listed(workload)):
            return None
        return BeginsFrom(self._untouched(workload))

    def _untouched(self, workload: str) -> int | None:
        """The newest that is or was champion, is there, and learnt from nobody who was forgotten."""
        standing, forgotten = self._shelves.view.standing(workload), self._shelves.forgotten()
        lineage, there = Lineage(self._views.of(Batches), standing), self._shelves.of(workload).numbers()
        clean = (one for one in reversed(standing.champions) if not lineage.learnt_of(one, forgotten))
        return next((one for one in clean if one in there), None)
