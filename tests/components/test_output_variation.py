"""Only what has no order is permuted, and both outputs say the same when they are parsed."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dice import Dice
from components.output_variation import read_erd, same_json, vary_erd, vary_json, vary_lists, vary_output

ERD = """erDiagram
    CUSTOMER ||--o{ ORDER : places
    ORDER ||--|{ LINE : "has (many)"

    CUSTOMER {
        int id PK
        string name
    }
    ORDER {
        int id
    }
    LINE { int n }
    "A thing"
"""
LIST = (
    "# Shop\n\nIt has:\n\n* red things\n  * a nested one\n  and more of it\n* blue things\n* green things\n\nThe end.\n"
)


def all_of(text, seeds=40):
    return {said for seed in range(seeds) if (said := vary_output(text, Dice(seed, text))) is not None}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(value=values, indent=st.sampled_from([None, 2, 4, "\t"]), seed=st.integers(0, 20), ascii_only=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_json_keeps_its_value(value, indent, seed, ascii_only):
    """What comes out parses to the same, has the same letters, the same arrays and another order of keys."""
    text = json.dumps({"a": value, "b": 1}, indent=indent, ensure_ascii=ascii_only)
    said = vary_json(text, Dice(seed, text))
    if said is not None:
        assert said != text
        assert json.loads(said) == json.loads(text)
        assert Counter(said) == Counter(text)  # spacing included: the style of writing is the source's


@pytest.mark.parametrize(
    "text",
    ['{"a": 1.50, "b": 1e3}', '{"a":1,"b":[{"c":2,"d":3}]}', '{\n  "a": {},\n  "b": []\n}', '[{"ä": "😀", "b": null}]'],
)
def test_numbers_and_spacing_stay_as_written(text):
    """1.50 stays 1.50; compact stays compact; empty stays empty."""
    said = all_of(text)
    assert said
    for one, what in said:
        assert what == "keys of JSON objects"
        assert Counter(one) == Counter(text)
        assert same_json(one, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": 1, "a": 2, "b": 3}',
        '{"a": NaN, "b": 1}',
        '{"a": 1}',
        "[1, 2, 3]",
        '{"step1": "x", "step2": "y"}',
        '{"reasoning": "since", "answer": 5}',
        '{"a": 1, "b": ',
        '{"a": "\\u00e4", "b": "ä"}',
        '{"a": "b\\/c", "d": 1}',
        "{" * 5000,
    ],
)
def test_json_that_cannot_be_permuted_safely_is_left(text):
    """A key twice, NaN, one key, arrays, numbered keys, reasoning before its answer, broken or oddly escaped JSON."""
    assert all_of(text) == set()


def test_entities_and_relations_change_places():
    """In many orders; entities keep their attributes in order, relations stay in the places of relations."""
    said = all_of(ERD)
    assert len(said) > 3
    for one, what in said:
        assert what == "entities and relations of the ERD"
        assert one != ERD
        assert read_erd(one).meaning() == read_erd(ERD).meaning()
        assert "    CUSTOMER {\n        int id PK\n        string name\n    }" in one
        assert sorted(one.split("\n")) == sorted(ERD.split("\n"))
        assert [kind for kind, _ in read_erd(one).units] == [kind for kind, _ in read_erd(ERD).units]


@pytest.mark.parametrize(
    "text",
    [
        "erDiagram\n  %% first the shop\n  A {\n int id\n }\n  B {\n int id\n }",
        "erDiagram\n  direction LR\n  A {\n int id\n }\n  B {\n int id\n }",
        "erDiagram\n  A {\n int id\n }",
        "erDiagram\n  A {\n int id\n",
        "erDiagram\n  A {\n int {id\n }\n  B {\n int id\n }",
        "erDiagram A { int id }",
        "erDiagram\n  what is this line doing here\n A\n B",
        "flowchart TD\n  A --> B\n  C --> D",
        "classDiagram\n  class A\n  class B",
    ],
)
def test_diagrams_with_anything_unknown_are_left(text):
    """Comments, directions, one entity, broken blocks, other diagrams: nothing is guessed."""
    assert all_of(text) == set()
    assert vary_erd(text, Dice(0, "x")) is None


def test_points_of_a_list_move_with_what_is_under_them():
    """Nested points stay with their own; everything else stays in its place."""
    said = all_of(LIST)
    assert len(said) == 5  # 3! − 1
    for one, what in said:
        assert what == "points of unordered lists"
        assert "* red things\n  * a nested one\n  and more of it" in one
        assert one.startswith("# Shop\n\nIt has:\n\n* ")
        assert one.endswith("\n\nThe end.\n")
        assert sorted(one.split("\n")) == sorted(LIST.split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "1. wake\n2. rise",
        "The steps:\n\n* wake\n* rise",
        "* first wake\n* rise",
        "* wake\n* then rise",
        "* wake\n* rise as above",
        "Top cities:\n- Rome\n- Oslo",
        "* one point",
        "* wake\n* rise\nand this goes on",
        "```\n- a\n- b\n```",
        "```yaml\n- a\n- b",
        "- a\n+ b\n* c",
        "no list at all",
        "",
    ],
)
def test_lists_that_have_or_may_have_an_order_are_left(text):
    """Numbered, announced as steps, spoken of as first or above, inside code, unfinished."""
    assert all_of(text) == set()


def test_fenced_json_and_diagrams_are_varied_inside_their_fences():
    """The prose around them stays."""
    text = 'Here:\n\n```json\n{"a": 1, "b": 2}\n```\n\nBye.'
    assert all_of(text) == {('Here:\n\n```json\n{"b": 2, "a": 1}\n```\n\nBye.', "keys of JSON objects")}
    diagram = "Look:\n```mermaid\nerDiagram\n    A\n    B\n```\n"
    assert all_of(diagram) == {
        ("Look:\n```mermaid\nerDiagram\n    B\n    A\n```\n", "entities and relations of the ERD")
    }
    assert all_of('```python\nx = {"a": 1, "b": 2}\n```') == set()


@given(st.text(alphabet='ab*-+ \n`{}[]":,1', max_size=80), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_out_has_the_same_lines_or_the_same_value(text, seed):
    """For broken and odd texts as well."""
    said = vary_output(text, Dice(seed, text))
    if said is not None:
        assert said[0] != text
        assert Counter(said[0]) == Counter(text)


def test_code_and_huge_outputs_are_left():
    """Python is no list; beyond 200,000 characters nothing is parsed."""
    assert all_of("def f():\n    return {'a': 1, 'b': 2}\n") == set()
    assert all_of(json.dumps({"a": "x" * 300_000, "b": 1}), 2) == set()
    assert vary_lists("* a\n" * 3, Dice(0, "x")) is None  # equal points have one order alone
