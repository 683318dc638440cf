"""This file knows where pools come from on this machine: the examples, what is derived beside the log, texts, and keys.

For the daemon with its own log and keys; for who only reads, with readers of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from daemon.derived import open_derived
from daemon.event_log import EventLog
from daemon.pooling import DerivedLike, Source
from daemon.sealing import Sealing
from daemon.settings import Settings
from daemon.texts import TextSource
from daemon.views.examples import Examples

Ints = NDArray[np.int64]


class NothingPrepared:
    """Where no child has prepared anything yet: nothing is known of any output."""

    fingerprint = "none"
    position = 0

    def rows_of(self, seqs: Ints) -> Ints:
        return np.full(len(seqs), -1, np.int64)

    def near(self, seqs: Ints, position: int) -> NDArray[np.bool_]:  # noqa: ARG002 part of the contract
        return np.zeros(len(seqs), np.bool_)

    def near_held_out(self, texts: Sequence[str], position: int) -> NDArray[np.bool_]:  # noqa: ARG002 as above
        return np.zeros(len(texts), np.bool_)

    def embeddings(self, rows: Ints) -> NDArray[np.float32]:
        return np.zeros((len(rows), 0), np.float32)


class Sources:
    """Makes the source for examples as of now or of earlier; what was derived is opened anew each time."""

    def __init__(self, state_dir: Path, log: EventLog, sealing: Sealing, settings: Callable[[], Settings]) -> None:
        self._state_dir = state_dir
        self._sealing = sealing
        self._settings = settings
        self._texts = TextSource(log, sealing.unseal)

    def __call__(self, examples: Examples) -> Source:
        found = open_derived(self._state_dir, self._settings().embeddings.model)
        derived: DerivedLike = NothingPrepared() if found is None else found.take_served(examples.served["output_seq"])
        return Source(examples, derived, self._texts, np.array(self._sealing.destroyed(), np.int64))
