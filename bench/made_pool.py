"""A pool of a million made rows that lie as sentence embeddings do, kept as a file of float16 in the cache folder.

Kinds of request belong to topics; a few kinds have most of the rows (the k-th has 1/k). A row leaves its kind's centre
in the directions of its topic and a little in all others, and has length 1. Among 20,000 rows the nearest other has a
cosine of 0.73 in the median (Davidson's tweets under MiniLM: 0.63); they spread over 108 directions (95).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.text_vectors import CACHE

WIDTH, KINDS, TOPICS, DIRECTIONS = 384, 5_000, 150, 16
FROM_TOPIC, OF_ITS_OWN, WITHIN_TOPIC, ANYWHERE = 0.75, 0.55, 0.7, 0.45
_BLOCK = 20_000
VERSION = 1  # to be raised when the rows change

Rows = NDArray[np.float32]


def made_pool(rows: int, cache: Path = CACHE, width: int = WIDTH) -> Path:
    """The file; made when it is not there yet. Equal numbers give equal rows."""
    path = cache / "pools" / f"made-{VERSION}-{rows}-{width}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        pool = np.lib.format.open_memmap(unfinished, "w+", np.float16, (rows, width))
        source = Source(width)
        for start in range(0, rows, _BLOCK):
            pool[start : start + _BLOCK] = source.rows(min(_BLOCK, rows - start))
        pool.flush()
        os.replace(unfinished, path)
    return path


class Source:
    """Topics, kinds and their shares; gives rows, one block after the other."""

    def __init__(self, width: int = WIDTH, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.topic_of = self.rng.integers(0, TOPICS, KINDS)
        self.directions = self._unit(TOPICS, DIRECTIONS, width)
        self.kinds = FROM_TOPIC * self._unit(TOPICS, width)[self.topic_of] + OF_ITS_OWN * self._unit(KINDS, width)
        shares = 1 / np.arange(1, KINDS + 1)
        self.shares = shares / shares.sum()

    def rows(self, count: int) -> Rows:
        kinds = self.rng.choice(KINDS, count, p=self.shares)
        found = self.kinds[kinds] + ANYWHERE * self._unit(count, self.kinds.shape[1])
        steps = self._unit(count, DIRECTIONS) * np.float32(WITHIN_TOPIC)
        topics = self.topic_of[kinds]
        for topic in np.unique(topics):
            own = np.flatnonzero(topics == topic)
            found[own] += steps[own] @ self.directions[topic]
        return found / np.linalg.norm(found, axis=1, keepdims=True)  # type: ignore[no-any-return]

    def _unit(self, *shape: int) -> Rows:
        """Normal numbers whose last axis has a length of about 1."""
        return self.rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[-1]))
