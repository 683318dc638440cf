"""Whatever was recorded goes out in each format and comes into another place, through real logs on both sides."""

import contextlib
import csv
import io
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import adaptd
from adaptd import destination
from daemon.cli.main import main
from daemon.moving.csv_rows import cell_of
from tests import made_state

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
NAME = st.text("abcdefgh-äλ日.:1234", min_size=1, max_size=12)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)
CONTENT = TEXT | st.dictionaries(TEXT, JSON, min_size=1, max_size=3) | st.lists(JSON, min_size=1, max_size=3)
NUMBER = st.floats(0, 1e6, allow_nan=False)
ABOUT = {
    "artifact_type": NAME,
    "model": NAME,
    "episode": NAME,
    "subject": st.sampled_from(["ann", "ben"]),
    "tags": st.lists(TEXT, min_size=1, max_size=3) | st.dictionaries(NAME, TEXT, min_size=1, max_size=2),
    "context": st.dictionaries(TEXT, JSON, min_size=1, max_size=2),
    "occurred_at": st.integers(10**15, made_state.NOW),
}
OF_THE_OUTPUT = ABOUT | {
    "input": CONTENT,
    "latency_ms": NUMBER,
    "propensity": st.floats(0.001, 1, allow_nan=False),
}
SAID = {
    "score": st.floats(0, 100, allow_nan=False),
    "thumb": st.sampled_from(["up", "down"]),
    "category": NAME,
    "comment": TEXT,
    "correction": CONTENT,
    "rationale": TEXT,
    "rater": NAME,
    "source": st.sampled_from(["human", "llm_judge", "code"]),
}
JUDGED = st.sampled_from(["score", "thumb", "category", "comment", "correction"])


@st.composite
def recorded(draw):
    """Some outputs and feedback on them: beside the output, after it, and in place of earlier feedback."""
    lines = []
    for number in range(draw(st.integers(1, 4))):
        earlier = []
        said = draw(st.fixed_dictionaries({}, optional=SAID))
        inline = not said.keys().isdisjoint({"score", "thumb", "category", "comment", "correction"})
        kind = "feedback_recorded/1" if inline else "output_recorded/1"
        told = draw(st.fixed_dictionaries({"output": CONTENT}, optional=OF_THE_OUTPUT))
        lines.append({"kind": kind, "id": f"o{number}-{draw(NAME)}", **told, **(said if inline else {})})
        for later in range(draw(st.integers(0, 2))):
            named = draw(st.fixed_dictionaries({}, optional=SAID | {"occurred_at": ABOUT["occurred_at"]}))
            named |= {(judged := draw(JUDGED)): draw(SAID[judged])}
            one = {"kind": "feedback_recorded/1", "id": f"f{number}{later}", "output_id": lines[-1 - later]["id"]}
            lines.append(one | named)
            if earlier and draw(st.booleans()):
                lines[-1]["supersedes"] = earlier.pop()
            else:
                earlier.append(one["id"])
    return lines


@contextlib.contextmanager
def a_place():
    """A folder with a configuration, in which the work is done."""
    before, wishes = Path.cwd(), destination.here.wishes
    with tempfile.TemporaryDirectory() as name:
        folder = made_state.init(Path(name) / "place")
        os.chdir(folder)
        try:
            yield folder
        finally:
            adaptd.configure(state_dir=folder)  # closes the spool file
            destination.here.wishes = wishes
            os.chdir(before)


def exported(told_format):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")) as out:
        assert main(["export", "--format", told_format]) == 0
        out.flush()
        return out.buffer.getvalue()


def moved(lines, told_format):
    """The export of what was recorded, and that of the place into which it was imported."""
    with a_place() as first:
        made_state.take_in(first, lines)
        sent = exported(told_format)
    with a_place() as second:
        (second / "file").write_bytes(sent)
        destination.here.wishes = destination.Wishes()
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["import", "file", "--format", told_format]) == 0
        adaptd.configure(state_dir=second / "state")
        made_state.take_in(second, now=made_state.NOW + 1_000_000)
        return sent, exported(told_format)


def events_of(data):
    """The events of hosts; where they came through and when is this place's own."""
    events = [json.loads(line) for line in data.splitlines()]
    own = ("seq", "received_at", "side", "bucket", "chain", "writer", "counter")
    for event in events:
        event["body"] = {name: value for name, value in event["body"].items() if name not in ("writer", "n")}
    hosts = [event for event in events if event["kind"].partition("/")[0].endswith("_recorded")]
    return [{name: value for name, value in event.items() if name not in own} for event in hosts]


def table_of(data):
    return sorted(sorted(row.items()) for row in csv.DictReader(io.StringIO(data.decode(), newline="")))


def chats_of(data):
    return sorted(data.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize(("told_format", "read"), [("native", events_of), ("chat", chats_of), ("csv", table_of)])
@given(lines=recorded())
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
def test_what_goes_out_comes_in(told_format, read, lines):
    """In each format the second export says what the first one said."""
    sent, again = moved(lines, told_format)
    assert read(again) == read(sent)
    assert read(sent), "something was there to move"


def feedback_of(data):
    """What each feedback says itself, by its id, as the cells of a table say it."""
    said = {}
    for event in events_of(data):
        if event["kind"].startswith("feedback"):
            cells = {name: cell_of(value) for name, value in event["body"].items() if name in SAID}
            said[event["id"]] = cells | {"subject": event.get("subject")}
    return said


@pytest.mark.slow
@given(lines=recorded())
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
def test_a_table_keeps_all_that_feedback_says(lines):
    """Every judgement that stands, with its rater, source and reasons, is in the other place's log."""
    with a_place() as first:
        made_state.take_in(first, lines)
        sent, before = exported("csv"), feedback_of(exported("native"))
    with a_place() as second:
        (second / "file").write_bytes(sent)
        destination.here.wishes = destination.Wishes()
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["import", "file", "--format", "csv"]) == 0
        adaptd.configure(state_dir=second / "state")
        made_state.take_in(second, now=made_state.NOW + 1_000_000)
        after = feedback_of(exported("native"))
    replaced = {line.get("supersedes") for line in lines}
    assert after == {name: said for name, said in before.items() if name not in replaced}
