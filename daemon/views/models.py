"""Which models there are, which one is in use, and what was decided about them when and at which level.

The events of a shelf are few: each is kept in short under its number in the log, and how a workload stands is read off
them in their order, so that any order of feeding gives the same. What was judged on how often is a table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Ints, Page

SHELVED, JUDGED = "model_shelved", "challenger_judged"
PROMOTED, TURNED_DOWN = "challenger_promoted", "challenger_turned_down"
ROLLED_BACK, PINNED = "champion_rolled_back", "model_pinned"
REINDEX_ASKED, INDEX_BUILT, INDEX_FAILED = "reindex_asked", "index_built", "index_failed"
KEPT_OF: Mapping[str, tuple[str, ...]] = {
    SHELVED: ("model", "run", "batch", "hash", "base"),
    JUDGED: (
        *("model", "champion", "run", "golden", "results", "metric", "metrics", "latency", "latencies", "size"),
        "seconds",
    ),
    PROMOTED: ("model", "previous", "by", "reason", "level"),
    TURNED_DOWN: ("model", "champion", "level", "failed"),
    ROLLED_BACK: ("from", "to", "reason"),
    PINNED: ("model", "pinned"),
    REINDEX_ASKED: ("model",),
    INDEX_BUILT: (
        *("model", "index", "build", "fingerprint", "rows", "dimension", "texts", "recorded", "position", "seconds"),
    ),
    INDEX_FAILED: ("model", "index", "build", "reason"),
}
FIRST = 0  # the base model's number
Fact = dict[str, Any]


class Taken(NamedTuple):
    """A decision that spent of the year's budget: whose, when (microseconds), and the level."""

    workload: str
    at: int
    level: float


@dataclass
class Model:
    """One model and how it stands."""

    number: int
    run: str | None = None
    batch: int | None = None
    hash: str | None = None
    base: int | None = None
    state: str = "challenger"  # or "champion", "former", "turned down", "quarantined"
    since: int = 0  # microseconds
    pinned: bool = False
    judged: Fact | None = None  # the newest
    decided: Fact | None = None  # the newest
    indexes: dict[str, Fact] = field(default_factory=dict)  # by name: how the newest try to build it ended

    @property
    def figure(self) -> tuple[str, float] | None:
        """The target metric and its mean on all that it was judged on; None where it was not."""
        judged = self.judged or {}
        told = ((judged.get("metrics") or {}).get("all") or {}).get(judged.get("metric")) or {}
        return (str(judged["metric"]), float(told["challenger"]["mean"])) if "challenger" in told else None


@dataclass
class Standing:
    """How one workload stands."""

    models: dict[int, Model] = field(default_factory=dict)
    reindex_asked: int = 0  # the newest event by which somebody asked for it
    champions: list[int] = field(default_factory=list)  # the one in use last; before it those to roll back to

    @property
    def champion(self) -> int | None:
        return self.champions[-1] if self.champions else None

    @property
    def previous(self) -> int | None:
        """The champion before, to which one would roll back."""
        return self.champions[-2] if len(self.champions) > 1 else None

    @property
    def challenger(self) -> int | None:
        """The newest that was neither promoted nor turned down; a person may have to say."""
        return max((model.number for model in self.models.values() if model.state == "challenger"), default=None)

    @property
    def undecided(self) -> Model | None:
        """The oldest model of which nothing was decided at all."""
        models = (self.models[number] for number in sorted(self.models))
        return next((model for model in models if model.state == "challenger" and model.decided is None), None)

    @property
    def links(self) -> dict[str, int | None]:
        """What the shelf's links are to say."""
        return {"champion": self.champion, "previous": self.previous, "challenger": self.challenger}

    def of_run(self, run: str) -> Model | None:
        """The model that a run left."""
        return next((model for model in self.models.values() if model.run == run), None)

    def line_of(self, number: int | None) -> list[int]:
        """The model, the one that it began from, and so on."""
        line: list[int] = []
        while number is not None and number in self.models and number not in line:
            line.append(number)
            number = self.models[number].base
        return line

    # Folding

    def take(self, fact: Fact) -> None:
        kind, at = fact["kind"], fact["at"]
        if kind == ROLLED_BACK:
            self._roll_back(fact["from"], fact["to"], at)
            return
        if kind == REINDEX_ASKED:
            self.reindex_asked = int(fact["seq"])
            return
        model = self._model(fact["model"], at)
        if kind == SHELVED:
            self._shelve(model, fact)
        elif kind == PINNED:
            model.pinned = bool(fact["pinned"])
        elif kind == JUDGED:
            model.judged = fact
        elif kind in (INDEX_BUILT, INDEX_FAILED):
            model.indexes[str(fact["index"])] = fact
        else:
            self._decide(model, fact)

    def _model(self, number: int, at: int) -> Model:
        return self.models.setdefault(number, Model(number, since=at))

    def _shelve(self, model: Model, fact: Fact) -> None:
        model.run, model.batch, model.hash, model.base = (fact[name] for name in ("run", "batch", "hash", "base"))
        if model.number == FIRST and not self.champions:
            self._enthrone(model, fact["at"])

    def _decide(self, model: Model, fact: Fact) -> None:
        model.decided = fact
        if fact["kind"] == PROMOTED:
            self._enthrone(model, fact["at"])
        elif model.number != self.champion and fact.get("verdict") != "by hand":
            model.state, model.since = "turned down", fact["at"]

    def _enthrone(self, model: Model, at: int) -> None:
        if self.champion is not None:
            self._set(self.champion, "former", at)
        self.champions = [number for number in self.champions if number != model.number] + [model.number]
        self._set(model.number, "champion", at)

    def _roll_back(self, old: int, to: int, at: int) -> None:
        earlier = self.champions[: self.champions.index(to)] if to in self.champions else self.champions
        for number in self.champions[len(earlier) :]:
            self._set(number, "former", at)
        self._set(old, "quarantined", at)
        self.champions = [number for number in earlier if number not in (old, to)] + [to]
        self._set(to, "champion", at)

    def _set(self, number: int, state: str, at: int) -> None:
        model = self._model(number, at)
        model.state, model.since = state, at


class Models:
    """The view."""

    name = "models"
    version = 3

    def __init__(self) -> None:
        self._outputs = Columns({"output_seq": "<i8", "event_seq": "<i8"})
        self.tables: Mapping[str, Columns] = {"outputs": self._outputs}
        self._facts: dict[int, Fact] = {}  # by the number in the log of the event
        self._changed: set[int] = set()
        self._standings: dict[str, Standing] = {}  # as far as they were asked for since something came

    # What others ask

    def workloads(self) -> list[str]:
        """Those that have a model, by name."""
        return sorted({str(fact["workload"]) for fact in self._facts.values()})

    def standing(self, workload: str) -> Standing:
        """How that workload stands: for looking at, it is handed to whoever asks."""
        if workload not in self._standings:
            standing = self._standings[workload] = Standing()
            for fact in self.facts(workload):
                standing.take(fact)
        return self._standings[workload]

    def facts(self, workload: str | None = None) -> Iterator[Fact]:
        """The events in short and in their order, of one workload or of all."""
        for seq in sorted(self._facts):
            if workload in (None, self._facts[seq]["workload"]):
                yield self._facts[seq]

    def next_number(self, workload: str) -> int:
        """The number that the next run's model gets."""
        return max((fact["model"] for fact in self.facts(workload) if fact["kind"] == SHELVED), default=FIRST) + 1

    def taken(self) -> list[Taken]:
        """Every decision that spent of the year's budget, in order, whichever workload's."""
        decided = (fact for fact in self.facts() if fact["kind"] in (PROMOTED, TURNED_DOWN) and fact["level"])
        return [Taken(fact["workload"], fact["at"], fact["level"]) for fact in decided]

    def served(self, workload: str) -> Ints:
        """By an output's number in the log: how many decisions it served; beyond the end none.

        A decision that spent nothing could promote nothing, and used nothing up.
        """
        facts = list(self.facts(workload))
        decided = {fact["model"] for fact in facts if fact["kind"] in (PROMOTED, TURNED_DOWN) and fact["level"]}
        events = [fact["seq"] for fact in facts if fact["kind"] == JUDGED and fact["model"] in decided]
        mine = np.isin(self._outputs["event_seq"], np.array(events, np.int64))
        return np.bincount(self._outputs["output_seq"][mine]).astype(np.int64)

    # The fold

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _, _ in _mine(page)])

    def fold(self, page: Page) -> None:
        for seq, kind, received_at in _mine(page):
            body = page.bodies[seq]
            told = {"seq": seq, "at": received_at, "kind": kind, "workload": body["workload"]}
            self._facts[seq] = told | {name: body.get(name) for name in KEPT_OF[kind]} | _said(body)
            self._changed.add(seq)
            self._standings.clear()
            if kind == JUDGED:
                outputs = np.unique(np.array(body.get("outputs", ()), np.int64))
                self._outputs.append(len(outputs), output_seq=outputs, event_seq=seq)

    # Saving, and comparing

    def take_cells(self) -> dict[str, str | None]:
        if not self._changed:
            return {}
        cells: dict[str, str | None] = {f"fact/{seq:012d}": _text(self._facts[seq]) for seq in self._changed}
        for workload in {str(self._facts[seq]["workload"]) for seq in self._changed}:
            cells[f"short/{workload}"] = _text(self._short(workload))
        self._changed = set()
        return cells

    def _short(self, workload: str) -> Fact:
        """What status tells of a workload."""
        standing = self.standing(workload)
        champion = None if standing.champion is None else standing.models[standing.champion]
        decided = [model.decided for model in standing.models.values() if model.decided is not None]
        return {
            **standing.links,
            "since": champion and champion.since,
            "figure": _figure_of(standing),
            "decided": max(decided, key=lambda fact: int(fact["seq"]), default=None),
        }

    def restore(self, cells: Mapping[str, str]) -> None:
        facts = ((key, text) for key, text in cells.items() if key.startswith("fact/"))
        self._facts = {int(key.removeprefix("fact/")): json.loads(text) for key, text in facts}
        self._standings.clear()

    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.name} {self.version}".encode())
        order = np.lexsort((self._outputs["output_seq"], self._outputs["event_seq"]))
        for column in self._outputs.types:
            digest.update(self._outputs[column][order].tobytes())
        digest.update(_text(sorted(self._facts.items())).encode())
        return digest.hexdigest()


def _figure_of(standing: Standing) -> Fact | None:
    """The newest figure that the champion got on all that it was judged on, by the workload's target metric."""
    judged = (model.judged for model in standing.models.values() if model.judged is not None)
    mine = [fact for fact in judged if standing.champion in (fact["champion"], fact["model"])]
    newest = max(mine, key=lambda fact: int(fact["seq"]), default=None)
    if newest is None or standing.champion is None:
        return None
    who = "challenger" if newest["model"] == standing.champion else "champion"
    told = ((newest["metrics"] or {}).get("all") or {}).get(newest["metric"]) or {}
    return {"metric": newest["metric"], "value": told[who]["mean"]} if who in told else None


def _said(body: Mapping[str, Any]) -> Fact:
    """Of a decision what is told in short; the whole evidence stays in the log."""
    decision = body.get("decision")
    return {name: decision[name] for name in ("verdict", "sentence") if name in decision} if decision else {}


def _mine(page: Page) -> list[tuple[int, str, int]]:
    """Number, kind and moment of each event of the page that concerns models."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) in KEPT_OF for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    seqs, received = page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist()
    return list(zip(seqs, (kind_name(kinds[code]) for code in codes[rows].tolist()), received, strict=True))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
