import contextlib
import threading

import pytest

import adaptd
from adaptd.testing import capture_feedback, recorded_feedback  # noqa: F401 - a fixture
from tests.spooled_lines import as_a_fresh_host


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    as_a_fresh_host()
    yield
    as_a_fresh_host()


def test_what_is_recorded_is_in_the_list_and_not_on_the_disk(tmp_path):
    """Wire fields, in the order of the calls, without any configuration."""
    with capture_feedback() as events:
        event_id = adaptd.record_output("i", "o")
        adaptd.record_feedback(output_id=event_id, score=85.0, durable=True)
        adaptd.record_feedback_many([{"output_id": event_id, "thumb": True}])
        assert adaptd.flush()
        assert adaptd.stats()["recorded"] == 3
    assert [(event["kind"], event["n"]) for event in events] == [
        ("output_recorded/1", 1),
        ("feedback_recorded/1", 2),
        ("feedback_recorded/1", 3),
    ]
    assert events[1]["output_id"] == event_id
    assert list(tmp_path.iterdir()) == []


def test_what_is_rejected_is_in_the_list_too():
    """A host's test can see what its users would lose."""
    with capture_feedback() as events, pytest.warns(RuntimeWarning, match="score"):
        adaptd.record_feedback(output_id="o", score=1000)
    assert (events[0]["kind"], events[0]["field"]) == ("rejected/1", "score")


def test_after_the_block_all_is_as_before(tmp_path):
    """Also when the block raises, and when it is inside another."""
    adaptd.configure(state_dir=tmp_path / "state")
    adaptd.record_output("i", "o")
    writer = adaptd.stats()["writer"]
    with capture_feedback() as outer:
        with contextlib.suppress(ZeroDivisionError), capture_feedback() as inner:
            adaptd.record_output("i", "inner")
            _ = 1 / 0
        adaptd.record_output("i", "outer")
    assert ([event["output"] for event in inner], [event["output"] for event in outer]) == (["inner"], ["outer"])
    assert adaptd.stats()["writer"] == writer


def test_an_event_too_long_is_rejected_in_memory_too():
    """The host's test meets the same limit as its users."""
    with capture_feedback(), pytest.raises(adaptd.NotRecorded, match="expected at most 1048576"):
        adaptd.record_output("i", "x" * 2_000_000, strict=True)


def test_threads_are_counted_in_order():
    """The counters of 8 threads' events are those of the list."""
    with capture_feedback() as events:
        threads = [
            threading.Thread(target=lambda: [adaptd.record_output("i", "o") for _ in range(50)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [event["n"] for event in events] == list(range(1, 401))


def test_the_fixture_is_the_same_list(recorded_feedback):  # noqa: F811 - pytest's way to ask for a fixture
    """With pytest, the list is an argument away."""
    adaptd.record_output("i", "o")
    assert [event["output"] for event in recorded_feedback] == ["o"]
