"""This file knows how a line of dated figures is drawn with characters, for a terminal: one column a date or less.

0.84 ┤         ·●·······●
     ┤      ··    ○
0.61 ┤●··
      2026-11-17      2026-11-22
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

IN_USE, OTHER, BETWEEN = "●", "○", "·"
MOST_APART = 8  # columns between two dates of a short history
SCALE = 8  # columns for the scale at the left


class Point(NamedTuple):
    """Of one date: what the model in use reached, and one that did not come into use."""

    night: str
    in_use: float | None
    other: float | None = None


def chart_of(points: Sequence[Point], width: int, height: int = 8) -> list[str]:
    """The lines; none without two dates that have a figure."""
    days = [date.fromisoformat(one.night).toordinal() for one in points]
    values = [value for one in points for value in (one.in_use, one.other) if value is not None]
    if len({day for day, one in zip(days, points, strict=True) if one.in_use is not None}) < 2:
        return []
    room, span = width - SCALE - 2, max(days) - min(days)
    apart = min(MOST_APART, (room - 1) / span)
    columns = [round((day - min(days)) * apart) for day in days]
    low, high = min(values), max(values)
    if high == low:
        low, high = low - 0.05, high + 0.05  # all alike: a line in the middle
    rows = _drawn(points, columns, lambda value: round((height - 1) * (high - value) / (high - low)), height)
    scale = {0: high, height - 1: low}
    lines = [f"{f'{scale[row]:.3g}' if row in scale else '':>{SCALE}} ┤{text}" for row, text in enumerate(rows)]
    first, last = points[0].night, points[-1].night
    return [*lines, f"{'':>{SCALE}}  {first}{last:>{max(len(last) + 2, max(columns) - len(first) + 1)}}"]


def _drawn(points: Sequence[Point], columns: Sequence[int], row_of: Callable[[float], int], height: int) -> list[str]:
    grid = [[" "] * (max(columns) + 1) for _ in range(height)]
    line = [(column, one.in_use) for column, one in zip(columns, points, strict=True) if one.in_use is not None]
    for (left, before), (right, after) in pairwise(line):
        for column in range(left + 1, right):
            grid[row_of(before + (after - before) * (column - left) / (right - left))][column] = BETWEEN
    for column, one in zip(columns, points, strict=True):
        if one.other is not None:
            grid[row_of(one.other)][column] = OTHER
    for column, value in line:
        grid[row_of(value)][column] = IN_USE
    return ["".join(row).rstrip() for row in grid]
