"""Which parts of a line are redacted: every free text, however deep, and nothing that joins events together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daemon.line_redacting import NOT_READ, redacted, redacted_bytes
from daemon.received import MOST_LEVELS, read_line
from daemon.redacting import redactor_of
from tests.intake_world import feedback, inline, line, output

EMAIL = "bob.miller@example.com"
CARD = "4111 1111 1111 1111"
redact = redactor_of(["e-mail", "card"], None)


def made(raw):
    return json.loads(redacted(raw, redact))


def test_every_free_text_of_an_event_is_redacted():
    """Also where it is a list or an object, in names, and in numbers."""
    event = made(
        inline(
            "f",
            input=[
                {"role": "user", "content": EMAIL},
                {"a": {EMAIL: [CARD, 4111111111111111, 4111111111111111.0, -3.5]}},
            ],
            output={"text": f"ask {EMAIL}", "n": 7, "yes": True, "none": None},
            context={"deep": {"er": [[EMAIL]]}},
            comment=f"{EMAIL}!",
            rationale=EMAIL,
            correction=EMAIL,
            verdict="better",
            compared_with=[EMAIL],
            tags={"mail": EMAIL, EMAIL: "x"},
        )
    )
    assert "bob" not in json.dumps(event)
    assert event["input"] == [
        {"role": "user", "content": "[e-mail]"},
        {"a": {"[e-mail]": ["[card]", "[card]", "[card]", -3.5]}},
    ]
    assert event["output"] == {"text": "ask [e-mail]", "n": 7, "yes": True, "none": None}
    assert event["context"] == {"deep": {"er": [["[e-mail]"]]}}
    assert (event["comment"], event["rationale"], event["correction"]) == ("[e-mail]!", "[e-mail]", "[e-mail]")
    assert event["compared_with"] == ["[e-mail]"]
    assert event["tags"] == {"mail": "[e-mail]", "[e-mail]": "x"}


def test_names_that_become_the_same_are_numbered():
    """No value is lost."""
    context = {"a@b.de": 1, "[e-mail] 2": 2, "c@d.de": 3, "e@f.de": 4}
    assert made(output("o", context=context))["context"] == {
        "[e-mail]": 1,
        "[e-mail] 2": 2,
        "[e-mail] 3": 3,
        "[e-mail] 4": 4,
    }


def test_identifiers_stay():
    """They join events; a name in them is a pseudonym's business, or the host's."""
    fields = dict.fromkeys(
        ("subject", "rater", "episode", "category", "model", "artifact_type", "feedback_type"), EMAIL
    )
    event = made(feedback(EMAIL, EMAIL, score=1, writer="a" * 16, n=3, at=5, supersedes=EMAIL, **fields))
    assert event == json.loads(feedback(EMAIL, EMAIL, score=1, writer="a" * 16, n=3, at=5, supersedes=EMAIL, **fields))


def test_what_is_not_understood_does_not_pass():
    """A field that is there twice counts by its last value: the first one must not be stored beside it."""
    raw = (
        b'{"kind":"output_recorded/1","id":"o","output":"bob@x.org","output":"fine","context":{"a":"bob@x.org","a":1}}'
    )
    assert redacted(raw, redact) == '{"kind":"output_recorded/1","id":"o","output":"fine","context":{"a":1}}'
    escaped = rb'{"kind":"output_recorded/1","id":"o","output":"bob\u0040x.org"}'
    assert made(escaped)["output"] == "[e-mail]"


def test_an_event_stays_the_same_event():
    """Everything that is no free text, and free texts without anything private."""
    raw = inline("f", score=1.5, thumb="up", propensity=0.5, latency_ms=3, occurred_at=9, context={"a": [1, 2.5, "x"]})
    assert read_line(redacted(raw, redact)) == read_line(raw)
    assert redacted(redacted(raw, redact), redact) == redacted(raw, redact)
    assert redacted("", redact) == ""


def test_the_deepest_event_is_redacted():
    """As deep as intake allows, from within many calls."""
    nested = EMAIL
    for _ in range(MOST_LEVELS - 2):
        nested = [nested]

    def far_down(calls):
        return far_down(calls - 1) if calls else redacted(output("o", output=nested, context={"x": nested}), redact)

    event = far_down(200)
    assert EMAIL not in event
    assert event.count("[e-mail]") == 2


def test_what_is_too_deep_for_an_event_is_redacted_too():
    """It will be kept aside."""
    for levels in (500, 5_000):
        raw = b'{"kind":"output_recorded/1","id":"o","output":' + b"[" * levels + b'"bob@x.org"' + b"]" * levels + b"}"
        text = redacted(raw, redact)
        assert "bob@x.org" not in text
        assert text.count("[") - text.count("[e-mail]") == levels


def test_a_call_that_a_host_could_not_use_is_redacted():
    """Its reason and what was given; the names by which it can be forgotten stay."""
    given_values = {"score": f"'{EMAIL}'", "comment": f"'{EMAIL}'", "subject": "'anna@x.org'", "rater": "'r@x.org'"}
    rejected = made(
        line("rejected", "r", call="record_feedback", field="score", reason=f"{EMAIL} is no number", given=given_values)
    )
    assert rejected["given"] == {
        "score": "'[e-mail]'",
        "comment": "'[e-mail]'",
        "subject": "'anna@x.org'",
        "rater": "'r@x.org'",
    }
    assert (rejected["reason"], rejected["call"], rejected["id"]) == ("[e-mail] is no number", "record_feedback", "r")


def test_an_event_that_breaks_a_rule_is_redacted():
    """Whatever fields it has; of an identifier that is no text everything is looked at."""
    raw = feedback("f", "o", score=300, comment=EMAIL, unheard_of={"x": [EMAIL]}, rater=[EMAIL], subject="anna@x.org")
    assert made(raw) == {
        "kind": "feedback_recorded/1",
        "id": "f",
        "output_id": "o",
        "score": 300,
        "comment": "[e-mail]",
        "unheard_of": {"x": ["[e-mail]"]},
        "rater": ["[e-mail]"],
        "subject": "anna@x.org",
    }


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b'{"id":"f","subject":"a@x.org","comment":"c bob@x.org"',
            '{"id":"f","subject":"a@x.org","comment":"c [e-mail]"',
        ),
        (b'{"id":"f","comment":"and bob@exam', f'{{"id":"f","comment":"{NOT_READ}'),
        (b'{"comment":"4111 1111 11\\', f'{{"comment":"{NOT_READ}'),
        (rb'{"comment":"bob\u0040x.org", oops', '{"comment":"[e-mail]", oops'),
        (rb'{"comment":"\ud800 bob@x.org", oops', '{"comment":"? [e-mail]", oops'),
        (b"write to bob@x.org\xff today", "write to [e-mail]\ufffd today"),
        (b'["bob@x.org"]', '["[e-mail]"]'),
        (b'"bob@x.org"', '"[e-mail]"'),
        (b'{"comment":"x \xff bob@x.org"}', '{"comment":"x \ufffd [e-mail]"}'),
    ],
)
def test_what_is_no_event_at_all_is_redacted_text_by_text(raw, expected):
    """Torn, no JSON, no UTF-8: a text that breaks off is left out, since nobody can tell what it would have been."""
    assert redacted(raw, redact) == expected
    assert redacted_bytes(raw, redact).decode() == expected


def test_a_hostile_line_is_looked_through_once():
    """A megabyte of quotes, of backslashes, of brackets."""
    for piece in (b'"\\', b"[", b'"id":', b'{"a":'):
        redacted(b"x" + piece * ((1 << 20) // len(piece)), redact)


texts = some.one_of(some.just(EMAIL), some.just(CARD), some.text(max_size=8), some.just(f"a {EMAIL} b"))
values = some.recursive(
    some.one_of(texts, some.integers(), some.booleans(), some.none()),
    lambda inner: some.one_of(some.lists(inner, max_size=3), some.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(
    some.dictionaries(some.sampled_from(["input", "output", "context", "comment", "tags", "other"]), values),
    some.data(),
)
def test_nothing_private_is_left_in_any_line(fields, data):
    """An event, a wrong one, or one that is cut anywhere."""
    raw = line("feedback_recorded", "f", output_id="o", score=3, **fields)
    raw = raw[: data.draw(some.integers(0, len(raw)))] if data.draw(some.booleans()) else raw
    text = str(redacted(raw, redact))
    assert "miller@example" not in text
    assert "1111 1111" not in text
