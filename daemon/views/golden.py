"""Golden sets: which examples are in each, which versions were frozen, and which sets were retired.

A set's version is what was recorded since its last retirement and before the freezing; texts stay in the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.page import Ints, Page

RECORDED, FROZEN, RETIRED = "golden_recorded", "golden_frozen", "golden_retired"
KINDS = (RECORDED, FROZEN, RETIRED)
Fact = dict[str, Any]


class GoldenSet(NamedTuple):
    """How a set stands: what is in it, and of that what its newest version has. `version` is None before the first."""

    name: str
    recorded: Ints  # events, rising
    frozen: Ints
    version: int | None
    frozen_at: int | None  # microseconds
    retirements: int

    @property
    def new(self) -> int:
        """How many were recorded since the newest version."""
        return len(self.recorded) - len(self.frozen)


class Golden:
    """The view."""

    name = "golden"
    version = 2

    def __init__(self) -> None:
        self.examples = Columns({"seq": "<i8", "set_key": "<i8", "type_key": "<i8", "subject": "<i8"})
        self.tables: Mapping[str, Columns] = {"examples": self.examples}
        self._names: set[str] = set()
        self._facts: dict[int, Fact] = {}  # freezings and retirements, by their number in the log
        self._changed: set[str] = set()

    # What others ask

    def names(self) -> list[str]:
        """All sets, by name."""
        return sorted(self._names)

    def of(self, name: str) -> GoldenSet:
        """How this set stands; an empty one where there is none."""
        facts = [self._facts[seq] | {"seq": seq} for seq in sorted(self._facts) if self._facts[seq]["set"] == name]
        retired = [fact["seq"] for fact in facts if fact["kind"] == RETIRED]
        frozen = [fact for fact in facts if fact["kind"] == FROZEN]
        seqs = np.sort(self.examples["seq"][self.examples["set_key"] == key_of(name)])
        recorded = seqs[seqs > max(retired, default=0)]
        standing = [fact for fact in frozen if fact["seq"] > max(retired, default=0)]
        if not standing:
            return GoldenSet(name, recorded, recorded[:0], None, None, len(retired))
        newest = standing[-1]
        within = recorded[recorded < newest["seq"]]
        return GoldenSet(name, recorded, within, newest["version"], newest["at"], len(retired))

    def next_version(self, name: str) -> int:
        """Versions are not given twice, also after a retirement."""
        versions = [fact["version"] for fact in self._facts.values() if fact["set"] == name and fact["kind"] == FROZEN]
        return max(versions, default=0) + 1

    def without(self, seqs: Ints, pseudonyms: Ints) -> Ints:
        """Those of these examples that do not lie under any of these pseudonyms."""
        gone = self.examples["seq"][np.isin(self.examples["subject"], pseudonyms)]
        return seqs[~np.isin(seqs, gone)]

    def of_types(self, seqs: Ints, artifact_types: tuple[str, ...]) -> Ints:
        """Those of these examples that are of one of these types, or of none; all where no types are named."""
        if not artifact_types:
            return seqs
        keys = np.array([0, *map(key_of, artifact_types)], np.int64)
        return seqs[np.isin(seqs, self.examples["seq"][np.isin(self.examples["type_key"], keys)])]

    # The fold

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at", "subject")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _, _, _ in _mine(page)])

    def fold(self, page: Page) -> None:
        for seq, kind, at, subject in _mine(page):
            body = page.bodies[seq]
            name = str(body["set"])
            self._names.add(name)
            self._changed.add(f"set/{name}")
            if kind == RECORDED:
                given = body.get("artifact_type")
                keys = {"set_key": key_of(name), "type_key": 0 if given is None else key_of(given)}
                self.examples.append(1, seq=seq, subject=subject, **keys)
            else:
                self._facts[seq] = {"kind": kind, "set": name, "at": at, "version": body.get("version")}
                self._changed.add(f"fact/{seq:012d}")

    # Saving, and comparing

    def take_cells(self) -> dict[str, str | None]:
        cells: dict[str, str | None] = {key: self._cell(key) for key in self._changed}
        if self._changed:  # for `status`: how many of each set models are judged on
            cells |= {f"short/{name}": str(len(self.of(name).frozen)) for name in self._names}
        self._changed = set()
        return cells

    def _cell(self, key: str) -> str:
        return _text(self._facts[int(key.removeprefix("fact/"))]) if key.startswith("fact/") else "1"

    def restore(self, cells: Mapping[str, str]) -> None:
        self._names = {key.removeprefix("set/") for key in cells if key.startswith("set/")}
        facts = ((key, text) for key, text in cells.items() if key.startswith("fact/"))
        self._facts = {int(key.removeprefix("fact/")): json.loads(text) for key, text in facts}

    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.name} {self.version}".encode())
        order = np.argsort(self.examples["seq"], kind="stable")
        for column in self.examples.types:
            digest.update(self.examples[column][order].tobytes())
        digest.update(_text([self.names(), sorted(self._facts.items())]).encode())
        return digest.hexdigest()


def key_of(name: str) -> int:
    """The number under which a name stands in the table, never 0."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True) or 1


def _mine(page: Page) -> list[tuple[int, str, int, int]]:
    """Number, kind, moment and pseudonym of each event of the page that concerns golden sets."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) in KINDS for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    names = [kind_name(kinds[code]) for code in codes[rows].tolist()]
    parts = (page.whole(name)[rows].tolist() for name in ("seq", "received_at", "subject"))
    seqs, received, subjects = parts
    return list(zip(seqs, names, received, subjects, strict=True))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
