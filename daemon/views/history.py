"""What came of each night: which model was judged and how it did, what was decided, and why there was no run.

Each fact is kept in short under its number in the log, so that any order of feeding gives the same; what is read off
them is `daemon.night_course`'s. A small cell of each workload tells `status` of a drop and of a plateau.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from daemon.night_course import JUDGED, PROMOTED, ROLLED_BACK, TURNED_DOWN, Course, Fact, Night
from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Page

NIGHT, NOT_FORMED = "night_opened", "batch_not_formed"
PLANNED, FAILED, CANCELLED = "run_planned", "run_failed", "run_cancelled"
KEPT_OF: Mapping[str, tuple[str, ...]] = {
    JUDGED: ("model", "champion", "run", "metric", "higher_is_better", "latency", "latencies"),
    PROMOTED: ("model", "previous", "by", "reason"),
    TURNED_DOWN: ("model", "champion", "failed"),
    ROLLED_BACK: ("from", "to", "reason"),
    FAILED: ("run", "reason"),
    CANCELLED: ("run", "reason"),
}
KINDS = (*KEPT_OF, NIGHT, NOT_FORMED, PLANNED)
NIGHTS_KEPT = 400
TEXT_KEPT = 300  # characters
WHO = ("champion", "challenger")


class History:
    """The view."""

    name = "history"
    version = 2
    tables: Mapping[str, Columns] = {}

    def __init__(self) -> None:
        self._facts: dict[int, Fact] = {}  # by the number in the log of the event
        self._nights: dict[str, list[Any]] = {}  # by date: seq, opens_at
        self._reasons: dict[str, dict[str, list[Any]]] = {}  # by workload and date: seq, moment, reason
        self._runs: dict[str, list[Any]] = {}  # seq, workload
        self._changed: dict[str, str | None] = {}
        self._stale: set[str] = set()  # workloads of which the short cell is to be written

    # What others ask

    def workloads(self) -> list[str]:
        """Those of which there is anything to tell, by name."""
        named = (self._workload_of(fact) for fact in self._facts.values())
        return sorted({name for name in named if name is not None} | self._reasons.keys())

    def course(self, workload: str) -> Course:
        """Everything that came of this workload's nights."""
        return Course(list(self._of(workload)), self._opened(), self._reasons.get(workload, {}))

    def _opened(self) -> list[Night]:
        return sorted(Night(opens_at, date) for date, (_, opens_at) in self._nights.items())

    def _of(self, workload: str) -> Iterator[Fact]:
        for seq in sorted(self._facts):
            if self._workload_of(self._facts[seq]) == workload:
                yield {"seq": seq, **self._facts[seq]}

    def _workload_of(self, fact: Fact) -> str | None:
        """What ended a run names the run alone; a run that nobody planned is nobody's."""
        return fact["workload"] if "workload" in fact else self._runs.get(str(fact.get("run")), (0, None))[1]

    # The fold

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _, _ in _mine(page)])

    def fold(self, page: Page) -> None:
        for seq, kind, received_at in _mine(page):
            self._take(seq, kind, received_at, page.bodies[seq])

    def _take(self, seq: int, kind: str, at: int, body: Mapping[str, Any]) -> None:
        if kind == NIGHT:
            self._put(self._nights, "night", str(body["date"]), [seq, body["opens_at"]])
        elif kind == PLANNED:
            self._put(self._runs, "run", str(body.get("run")), [seq, str(body.get("workload"))])
        elif kind == NOT_FORMED:
            self._take_reason(seq, at, body)
        else:
            self._take_fact(seq, kind, at, body)

    def _take_reason(self, seq: int, at: int, body: Mapping[str, Any]) -> None:
        workload, night = str(body.get("workload")), body.get("night")
        if night is not None:
            of = self._reasons.setdefault(workload, {})
            self._put(of, f"reason/{workload}", str(night), [seq, at, _short(body.get("reason"))])

    def _take_fact(self, seq: int, kind: str, at: int, body: Mapping[str, Any]) -> None:
        if kind == FAILED and not body.get("final", True):
            return  # it is tried again
        fact = {"at": at, "kind": kind} | {name: _short(body.get(name)) for name in KEPT_OF[kind]}
        if "workload" in body:
            fact["workload"] = workload = str(body["workload"])
            self._stale.add(workload)
        if kind == JUDGED:
            fact["slices"] = _slices(body)
        self._facts[seq] = fact | _said(body)
        self._changed[f"fact/{seq:012d}"] = _text(self._facts[seq])

    def _put(self, of: dict[str, list[Any]], part: str, key: str, cell: list[Any]) -> None:
        """The newest of each; of dates the newest NIGHTS_KEPT."""
        if key in of and of[key][0] > cell[0]:
            return
        of[key], self._changed[f"{part}/{key}"] = cell, _text(cell)
        if part != "run" and len(of) > NIGHTS_KEPT:
            oldest = min(of)
            del of[oldest]
            self._changed[f"{part}/{oldest}"] = None

    # Saving, and comparing

    def take_cells(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, {}
        for workload in self._stale:
            changed[f"short/{workload}"] = _text(self.course(workload).short())
        self._stale = set()
        return changed

    def restore(self, cells: Mapping[str, str]) -> None:
        for key, text in cells.items():
            part, _, name = key.partition("/")
            if part == "fact":
                self._facts[int(name)] = json.loads(text)
            elif part == "reason":
                workload, _, night = name.rpartition("/")
                self._reasons.setdefault(workload, {})[night] = json.loads(text)
            elif part in ("night", "run"):
                (self._nights if part == "night" else self._runs)[name] = json.loads(text)

    def digest(self) -> str:
        state = [self.version, sorted(self._facts.items()), self._nights, self._reasons, self._runs]
        return hashlib.sha256(_text(state).encode()).hexdigest()


def _slices(body: Mapping[str, Any]) -> dict[str, Any]:
    """Per slice how many rows, and of each model the target metric's mean, its interval, and the success rate."""
    metrics, success, metric = body.get("metrics") or {}, body.get("success") or {}, body.get("metric")
    return {
        name: {"rows": one["rows"], **{who: _figure(one[metric][who], success.get(name), who) for who in WHO}}
        for name, one in metrics.items()
        if metric in one
    }


def _figure(of: Mapping[str, float], success: Mapping[str, Any] | None, who: str) -> list[float | None]:
    return [of["mean"], of["low"], of["high"], success[who]["mean"] if success else None]


def _said(body: Mapping[str, Any]) -> Fact:
    decision = body.get("decision") or {}
    return {name: _short(decision[name]) for name in ("verdict", "sentence") if name in decision}


def _mine(page: Page) -> list[tuple[int, str, int]]:
    """Number, kind and moment of each event of the page that concerns nights and what came of them."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) in KINDS for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    seqs, received = page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist()
    return list(zip(seqs, (kind_name(kinds[code]) for code in codes[rows].tolist()), received, strict=True))


def _short(value: Any) -> Any:
    return value[:TEXT_KEPT] if isinstance(value, str) else value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
