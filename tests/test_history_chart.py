"""The chart of characters: figures where they belong, a line of steps, dates below, within the width."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.history_chart import IN_USE, OTHER, SCALE, Point, chart_of

FIRST = date(2026, 11, 12)


def on(day):
    return (FIRST + timedelta(days=day)).isoformat()


def test_it_looks_as_the_page_says():
    """Drawn whole: up, along, down, and one that was turned down."""
    points = [Point(on(0), 0.5), Point(on(1), 0.7, 0.7), Point(on(2), None), Point(on(3), 0.6, 0.5)]
    assert chart_of(points, 80, height=5) == [
        "     0.7 ┤        ●───────────────┐",
        "         ┤        │               │",
        "         ┤        │               ●",
        "         ┤        │",
        "     0.5 ┤●───────┘               ○",
        "          2026-11-12     2026-11-15",
    ]


def test_two_dates_are_needed():
    """Of one, or none, there is no line."""
    assert chart_of([], 80) == chart_of([Point(on(0), 0.5)], 80) == []
    assert chart_of([Point(on(0), 0.5), Point(on(0), 0.6), Point(on(1), None, 0.5)], 80) == []


def test_what_never_changes_is_a_line_in_the_middle():
    """With a scale around it."""
    lines = chart_of([Point(on(day), 0.8) for day in range(3)], 80, height=5)
    assert [line.strip() for line in lines[:-1]] == ["0.85 ┤", "┤", "┤●───────●───────●", "┤", "0.75 ┤"]


SHARES = st.integers(0, 1_000).map(lambda one: one / 1_000)
POINTS = st.lists(
    st.tuples(st.integers(0, 500), SHARES, st.none() | SHARES), min_size=2, max_size=60,
    unique_by=lambda one: one[0],
)  # fmt: skip


def slow_place(day, value, points, room, height):
    """Where a figure stands, by trying every column and every row."""
    first, last = points[0][0], points[-1][0]
    wide = min(8 * (last - first), room - 1)
    values = [one for point in points for one in point[1:] if one is not None]
    low, high = (min(values), max(values)) if min(values) < max(values) else (values[0] - 0.05, values[0] + 0.05)
    column = min(range(wide + 1), key=lambda at: abs(at - wide * (day - first) / (last - first)))
    row = min(range(height), key=lambda at: abs(at - (height - 1) * (high - value) / (high - low)))
    return column, row


@given(POINTS, st.sampled_from((40, 80, 132)))
def test_every_figure_is_where_a_slow_reader_looks_for_it(points, width):
    """Or, by rounding, in the place beside it; the newest date's is its own; all of it is as wide as it may be."""
    points = sorted(points)
    lines = chart_of([Point(on(day), value, other) for day, value, other in points], width)
    assert max(map(len, lines)) <= width
    grid = [line[SCALE + 2 :] for line in lines[:-1]]
    for day, value, _ in points:
        column, row = slow_place(day, value, points, width - SCALE - 2, 8)
        places = [(row + up, column + aside) for up in (0, 1, -1) for aside in (0, 1, -1)]
        assert IN_USE in {grid[r][c] for r, c in places if 0 <= r < 8 and 0 <= c < len(grid[r])}


@pytest.mark.parametrize("days", [2, 400])
def test_the_first_and_the_last_date_stand_below(days):
    """Also where the two would meet."""
    below = chart_of([Point(on(0), 0.5), Point(on(days - 1), 0.6)], 80)[-1]
    assert below.split() == [on(0), on(days - 1)]


def test_one_that_came_into_use_is_drawn_over_one_that_did_not():
    """Where both reached the same."""
    text = "".join(chart_of([Point(on(0), 0.5, 0.5), Point(on(1), 0.6, 0.5)], 80))
    assert (text.count(IN_USE), text.count(OTHER)) == (2, 1)
