"""What the view says of an output's feedback, against components' own fold of the same events, one by one."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.feedback_folding import fold_feedback
from daemon.memory_log import MemoryEventLog
from daemon.views import saying
from tests.contracts.view_histories import entries_of, hash_of, histories, log_of
from tests.test_examples import folded
from tests.test_saying import TYPE_NAMES

DAY = 86_400_000_000
MOMENT = 20_000 * DAY


def typed(history, seed):
    """The same history with a feedback type here and there."""
    rng = np.random.default_rng(seed)
    for event in history:
        if event["says"] and "type" in event["says"]:
            event["feedback_type"] = TYPE_NAMES[rng.integers(len(TYPE_NAMES))]
            event["says"] = (*event["says"], saying_word(event["feedback_type"]))
    return history


def saying_word(name):
    return name.lower() if name.lower() in ("success", "partial", "corrected", "failure", "rejected") else "other"


def as_component(event, seq, outputs):
    """An event of the histories as components read one; times in seconds."""
    says = event["says"]
    said = {
        "score": event.get("score"),
        "thumb": next((word for word in ("up", "down") if word in says), None),
        "correction": "so" if "correction" in says else None,
        "verdict": next((word for word in ("better", "worse", "tie") if word in says), None),
        "implicit": next((word for word in saying.IMPLICIT if word in says), None),
        "feedback_type": event.get("feedback_type") if "type" in says else None,
    }
    at = (MOMENT + event["day"] * DAY + 7) / 1e6
    return {name: value for name, value in said.items() if value is not None} | {
        "id": event["id"],
        "seq": seq,
        "rater": event.get("rater"),
        "writer": event["writer"],
        "counter": event["n"],
        "supersedes": event.get("supersedes"),
        "retracts": event.get("retracts"),
        "output_id": outputs[event["id"]],
        "occurred_at": at - 5e-6,
        "received_at": at,
    }


def about(history):
    """The output that each event is about, through what it revises."""
    by_id = {event["id"]: event for event in history}
    found = {}
    for event in history:
        at, seen = event, set()
        while at is not None and at.get("output") is None and at["id"] not in seen:
            seen.add(at["id"])
            at = by_id.get(at.get("supersedes") or at.get("retracts"))
        found[event["id"]] = at.get("output") if at else None
    return found


@given(histories(), st.integers(0, 1 << 30))
@settings(max_examples=300, deadline=None)
def test_worth_and_moment_are_those_of_components(history, seed):
    """To the last bits; nan where nothing is known."""
    history = typed(history, seed)
    outputs = about(history)
    columns = folded(log_of(history)).resolved()
    for row, key in enumerate(columns["key"].tolist()):
        name = next(output for output in set(outputs.values()) if output and hash_of(output) == key)
        if not any(event.get("brings") and event["output"] == name for event in history):
            continue  # a retraction of an output is known as one when the output has come
        events = [
            as_component(event, seq, outputs)
            for seq, event in enumerate(history, 1)
            if event["says"] and outputs[event["id"]] == name
        ]
        told = fold_feedback(events, name)
        worth = columns["worth"][row]
        assert (math.isnan(worth) and math.isnan(told.worth)) or math.isclose(worth, told.worth, abs_tol=1e-12), name
        if told.moment is not None:
            assert abs(columns["heard_at"][row] / 1e6 - told.moment) < 1e-5


def said(*events, **columns):
    """What is resolved of one output and these events; each is given with what matters."""
    usual = {"writer": "w", "day": 0}
    history = [{**usual, "n": n, "id": f"e{n}", "output": "o", **event} for n, event in enumerate(events, 1)]
    log = MemoryEventLog(b"salt")
    entries = entries_of(history)
    log.append([entry._replace(**columns.get(entry.id, {})) for entry in entries])
    return {name: column[0].item() for name, column in folded(log).resolved().items()}


OUTPUT = {"brings": True, "side": "judge", "bucket": 3, "says": None}


def words(bits):
    return {word for word in saying.WORDS if bits & saying.BIT[word]}


def test_what_stands_is_said():
    """Of a rater's two thumbs the newest; a comment; a type with which it was."""
    events = (
        OUTPUT,
        {"says": ("up",), "rater": "ann"},
        {"says": ("down",), "rater": "ann"},
        {"says": ("comment",)},
        {"says": ("type", "success")},
    )
    assert words(said(*events)["said"]) == {"down", "comment", "type", "success"}


def test_a_type_of_an_older_event_is_read_from_its_body():
    """`says` had no word for it then."""
    old = {"e2": {"body": '{"feedback_type": "Rejected"}'}}
    assert said(OUTPUT, {"says": ("type",)}, **old)["worth"] == said(OUTPUT, {"says": ("type", "rejected")})["worth"]
    assert said(OUTPUT, {"says": ("type",)}, **old)["worth"] < -0.9


def test_a_clock_that_runs_ahead_makes_no_feedback_younger():
    """The earlier of when it was said and when it came."""
    ahead = {"e2": {"occurred_at": MOMENT + 999 * DAY}}
    assert said(OUTPUT, {"says": ("up",)}, **ahead)["heard_at"] == MOMENT + 7
    assert said(OUTPUT, {"says": ("up",)}, e2={"occurred_at": 5})["heard_at"] == 5


def test_the_newest_moment_that_counts_is_told():
    """A comment is heard where nothing else is; it does not make a score younger."""
    later = {"e3": {"received_at": MOMENT + 9 * DAY, "occurred_at": MOMENT + 9 * DAY}}
    assert said(OUTPUT, {"says": ("score",), "score": 9.0}, {"says": ("comment",)}, **later)["heard_at"] == MOMENT + 2
    assert said(OUTPUT, {"says": ("comment",)})["heard_at"] == MOMENT + 2


class TestPropensity:
    """How likely it was that an output would be rated."""

    def asked(self, seq, propensity, **fields):
        body = f'{{"kind": "random", "outputs": [{{"seq": {seq}, "propensity": {propensity}}}]}}'
        return fields | {"kind": "outputs_asked/1", "body": body, "output_key": None, "says": None}

    def test_a_rating_carries_that_of_the_newest_ask_before_it(self):
        """Not of one that came later."""
        plain = {"says": ("comment",)}
        columns = {"e2": self.asked(1, 0.25), "e3": self.asked(1, 0.5), "e5": self.asked(1, 0.75)}
        found = said(OUTPUT, plain, plain, {"says": ("up",)}, plain, **columns)
        assert found["asked_propensity"] == 0.5

    def test_what_a_rating_says_itself_comes_first(self):
        """The host knows better how it came by it."""
        columns = {"e2": self.asked(1, 0.25), "e3": {"propensity": 0.125}}
        assert said(OUTPUT, {"says": ("comment",)}, {"says": ("up",)}, **columns)["asked_propensity"] == 0.125

    def test_nobody_asked_for_what_came_with_its_output(self):
        """The propensity that it has is its output's."""
        inline = OUTPUT | {"says": ("output", "score"), "score": 1.0}
        assert math.isnan(said(inline, e1={"propensity": 0.5})["asked_propensity"])

    def test_a_rating_before_any_ask_has_none(self):
        """It was volunteered."""
        assert math.isnan(
            said(OUTPUT, {"says": ("up",)}, {"says": ("comment",)}, e3=self.asked(1, 0.5))["asked_propensity"]
        )
