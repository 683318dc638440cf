"""Signs that a run is sick, each a rule that is fed losses and metrics and says so in words.

Not a number, divergence and collapse end a run: what comes after them is worthless. A loss that vanishes beside others
and a widening gap between train and validation are flags: a person should know. The limits are wide on purpose; a rule
that fires on healthy runs is soon switched off. Nothing here mends a run.

>>> rules = Rules()
>>> for step, loss in enumerate([2.0, 1.5, 1.2, 1.0] + [9.0] * 30):
...     found = rules.after_step(step, {"loss": loss})
...     if found: break
>>> found.rule, found.ends, step
('divergence', True, 19)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

DIVERGED = 3.0  # times the best smoothed loss, for DIVERGED_STEPS in a row
DIVERGED_STEPS = 10
DIVERGED_FROM = 0.1  # of the first loss, above the best: once all is learnt by heart, three times nothing is no sign
SMOOTHING = 0.9
COLLAPSED = 0.01  # of the first measured spread
VANISHED = 1e-6  # of a loss's own beginning, while others still matter
VANISHED_STEPS = 20
GAP = 2.0  # validation loss over train loss, beyond what it was at first
GAP_EVALUATIONS = 3
NOT_A_NUMBER = "not a number"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sign: which rule, at which step, whether it ends the run, and in words."""

    rule: str
    step: int
    ends: bool
    words: str

    def __str__(self) -> str:
        return f"{self.rule} at step {self.step}: {self.words}"


@dataclass
class Rules:
    """All rules over one run; the state is plain values that a checkpoint keeps."""

    first: float | None = None
    smoothed: float | None = None
    best: float | None = None
    above: int = 0
    first_loss: dict[str, float] = field(default_factory=dict)
    vanished: dict[str, int] = field(default_factory=dict)
    first_spread: dict[str, float] = field(default_factory=dict)
    first_gap: float | None = None
    wide: int = 0
    flagged: list[str] = field(default_factory=list)

    def after_step(self, step: int, losses: Mapping[str, float]) -> Finding | None:
        """What the losses of one step say; `loss` is their weighted sum. The first finding alone."""
        wrong = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if wrong:
            return Finding(NOT_A_NUMBER, step, ends=True, words=f"{wrong[0]} is {losses[wrong[0]]}")
        return self._diverged(step, losses["loss"]) or self._vanished(step, losses)

    def after_evaluation(self, step: int, train_loss: float, metrics: Mapping[str, float]) -> Finding | None:
        """What an evaluation says: metrics whose names begin with `spread` or `entropy`, and `loss`."""
        wrong = [name for name, value in metrics.items() if not math.isfinite(value)]
        if wrong:
            return Finding(NOT_A_NUMBER, step, ends=True, words=f"metric {wrong[0]} is {metrics[wrong[0]]}")
        return self._collapsed(step, metrics) or self._gap(step, train_loss, metrics.get("loss"))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return asdict(self)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Rules:
        return cls(**state)

    def _diverged(self, step: int, loss: float) -> Finding | None:
        self.first = loss if self.first is None else self.first
        self.smoothed = loss if self.smoothed is None else SMOOTHING * self.smoothed + (1 - SMOOTHING) * loss
        self.best = self.smoothed if self.best is None else min(self.best, self.smoothed)
        limit = self.best + max((DIVERGED - 1) * abs(self.best), DIVERGED_FROM * abs(self.first))  # it may be below 0
        self.above = self.above + 1 if self.smoothed > limit and step > 0 else 0
        if self.above < DIVERGED_STEPS:
            return None
        return Finding(
            "divergence", step, ends=True, words=f"the loss is {self.smoothed:.3g}, its best was {self.best:.3g}"
        )

    def _vanished(self, step: int, losses: Mapping[str, float]) -> Finding | None:
        parts = {name: abs(loss) for name, loss in losses.items() if name not in ("loss", "gradient_norm")}
        if len(parts) < 2:
            return None
        for name, loss in parts.items():
            first = self.first_loss.setdefault(name, loss)
            alive = any(
                other > VANISHED * self.first_loss.get(key, other) for key, other in parts.items() if key != name
            )
            gone = first > 0 and loss <= VANISHED * first and alive
            self.vanished[name] = self.vanished.get(name, 0) + 1 if gone else 0
            if self.vanished[name] == VANISHED_STEPS:
                return self._flag("vanished loss", name, step, f"{name} has been 0 for {VANISHED_STEPS} steps")
        return None

    def _collapsed(self, step: int, metrics: Mapping[str, float]) -> Finding | None:
        for name, value in metrics.items():
            if name.startswith(("spread", "entropy")):
                first = self.first_spread.setdefault(name, value)
                if first > 0 and value < COLLAPSED * first:
                    return Finding("collapse", step, ends=True, words=f"{name} fell from {first:.3g} to {value:.3g}")
        return None

    def _gap(self, step: int, train_loss: float, validation_loss: float | None) -> Finding | None:
        if validation_loss is None or train_loss <= 0 or validation_loss <= 0:
            return None
        gap = validation_loss / train_loss
        self.first_gap = gap if self.first_gap is None else min(gap, self.first_gap)
        self.wide = self.wide + 1 if gap > GAP * max(1.0, self.first_gap) else 0
        if self.wide < GAP_EVALUATIONS:
            return None
        return self._flag("gap", "gap", step, f"validation loss is {gap:.1f} times train loss")

    def _flag(self, rule: str, key: str, step: int, words: str) -> Finding | None:
        """Once per run and subject: a flag is for reading, not for repeating."""
        if f"{rule} {key}" in self.flagged:
            return None
        self.flagged.append(f"{rule} {key}")
        return Finding(rule, step, ends=False, words=words)
