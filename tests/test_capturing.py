import asyncio
import contextlib
import inspect

import pytest

import adaptd
from adaptd.testing import capture_feedback
from tests.spooled_lines import as_a_fresh_host


@pytest.fixture
def events():
    as_a_fresh_host()
    with capture_feedback() as captured:
        yield captured
    as_a_fresh_host()


def test_a_block_records_its_output_and_its_time(events):
    """The id is there inside the block already; the latency is in milliseconds."""
    with adaptd.capture("erd", input="a shop", model="m", tags=["x"]) as c:
        handed_out = c.id
        c.output = "erDiagram"
    [event] = events
    assert handed_out == event["id"] == c.recorded_id
    assert (event["kind"], event["artifact_type"], event["input"]) == ("output_recorded/1", "erd", "a shop")
    assert (event["output"], event["model"], event["tags"]) == ("erDiagram", "m", ["x"])
    assert 0 <= event["latency_ms"] < 1000


def test_a_failure_inside_a_block_is_recorded_and_goes_on(events):
    """The event has the exception's type and text; the exception reaches the host."""
    with pytest.raises(ZeroDivisionError), adaptd.capture("erd", input="a shop"):
        _ = 1 / 0
    [event] = events
    assert (event["kind"], event["feedback_type"], event["source"]) == ("feedback_recorded/1", "failure", "code")
    assert (event["output"], event["comment"]) == ("", "ZeroDivisionError: division by zero")


def test_an_interrupted_block_is_no_failure_of_the_model(events):
    """KeyboardInterrupt records nothing, or the output that there is."""
    with pytest.raises(KeyboardInterrupt), adaptd.capture("erd", input="i"):
        raise KeyboardInterrupt
    assert events == []
    with contextlib.suppress(KeyboardInterrupt), adaptd.capture("erd", input="i") as c:
        c.output = "o"
        raise KeyboardInterrupt
    assert [event["kind"] for event in events] == ["output_recorded/1"]


def test_a_block_without_output_is_rejected(events):
    """The host hears that `output` was never set."""
    with pytest.warns(RuntimeWarning, match="output = nothing"), adaptd.capture("erd", input="i") as c:
        pass
    assert c.recorded_id is None
    assert [event["kind"] for event in events] == ["rejected/1"]


def test_a_block_may_have_the_hosts_own_id(events):
    """A given id is the output's."""
    with adaptd.capture("erd", input="i", id="mine") as c:
        c.output = "o"
    assert events[0]["id"] == c.id == "mine"


def test_a_decorated_function_records_what_it_returns(events):
    """Name, docstring and signature stay; the only text is the input, several arguments are an object."""

    @adaptd.feedback(artifact_type="erd", model="m")
    def draw(prompt: str) -> str:
        """Draws."""
        return prompt.upper()

    @adaptd.feedback(artifact_type="erd")
    def add(a, *more, c=3):
        return [a, *more, c]

    assert (draw("a shop"), add(1, 2, c=4)) == ("A SHOP", [1, 2, 4])
    assert (draw.__name__, draw.__doc__, str(inspect.signature(draw))) == ("draw", "Draws.", "(prompt: str) -> str")
    assert (events[0]["input"], events[0]["output"], events[0]["model"]) == ("a shop", "A SHOP", "m")
    assert events[1]["input"] == {"a": 1, "more_arguments": [2], "c": 4}


def test_a_decorated_method_leaves_self_out(events):
    """The input is what was asked, not who was asked."""

    class Drawer:
        @adaptd.feedback(artifact_type="erd")
        def draw(self, prompt):
            return prompt

    Drawer().draw("a shop")
    assert events[0]["input"] == "a shop"


def test_a_scored_function_gives_feedback_by_code(events):
    """One event brings the output and its score; the id is handed to on_recorded."""
    ids = []

    @adaptd.feedback(artifact_type="erd", score=len, on_recorded=ids.append)
    def draw(prompt):
        return prompt * 2

    draw("ab")
    [event] = events
    assert (event["kind"], event["score"], event["source"], event["output"]) == (
        "feedback_recorded/1",
        4,
        "code",
        "abab",
    )
    assert ids == [event["id"]]


def test_what_the_hosts_own_callables_raise_breaks_nothing(events):
    """The function's result comes back; the output is recorded without what could not be said."""

    def broken(*_):
        raise RuntimeError("no")

    @adaptd.feedback(artifact_type="erd", score=broken, input=broken, on_recorded=broken)
    def draw(prompt):
        return prompt

    with pytest.warns(RuntimeWarning, match=r"(score|input|on_recorded)= raised RuntimeError: no") as told:
        assert draw("ab") == "ab"
    assert len(told) == 3
    assert [(event["kind"], event["output"]) for event in events] == [("output_recorded/1", "ab")]


def test_a_score_out_of_range_breaks_nothing(events):
    """It is rejected as any other."""

    @adaptd.feedback(artifact_type="erd", score=lambda _: 1000)
    def draw(prompt):
        return prompt

    with pytest.warns(RuntimeWarning, match="score = 1000"):
        assert draw("ab") == "ab"


def test_an_async_function_is_awaited(events):
    """The decorated function stays a coroutine function; concurrent calls do not mix."""

    @adaptd.feedback(artifact_type="erd", score=lambda _: 50)
    async def draw(prompt):
        await asyncio.sleep(0.01 if prompt == "slow" else 0)
        return prompt.upper()

    async def both():
        return await asyncio.gather(draw("slow"), draw("quick"))

    assert inspect.iscoroutinefunction(draw)
    assert asyncio.run(both()) == ["SLOW", "QUICK"]
    assert {event["input"]: event["output"] for event in events} == {"slow": "SLOW", "quick": "QUICK"}


def test_a_failing_function_is_recorded_and_raises(events):
    """Plain and async alike."""

    @adaptd.feedback(artifact_type="erd")
    def draw(prompt):
        raise ValueError(prompt)

    @adaptd.feedback(artifact_type="erd")
    async def draw_later(prompt):
        raise ValueError(prompt)

    with pytest.raises(ValueError, match="a"):
        draw("a")
    with pytest.raises(ValueError, match="b"):
        asyncio.run(draw_later("b"))
    assert [event["comment"] for event in events] == ["ValueError: a", "ValueError: b"]
