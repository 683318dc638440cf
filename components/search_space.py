"""Which hyperparameters there are, between which bounds, and what they are when nobody has searched.

The bounds are the V2 document's. It names no defaults, so these are ours: LoRA learns at some ten times the rate of
full fine-tuning (hence 2e-4), alpha is twice the rank, the rest is customary; all lie well within the bounds.

>>> SEARCH_SPACE["lora_r"]
Range(low=4, high=64, whole=True, log=True)
>>> checked_params("champion", {"lora_r": 8}, SEARCH_SPACE)
{'lora_r': 8}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from components.bad_input import BadInput, finite_numbers, one_of

Params = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two bounds, both included; `log` when its order of magnitude matters."""

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def middle(self) -> int | float:
        """The middle, on the scale of the range."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return round(middle) if self.whole else middle

    def __str__(self) -> str:
        return f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"


SEARCH_SPACE: Mapping[str, Range] = MappingProxyType(
    {
        "learning_rate": Range(1e-6, 1e-3, log=True),
        "batch_size": Range(8, 64, whole=True, log=True),
        "num_epochs": Range(1, 10, whole=True),
        "warmup_ratio": Range(0.0, 0.2),
        "lora_r": Range(4, 64, whole=True, log=True),
        "lora_alpha": Range(8, 128, whole=True, log=True),
    }
)
DEFAULTS: Mapping[str, int | float] = MappingProxyType(
    {
        "learning_rate": 2e-4,
        "batch_size": 16,
        "num_epochs": 3,
        "warmup_ratio": 0.05,
        "lora_r": 16,
        "lora_alpha": 32,
    }
)


def checked_space(space: Mapping[str, Range]) -> dict[str, Range]:
    """The space, when each range has room and a scale that it can have."""
    if not space:
        raise BadInput("space", space, "at least one hyperparameter")
    for name, range_ in space.items():
        finite_numbers(f"space[{name!r}]", [range_.low, range_.high])
        if range_.low >= range_.high or (range_.log and range_.low <= 0):
            above = ", above 0 for a logarithmic one" if range_.log else ""
            raise BadInput(
                f"space[{name!r}]", f"{range_.low:g} to {range_.high:g}", f"a low bound below the high{above}"
            )
        if range_.whole and not (float(range_.low).is_integer() and float(range_.high).is_integer()):
            raise BadInput(f"space[{name!r}]", f"{range_.low:g} to {range_.high:g}", "whole bounds for whole numbers")
    return dict(space)


def checked_params(thing: str, params: Mapping[str, Any], space: Mapping[str, Range], *, all_: bool = False) -> Params:
    """The parameters as plain numbers, when all are known and within their bounds; `all_` of them must be given."""
    found: Params = {}
    for name, value in params.items():
        one_of(f"a name in {thing}", name, tuple(space))
        found[name] = _plain(value, space[name], f"{thing}[{name!r}]")
    missing = [name for name in space if name not in found]
    if all_ and missing:
        raise BadInput(thing, f"nothing for {', '.join(missing)}", f"a value for each of {', '.join(space)}")
    return found


def _plain(value: Any, range_: Range, thing: str) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadInput(thing, value, str(range_)) from error
    whole = number.is_integer() or not range_.whole
    if isinstance(value, bool) or not whole or not range_.low <= number <= range_.high:
        raise BadInput(thing, value, str(range_))
    return int(number) if range_.whole else number
