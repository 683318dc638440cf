"""A moment is unix seconds, and an age is never negative and never believes a clock that runs ahead."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.event_times import ages_in_days, event_seconds, seconds

MOMENTS = st.floats(0, 4e9)


def test_a_moment_may_be_spelt_in_three_ways():
    """A datetime with a zone, ISO text and unix seconds are the same moment."""
    moment = datetime(2026, 11, 21, 1, tzinfo=timezone(timedelta(hours=1)))
    assert seconds("at", moment) == seconds("at", "2026-11-21T00:00:00Z") == seconds("at", 1795219200) == 1795219200.0


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (datetime(2026, 1, 1), "Add tzinfo=timezone.utc, or .astimezone()."),
        ("2026-01-01", "Add tzinfo=timezone.utc"),
        (
            "yesterday",
            "at: found 'yesterday', expected a datetime with a time zone, such a moment as ISO text, or unix",
        ),
        (True, "at: found True"),
        ([], "at: found []"),
        (float("nan"), "at: found nan"),
        (-1, "at: found -1"),
        (1_795_219_200_000_000, "Milliseconds are to be divided by 1,000."),
    ],
)
def test_what_is_no_moment_is_refused(moment, message):
    """A naive datetime, microseconds and anything that is no time are told, with the next step."""
    with pytest.raises(BadInput) as told:
        seconds("at", moment)
    assert message in str(told.value)


@given(as_of=MOMENTS, occurred=MOMENTS, received=MOMENTS)
def test_the_columns_count_age_as_the_formula_says(as_of, occurred, received):
    """max(0, as_of − min(occurred_at, received_at)), row by row, and the same for one event."""
    age = max(0.0, (as_of - min(occurred, received)) / 86_400)
    assert ages_in_days(as_of, [occurred], [received])[0] == age
    assert event_seconds({"occurred_at": occurred, "received_at": received}) == min(occurred, received)


def test_a_clock_that_runs_ahead_makes_nothing_younger():
    """What was received yesterday is a day old, whatever its giver's clock says; the future is 0 days old."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    yesterday = now.timestamp() - 86_400
    assert ages_in_days(now, np.array([2e9]), np.array([yesterday])).tolist() == [1.0]
    assert ages_in_days(now, [2e9]).tolist() == [0.0]


def test_an_event_without_a_time_has_no_moment():
    """None, not 1970; and the V2 spelling `timestamp` is read."""
    assert event_seconds({}) is None
    assert event_seconds({"timestamp": 5}) == 5.0


def test_columns_of_unequal_length_are_refused():
    """Each row has both moments, or none has the second."""
    with pytest.raises(BadInput, match="occurred_at"):
        ages_in_days(9, [1, 2], [1])
