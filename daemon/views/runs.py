"""Every run and how it stands: what it is to learn, how often it was tried, and how it ended.

What came last, by its number in the log, is how a run stands; the rest are counts, so that any order of feeding gives
the same. Two small cells serve those who only look: what is unfinished, and the newest few that are over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Page

Record = dict[str, Any]

PLANNED, STARTED, PAUSED = "run_planned", "run_started", "run_paused"
FINISHED, FAILED, CANCELLED = "run_finished", "run_failed", "run_cancelled"
FORGOTTEN = "subject_forgotten"
STATES = {
    PLANNED: "planned",
    STARTED: "running",
    PAUSED: "paused",
    FINISHED: "finished",
    FAILED: "failed",
    CANCELLED: "cancelled",
}
"""How a run stands when this came last; a failed one that is tried again is `waiting`."""
OVER = ("finished", "failed", "cancelled")
NEWEST_OVER = 5
_OF_THE_PLAN = (
    "batch",
    "batch_hash",
    "workload",
    "plugin",
    "mode",
    "settings",
    "device",
    "base_model",
    "seed",
    "attempts",
    "night",
)
_OF_THE_LAST = (
    "attempt",
    "device",
    "pid",
    "from_step",
    "until",
    "step",
    "steps",
    "reason",
    "how",
    "metrics",
    "model_hash",
    "flags",
    "rate",
    "checkpoint_seconds",
)


class Runs:
    """All runs, by id."""

    name = "runs"
    version = 1

    def __init__(self) -> None:
        self.tables: Mapping[str, Columns] = {}
        self.by_id: dict[str, Record] = {}
        self.forgotten_at = 0  # the newest event by which a subject was forgotten
        self._changed: set[str] = set()

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, kind, _ in _mine(page) if kind != FORGOTTEN])

    def fold(self, page: Page) -> None:
        for seq, kind, at in _mine(page):
            if kind == FORGOTTEN:
                self.forgotten_at = max(self.forgotten_at, seq)
                self._changed.add("")
                continue
            body = page.bodies.get(seq, {})
            run = str(body.get("run"))
            self._take(self.by_id.setdefault(run, _new(run)), seq, kind, at, body)
            self._changed.add(run)

    def _take(self, record: Record, seq: int, kind: str, at: int, body: Mapping[str, Any]) -> None:
        if kind == PLANNED and seq < record.get("planned_seq", seq + 1):
            record |= {"planned_seq": seq, "planned_at": at, "plan": _some(body, _OF_THE_PLAN)}
        record["starts"] += kind == STARTED
        record["pauses"] += kind == PAUSED
        if kind == FAILED:
            how = str(body.get("how", "error"))
            record["failures"][how] = record["failures"].get(how, 0) + 1
        if kind in (PAUSED, FINISHED, FAILED):
            record["milliseconds"] += round(1000 * _number(body.get("seconds")))  # whole: any order adds up alike
        self._newest(record, seq, kind, at, body)

    def _newest(self, record: Record, seq: int, kind: str, at: int, body: Mapping[str, Any]) -> None:
        for name in ("step", "steps", "rate", "checkpoint_seconds"):  # known from whatever told them last
            if body.get(name) is not None and seq > record["told_at"].get(name, 0):
                record["told_at"][name], record[name] = seq, body[name]
        if seq < record["seq"]:
            return
        again = kind == FAILED and not body.get("final", True)
        last = _some(body, _OF_THE_LAST)
        record |= {"seq": seq, "at": at, "state": "waiting" if again else STATES[kind], "last": last}

    # Asking

    def unfinished(self) -> list[Record]:
        """Those that are not over, oldest first."""
        found = [one for one in self.by_id.values() if one["state"] not in OVER and "plan" in one]
        return sorted(found, key=lambda one: int(one["planned_seq"]))

    def given_up(self) -> list[dict[str, Any]]:
        """The plans that were tried in vain. What could not even be begun was not tried."""
        failed = [one for one in self.by_id.values() if one["state"] == "failed" and "plan" in one]
        return [one["plan"] for one in failed if one["last"].get("how") != "refused"]

    def batches(self) -> set[int]:
        """The batches that have a run."""
        return {one["plan"]["batch"] for one in self.by_id.values() if "plan" in one}

    # Saving

    def take_cells(self) -> dict[str, str | None]:
        if not self._changed:
            return {}
        cells: dict[str, str | None] = {f"run/{run}": _text(self.by_id[run]) for run in self._changed if run}
        self._changed = set()
        over = [one for one in self.by_id.values() if one["state"] in OVER]
        newest = sorted(over, key=lambda one: -int(one["seq"]))[:NEWEST_OVER]
        short = {"unfinished": self.unfinished(), "over": newest, "forgotten_at": self.forgotten_at}
        return {**cells, "short": _text(short)}

    def restore(self, cells: Mapping[str, str]) -> None:
        self.by_id = {key[4:]: json.loads(text) for key, text in cells.items() if key.startswith("run/")}
        self.forgotten_at = json.loads(cells["short"])["forgotten_at"] if "short" in cells else 0

    def digest(self) -> str:
        state = _text([self.version, self.forgotten_at, sorted(self.by_id.items())])
        return hashlib.sha256(state.encode()).hexdigest()


def _mine(page: Page) -> list[tuple[int, str, int]]:
    """The page's events that are of runs, or by which somebody was forgotten."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) in STATES or kind_name(kind) == FORGOTTEN for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    seqs, received = page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist()
    return list(zip(seqs, (kind_name(kinds[code]) for code in codes[rows].tolist()), received, strict=True))


def _new(run: str) -> Record:
    counts = {"starts": 0, "pauses": 0, "failures": {}, "milliseconds": 0}
    return {"run": run, "seq": 0, "at": 0, "state": "planned", "last": {}, "told_at": {}, **counts}


def _some(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: body[name] for name in names if name in body}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
