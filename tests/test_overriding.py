"""What variables of the environment say in the place of config.toml."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.overriding import merged, overridden, overrides_in, value_of
from tests.spooled_lines import output_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("5", 5), (" 0 ", 0), ("-5", -5), ("007", "007"), ("1_000", 1000), ("9" * 30, int("9" * 30))),
        *(("true", True), ("false", False), ("True", "True"), ("inf", float("inf")), ("1.5", 1.5)),
        *(("/srv/adaptd", "/srv/adaptd"), ("normal", "normal"), ('"5"', "5"), ("'a'b", "'a'b"), (" a ", " a ")),
        *(("[1, 'a']", [1, "a"]), ("{a = 1}", {"a": 1}), ("1\nother = 2", "1\nother = 2"), ("[" * 9000, "[" * 9000)),
    ],
)
def test_a_value_is_what_toml_says_or_else_the_text(text, value):
    """Nobody has to quote a path, and a number is a number."""
    assert (value_of(text), type(value_of(text))) == (value, type(value))


@given(st.integers() | st.booleans() | st.floats(allow_nan=False))
def test_short_ways_give_what_tomllib_gives(value):
    """Numbers and truth are read without tomllib where that is easy, and alike."""
    text = str(value).lower()
    assert value_of(text) == tomllib.loads(f"value = {text}")["value"]


def test_a_name_is_a_section_and_a_key():
    """Two underscores between them, one within; what is empty says nothing, and other names are not ours."""
    environ = {"ADAPTD__INTAKE__MAX_EVENT_BYTES": "5", "ADAPTD__A__B__C": "x", "ADAPTD__D__E": "", "ADAPTD_CONFIG": "y"}
    found = {one.variable: (one.key, one.value) for one in overrides_in(environ)}
    assert found == {
        "ADAPTD__A__B__C": (("a", "b", "c"), "x"),
        "ADAPTD__INTAKE__MAX_EVENT_BYTES": (("intake", "max_event_bytes"), 5),
    }
    table = {"intake": {"max_event_bytes": 1, "commit_events": 2}, "a": 3}
    assert overridden(table, environ) == {
        "intake": {"max_event_bytes": 5, "commit_events": 2},
        "a": {"b": {"c": "x"}},
    }
    assert table["intake"]["max_event_bytes"] == 1


def test_tables_are_merged_key_by_key():
    """A table in the place of a value takes its place, and the other way round."""
    assert merged({"a": {"b": 1, "c": {"d": 2}}, "e": 3}, {"a": {"c": {"f": 4}}, "e": {"g": 5}}) == {
        "a": {"b": 1, "c": {"d": 2, "f": 4}},
        "e": {"g": 5},
    }
    assert merged({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


def test_simple_values_load_no_toml_reader():
    """A host that is configured by its environment alone pays no more for it."""
    program = "import sys; from adaptd.overriding import value_of; [value_of(t) for t in ('/x', '5', 'true', 'full')];"
    program += "print('tomllib' in sys.modules)"
    assert output_of(program, isolated=True) == "False\n"
