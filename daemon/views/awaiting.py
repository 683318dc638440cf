"""How much feedback waits for its output, and since when: a wrong `output_id` would otherwise be noticed by nobody.

Kept up to date signal by signal; the oldest is looked for from the last one found, since what has its output keeps it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from daemon.views.columns import Columns
from daemon.views.page import Ints, Mask

BLOCK = 1 << 16
HasOutput = Callable[[NDArray[np.int32]], Mask]
"""Whether the outputs of these examples have come; an example below 0 is not known."""


class Awaiting:
    """Counts signals whose output has not come, or that do not know yet what they are about."""

    def __init__(self, signals: Columns, has_output: HasOutput) -> None:
        self._signals = signals
        self._has_output = has_output
        self.count = 0
        self._oldest = 0  # no signal before this row waits
        self._told: str | None = None

    def add(self, start: int) -> None:
        """Signals from this row on are new."""
        self.count += int(np.count_nonzero(~self._has_output(self._signals["example"][start:])))

    def came(self, signals: int) -> None:
        """The output of so many signals has come."""
        self.count -= signals

    def attached(self, rows: Ints) -> None:
        """These signals learnt what they are about."""
        self.count -= int(np.count_nonzero(self._has_output(self._signals["example"][rows])))

    def since(self) -> int | None:
        """When the one that waits longest was received; None when none waits."""
        if not self.count:
            self._oldest = self._signals.rows
            return None
        while self._oldest < self._signals.rows:
            waits = ~self._has_output(self._signals["example"][self._oldest : self._oldest + BLOCK])
            if waits.any():
                self._oldest += int(waits.argmax())
                return int(self._signals["received_at"][self._oldest])
            self._oldest += len(waits)
        return None

    def take_cells(self) -> dict[str, str | None]:
        """`waiting` → «how many since when», when it has changed; gone when none waits."""
        since = self.since()
        now = None if since is None else f"{self.count} {since}"
        if now == self._told:
            return {}
        self._told = now
        return {"waiting": now}

    def restore(self, saved: str | None) -> None:
        """After a start, when the tables are filled."""
        self._told = saved
        self.count = 0
        self.add(0)
