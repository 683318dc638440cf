import datetime as dt
import decimal
import enum
import pathlib
import pickle
import uuid
from dataclasses import dataclass

import numpy as np
import pytest

from adaptd import Feedback, FeedbackType
from adaptd.plain_values import Unusable, body_of
from adaptd.records import (
    FEEDBACK_ALIASES,
    FEEDBACK_RULES,
    content,
    feedback_fields,
    feedback_type,
    identifier,
    labels,
    microseconds,
    not_negative,
    output_fields,
    propensity_share,
    score_of_100,
    thumb_up_or_down,
)


@pytest.mark.parametrize("score", [0, 100, 85.0, np.float32(50), np.int64(7), np.float64(1.5), decimal.Decimal("99.5")])
def test_a_score_is_any_number_from_0_to_100(score):
    """Numbers of numpy and decimal are taken by their value."""
    assert score_of_100(score) == float(score)


@pytest.mark.parametrize(
    "score", [-0.1, 100.1, float("nan"), float("inf"), True, "85", None, [85], 1j, decimal.Decimal("NaN")]
)
def test_what_is_no_score_is_refused(score):
    """Booleans, text, NaN and what lies outside are not scores; the expectation is named."""
    with pytest.raises(Unusable, match="a number from 0 to 100"):
        score_of_100(score)


@pytest.mark.parametrize(
    ("given", "taken"),
    [("a b", "a b"), (7, "7"), (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"), ("é" * 200, "é" * 200)],
)
def test_an_identifier_is_printable_text_or_a_whole_number(given, taken):
    """Whole numbers and UUIDs become their text."""
    assert identifier(given) == taken


@pytest.mark.parametrize("given", ["", "x" * 201, "a\nb", "a\ud800", True, 1.5, b"a", object(), ["a"]])
def test_what_is_no_identifier_is_refused(given):
    """Empty, too long, unprintable and non-text identifiers are refused."""
    with pytest.raises(Unusable, match="1 to 200 printable characters"):
        identifier(given)


@pytest.mark.parametrize(
    "given",
    [dt.datetime(2026, 1, 2, tzinfo=dt.UTC), dt.datetime(2026, 1, 2, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))],
)
def test_a_time_with_its_zone_becomes_microseconds(given):
    """The zone is counted in."""
    assert microseconds(given) == 1_767_312_000_000_000


def test_unix_seconds_become_microseconds():
    """Whole seconds and fractions are both taken."""
    assert microseconds(1_767_312_000) == 1_767_312_000_000_000
    assert microseconds(1.5) == 1_500_000


@pytest.mark.parametrize("given", [True, "2026-01-02", float("nan"), -1, 1_767_312_000_000_000])
def test_what_is_no_time_is_refused(given):
    """Text, and numbers that cannot be seconds, are refused."""
    with pytest.raises(Unusable, match="a datetime with a time zone, or unix seconds"):
        microseconds(given)


def test_a_time_without_zone_is_refused_with_the_remedy():
    """A naive datetime could be any of 38 moments."""
    with pytest.raises(Unusable) as refused:
        microseconds(dt.datetime(2026, 1, 2))
    assert "without a time zone: add tzinfo=timezone.utc" in refused.value.found


def test_thumbs_may_be_true_and_false():
    """True is up, False is down; other numbers are neither."""
    assert [thumb_up_or_down(given) for given in (True, "up", False, "down")] == ["up", "up", "down", "down"]
    with pytest.raises(Unusable):
        thumb_up_or_down("sideways")


def test_a_feedback_type_may_be_a_hosts_own_enum():
    """A member with a text stands for it, one with a number for its name."""
    texts = enum.Enum("texts", {"SUCCESS": "success"})
    numbers = enum.Enum("numbers", {"SUCCESS": 1})
    assert (
        feedback_type(FeedbackType.SUCCESS)
        == feedback_type(texts.SUCCESS)
        == feedback_type(numbers.SUCCESS)
        == "success"
    )


def test_feedback_types_are_texts():
    """They compare, pickle and show as text, and say their name and value as an Enum's member would."""
    assert FeedbackType.CORRECTED == "corrected"
    assert (FeedbackType.SUCCESS.name, FeedbackType.SUCCESS.value) == ("SUCCESS", "success")
    assert pickle.loads(pickle.dumps(FeedbackType.REJECTED)) == FeedbackType("rejected")
    assert repr(FeedbackType.PARTIAL) == "FeedbackType('partial')"


def test_tags_are_texts():
    """Whole numbers become text; a single text, which iterates over its letters, is refused."""
    assert labels(("a", 1)) == ["a", "1"]
    assert labels({"release": 7}) == {"release": "7"}
    for wrong in ("prod", 7, [1.5], {"a": ["b"]}):
        with pytest.raises(Unusable, match=r"texts: \["):
            labels(wrong)


def test_numbers_have_their_ranges():
    """Latencies are not negative; a propensity is above 0 and at most 1."""
    assert not_negative(0) == 0
    assert propensity_share(np.float64(1.0)) == 1
    for rule, wrong in (
        (not_negative, -1),
        (not_negative, float("inf")),
        (propensity_share, 0),
        (propensity_share, 1.01),
    ):
        with pytest.raises(Unusable):
            rule(wrong)


def test_content_is_text_object_or_array():
    """What has a plain form of that kind is taken, a bare number is not."""
    assert content(pathlib.PurePosixPath("a/b")) == "a/b"
    assert content(np.array([1, 2])) == [1, 2]
    for wrong in (7, 1.5, True, b"raw", object()):
        with pytest.raises(Unusable, match="a text, an object"):
            content(wrong)


@dataclass
class Answer:
    text: str
    parts: tuple


def test_host_values_become_json():
    """Dates, paths, ids, sets, enums, decimals, numpy and dataclasses have one plain form each."""
    context = {
        "when": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        "day": dt.date(2026, 1, 2),
        "path": pathlib.PurePosixPath("a"),
        "id": uuid.UUID(int=1),
        "set": {3, 1, 2},
        "mixed": frozenset([1]),
        "enum": enum.Enum("colour", {"RED": "red"}).RED,
        "decimal": decimal.Decimal("1.5"),
        "numpy": [np.float32(0.5), np.int8(3), np.arange(3), np.bool_(True)],
        "answer": Answer("a", (1, 2)),
        7: "number key",
        None: "null key",
        (dt.date(2026, 1, 2)): "date key",
    }
    text = body_of({"context": context}).decode()
    assert text == (
        '{"context":{"when":"2026-01-02T00:00:00+00:00","day":"2026-01-02","path":"a",'
        '"id":"00000000-0000-0000-0000-000000000001","set":[1,2,3],"mixed":[1],"enum":"red","decimal":1.5,'
        '"numpy":[0.5,3,[0,1,2],true],"answer":{"text":"a","parts":[1,2]},"7":"number key","null":"null key",'
        '"2026-01-02":"date key"}}'
    )


@pytest.mark.parametrize(
    ("context", "place", "found"),
    [
        ({"a": [1, {"b": float("nan")}]}, "context.a[1].b", "nan"),
        ({"a": np.float32("inf")}, "context.a", "inf"),
        ({"a": object()}, "context.a", "builtins.object"),
        ({"a": b"raw"}, "context.a", "builtins.bytes"),
        ({(1, 2): 3}, "context", "a key of type tuple"),
        ({"a": 10**5000}, "context.a", "one of 16610"),
    ],
)
def test_what_json_cannot_carry_is_named_with_its_place(context, place, found):
    """The refusal names the path to the value and what is there."""
    with pytest.raises(Unusable) as refused:
        body_of({"context": context})
    assert refused.value.place == place
    assert found in refused.value.found


def test_a_cycle_is_refused_and_no_recursion_error():
    """A dict inside itself, and a nesting deeper than 200, end as refusals."""
    cycle = {}
    cycle["again"] = [cycle]
    with pytest.raises(Unusable, match="does not contain itself"):
        body_of({"context": cycle})
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Unusable, match="at most 200 levels"):
        body_of({"context": deep})


def test_lone_surrogates_become_replacement_characters():
    """Half of a pair is replaced; a whole pair and everything else stay."""
    assert body_of({"comment": "a\ud800b\U0001f600é"}).decode() == '{"comment":"a\ufffdb\U0001f600é"}'


def test_v2_names_mean_the_newer_ones():
    """The V2 document's arguments become the wire's, in the wire's order."""
    given = {"input_data": "i", "ai_output": "o", "artifact_type": "erd", "model_used": "m", "validation_score": 85.0}
    fields = feedback_fields(given)
    assert fields == {"input": "i", "output": "o", "artifact_type": "erd", "model": "m", "score": 85.0}
    assert list(fields) == [name for name in FEEDBACK_RULES if name in fields]


def test_both_names_of_one_value_must_agree():
    """The same value twice is taken, two different ones are refused."""
    assert feedback_fields({"output_id": "a", "score": 1, "validation_score": 1}) == {"output_id": "a", "score": 1}
    with pytest.raises(Unusable, match="the same value as score") as refused:
        feedback_fields({"output_id": "a", "score": 1, "validation_score": 2})
    assert refused.value.place == "validation_score"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"output_id": "a"}, "at least one of score, thumb"),
        ({"score": 1}, "one of output_id, output, retracts"),
        ({"output_id": "a", "verdict": "better"}, "what the output was compared with"),
        ({"output_id": "a", "score": 1, "rating": 5}, "an argument among output_id"),
        ({"output_id": "a", "score": 1, "source": "robot"}, "one of 'human', 'llm_judge', 'code'"),
        ({"output_id": "a", "score": 1, "context": ["a"]}, "an object"),
        ({"output_id": "a", "comment": 7}, "a text"),
    ],
)
def test_a_feedback_says_something_about_something(given, expected):
    """What is missing or unknown is named."""
    with pytest.raises(Unusable, match=expected):
        feedback_fields(given)


def test_an_output_needs_its_output():
    """The input may be missing, the output may not."""
    assert output_fields({"input": None, "output": "o"}) == {"output": "o"}
    with pytest.raises(Unusable) as refused:
        output_fields({"input": "i", "output": None})
    assert refused.value.place == "output"


def test_a_feedback_record_is_frozen_and_knows_its_fields():
    """It gives what was given, None for what was not, and refuses changes and unknown names."""
    record = Feedback(output_id="a", score=85)
    assert (record.score, record.comment, record["output_id"]) == (85, None, "a")
    assert record == Feedback(output_id="a", score=85) == pickle.loads(pickle.dumps(record))
    assert repr(record) == "Feedback(output_id='a', score=85)"
    with pytest.raises(AttributeError, match="frozen"):
        record.score = 90
    with pytest.raises(AttributeError, match="no field 'stars'"):
        _ = record.stars
    assert all(getattr(record, alias) is None for alias in FEEDBACK_ALIASES)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"output_id": "o", "output": "x", "score": 1}, "the output_id of one that was recorded"),
        ({"retracts": "f", "supersedes": "g"}, "one of retracts and supersedes"),
        ({"output_id": "o", "score": 1, "compared_with": "y"}, "better, worse or tie"),
    ],
)
def test_what_the_daemon_would_not_take_is_refused_here(given, told):
    """Else an id would be returned for what can only end in quarantine."""
    with pytest.raises(Unusable) as refused:
        feedback_fields(given)
    assert told in str(refused.value.expected)
