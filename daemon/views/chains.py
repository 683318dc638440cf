"""Which signals belong to an example: each signal knows the one before it, each example its newest.

Looking up a few examples costs their own signals. Where a chain is long, one look at all signals is cheaper: the
memory reads of a chain follow each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from daemon.views.columns import Columns
from daemon.views.page import Ints
from daemon.views.resting import Resting

NONE = -1
LONG = 256


class Chains:
    """From examples to their signals, in no order that means anything."""

    def __init__(self) -> None:
        self._before = Columns({"signal": "<i4"})
        self._of_example = Columns({"newest": "<i4", "length": "<i4"})

    def add_examples(self, count: int) -> None:
        self._of_example.append(count, newest=NONE, length=0)

    def rest(self, resting: Resting) -> None:
        self._before.rest(resting)
        self._of_example.rest(resting)

    def lengths(self, examples: Ints) -> NDArray[np.int32]:
        lengths: NDArray[np.int32] = self._of_example["length"][examples]
        return lengths

    def add_signals(self, examples: Ints) -> None:
        """New signals, numbered on, each with its example or -1."""
        first = self._before.rows
        self._before.append(len(examples), signal=NONE)
        known = np.flatnonzero(examples != NONE)
        self.attach(known + first, examples[known])

    def attach(self, signals: Ints, examples: Ints) -> None:
        """Signals whose example is known now."""
        if not len(signals):
            return
        order = np.argsort(examples, kind="stable")
        signals, examples = signals[order], examples[order]
        starts = np.flatnonzero(np.concatenate(([True], examples[1:] != examples[:-1])))
        owners = examples[starts]
        newest, length = self._of_example["newest"], self._of_example["length"]
        before = np.empty(len(signals), np.int32)
        before[1:] = signals[:-1]
        before[starts] = newest[owners]
        self._before["signal"][signals] = before
        ends = np.append(starts[1:], len(signals))
        newest[owners] = signals[ends - 1]
        length[owners] += (ends - starts).astype(np.int32)

    def signals_of(self, examples: Ints, example_of_signal: NDArray[np.int32]) -> Ints:
        """All signals of these examples; each example named once."""
        lengths = self.lengths(examples)
        if not len(examples) or not lengths.any():
            return np.empty(0, np.int64)
        if lengths.max() > LONG or lengths.sum() * 8 > self._before.rows:
            wanted = np.zeros(self._of_example.rows + 1, np.bool_)  # the last one answers for -1
            wanted[examples] = True
            return np.flatnonzero(wanted[example_of_signal])
        return self._walk(examples)

    def _walk(self, examples: Ints) -> Ints:
        before = self._before["signal"]
        at = self._of_example["newest"][examples]
        steps = []
        while len(at := at[at != NONE]):
            steps.append(at)
            at = before[at]
        return np.concatenate(steps).astype(np.int64)
