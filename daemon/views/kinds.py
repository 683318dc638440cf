"""How many events of each kind and version there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants
from daemon.views.page import Page


class Kinds:
    """Counts by kind, such as `feedback_recorded/1`; there are few, since the log's writer names them."""

    name = "kinds"
    version = 1

    def __init__(self) -> None:
        self.tables: Mapping[str, Columns] = {}
        self.counts: dict[str, int] = {}
        self._changed: set[str] = set()

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind")

    def wants(self, page: Page) -> Wants:  # noqa: ARG002 - part of the contract
        return Wants()

    def fold(self, page: Page) -> None:
        codes, kinds = page.coded("kind")
        counts = np.bincount(codes, minlength=len(kinds)).tolist()
        new = {kind: count for kind, count in zip(kinds, counts, strict=True) if count}
        for kind, count in new.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
        self._changed.update(new)

    def take_cells(self) -> dict[str, str | None]:
        cells: dict[str, str | None] = {kind: str(self.counts[kind]) for kind in self._changed}
        self._changed = set()
        return cells

    def restore(self, cells: Mapping[str, str]) -> None:
        self.counts = {kind: int(count) for kind, count in cells.items()}

    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.version, self.counts], sort_keys=True).encode()).hexdigest()
