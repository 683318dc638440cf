"""Learning rates by step, as a factor of the plan's own: constant, linear, cosine, each after a warm-up, and plateau.

The first three are pure functions of the step (Loshchilov and Hutter 2017, arXiv 1608.03983, for the cosine), equal to
those of transformers; the plateau is a small value that is fed evaluations, equal to torch's ReduceLROnPlateau. None of
them holds an optimiser.

>>> [round(factor("cosine", step, steps=100, warmup=10), 3) for step in (0, 5, 10, 55, 100)]
[0.0, 0.5, 1.0, 0.5, 0.0]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

SCHEDULES = ("constant", "linear", "cosine", "plateau")


def factor(schedule: str, step: int, *, steps: int, warmup: int) -> float:
    """What the learning rate is multiplied with at this step, 0 to 1; for a plateau, of its warm-up alone."""
    if step < warmup:
        return step / max(1, warmup)
    if schedule in ("constant", "plateau"):
        return 1.0
    left = max(0.0, (steps - step) / max(1, steps - warmup))
    return left if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * (1.0 - left)))


@dataclass(frozen=True, slots=True)
class Plateau:
    """The factor falls when the watched metric has not become better for a while."""

    factor: float = 1.0
    best: float | None = None
    bad: int = 0
    patience: int = 2
    shrink: float = 0.1
    threshold: float = 1e-4  # relative: what counts as better
    least: float = 1e-3

    def after(self, metric: float) -> Plateau:
        """The state after one more evaluation; higher is better."""
        if self.best is None or metric > self.best + abs(self.best) * self.threshold:
            return replace(self, best=metric, bad=0)
        if self.bad + 1 <= self.patience:
            return replace(self, bad=self.bad + 1)
        return replace(self, bad=0, factor=max(self.least, self.factor * self.shrink))
