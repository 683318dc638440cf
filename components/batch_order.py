"""Which rows come when: the order of every epoch as a pure function of seed and epoch.

Nothing is remembered between steps, so a run that was killed goes on with the same rows by knowing its step alone. With
lengths, rows of like length share a step (length bucketing, as fairseq and Hugging Face's group_by_length do), and the
steps themselves stay shuffled. It does not weight or repeat rows: weights belong to the loss.

>>> order = BatchOrder(rows=10, batch_size=4, seed=1)
>>> order.steps_per_epoch, [len(order.rows_of(step)) for step in range(3)]
(3, [4, 4, 2])
>>> sorted(int(row) for step in range(3) for row in order.rows_of(step)) == list(range(10))
True
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, whole_number

Rows = NDArray[np.int64]
BUCKET_STEPS = 50  # rows are sorted by length within as many steps' worth of shuffled rows


class BatchOrder:
    """Rows by step, over as many epochs as are asked for."""

    def __init__(self, rows: int, batch_size: int, seed: int, lengths: ArrayLike | None = None) -> None:
        self.rows = whole_number("rows", rows, low=1)
        self.batch_size = whole_number("batch_size", batch_size, low=1)
        self.seed = whole_number("seed", seed)
        self.lengths = None if lengths is None else finite_numbers("lengths", lengths, low=0)
        if self.lengths is not None and len(self.lengths) != rows:
            raise BadInput("lengths", len(self.lengths), f"one for each of {rows} rows")
        self.steps_per_epoch = -(-self.rows // self.batch_size)
        self._epoch = lru_cache(maxsize=2)(self._epoch_of)

    def rows_of(self, step: int) -> Rows:
        """The rows of one step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return self._epoch(epoch)[place]

    def _epoch_of(self, epoch: int) -> list[Rows]:
        rng = np.random.default_rng([self.seed, epoch])
        shuffled = rng.permutation(self.rows)
        if self.lengths is None:
            return self._cut(shuffled)
        near = self.batch_size * BUCKET_STEPS
        sorted_within = [
            chunk[np.argsort(self.lengths[chunk], kind="stable")]
            for chunk in np.split(shuffled, range(near, self.rows, near))
        ]
        steps = self._cut(np.concatenate(sorted_within))
        return [steps[place] for place in rng.permutation(len(steps))]

    def _cut(self, rows: Rows) -> list[Rows]:
        return np.split(rows, range(self.batch_size, self.rows, self.batch_size))


def step_rng(seed: int, step: int, part: int = 0) -> np.random.Generator:
    """The generator of one step's own chance (dropout of words, crops): the same whenever the step is done again."""
    return np.random.default_rng([seed, 1 + part, step])
