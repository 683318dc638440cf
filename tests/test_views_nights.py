"""The view of nights: dates that were opened, the pause that holds, asks that nobody answered."""

import json
from datetime import date, timedelta

import pytest

from daemon.event_log import Entry
from daemon.memory_log import MemoryEventLog
from daemon.views.nights import NIGHTS_KEPT, NightBook
from daemon.views.summary import read_summary
from tests.contracts.any_view import AnyView, fold_all


class TestNightsView(AnyView):
    """The battery for this view."""

    def make(self):
        return NightBook()


@pytest.fixture
def log():
    return MemoryEventLog(b"salt")


def tell(log, kind, *, at=1000, **body):
    number = log.head().seq + 1
    log.append([Entry(f"e{number}", f"{kind}/1", at, at, body=json.dumps(body))])


def opened(log, day, opens_at=10, closes_at=20, late=False):
    tell(log, "night_opened", date=day.isoformat(), opens_at=opens_at, closes_at=closes_at, late=late)


def book_of(log):
    return fold_all(NightBook(), log, 7)


def test_a_date_that_was_opened_is_known(log):
    """By its local date; others are not."""
    opened(log, date(2026, 11, 20))
    assert set(book_of(log).opened) == {date(2026, 11, 20)}


def test_only_the_newest_dates_are_kept(log):
    """More than a year of them, however many there are; those that go leave their cells."""
    first = date(2025, 1, 1)
    for day in range(NIGHTS_KEPT + 5):
        opened(log, first + timedelta(days=day))
    book = book_of(log)
    assert len(book.opened) == NIGHTS_KEPT
    assert min(book.opened) == first + timedelta(days=5)
    assert book.take_cells()["night/2025-01-05"] is None


def test_a_night_that_was_opened_late_is_open_for_its_time(log):
    """No window of the configuration says so; one that was opened in time is the configuration's."""
    opened(log, date(2026, 11, 20), 100, 200, late=True)
    opened(log, date(2026, 11, 21), 100, 200)
    book = book_of(log)
    assert [book.late_night(now) for now in (99, 100, 199, 200)] == [
        None,
        *[(date(2026, 11, 20), 100, 200)] * 2,
        None,
    ]


def test_a_pause_holds_until_its_end(log):
    """With its reason; without an end until somebody resumes."""
    tell(log, "nights_paused", at=5, until=50, reason="a demonstration")
    assert book_of(log).pause(49) == (5, 50, "a demonstration")
    assert book_of(log).pause(50) is None
    tell(log, "nights_paused", at=60, until=None, reason=None)
    assert book_of(log).pause(10**18) == (60, None, None)
    tell(log, "nights_resumed")
    assert book_of(log).pause(61) is None


def test_an_ask_is_open_until_it_is_answered(log):
    """By a batch, or by the reason why there is none, that says it was asked for; another ask opens it again."""
    tell(log, "training_asked", workload="b")
    tell(log, "training_asked", workload="a")
    tell(log, "batch_formed", workload="b", batch=1)
    assert book_of(log).asks() == ["b", "a"]
    tell(log, "batch_not_formed", workload="b", reason="nothing", asked=True)
    assert book_of(log).asks() == ["a"]
    tell(log, "batch_formed", workload="a", batch=2, asked=True)
    assert book_of(log).asks() == []
    tell(log, "training_asked", workload="b")
    assert book_of(log).asks() == ["b"]


def test_the_summary_tells_it_without_the_view(log, tmp_path):
    """For `status`: the cells as they are saved."""
    from daemon.views.store import Views

    tell(log, "nights_paused", at=5, until=50, reason="a demonstration")
    tell(log, "training_asked", workload="support", at=6)
    tell(log, "batch_formed", workload="support", batch=7, at=8)
    tell(log, "batch_not_formed", workload="support", reason="12 of 40 new examples", at=9)
    with Views.open(tmp_path / "views.db", log) as views:
        views.catch_up()
        assert views.of(NightBook).asks() == ["support"]
    assert read_summary(tmp_path / "views.db")["nights"] == {
        "pause": {"since": 5, "until": 50, "reason": "a demonstration"},
        "late_until": None,
        "workloads": {
            "support": {
                "asked_at": 6,
                "batch": 7,
                "batch_at": 8,
                "not_formed": "12 of 40 new examples",
                "not_formed_at": 9,
            }
        },
    }


def test_without_a_view_there_is_nothing_to_tell(tmp_path):
    """A folder that is new."""
    assert read_summary(tmp_path / "views.db")["nights"] == {"pause": None, "late_until": None, "workloads": {}}
