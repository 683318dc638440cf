"""The newest few of a rare kind of event, and their totals: what the views of quarantine and spools share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Page

KEPT = 20
TEXT_KEPT = 300  # characters


class NewestOfKinds:
    """Totals over all events of `kinds` and the details of the newest `KEPT`, by seq.

    An event with a `count` stands for as many.
    """

    name: str
    version: int
    kinds: tuple[str, ...]
    details: tuple[str, ...]
    summed: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.tables: Mapping[str, Columns] = {}
        self.totals: dict[str, int] = dict.fromkeys((*self.kinds, *self.summed), 0)
        self.newest: dict[int, dict[str, Any]] = {}
        self._changed = False

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _, _ in self._mine(page)])

    def fold(self, page: Page) -> None:
        for seq, kind, received_at in self._mine(page):
            self._take(seq, kind, received_at, page.bodies.get(seq, {}))

    def _mine(self, page: Page) -> list[tuple[int, str, int]]:
        codes, kinds = page.coded("kind")
        wanted = np.array([kind_name(kind) in self.kinds for kind in kinds])
        if not wanted.any():
            return []
        rows = np.flatnonzero(wanted[codes])
        seqs, received = page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist()
        return list(zip(seqs, (kind_name(kinds[code]) for code in codes[rows].tolist()), received, strict=True))

    def _take(self, seq: int, kind: str, received_at: int, body: Mapping[str, Any]) -> None:
        self.totals[kind] += _count(body.get("count", 1))
        for name in self.summed:
            self.totals[name] += _count(body.get(name))
        self.newest[seq] = {"seq": seq, "kind": kind, "received_at": received_at} | {
            name: _short(body[name]) for name in self.details if name in body
        }
        if len(self.newest) > KEPT:
            del self.newest[min(self.newest)]
        self._changed = True

    def take_cells(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, False
        return {"state": self._as_text()} if changed else {}

    def _as_text(self) -> str:
        newest = [self.newest[seq] for seq in sorted(self.newest, reverse=True)]
        return json.dumps({"totals": self.totals, "newest": newest}, sort_keys=True)

    def restore(self, cells: Mapping[str, str]) -> None:
        if "state" in cells:
            state = json.loads(cells["state"])
            self.totals |= state["totals"]
            self.newest = {one["seq"]: one for one in state["newest"]}

    def digest(self) -> str:
        return hashlib.sha256(f"{self.version} {self._as_text()}".encode()).hexdigest()


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _short(value: Any) -> Any:
    return value[:TEXT_KEPT] if isinstance(value, str) else value
