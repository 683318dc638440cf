"""Rows as columns."""

import math

from hypothesis import given
from hypothesis import strategies as st

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.kinds import Kinds
from daemon.views.page import SELDOM, Page, Vocabulary
from daemon.views.store import fold_next

WHOLE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(st.lists(WHOLE, min_size=1, max_size=30), min_size=1, max_size=4))
def test_whole_numbers_come_through_and_none_reads_zero(pieces):
    """In any pieces, exactly."""
    page = Page([[(value,) for value in piece] for piece in pieces], ["writer"])
    assert page.whole("writer").tolist() == [value or 0 for piece in pieces for value in piece]


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1))
def test_real_numbers_come_through_and_none_reads_nan(values):
    """To the bit."""
    got = Page([[(value,) for value in values]], ["score"]).real("score").tolist()
    assert [None if math.isnan(value) else value for value in got] == values


@given(st.lists(st.lists(st.lists(st.text(max_size=2), min_size=1, max_size=40), min_size=1, max_size=3), max_size=8))
def test_codes_lead_back_to_the_texts(pages):
    """Page after page with one vocabulary."""
    vocabulary = Vocabulary()
    for pieces in pages:
        codes, values = Page([[(text,) for text in piece] for piece in pieces], ["says"], vocabulary).coded("says")
        assert [values[code] for code in codes] == [text for piece in pieces for text in piece]


def test_very_many_texts_find_room_and_are_forgotten():
    """More than fit in a byte, then few again: still right, and nothing piles up."""
    vocabulary = Vocabulary()
    for count in (200, 2_000, 3, 200, 100, 100, 1):
        texts = [f"{count} {number}" for number in range(count)]
        pieces = [[(text,) for text in texts[start : start + 90]] for start in range(0, count, 90)]
        codes, values = Page(pieces, ["says"], vocabulary).coded("says")
        assert [values[code] for code in codes] == texts
        assert len(values) <= 256 + count


GIVEN = st.tuples(
    st.one_of(st.none(), st.integers(1, 9)), st.one_of(st.none(), st.integers(1, 9)), st.sampled_from((None, 0.25, 1.0))
)


@given(st.lists(st.one_of(st.just((None, None, None)), GIVEN), min_size=1, max_size=30), st.integers(1, 7))
def test_columns_that_are_seldom_given_come_through_all_the_same(rows, size):
    """Whether they were asked as one or by themselves, page after page."""
    log = MemoryEventLog(b"salt")
    log.append(
        [
            Entry(f"{place}", "daemon_started/1", 1, 1, subject=subject, episode_key=episode, propensity=propensity)
            for place, (subject, episode, propensity) in enumerate(rows)
        ]
    )
    keeps, position, vocabulary = KeepsSeldom(), 0, Vocabulary()
    while position < len(rows):
        position, _ = fold_next(log, [keeps], position, size, vocabulary)
    assert keeps.told == [(subject or 0, episode or 0, propensity) for subject, episode, propensity in rows]


class KeepsSeldom(Kinds):
    """Folds nothing but what is seldom given."""

    def __init__(self):
        super().__init__()
        self.told = []

    def columns(self):
        return ("seq", "kind", *SELDOM)

    def fold(self, page):
        reals = [None if math.isnan(real) else real for real in page.real("propensity").tolist()]
        self.told += zip(page.whole("subject").tolist(), page.whole("episode_key").tolist(), reals, strict=True)
