"""What a technique says when it is given something that it cannot work with.

One error for all of `components/`: it names the thing, the value that was found, what was expected and the next step.
It does not repair anything: a score of 103 is refused, never clipped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SHOWN = 80  # characters of a value that a message repeats


class BadInput(ValueError):
    """A value that a technique cannot work with."""

    def __init__(self, thing: str, found: object, expected: str, next_step: str = "") -> None:
        self.thing, self.found, self.expected, self.next_step = thing, found, expected, next_step
        step = f" {next_step}" if next_step else ""
        super().__init__(f"{thing}: found {shown(found)}, expected {expected}.{step}")


def shown(value: object) -> str:
    """The value as a message repeats it: short, and on one line."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def finite_numbers(thing: str, values: ArrayLike, *, low: float = -np.inf, high: float = np.inf) -> NDArray[np.float64]:
    """The values as one row of float64, all finite and within the bounds; else the first that is not, by its place."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(thing, values, "numbers") from error
    if numbers.ndim != 1:
        raise BadInput(thing, f"an array of shape {numbers.shape}", "one number per row")
    wrong = ~((numbers >= low) & (numbers <= high) & np.isfinite(numbers))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        bounds = "finite numbers" if np.isinf([low, high]).all() else f"numbers from {low:g} to {high:g}"
        raise BadInput(f"{thing}[{place}]", float(numbers[place]), bounds, "Leave the row out, or mend it.")
    return numbers


def scores(thing: str, values: ArrayLike) -> NDArray[np.float64]:
    """Validation scores: finite and from 0 to 100."""
    return finite_numbers(thing, values, low=0.0, high=100.0)


def whole_number(thing: str, value: object, *, low: int = 0, high: int | None = None) -> int:
    """A count within its bounds; True and 3.0 are no counts."""
    right = isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_)
    if not right or int(value) < low or (high is not None and int(value) > high):  # type: ignore[call-overload]
        bounds = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
        raise BadInput(thing, value, bounds)
    return int(value)  # type: ignore[call-overload,no-any-return]


def one_number(thing: str, value: object, low: float, high: float = np.inf, *, above: bool = False) -> float:
    """A finite number within its bounds; `above` leaves the lower one out. True is no number."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    given = float(value) if number else np.nan  # type: ignore[arg-type]
    if not np.isfinite(given) or not low <= given <= high or (above and given == low):
        bounds = f"{'above' if above else 'at least'} {low:g}" + ("" if np.isinf(high) else f" and at most {high:g}")
        raise BadInput(thing, value, f"a number {bounds}")
    return given


def one_of(thing: str, value: object, known: Sequence[str]) -> str:
    """One of the known names; the message lists them all."""
    if not isinstance(value, str) or value not in known:
        raise BadInput(thing, value, f"one of {', '.join(known)}")
    return value


def same_length(**columns: Sequence[object] | NDArray[np.generic]) -> int:
    """How many rows the columns have, when they agree."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise BadInput("columns", lengths, "the same number of rows in each")
    return next(iter(lengths.values()), 0)
