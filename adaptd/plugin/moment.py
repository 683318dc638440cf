"""What a stage knows of now: the time, the place in the log, and a source of chance. It has no other clock or dice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Moment:
    """When a batch is formed. The same moment and pool give the same batch, today and in a year."""

    now: int  # microseconds since 1970, UTC
    log_position: int  # the newest event that the pool knows
    seed: int

    def rng(self, name: str) -> np.random.Generator:
        """A generator of one's own: stages that ask by different names do not disturb each other."""
        words = np.frombuffer(name.encode().ljust(-(-len(name.encode()) // 4) * 4 or 4, b"\0"), np.uint32)
        return np.random.default_rng([self.seed, *words.tolist()])
