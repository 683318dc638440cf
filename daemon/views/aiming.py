"""What signals name: finds the targets that come later, and through targets what a signal is about.

A signal that supersedes or retracts may come before its target, and may name nothing else. It waits for its target by
id; what aims at a signal that itself waits follows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daemon.event_log import NOT_COME_YET
from daemon.views import saying
from daemon.views.columns import Columns
from daemon.views.key_index import UNKNOWN
from daemon.views.page import Ints, Page
from daemon.views.pending import Pending


class Aiming:
    """Fills in the columns `target_seq` and `example` of the signals where they were unknown."""

    def __init__(self, signals: Columns) -> None:
        self.pending = Pending()
        self.found = Columns({"signal": "<i4", "target_seq": "<i8", "example": "<i4"})
        self._signals = signals
        self._followers: dict[int, list[int]] = {}  # signals about no output yet, by the seq of their target
        self._in_order = True

    @staticmethod
    def at_unknown(page: Page) -> Ints:
        """Rows that name a target which was not in the log: NOT_COME_YET, or a retraction without a target."""
        targets, (codes, says) = page.whole("target_seq"), page.coded("says")
        retracts = np.array([bool(saying.bits_of(value) & saying.RETRACT) for value in says])
        unknown = targets == NOT_COME_YET
        if retracts.any():
            unknown |= (targets == 0) & retracts[codes]
        return np.flatnonzero(unknown)

    def waiting_for(self, event_id: str) -> list[int]:
        """The seqs of the signals that wait for this event, and of those that aim at these, however far."""
        rows, seqs = list(self.pending.rows_for(event_id)), self._signals["seq"]
        found: dict[int, None] = {}
        while rows:
            row = rows.pop()
            if row not in found:  # they may aim at each other in a ring
                found[row] = None
                rows += self._followers.get(int(seqs[row]), ())
        return [int(seqs[row]) for row in found]

    def learn_order(self, start: int) -> None:
        """Signals from row `start` on are new: do their numbers still rise?"""
        seqs = self._signals["seq"][max(start - 1, 0) :]
        self._in_order = self._in_order and bool((seqs[1:] > seqs[:-1]).all())

    def aim(self, page: Page, examples: Ints, feedback: Ints, first: int) -> tuple[Ints, Ints]:
        """The signals whose example is known now, and all of which something is known now.

        `examples` are those of the page's rows, `feedback` the rows that became the signals from `first` on.
        """
        learnt: list[int] = []
        attached: list[int] = []
        aiming = self.at_unknown(page)
        if self.pending or len(aiming):
            waits = dict(zip(aiming.tolist(), (np.searchsorted(feedback, aiming) + first).tolist(), strict=True))
            self._meet(page, examples, waits, learnt, attached)
        for row in self._lost(first):
            learnt.append(row)
            self._attach([(row, self._example_of(int(self._signals["target_seq"][row])))], attached)
        return np.array(attached, np.int64), np.array(learnt + attached, np.int64)

    def _lost(self, first: int) -> list[int]:
        """Signals whose target is known, but not what that is about."""
        examples, targets = self._signals["example"][first:], self._signals["target_seq"][first:]
        lost: list[int] = (np.flatnonzero((examples == UNKNOWN) & (targets > 0)) + first).tolist()
        return lost

    def _meet(
        self, page: Page, examples: Ints, waits: Mapping[int, int], learnt: list[int], attached: list[int]
    ) -> None:
        """Event by event, in log order: who was waiting for it, and what it waits for itself."""
        seqs = page.whole("seq")
        for place, event_id in enumerate(page.raw("id")):
            if rows := self.pending.take(event_id):
                self._signals["target_seq"][rows] = seqs[place]
                learnt += rows
                self._attach([(row, int(examples[place])) for row in rows], attached)
            if place in waits:
                self._wait(waits[place], page.bodies[int(seqs[place])])

    def _wait(self, row: int, body: Mapping[str, Any]) -> None:
        target_id = body.get("supersedes") or body.get("retracts")
        if isinstance(target_id, str):
            self.pending.add(row, target_id)

    def row_of(self, seq: int) -> int:
        """The row of the signal with this number, UNKNOWN when there is none."""
        seqs = self._signals["seq"]
        places = np.searchsorted(seqs, [seq]) if self._in_order else np.flatnonzero(seqs == seq)
        found = [place for place in places.tolist() if place < len(seqs) and seqs[place] == seq]
        return found[0] if found else UNKNOWN

    def _example_of(self, seq: int) -> int:
        """What the signal with this number is about."""
        row = self.row_of(seq)
        return UNKNOWN if row == UNKNOWN else int(self._signals["example"][row])

    def _attach(self, queue: list[tuple[int, int]], attached: list[int]) -> None:
        """Signals with the example of their target, where that is known; those that aim at them follow."""
        examples, targets, seqs = self._signals["example"], self._signals["target_seq"], self._signals["seq"]
        while queue:
            row, example = queue.pop()
            if examples[row] == UNKNOWN and example == UNKNOWN:
                self._followers.setdefault(int(targets[row]), []).append(row)
            elif examples[row] == UNKNOWN:
                examples[row] = example
                attached.append(row)
                queue += [(follower, example) for follower in self._followers.pop(int(seqs[row]), ())]
            self.found.append(1, signal=row, target_seq=targets[row], example=examples[row])

    def restore(self, pending: Mapping[str, str]) -> None:
        """From the saved tables: what was found out about signals after they were saved, and who still waits."""
        self.pending.restore(pending)
        self._signals["target_seq"][self.found["signal"]] = self.found["target_seq"]
        self._signals["example"][self.found["signal"]] = self.found["example"]
        for row in self._lost(0):
            self._followers.setdefault(int(self._signals["target_seq"][row]), []).append(row)
