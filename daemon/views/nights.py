"""What is known of nights: which dates were opened, whether a pause holds, what was asked for, what came of it.

Whether a window is open now is not known here: that takes the configuration and the time, which a fold never reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Page

NIGHTS_KEPT = 400
TEXT_KEPT = 300  # characters
PAUSED, RESUMED = "nights_paused", "nights_resumed"
ASKED, FORMED, NOT_FORMED = "training_asked", "batch_formed", "batch_not_formed"
KINDS = ("night_opened", PAUSED, RESUMED, ASKED, FORMED, NOT_FORMED)


class Pause(NamedTuple):
    """That nothing may be trained: since when, until when (None: until somebody resumes), and why."""

    since: int
    until: int | None
    reason: str | None

    def holds(self, now: int) -> bool:
        """Whether it is not over yet."""
        return self.until is None or now < self.until


class NightBook:
    """The view. Each cell is told by its newest event, so the order in which they are fed makes no difference.

    `night/DATE` is seq, opens_at, closes_at; `late` the newest that was late; others begin with seq, received_at.
    """

    name = "nights"
    version = 1
    tables: Mapping[str, Columns] = {}

    def __init__(self) -> None:
        self._cells: dict[str, list[Any]] = {}
        self._changed: dict[str, list[Any] | None] = {}
        self._nights: dict[date, list[Any]] = {}

    # Asking

    @property
    def opened(self) -> Collection[date]:
        """The local dates that had their night, of the newest NIGHTS_KEPT."""
        return self._nights.keys()

    def late_night(self, now: int) -> tuple[date, int, int] | None:
        """Of the newest night that was opened after its window: date, opening and close, while it is open."""
        _, day, opens_at, closes_at = self._cells.get("late", (0, "", 0, 0))
        return (date.fromisoformat(day), opens_at, closes_at) if opens_at <= now < closes_at else None

    def pause(self, now: int) -> Pause | None:
        """The pause that holds at this moment."""
        _, since, kind, until, reason = self._cells.get("pause", (0, 0, RESUMED, None, None))
        pause = Pause(since, until, reason)
        return pause if kind == PAUSED and pause.holds(now) else None

    def asks(self) -> list[str]:
        """The workloads whose training was asked for and not answered yet, the oldest ask first."""
        asked = {key.removeprefix("asked/"): cell for key, cell in self._cells.items() if key.startswith("asked/")}
        answered = {name: self._cells.get(f"answered/{name}", (0,))[0] for name in asked}
        return sorted(
            (name for name, cell in asked.items() if cell[0] > answered[name]), key=lambda name: asked[name][0]
        )

    def asked_at(self, workload: str) -> int | None:
        """The number of the newest event by which its training was asked for."""
        cell = self._cells.get(f"asked/{workload}")
        return None if cell is None else int(cell[0])

    # Folding

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _, _ in _mine(page)])

    def fold(self, page: Page) -> None:
        for seq, kind, received_at in _mine(page):
            self._take(kind, seq, received_at, page.bodies.get(seq, {}))

    def _take(self, kind: str, seq: int, received_at: int, body: Mapping[str, Any]) -> None:
        if kind == "night_opened":
            self._take_night(seq, body)
        elif kind in (PAUSED, RESUMED):
            self._put("pause", [seq, received_at, kind, body.get("until"), _short(body.get("reason"))])
        elif kind == ASKED:
            self._put(f"asked/{body.get('workload')}", [seq, received_at])
        else:
            self._take_batch(kind, seq, received_at, body)

    def _take_night(self, seq: int, body: Mapping[str, Any]) -> None:
        day = date.fromisoformat(body["date"])
        self._put(f"night/{day}", [seq, body["opens_at"], body["closes_at"]])
        if body["late"]:
            self._put("late", [seq, body["date"], body["opens_at"], body["closes_at"]])
        self._nights[day] = self._cells[f"night/{day}"]
        if len(self._nights) > NIGHTS_KEPT:
            oldest = min(self._nights)
            del self._nights[oldest], self._cells[f"night/{oldest}"]
            self._changed[f"night/{oldest}"] = None

    def _take_batch(self, kind: str, seq: int, received_at: int, body: Mapping[str, Any]) -> None:
        told = body.get("batch") if kind == FORMED else _short(body.get("reason"))
        self._put(f"{kind}/{body.get('workload')}", [seq, received_at, told])
        if body.get("asked") is True:
            self._put(f"answered/{body.get('workload')}", [seq, received_at])

    def _put(self, key: str, cell: list[Any]) -> None:
        if key not in self._cells or self._cells[key][0] < cell[0]:
            self._cells[key] = self._changed[key] = cell

    # Keeping

    def take_cells(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, {}
        return {key: None if cell is None else json.dumps(cell) for key, cell in changed.items()}

    def restore(self, cells: Mapping[str, str]) -> None:
        self._cells = {key: json.loads(text) for key, text in cells.items()}
        nights = {key: cell for key, cell in self._cells.items() if key.startswith("night/")}
        self._nights = {date.fromisoformat(key.removeprefix("night/")): cell for key, cell in nights.items()}

    def digest(self) -> str:
        return hashlib.sha256(f"{self.version} {json.dumps(self._cells, sort_keys=True)}".encode()).hexdigest()


def _mine(page: Page) -> list[tuple[int, str, int]]:
    """Number, kind and moment of each event of the page that concerns nights."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) in KINDS for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    seqs, received = page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist()
    return list(zip(seqs, (kind_name(kinds[code]) for code in codes[rows].tolist()), received, strict=True))


def _short(value: Any) -> Any:
    return value[:TEXT_KEPT] if isinstance(value, str) else value
