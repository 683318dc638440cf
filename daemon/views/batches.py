"""Which batches were formed, why others were not, and what was learnt how often: a fold of nine kinds of event.

What a batch's rows and reasons are stays in the log; here is what is listed, and what «new» means to the next batch.
What only models have learnt that were turned down or rolled back, the champion has not, nor what a run was to learn
that was cancelled: it is new to the next batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from daemon.views.columns import Columns
from daemon.views.folding import Wants, kind_name
from daemon.views.models import PROMOTED, ROLLED_BACK, SHELVED, TURNED_DOWN, Standing
from daemon.views.page import Ints, Page

FORMED, NOT_FORMED, FAILED = "batch_formed", "batch_not_formed", "stage_failed"
PLANNED, CANCELLED = "run_planned", "run_cancelled"
OF_MODELS = (SHELVED, PROMOTED, TURNED_DOWN, ROLLED_BACK)
KINDS = (FORMED, NOT_FORMED, FAILED, PLANNED, CANCELLED, *OF_MODELS)
OF_A_BATCH = ("batch", "workload", "night", "by", "position", "hash", "figures", "repeats", "begins_from")
OF_A_MODEL = ("workload", "model", "run", "batch", "hash", "base", "from", "to")
OF_A_REASON = ("workload", "night", "kind", "reason", "triggers")
OF_A_FAILURE = ("workload", "stage", "reason")
Told = dict[str, Any]


class Batches:
    """Every batch in short, the newest answer and the newest failure of each workload, and the outputs learnt."""

    name = "batches"
    version = 3

    def __init__(self) -> None:
        self.learnt = Columns({"output_seq": "<i8", "event_seq": "<i8"})
        self.tables: Mapping[str, Columns] = {"learnt": self.learnt}
        self.formed: dict[int, Told] = {}  # by the number in the log of the event that tells it
        self.answers: dict[str, Told] = {}  # by workload: its newest batch_formed or batch_not_formed
        self.failures: dict[str, Told] = {}  # by workload: its newest stage_failed
        self.runs: dict[str, Told] = {}  # by a batch's number: the newest run planned for it
        self.cancelled: dict[str, Told] = {}  # by run
        self.shelf: dict[str, Told] = {}  # by number in the log: what became of models, in short
        self._changed: set[str] = set()

    # What others ask

    def listed(self, workload: str | None = None) -> list[Told]:
        """The batches in the order in which they were formed, of one workload or of all."""
        batches = [self.formed[seq] for seq in sorted(self.formed)]
        return [batch for batch in batches if workload in (None, batch["workload"])]

    def next_number(self) -> int:
        """The number of the batch that would be formed now."""
        return max((batch["batch"] for batch in self.formed.values()), default=0) + 1

    def newest(self, workload: str) -> Told | None:
        """The last batch of that workload."""
        batches = self.listed(workload)
        return batches[-1] if batches else None

    def times_learnt(self, workload: str) -> Ints:
        """By an output's number in the log: in how many batches that count as learnt; beyond the end in none.

        Those do not of which every model was turned down, or lost its place by a rollback, or of which the run was
        cancelled.
        """
        lost = self._lost(workload)
        return self._times([seq for seq, one in self._of(workload) if one["batch"] not in lost])

    def times_learnt_by(self, workload: str, model: int | None) -> Ints:
        """The same over the batches that this model and those that it began from have learnt; of None over none."""
        standing = self._standing(workload)
        batches = {standing.models[number].batch for number in standing.line_of(model)}
        return self._times([seq for seq, one in self._of(workload) if one["batch"] in batches])

    def times_in_batches(self, workload: str) -> Ints:
        """The same over all batches, whatever became of their models."""
        return self._times([seq for seq, _ in self._of(workload)])

    def _lost(self, workload: str) -> set[int]:
        """The batches that neither the champion nor one to roll back to has learnt, nor a model that is not decided."""
        standing = self._standing(workload)
        kept = {*standing.champions, *standing.line_of(standing.champion)}
        lost, known = set[int](), set[int]()
        for number, model in standing.models.items():
            if model.batch is not None:
                (known if number in kept or model.decided is None else lost).add(model.batch)
        lost -= known
        lost |= {batch["batch"] for _, batch in self._of(workload) if self._is_cancelled(batch["batch"])} - known
        for _, batch in sorted(self._of(workload)):
            if str(batch["batch"]) not in self.runs and batch.get("repeats") in lost:
                lost.add(batch["batch"])  # no run is planned for it, as it would leave the same model again
        return lost

    def _is_cancelled(self, batch: int) -> bool:
        return self.runs.get(str(batch), {}).get("run") in self.cancelled

    def _standing(self, workload: str) -> Standing:
        standing = Standing()
        for seq in sorted(self.shelf):
            if self.shelf[seq]["workload"] == workload:
                standing.take(self.shelf[seq])
        return standing

    def _of(self, workload: str) -> Iterator[tuple[int, Told]]:
        return ((seq, batch) for seq, batch in self.formed.items() if batch["workload"] == workload)

    def _times(self, events: list[int]) -> Ints:
        mine = np.isin(self.learnt["event_seq"], np.array(events, np.int64))
        return np.bincount(self.learnt["output_seq"][mine]).astype(np.int64)

    def with_output(self, output_seq: int) -> list[Told]:
        """The batches in which this output was, oldest first."""
        events = np.unique(self.learnt["event_seq"][self.learnt["output_seq"] == output_seq])
        return [self.formed[seq] for seq in events.tolist()]

    # The fold

    def columns(self) -> tuple[str, ...]:
        return ("seq", "kind", "received_at")

    def wants(self, page: Page) -> Wants:
        return Wants(bodies=[seq for seq, _, _ in _mine(page)])

    def fold(self, page: Page) -> None:
        for seq, kind, received_at in _mine(page):
            body = page.bodies[seq]
            told = {"seq": seq, "at": received_at}
            if kind == FORMED:
                self._take_batch(told, body)
            elif kind == NOT_FORMED:
                self._answer(told | _some(body, OF_A_REASON))
            elif kind == FAILED:
                failed = told | _some(body, OF_A_FAILURE)
                self._take_newest(self.failures, "failed", str(body["workload"]), failed)
            elif kind == PLANNED and body.get("batch") is not None:
                self._take_newest(self.runs, "run", str(body["batch"]), {"seq": seq, "run": body.get("run")})
            elif kind == CANCELLED:
                self._take_newest(self.cancelled, "cancelled", str(body.get("run")), told)
            elif kind in OF_MODELS:
                verdict = (body.get("decision") or {}).get("verdict")
                of_it = {name: body.get(name) for name in OF_A_MODEL}
                self.shelf[f"{seq:012d}"] = told | of_it | {"kind": kind, "verdict": verdict}
                self._changed.add(f"shelf/{seq:012d}")

    def _take_batch(self, told: Told, body: Mapping[str, Any]) -> None:
        outputs = recorded_rows(body)
        batch = told | _some(body, OF_A_BATCH)
        validation = body.get("validation", {}).get("count", 0)
        batch |= {"rows": len(_rows(body)["example"]), "new": new_rows(body), "validation": validation}
        batch |= {"anew": digest_of(learnt_anew(body))}
        self.formed[told["seq"]] = batch
        self.learnt.append(len(outputs), output_seq=outputs, event_seq=told["seq"])
        self._changed.add(f"batch/{told['seq']:012d}")
        self._answer(told | _some(body, ("workload", "night", "batch")))

    def _answer(self, told: Told) -> None:
        self._take_newest(self.answers, "answer", told["workload"], told)

    def _take_newest(self, of: dict[str, Told], cell: str, name: str, told: Told) -> None:
        if name not in of or of[name]["seq"] < told["seq"]:
            of[name] = told
            self._changed.add(f"{cell}/{name}")

    # Saving, and comparing

    def take_cells(self) -> dict[str, str | None]:
        cells: dict[str, str | None] = {key: json.dumps(self._told(key)) for key in self._changed}
        self._changed = set()
        return cells

    @property
    def _small(self) -> dict[str, dict[str, Told]]:
        return {"answer": self.answers, "failed": self.failures, "run": self.runs} | {
            "cancelled": self.cancelled,
            "shelf": self.shelf,
        }

    def _told(self, key: str) -> Told:
        part, _, name = key.partition("/")
        return self.formed[int(name)] if part == "batch" else self._small[part][name]

    def restore(self, cells: Mapping[str, str]) -> None:
        for key, text in cells.items():
            part, _, name = key.partition("/")
            if part == "batch":
                self.formed[int(name)] = json.loads(text)
            else:
                self._small[part][name] = json.loads(text)

    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.name} {self.version}".encode())
        order = np.lexsort((self.learnt["output_seq"], self.learnt["event_seq"]))
        for column in self.learnt.types:
            digest.update(self.learnt[column][order].tobytes())
        small = [sorted(self.formed.items()), self._small]
        digest.update(json.dumps(small, sort_keys=True).encode())
        return digest.hexdigest()


def recorded_rows(body: Mapping[str, Any]) -> Ints:
    """The outputs that a batch learns from, without the examples that a stage derived."""
    examples = np.array(_rows(body)["example"], np.int64)
    return examples[examples > 0]


def new_rows(body: Mapping[str, Any]) -> int:
    """How many of its examples were in no batch before that counts as learnt."""
    return len(learnt_anew(body))


def learnt_anew(body: Mapping[str, Any]) -> Ints:
    """Those examples, by number in the log."""
    rows = _rows(body)
    examples, times = np.array(rows["example"], np.int64), np.array(rows["times_learnt"], np.int64)
    return np.sort(examples[(examples > 0) & (times == 0)])


def digest_of(examples: Ints) -> str:
    """By which two batches are told to learn the same anew, whatever they learn again beside it."""
    return hashlib.blake2b(np.sort(examples).astype("<i8").tobytes(), digest_size=16).hexdigest()


def _rows(body: Mapping[str, Any]) -> Mapping[str, list[int]]:
    """A view must be able to fold whatever the log has: an event without rows is a batch of none."""
    return body.get("rows") or {"example": [], "times_learnt": []}


def _some(body: Mapping[str, Any], names: tuple[str, ...]) -> Told:
    return {name: body[name] for name in names if name in body}


def _mine(page: Page) -> list[tuple[int, str, int]]:
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) in KINDS for kind in kinds])
    if not wanted.any():
        return []
    rows = np.flatnonzero(wanted[codes])
    seqs, received = page.whole("seq")[rows].tolist(), page.whole("received_at")[rows].tolist()
    return list(zip(seqs, (kind_name(kinds[code]) for code in codes[rows].tolist()), received, strict=True))
