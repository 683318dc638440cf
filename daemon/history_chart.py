"""This file knows how dated figures are drawn with characters, for a terminal: one column a date or less.

    0.63 ┤                ●───────●
         ┤                │       ○
    0.59 ┤●───────●───────┘
          2026-11-12      2026-11-15

What is in use holds until the next figure, so the line is one of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

IN_USE, OTHER = "●", "○"
ALONG, ACROSS, RISES, FALLS = "─", "│", "┘", "┐"
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
    line = [(column, row_of(one.in_use)) for column, one in zip(columns, points, strict=True) if one.in_use is not None]
    for (left, before), (right, after) in pairwise(line):
        _step(grid, range(left + 1, right), before, right, after)
    for column, one in zip(columns, points, strict=True):
        if one.other is not None:
            grid[row_of(one.other)][column] = OTHER
    for column, row in line:
        grid[row][column] = IN_USE
    return ["".join(row).rstrip() for row in grid]


def _step(grid: list[list[str]], level: range, before: int, right: int, after: int) -> None:
    """Along at the row before, and then up or down to the row after."""
    for column in level:
        grid[before][column] = ALONG
    grid[before][right] = FALLS if after > before else RISES
    for row in range(min(before, after) + 1, max(before, after)):
        grid[row][right] = ACROSS
