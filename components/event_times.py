"""When a feedback was given, in unix seconds, and how many days that is before a moment that the caller names.

What the giver's clock says (`occurred_at`) is believed only as far back as the receiver saw the event itself
(`received_at`): a clock that runs ahead cannot make a feedback younger. Nobody's clock ever says which of two
feedbacks is the newer one. No time is read from the machine.

    >>> seconds("as_of", "2026-11-21T00:00:00+00:00")
    1795219200.0
    >>> event_seconds({"occurred_at": 2_000_000_000, "received_at": 1_795_132_800})
    1795132800.0
    >>> ages_in_days(1_795_219_200, np.array([1_795_132_800, 1_900_000_000]))
    array([1., 0.])
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, same_length
from components.example_fields import field

SECONDS_A_DAY = 86_400.0
LAST_SECOND = 253_402_300_799.0  # the year 9999 ends; a larger number was meant as milliseconds or microseconds
_WANTED = "a datetime with a time zone, such a moment as ISO text, or unix seconds since 1970"


def seconds(thing: str, moment: Any) -> float:
    """A moment as unix seconds."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise BadInput(thing, moment, _WANTED) from None
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise BadInput(thing, moment, _WANTED, "Add tzinfo=timezone.utc, or .astimezone().")
        moment = moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float | np.integer | np.floating):
        raise BadInput(thing, moment, _WANTED)
    if not 0 <= moment <= LAST_SECOND:
        raise BadInput(thing, moment, f"{_WANTED} (0 to {LAST_SECOND:.0f})", "Milliseconds are to be divided by 1,000.")
    return float(moment)


def event_seconds(event: Any) -> float | None:
    """The earlier of when an event happened and when it was received; None where it says neither."""
    said = [(name, field(event, name)) for name in ("occurred_at", "received_at")]
    return min((seconds(name, moment) for name, moment in said if moment is not None), default=None)


def ages_in_days(as_of: Any, occurred_at: ArrayLike, received_at: ArrayLike | None = None) -> NDArray[np.float64]:
    """max(0, as_of − min(occurred_at, received_at)) for each row, in days; the columns in unix seconds."""
    happened = finite_numbers("occurred_at", occurred_at, low=0.0, high=LAST_SECOND)
    if received_at is not None:
        received = finite_numbers("received_at", received_at, low=0.0, high=LAST_SECOND)
        same_length(occurred_at=happened, received_at=received)
        happened = np.minimum(happened, received)
    return np.maximum(0.0, (seconds("as_of", as_of) - happened) / SECONDS_A_DAY)
