"""Which settings a search has chosen last, for each workload and artifact type."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Page

KIND = "settings_chosen"
_KEPT = ("settings", "score", "baseline_score", "metric", "trials", "seconds")


class Chosen:
    """The view. Each cell is told by its newest event, so the order in which they are fed makes no difference."""

    name = "chosen"
    version = 1
    tables: Mapping[str, Columns] = {}

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, Any]] = {}
        self._changed: set[str] = set()

    def settings_for(self, workload: str, artifact_types: Sequence[str] = ()) -> dict[str, Any]:
        """What its next run begins from: chosen for the only artifact type that it learns, else for all of them."""
        keys = [_key(workload, None), *([_key(workload, artifact_types[0])] if len(artifact_types) == 1 else [])]
        found = [self._cells[key] for key in keys if key in self._cells]
        return dict(max(found, key=lambda cell: int(cell["seq"]))["settings"]) if found else {}

    def newest(self, workload: str, artifact_type: str | None) -> Mapping[str, Any] | None:
        """What the last search for that artifact type came to, with `seq` and `at`."""
        return self._cells.get(_key(workload, artifact_type))

    # Folding

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _ in _mine(page)])

    def fold(self, page: Page) -> None:
        for seq, at in _mine(page):
            body = page.bodies.get(seq, {})
            key = _key(str(body.get("workload")), body.get("artifact_type"))
            if self._cells.get(key, {"seq": 0})["seq"] < seq:
                kept = {name: body[name] for name in _KEPT if name in body}
                self._cells[key] = {"settings": {}, **kept, "seq": seq, "at": at}
                self._changed.add(key)

    # Keeping

    def take_cells(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, set()
        return {key: json.dumps(self._cells[key], sort_keys=True) for key in changed}

    def restore(self, cells: Mapping[str, str]) -> None:
        self._cells = {key: json.loads(text) for key, text in cells.items()}

    def digest(self) -> str:
        return hashlib.sha256(f"{self.version} {json.dumps(self._cells, sort_keys=True)}".encode()).hexdigest()


def _key(workload: str, artifact_type: Any) -> str:
    return f"chosen/{workload}/{artifact_type if isinstance(artifact_type, str) else ''}"


def _mine(page: Page) -> list[tuple[int, int]]:
    """Number and moment of each event of the page that is a choice."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) == KIND for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    return list(zip(page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist(), strict=True))
