"""What a preference is: one output over another for one input, with how much it counts and why.

Records alone: `preference_learner` makes them.

>>> pair = Preference("say hello", "Hello!", "Hi", "greeting", "verdict", margin=None, weight=1.0)
>>> Preferences((pair,)).columns()["weight"].tolist()
[1.0]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from components.example_fields import as_text

SOURCES = ("verdict", "correction", "thumbs", "scores")  # the strongest first


@dataclass(frozen=True, slots=True)
class Preference:
    """One output over another for one input. Inputs and outputs are the caller's own objects."""

    input: Any
    chosen: Any
    rejected: Any
    artifact_type: str
    source: str  # one of SOURCES
    margin: float | None  # points between the scores; None where the judgement has no size
    weight: float  # what the pair should count for in a loss; 0 for a tie
    context: Any = None
    tie: bool = False  # then neither is better
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was judged and became no preference."""

    output: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Preferences(Sequence[Preference]):
    """The pairs in which one output is better, as a sequence; the ties and what was left out beside them."""

    pairs: tuple[Preference, ...]
    ties: tuple[Preference, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    ranking: tuple[Any, ...] = ()  # of collect_preferences: the validated outputs, best first

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, place: int) -> Preference: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Preference, ...]: ...
    def __getitem__(self, place: int | slice) -> Preference | tuple[Preference, ...]:
        return self.pairs[place]

    def __iter__(self) -> Iterator[Preference]:
        return iter(self.pairs)

    def columns(self) -> dict[str, list[str] | NDArray[np.float64]]:
        """What a training run reads: texts, and margins (NaN where there is none) and weights as numbers."""
        texts = ("prompt", "chosen", "rejected")
        fields = ("input", "chosen", "rejected")
        read = {text: [as_text(getattr(pair, name)) for pair in self] for text, name in zip(texts, fields, strict=True)}
        margins = np.array([np.nan if pair.margin is None else pair.margin for pair in self], dtype=np.float64)
        return {**read, "margin": margins, "weight": np.array([pair.weight for pair in self], dtype=np.float64)}


@dataclass(frozen=True, slots=True)
class Thumbs:
    """Outputs that were judged alone, as KTO learns from them."""

    examples: tuple[Any, ...]
    desirable: NDArray[np.bool_]
    desirable_weight: float
    undesirable_weight: float
