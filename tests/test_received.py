"""What a line may say, what is said of one that says it wrongly, and that nothing of it is in what the log is told."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.received import (
    MOST_LEVELS,
    PRIVATE,
    FeedbackRecorded,
    NotUsable,
    canonical,
    has_private,
    normalised,
    read_line,
    same_received,
    says_of,
    split_private,
    writer_number,
)
from tests.intake_world import feedback, inline, line, output

IDENTIFIERS = ("id", "output_id", "compared_with_id", "retracts", "supersedes", "artifact_type", "model", "rater")
IDENTIFIERS += ("subject", "episode", "category", "feedback_type")
OTHERS_BESIDE = {"compared_with_id": {"verdict": "tie"}, "id": {}}


def about(**fields):
    """A feedback with these fields that is whole without them."""
    return line("feedback_recorded", "f", **{"output_id": "o", "score": 1} | fields)


def reason(text):
    with pytest.raises(NotUsable) as caught:
        read_line(text)
    return str(caught.value)


def public(text):
    with pytest.raises(NotUsable) as caught:
        read_line(text)
    return caught.value.public


class TestIdentifiers:
    @pytest.mark.parametrize("field", IDENTIFIERS)
    def test_takes_up_to_two_hundred_printable_characters(self, field):
        """200 characters, counted as characters and not as bytes, are an identifier."""
        event = read_line(about(**OTHERS_BESIDE.get(field, {}) | {field: "é" * 200}))
        assert getattr(event, field) == "é" * 200

    @pytest.mark.parametrize("field", IDENTIFIERS)
    def test_refuses_empty_long_and_other_types_with_the_place(self, field):
        """The reason names the field and what was expected of it."""
        beside = OTHERS_BESIDE.get(field, {})
        assert f"Expected `str` of length >= 1 - at `$.{field}`" in reason(about(**beside | {field: ""}))
        assert f"Expected `str` of length <= 200 - at `$.{field}`" in reason(about(**beside | {field: "a" * 201}))
        for wrong, name in ((5, "int"), (["a"], "array"), ({}, "object"), (True, "bool")):
            text = reason(about(**beside | {field: wrong}))
            assert f"got `{name}` - at `$.{field}`" in text

    @pytest.mark.parametrize("field", IDENTIFIERS)
    @pytest.mark.parametrize("character", ["\x00", "\n", "\x7f", "\x9b", "\u2028", "\u202e", "\ue000"])
    def test_refuses_what_cannot_be_printed(self, field, character):
        """Control characters, line separators and text direction marks would disturb whoever prints it."""
        text = about(**OTHERS_BESIDE.get(field, {}) | {field: f"a{character}b"})
        assert "control character, expected printable text of 1 to 200 characters" in reason(text)

    def test_an_id_is_required(self):
        """Without an id nothing could ever refer to it."""
        assert "missing required field `id`" in reason(b'{"kind":"output_recorded/1","output":"x"}')

    def test_null_is_as_good_as_absent(self):
        """A client that writes every field says the same as one that leaves them out."""
        names = [name for name in FeedbackRecorded.__struct_fields__ if name not in ("id", "output_id", "score")]
        assert same_received(about(), about(**dict.fromkeys(names)))


class TestNumbers:
    @pytest.mark.parametrize(
        ("field", "good", "bad"),
        [
            ("score", (0, 100, 85, 0.5, -0.0), (-0.001, 100.001, 1e308)),
            ("latency_ms", (0, 1e308), (-1,)),
            ("propensity", (5e-324, 1), (0, -1, 1.0000001)),
            ("amount", (-5, 0, 1e300), ()),
            ("n", (1, 2**53), (0, -1, 2**53 + 1, 2**70)),
            ("at", (0, 253_402_300_799_999_999), (-1, 253_402_300_800_000_000)),
            ("occurred_at", (0, 253_402_300_799_999_999), (-1, 253_402_300_800_000_000)),
        ],
    )
    def test_has_its_range(self, field, good, bad):
        """Both ends belong to the range; what lies outside is named with the place."""
        for value in good:
            assert getattr(read_line(about(**{field: value})), field) == value
        for value in bad:
            assert f"`$.{field}`" in reason(about(**{field: value}))

    @pytest.mark.parametrize("field", ["score", "latency_ms", "propensity", "amount"])
    def test_is_finite_and_a_number(self, field):
        """Infinity, NaN, texts and booleans are no numbers."""
        whole = about(**{field: 12345}).decode()
        assert reason(whole.replace("12345", "1e999")) == f"Number out of range - at `$.{field}`"
        assert reason(whole.replace("12345", "NaN")).startswith("not one whole JSON object")
        assert reason(whole.replace("12345", "Infinity")).startswith("not one whole JSON object")
        for wrong, name in (("1", "str"), (True, "bool"), ([1], "array")):
            assert f"got `{name}` - at `$.{field}`" in reason(about(**{field: wrong}))

    @pytest.mark.parametrize("field", ["n", "at", "occurred_at"])
    def test_a_count_has_no_fraction(self, field):
        """Microseconds and counters are whole."""
        assert f"Expected `int | null`, got `float` - at `$.{field}`" in reason(about(**{field: 1.5}))

    def test_numbers_inside_texts_keep_every_digit_or_are_refused(self):
        """A number that other readers of the log could not read again does not come in."""
        exact = read_line(f'{{"kind":"output_recorded/1","id":"a","output":[{"9" * 4300}]}}')
        assert json.loads(canonical(exact))["output"] == [int("9" * 4300)]
        assert "Integer value out of range" in reason(
            f'{{"kind":"output_recorded/1","id":"a","output":[{"9" * 4301}]}}'
        )
        assert "Number out of range" in reason('{"kind":"output_recorded/1","id":"a","output":[1e999]}')


class TestContents:
    @pytest.mark.parametrize("field", ["input", "output", "correction", "compared_with"])
    @pytest.mark.parametrize("value", ["", "text\x00\x1b", {}, {"a": [1, None]}, [], [[]], "\ue000😀"])
    def test_may_be_any_text_object_or_list(self, field, value):
        """What people and models write is taken as it is, empty or odd."""
        beside = {"verdict": "tie"} if field == "compared_with" else {}
        whole = inline("f", **beside | {field: value})
        assert getattr(read_line(whole), field) == value

    @pytest.mark.parametrize("field", ["input", "output", "correction", "compared_with"])
    def test_may_not_be_a_bare_number(self, field):
        """A number alone is most often a mistake of the caller."""
        text = reason(inline("f", **{"verdict": "tie", "compared_with_id": "x"} | {field: 5}))
        assert f"Expected `str | object | array | null`, got `int` - at `$.{field}`" in text

    def test_context_is_an_object_and_tags_are_texts(self):
        """Context may nest; tags are a list of texts, or names with texts."""
        assert read_line(about(context={"a": {"b": [1]}}, tags={"a": "b"})).tags == {"a": "b"}
        assert read_line(about(tags=["a", ""])).tags == ["a", ""]
        assert "Expected `object | null`, got `str` - at `$.context`" in reason(about(context="x"))
        assert "Expected `str`, got `int` - at `$.tags[...]`" in reason(about(tags={"a": 1}))
        assert "Expected `str`, got `null` - at `$.tags[0]`" in reason(about(tags=[None]))

    @pytest.mark.parametrize(
        ("field", "words"),
        [
            ("thumb", ("up", "down")),
            ("verdict", ("better", "worse", "tie")),
            ("implicit", ("copy", "regenerate", "dwell", "silence")),
            ("source", ("human", "llm_judge", "code")),
        ],
    )
    def test_a_choice_is_one_of_its_words(self, field, words):
        """Any other word is named in the reason, and the place with it."""
        beside = {"compared_with_id": "x"} if field == "verdict" else {}
        for word in words:
            assert getattr(read_line(about(**beside | {field: word})), field) == word
        assert reason(about(**beside | {field: "sideways"})) == f"Invalid enum value 'sideways' - at `$.{field}`"
        assert f"`$.{field}`" in reason(about(**beside | {field: ""}))


class TestNesting:
    @staticmethod
    def nested(levels, opening="[", closing="]"):
        return f'{{"kind":"output_recorded/1","id":"a","output":{opening * levels}{closing * levels}}}'

    def test_has_one_limit_however_deep_the_calls_are(self):
        """What was read once can be read by anybody later: the limit is not the interpreter's."""
        read_line(self.nested(MOST_LEVELS))
        told = reason(self.nested(MOST_LEVELS + 1))
        assert told == f"nested too deeply, expected at most {MOST_LEVELS} levels"

        def deeper(calls):
            return deeper(calls - 1) if calls else canonical(read_line(self.nested(MOST_LEVELS)))

        room = sys.getrecursionlimit() - MOST_LEVELS - 200
        assert len(deeper(room)) > 2 * MOST_LEVELS

    @pytest.mark.parametrize("levels", [1000, 200_000])
    def test_beyond_the_interpreters_depth_is_refused_alike(self, levels):
        """Ten thousand brackets do not end the daemon."""
        assert reason(self.nested(levels)).startswith("nested too deeply")

    @pytest.mark.parametrize("field", ["input", "output", "context", "correction", "compared_with"])
    def test_is_limited_in_every_field(self, field):
        """Objects count like lists."""
        value = {"a": 1}
        for _ in range(MOST_LEVELS):
            value = {"a": value}
        text = inline("f", **{"verdict": "tie", "compared_with_id": "x"} | {field: value})
        assert reason(text).startswith("nested too deeply")

    def test_breadth_is_no_depth(self):
        """Many lists beside each other are as flat as one."""
        assert len(read_line(output("a", output=[[]] * 10_000)).output) == 10_000


class TestTheObject:
    def test_unknown_fields_are_refused(self):
        """A newer client's field would be lost silently otherwise."""
        assert reason(about(scores=1)) == "Object contains unknown field `scores`"

    @pytest.mark.parametrize("kind", ["feedback_recorded/2", "feedback_recorded", "", "x"])
    def test_unknown_kinds_say_what_to_do(self, kind):
        """The reason lists the kinds and the next step."""
        text = reason(json.dumps({"kind": kind, "id": "a"}))
        assert "expected kind output_recorded/1, feedback_recorded/1 or rejected/1" in text
        assert "Upgrade the daemon" in text

    @pytest.mark.parametrize("text", ['{"id":"a"}', '{"kind":5,"id":"a"}', '{"kind":null,"id":"a"}', "{}"])
    def test_no_kind_is_an_unknown_kind(self, text):
        """Absent, null or a number: the reason speaks of the kind."""
        assert "expected kind output_recorded/1" in reason(text)

    @pytest.mark.parametrize(("text", "name"), [("[]", "array"), ("5", "int"), ("null", "null"), ('"x"', "str")])
    def test_anything_but_an_object_is_refused(self, text, name):
        """JSON alone is not enough."""
        assert reason(text) == f"Expected `object`, got `{name}`"

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b" ",
            b"\xef\xbb\xbf" + about(),
            about().decode().encode("utf-16"),
            about().decode().encode("utf-16-le"),
            b"\x00\x01\x02",
            about()[:-1],
            about() + b" x",
            about() + about(),
            about()[:-1] + b",}",
            about(comment="x").replace(b"x", b"\xff"),
            about(comment="x").replace(b"x", b"\xed\xa0\x80"),
            about(comment="x").replace(b'"x"', b'"\\ud800 "'),
            about(comment="x").replace(b'"x"', b'"\\udc00\\ud800"'),
            about(comment="x").replace(b"x", b"\x00"),
            about(comment="x").replace(b"x", b"\n"),
        ],
    )
    def test_what_is_not_one_json_object_in_utf8_is_refused(self, text):
        """Marks, other encodings, lone surrogates, raw control characters, halves and doubles."""
        assert reason(text).startswith("not one whole JSON object: ")

    def test_a_carriage_return_at_the_end_is_blank(self):
        """Lines that were written with CRLF are read."""
        assert same_received(about() + b"\r", about())

    def test_of_a_key_that_comes_twice_the_last_counts(self):
        """As every common JSON reader has it; a second kind must be the same kind."""
        assert read_line(about()[:-1] + b',"score":2}').score == 2
        assert "expected kind" in reason(about()[:-1] + b',"kind":"output_recorded/1"}')

    def test_an_output_needs_its_output(self):
        """An output event without what the model produced says nothing."""
        assert reason(b'{"kind":"output_recorded/1","id":"a","input":"x"}').startswith("output: missing, expected what")

    @pytest.mark.parametrize("field", ["score", "comment", "retracts", "rater", "verdict"])
    def test_an_output_carries_no_judgement(self, field):
        """A judgement is an event of its own."""
        assert reason(output("a", **{field: "x"})) == f"Object contains unknown field `{field}`"

    def test_an_output_names_no_other_output(self):
        """Its own id is its id."""
        assert "`$.output_id`" in reason(output("a", output_id="b"))
        assert read_line(output("a", output_id=None)).id == "a"

    def test_a_long_reason_is_cut(self):
        """A field's name of a megabyte does not travel back to whoever sent it."""
        assert len(reason(about(**{"x" * 1_000_000: 1}))) <= 2000


class TestWriters:
    def test_is_stored_as_a_signed_number(self):
        """Sixteen hex characters are exactly the 64 bits of the column."""
        assert writer_number("0000000000000001") == 1
        assert writer_number("7fffffffffffffff") == 2**63 - 1
        assert writer_number("8000000000000000") == -(2**63)
        assert writer_number("ffffffffffffffff") == -1

    @pytest.mark.parametrize(
        "writer",
        [
            "g" * 16,
            "0x1234567890abcd",
            "+123456789abcdef",
            "1_2_3_4_5_6_7_89",
            " 123456789abcdef",
            "00 11 22 33 44 5",
            "٠" * 16,
        ],
    )
    def test_is_nothing_but_hex_characters(self, writer):
        """Signs, spaces, underscores and other alphabets' digits are not part of a writer's name."""
        assert reason(about(writer=writer)) == f"writer {writer!r}: expected 16 hexadecimal characters"

    @pytest.mark.parametrize("writer", ["", "0" * 15, "0" * 17])
    def test_has_sixteen(self, writer):
        """Neither more nor fewer."""
        assert "`$.writer`" in reason(about(writer=writer))


class TestWhatAFeedbackMustSay:
    SAYS = (
        {"score": 0},
        {"thumb": "up"},
        {"feedback_type": "success"},
        {"category": "c"},
        {"comment": ""},
        {"correction": {}},
        {"verdict": "tie", "compared_with": []},
        {"verdict": "better", "compared_with_id": "p"},
        {"implicit": "dwell", "amount": 3},
        {"retracts": "r"},
    )

    @pytest.mark.parametrize("said", SAYS)
    def test_each_kind_of_saying_is_enough(self, said):
        """One of them, even a zero, an empty text or an empty object."""
        assert read_line(feedback("f", "o", **said)).id == "f"

    @pytest.mark.parametrize(
        "beside", [{}, {"rationale": "r", "rater": "a", "source": "human"}, {"supersedes": "s"}, {"amount": 3}]
    )
    def test_none_of_them_is_refused(self, beside):
        """A reason, a rater or an amount alone judges nothing."""
        assert reason(feedback("f", "o", **beside)).startswith("says nothing: expected at least one of score, thumb,")

    @pytest.mark.parametrize("about", [{"output_id": "o"}, {"output": "x"}, {"retracts": "r"}, {"supersedes": "s"}])
    def test_each_way_of_naming_what_it_is_about_is_enough(self, about):
        """An output's id, the output itself, or an event that was about one."""
        assert read_line(feedback("f", score=1, **about)).score == 1

    def test_about_nothing_is_refused(self):
        """An input alone is no output."""
        assert reason(feedback("f", score=1, input="x")) == (
            "about nothing: expected output_id, or output, or retracts, or supersedes"
        )

    def test_names_its_output_once(self):
        """By id or by bringing it, never both."""
        assert reason(inline("f", output_id="o")).startswith("both output_id and output: expected one")

    def test_a_verdict_needs_the_other_output_and_the_other_a_verdict(self):
        """A comparison has two sides."""
        assert reason(about(verdict="worse")).startswith("verdict worse: expected compared_with or compared_with_id")
        for other in ({"compared_with": "x"}, {"compared_with_id": "x"}):
            assert reason(about(**other)) == "compared_with without a verdict: expected verdict better, worse or tie"

    def test_supersedes_or_retracts(self):
        """To take back and to replace are two things."""
        assert reason(about(supersedes="a", retracts="b")) == "both retracts and supersedes: expected one of them"

    def test_is_told_in_a_few_words(self):
        """The words come in one order, whatever the order of the fields."""
        everything = inline(
            "f",
            retracts="r",
            implicit="copy",
            verdict="worse",
            compared_with_id="p",
            correction="c",
            comment="m",
            category="k",
            feedback_type="t",
            thumb="down",
            score=1,
        )
        told = "output+score+down+type+other+category+comment+correction+worse+copy+retract"
        assert says_of(read_line(everything)) == told
        assert says_of(read_line(output("o"))) is None


REJECTED = {
    "call": "record_feedback",
    "field": "score",
    "reason": "score 'Bob': not a number",
    "given": {"score": "'Bob'"},
}


class TestRejectedCalls:
    def test_is_kept_aside_with_what_the_host_said(self):
        """The reason of the host stands in the quarantine, and only the field's name in the log."""
        rejected = line("rejected", "r", **REJECTED)
        assert reason(rejected) == "the host could not use it: record_feedback(score): score 'Bob': not a number"
        assert public(rejected) == "the host could not use it: its field score"

    @pytest.mark.parametrize("field", ["Bob Miller", None, ""])
    def test_a_field_of_the_callers_own_naming_is_not_public(self, field):
        """A misspelt argument may be anything."""
        rejected = line("rejected", "r", **REJECTED | {"field": field, "call": "Bob"})
        assert public(rejected) == "the host could not use it: its field is none that there is"

    def test_an_odd_rejected_line_is_still_only_aside(self):
        """Wrong types in it are a reason like any other."""
        assert "`$.given[...]`" in reason(line("rejected", "r", **REJECTED | {"given": {"a": 1}}))


SECRET = "Zebulon"


@pytest.mark.parametrize(
    "text",
    [
        about(**{SECRET: 1}),
        about(**{f"x` - at `$.{SECRET}": 1}),
        about(thumb=SECRET),
        about(thumb=f"it's {SECRET}"),
        about(thumb=f"\"'{SECRET}' - at `$.{SECRET}"),
        about(source=f"'{SECRET}"),
        about(writer=f"{SECRET:>16}"),
        about(score=SECRET),
        about(tags={SECRET: 1}),
        about(context={SECRET: float("inf")}).replace(b"Infinity", b"1e999"),
        json.dumps({"kind": f"it's {SECRET}", "id": "a"}),
        json.dumps({"kind": f'"{SECRET}', "id": "a"}),
        json.dumps({SECRET: 1}),
        SECRET,
        f'{{"{SECRET}',
        line("rejected", "r", call=SECRET, field=SECRET, reason=SECRET),
        line("rejected", "r", call=SECRET, field=SECRET, reason=5),
        about(rater=f"{SECRET}\n"),
        about(id="", rater=SECRET),
    ],
)
def test_a_public_reason_holds_nothing_of_the_line(text):
    """The log cannot be erased: no name and no value of a line that was kept aside may stand in it."""
    assert SECRET not in public(text)
    assert public(text)


@given(st.dictionaries(st.sampled_from([*FeedbackRecorded.__struct_fields__, "kind", "zz"]), st.text(min_size=4)))
def test_no_value_is_ever_in_a_public_reason(fields):
    """Whatever stands where, the public reason is made of our own words and places."""
    marked = {name: f"⟦{value}⟧" for name, value in fields.items()} | {f"⟦{name}⟧": 1 for name in list(fields)[:1]}
    for text in (json.dumps(marked), json.dumps({"kind": "feedback_recorded/1", "id": "i", "output_id": "o"} | marked)):
        public_reasons = []
        try:
            read_line(text)
        except NotUsable as problem:
            public_reasons.append(problem.public)
        assert not any("⟦" in told for told in public_reasons)


class TestSameness:
    def test_ignores_what_a_retry_may_change(self):
        """The host's clock, counter and writer, the order of keys, the spelling of numbers and texts."""
        one = about(at=1, n=1, writer="0" * 16, context={"a": 1, "b": "é"}, score=85)
        other = b'{"score":85.0,"context":{"b":"\\u00e9","a":1},"output_id":"o" ,"at":9,'
        other += b'"id":"f","kind":"feedback_recorded/1" }'
        assert same_received(one, other)

    @pytest.mark.parametrize(
        "changed",
        [
            {"score": 2},
            {"output_id": "p"},
            {"occurred_at": 1},
            {"subject": "s"},
            {"comment": ""},
            {"context": {}},
            {"tags": []},
        ],
    )
    def test_everything_else_makes_it_another_event(self, changed):
        """Even when the event occurred, and even empty things."""
        assert not same_received(about(), about(**changed))

    def test_the_kind_is_part_of_it(self):
        """An output and a feedback with the same fields are two things."""
        assert canonical(read_line(output("a"))) != canonical(
            read_line(feedback("a", output="an answer", score=None, comment=""))
        )


WHOLE = {
    "input": "i",
    "output": "o",
    "context": {"c": 1},
    "tags": ["t"],
    "episode": "e",
    "comment": "m",
    "correction": "k",
    "verdict": "tie",
    "compared_with": "w",
    "rater": "r",
    "rationale": "y",
    "subject": "s",
    "score": 1,
}


class TestPrivateFields:
    def test_are_split_off_and_the_subject_is_dropped(self):
        """Nothing is in both parts, and the subject in neither."""
        clear, private = split_private(read_line(feedback("f", **WHOLE)))
        assert set(private) == set(PRIVATE)
        assert clear == {"kind": "feedback_recorded/1", "id": "f", "verdict": "tie", "score": 1.0}

    @pytest.mark.parametrize("field", PRIVATE)
    def test_each_of_them_alone_is_something_to_seal(self, field):
        """An event with one private field has private text."""
        beside = {"verdict": "tie", "compared_with_id": "p", "retracts": "r"}
        assert has_private(read_line(feedback("f", **beside | {field: WHOLE[field]})))
        assert not has_private(read_line(feedback("f", **beside)))

    def test_every_field_that_may_hold_free_text_is_private(self):
        """What is not private is an id, a number, a name of a kind of thing, or a choice."""
        clear = set(FeedbackRecorded.__struct_fields__) - set(PRIVATE)
        assert clear == {
            "id",
            "writer",
            "n",
            "at",
            "artifact_type",
            "model",
            "subject",
            "latency_ms",
            "propensity",
            "occurred_at",
            "output_id",
            "score",
            "thumb",
            "feedback_type",
            "category",
            "verdict",
            "compared_with_id",
            "implicit",
            "amount",
            "retracts",
            "supersedes",
            "source",
        }


class TestTheSameInput:
    @pytest.mark.parametrize(
        "other",
        [
            "What is  Café?",
            " what is café? ",
            "WHAT IS CAFÉ?",
            "what\tis\ncafé?",
            "what is cafe\u0301?",
            "What\u00a0is café?",
            "what\u3000is café?",
            "ｗｈａｔ is café?",
            "what is café?\r\n",
        ],
    )
    def test_does_not_depend_on_case_spacing_or_unicode_form(self, other):
        """A person who types it again has typed the same."""
        assert normalised(other) == normalised("What is café?")

    def test_does_not_depend_on_the_order_of_keys(self):
        """An object is the same whatever way it was written down."""
        assert normalised({"b": 1, "a": [2]}) == normalised({"a": [2], "b": 1})
        assert normalised([1, 2]) != normalised([2, 1])

    @given(st.text())
    def test_normalising_twice_changes_nothing_and_never_fails(self, text):
        """Any text, lone surrogates included, has a normal form of its own."""
        assert normalised(f"  {text}\n") == normalised(text)
