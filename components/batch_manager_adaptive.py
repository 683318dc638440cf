"""How many new examples make a batch: from 20 to 100, by what there is, how good and rare it is, and the trend.

    size = default × √(available / twice the default) × quality × rarity × trend, rounded, within min and max

The V2 document says the directions, and each factor moves in its direction alone; the amounts are ours:

* **availability**: more examples, larger batches; 1 at twice the default, so that half of what is there is taken.
* **quality** 1 + (target − quality)/2: good examples teach in smaller batches. 1 at the target.
* **rarity** 1 − 0.4 × rarity: a rare artifact type trains sooner than on a full batch. 1 where nothing is rare.
* **trend** 1 + 0.3 × tanh(points per evaluation / 5): where it improves there is time to gather more; where it falls,
  training comes sooner.

The size is what to wait for: it may be above what is available, and says so (`enough`). It does not choose examples,
and remembers nothing.

    >>> manager = AdaptiveBatchManager()
    >>> manager.calculate_optimal_batch_size(artifact_type="erd", available_examples=60, avg_quality=0.75)
    38
    >>> print(manager.explain_batch_size("erd", 60, 0.75, rarity=0.5, trend=[70, 74, 78]).why())
    36 for erd: 50 × 0.77 (60 available) × 0.97 (quality 0.75, target 0.7) × 0.80 (rarity 0.50) × 1.20 (+4.0 a turn)
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):  # python components/batch_manager_adaptive.py
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, same_length, whole_number
from components.score_trends import trend_of

Floats = NDArray[np.float64]
QUALITY_SLOPE = 0.5
RARITY_SHARE = 0.4
TREND_SHARE = 0.3
TREND_POINTS = 5.0  # points per evaluation that count as a clear trend
MOST_EXAMPLES = 2.0**53  # above it a count of examples is no longer exact


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor: what it was, what it looked at, and that in words."""

    name: str
    factor: float
    value: float | None  # None: not given, and the factor is 1
    words: str


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How many examples make a batch, and why."""

    size: int
    artifact_type: str
    default: int
    factors: tuple[Factor, ...]
    unbounded: float  # before rounding and bounds
    bound: str | None  # "min_batch_size" or "max_batch_size" where one of them decided
    available: int

    @property
    def enough(self) -> bool:
        """Whether there are as many examples."""
        return self.available >= self.size

    def why(self) -> str:
        """One line: every factor that was known, and the bound."""
        told = "".join(f" × {one.factor:.2f} ({one.words})" for one in self.factors if one.value is not None)
        bound = f" = {self.unbounded:.1f}, held by {self.bound}" if self.bound else ""
        return f"{self.size} for {self.artifact_type}: {self.default}{told}{bound}"


class AdaptiveBatchManager:
    """The V2 document's dynamic batch size; `target_quality` is a share, 0 to 1."""

    def __init__(
        self,
        min_batch_size: int = 20,
        max_batch_size: int = 100,
        default_batch_size: int = 50,
        target_quality: float = 0.7,
    ) -> None:
        self.min_batch_size = whole_number("min_batch_size", min_batch_size, low=1)
        self.max_batch_size = whole_number("max_batch_size", max_batch_size, low=self.min_batch_size)
        bounds = {"low": self.min_batch_size, "high": self.max_batch_size}
        self.default_batch_size = whole_number("default_batch_size", default_batch_size, **bounds)
        self.target_quality = _share("target_quality", target_quality)

    def calculate_optimal_batch_size(
        self,
        artifact_type: str,
        available_examples: int,
        avg_quality: float,
        rarity: float | None = None,
        trend: float | Sequence[float] | None = None,
        *,
        type_counts: Mapping[str, int] | None = None,
    ) -> int:
        """The size alone. Arguments as `explain_batch_size` takes them."""
        found = self.explain_batch_size(
            artifact_type, available_examples, avg_quality, rarity, trend, type_counts=type_counts
        )
        return found.size

    def explain_batch_size(
        self,
        artifact_type: str,
        available_examples: int,
        avg_quality: float,
        rarity: float | None = None,
        trend: float | Sequence[float] | None = None,
        *,
        type_counts: Mapping[str, int] | None = None,
    ) -> BatchSize:
        """The size with its factors.

        `avg_quality` and `rarity` are 0 to 1; instead of a rarity, `type_counts` (examples of each artifact type) may
        be given. `trend` is points of score per evaluation, or the scores of the evaluations so far. What is not given
        has no effect; nor has the name of a type that `type_counts` does not know, which is then as rare as can be.
        """
        kind = _name(artifact_type)
        available = whole_number("available_examples", available_examples, high=int(MOST_EXAMPLES))
        rare = rarity_of(kind, type_counts) if rarity is None and type_counts is not None else rarity
        slope = None if trend is None else _slope(trend)
        values = {
            "availability": float(available),
            "quality": _quality(avg_quality),
            "rarity": None if rare is None else _share("rarity", rare),
            "trend": slope,
        }
        columns = {name: None if value is None else np.array([value]) for name, value in values.items()}
        each = self._factors(columns)
        unbounded = self.default_batch_size * float(np.prod([factor[0] for factor in each.values()]))
        size = int(self._bounded(np.array([unbounded]))[0])
        told = self._words(values)
        factors = tuple(Factor(name, float(factor[0]), values[name], told[name]) for name, factor in each.items())
        return BatchSize(size, kind, self.default_batch_size, factors, unbounded, self._bound(unbounded), available)

    def calculate_batch_sizes(
        self,
        available_examples: ArrayLike,
        avg_qualities: ArrayLike,
        rarities: ArrayLike | None = None,
        trends: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """A size per row; trends in points per evaluation."""
        available = finite_numbers("available_examples", available_examples, low=0.0, high=MOST_EXAMPLES)
        columns = {
            "availability": available,
            "quality": finite_numbers("avg_qualities", avg_qualities, low=0.0, high=1.0),
            "rarity": None if rarities is None else finite_numbers("rarities", rarities, low=0.0, high=1.0),
            "trend": None if trends is None else finite_numbers("trends", trends),
        }
        same_length(**{name: column for name, column in columns.items() if column is not None})
        sizes = np.full(len(available), float(self.default_batch_size))
        for factor in self._factors(columns).values():
            sizes *= factor
        return self._bounded(sizes)

    def _factors(self, columns: Mapping[str, Floats | None]) -> dict[str, Floats]:
        none = np.ones(1)
        available, quality, rarity, trend = (columns[name] for name in ("availability", "quality", "rarity", "trend"))
        return {
            "availability": none if available is None else np.sqrt(available / (2.0 * self.default_batch_size)),
            "quality": none if quality is None else 1.0 + QUALITY_SLOPE * (self.target_quality - quality),
            "rarity": none if rarity is None else 1.0 - RARITY_SHARE * rarity,
            "trend": none if trend is None else 1.0 + TREND_SHARE * np.tanh(trend / TREND_POINTS),
        }

    def _bounded(self, sizes: Floats) -> NDArray[np.int64]:
        return np.clip(np.rint(sizes), self.min_batch_size, self.max_batch_size).astype(np.int64)

    def _bound(self, unbounded: float) -> str | None:
        if np.rint(unbounded) < self.min_batch_size:
            return "min_batch_size"
        return "max_batch_size" if np.rint(unbounded) > self.max_batch_size else None

    def _words(self, values: Mapping[str, float | None]) -> dict[str, str]:
        wording = {
            "availability": "{:.0f} available",
            "quality": "quality {:.2f}, target " + f"{self.target_quality:g}",
            "rarity": "rarity {:.2f}",
            "trend": "{:+.1f} a turn",
        }
        return {name: "not given" if value is None else wording[name].format(value) for name, value in values.items()}


def rarity_of(artifact_type: str, type_counts: Mapping[str, int]) -> float:
    """How far a type's count lies below the average type's, 0 to 1: 0 at the average and above, 1 for none of it."""
    counts = {name: whole_number(f"type_counts[{name!r}]", count) for name, count in type_counts.items()}
    average = sum(counts.values()) / len(counts) if counts else 0.0
    return max(0.0, 1.0 - counts.get(artifact_type, 0) / average) if average else 0.0


def _slope(trend: float | Sequence[float]) -> float:
    if isinstance(trend, int | float | np.integer | np.floating):
        return float(finite_numbers("trend", [trend])[0])
    return trend_of(finite_numbers("trend", trend, low=0.0, high=100.0)).slope


def _quality(value: Any) -> float:
    if isinstance(value, int | float) and 1 < value <= 100:
        raise BadInput("avg_quality", value, "a share from 0 to 1", "Divide a score of 0 to 100 by 100.")
    return _share("avg_quality", value)


def _share(thing: str, value: Any) -> float:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise BadInput(thing, value, "a share from 0 to 1")
    return float(value)


def _name(artifact_type: Any) -> str:
    name = getattr(artifact_type, "value", artifact_type)
    if not isinstance(name, str) or not name:
        raise BadInput("artifact_type", artifact_type, "the name of an artifact type")
    return name


if __name__ == "__main__":
    manager = AdaptiveBatchManager()
    print("How many examples make a batch, by what there is and how good it is:\n")
    print("available   quality 0.5    0.7    0.9")
    for there in (10, 60, 100, 300, 1_000):
        row = manager.calculate_batch_sizes(np.full(3, there), np.array([0.5, 0.7, 0.9]))
        print(f"{there:9d}   {row[0]:11d} {row[1]:6d} {row[2]:6d}")
    print("\nWhy, factor by factor:\n")
    found = manager.explain_batch_size("erd", 60, 0.75, trend=[70, 74, 78], type_counts={"erd": 60, "code": 180})
    for one in found.factors:
        print(f"{one.name:>12} × {one.factor:.2f}   {one.words}")
    print(f"{'size':>12}   {found.size}   {'enough is there' if found.enough else 'wait for more'}")
