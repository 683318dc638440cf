"""Each kind of artifact has its rules: what is broken is told with a reason, what is sound passes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artifact_rules import (
    GATES,
    KINDS,
    _does_something,
    _parses,
    _python_error,
    body,
    fault,
    kind_of,
)

ERD = """erDiagram
    CUSTOMER ||--o{ ORDER : places
    CUSTOMER {
        int id PK "the key (unique"
        string name
    }
    ORDER }|..|{ LINE : contains
    %% a comment with an open {
"""
FLOW = "flowchart TD\n    A[Start] --> B{Sure?}\n    B -- yes --> C((End))\n"
PYTHON = "import os\n\n\ndef total(rows):\n    # don't count (these\n    return sum(row['x'] for row in rows)\n"
JAVASCRIPT = "function add(a, b) {\n  for (let i = 9; i--;) { console.log(':('); }\n  return a + b; // (\n}\n"
SQL = "SELECT name, count(*)\nFROM shop -- every (shop\nGROUP BY name;"
CSS = ".a { color: #fff; }\n.b { margin: 0 }\n"
ARCHITECTURE = "# Shop\n\nThe shop keeps its orders in one table, and\n\n* reads them twice a day\n* writes them once\n"


@pytest.mark.parametrize(
    ("artifact_type", "text"),
    [
        ("erd", ERD),
        ("erd", f"Here it is:\n```mermaid\n{ERD}```\nIt has two entities."),
        ("erd", "erDiagram SHOP { int id }"),
        ("mermaid", FLOW),
        ("flowchart", "graph TD; A-->B"),
        ("sequence_diagram", "sequenceDiagram\n  A->>B: hello (again"[:-7]),
        ("json", json.dumps({"a": [1, 2, {"b": None}], "c": "an open { in a text"}, indent=2)),
        ("json", "```json\n[1, 2]\n```"),
        ("code_prototype", PYTHON),
        ("code_prototype", f"Use this:\n\n```python\n{PYTHON}```\n"),
        ("javascript", JAVASCRIPT),
        ("sql", SQL),
        ("code", CSS),
        ("code", "x = 1"),
        ("code", "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n" * 2 + "matrix = rows[0]"),
        ("architecture", ARCHITECTURE),
        ("hate_speech", "neither"),
        ("intent", "none"),
        ("chat", "ok"),
        ("chat", "Which shop are you at"),
        ("chat", "What is it made of"),
        ("chat", "ha ha ha"),
        ("chat", "Sí, claro 😀"),
        (
            "chat",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n" + "-" * 80,
        ),
        ("unheard_of", "Any text that says something goes."),
    ],
)
def test_sound_outputs_pass(artifact_type, text):
    """Diagrams, code of several languages, JSON, documents, labels, replies."""
    assert fault(text, kind_of(artifact_type)) is None


@pytest.mark.parametrize(
    ("artifact_type", "text", "gate", "reason"),
    [
        ("chat", "", "empty", "there is nothing in it"),
        ("chat", " \n\t\u200b", "empty", "there is nothing in it"),
        ("chat", "N/A", "empty", "«N/A» stands for nothing"),
        ("erd", "```mermaid\n\n```", "empty", "there is nothing between its fences"),
        ("erd", "erDiagram\n  %% to come\n", "empty", "«erDiagram» has nothing in it"),
        ("flowchart", "graph TD\n", "empty", "«graph» has nothing in it"),
        ("json", " { } ", "empty", "the object or array has nothing in it"),
        ("erd", "Sure, here is your diagram!", "off_type", "no Mermaid diagram begins in it"),
        ("json", "the answer is 5", "off_type", "it does not begin as an object or an array"),
        ("json", '"five"', "off_type", "a str is no object or array"),
        ("json", "{'a': 1}", "off_type", "it is no JSON (Expecting property name"),
        ("code", "Sure", "off_type", "no line of it looks like code"),
        ("code", "Of course! I made it for you.", "off_type", "no line of it looks like code"),
        ("architecture", "A shop.", "off_type", "2 words are no document"),
        ("erd", "erDiagram\n  SHOP {\n    int id\n", "truncated", "the bracket { is never closed"),
        ("mermaid", "flowchart TD\n A[one --> B[two", "truncated", "2 brackets are never closed, the first is ["),
        ("erd", "```mermaid\nerDiagram\n A { int id }", "truncated", "a fence is opened and never closed"),
        ("json", '{"a": [1, 2', "truncated", "it ends inside JSON that began (Expecting ',' delimiter"),
        ("json", '{"a": "begun', "truncated", "it ends inside JSON that began (Unterminated string"),
        ("code", "def total(rows):\n", "truncated", "it ends inside Python that began (expected an indented block"),
        ("javascript", "function add(a, b) {\n  return a", "truncated", "the bracket { is never closed"),
        ("architecture", "# Shop\n\nThe shop keeps its orders in one table and the", "truncated", "it ends with «the»"),
        ("chat", "We have oolong and herbal tea,", "truncated", "it ends with «,»"),
        ("chat", "no " * 9, "repetitive", "«no» stands 9 times in a row"),
        ("code", "x = 1\nreturn return return return return return return", "repetitive", "«return» stands 7 times in"),
        ("chat", "a" * 50, "repetitive", "«aaaaaaaaaaaa…» goes on for 50 characters"),
        ("chat", "haha" * 30, "repetitive", "«hahahahahaha…» goes on for 120 characters"),
        ("code", "x = 1\n" + "and so on " * 20, "repetitive", "a few words stand 20 times in a row"),
        (
            "architecture",
            "\n".join(
                ["We scale the shop well.", "Orders are kept in one table.", "Rows are read."]
                + ["The shop is fast."] * 5
            ),
            "repetitive",
            "the line «The shop is fast.» stands 5 times in 8",
        ),
        (
            "chat",
            "the shop is open and the bank is shut, " * 5 + "yes",
            "repetitive",
            "of its runs of four words were said before",
        ),
        ("chat", "As an AI language model, I have no opinion.", "stock_phrase", "it says «As an AI language model»"),
        ("chat", "I'm sorry, but I can't do that.", "stock_phrase", "it says «I'm sorry, but I can't»"),
        ("chat", "Dear [insert name], hello.", "stock_phrase", "it says «[insert name]»"),
        ("chat", "Lorem ipsum dolor sit amet.", "stock_phrase", "it says «Lorem ipsum»"),
    ],
)
def test_broken_outputs_are_told(artifact_type, text, gate, reason):
    """Each with its gate and its reason."""
    found = fault(text, kind_of(artifact_type))
    assert found is not None
    assert found[0] == gate
    assert reason in found[1]


@pytest.mark.parametrize(
    ("artifact_type", "kind"),
    [
        ("erd", "mermaid"),
        ("ER-diagram", "mermaid"),
        ("code_prototype", "code"),
        ("api.openapi", "json"),
        ("architecture", "markdown"),
        ("merd", "other"),
        ("", "other"),
        ("шаблон", "other"),
    ],
)
def test_a_type_has_the_rules_of_a_word_of_its_name(artifact_type, kind):
    """And the general ones otherwise."""
    assert kind_of(artifact_type) == kind
    assert kind in KINDS


def test_a_type_has_the_rules_that_it_is_given():
    """What is said goes before the name."""
    assert kind_of("erd", {"erd": "json"}) == "json"


def test_the_body_is_what_the_fence_of_the_language_holds():
    """The named language first, else the first fence, else the whole text."""
    text = "```python\nx\n```\n\n```json\n[1]\n```"
    assert (body(text, ("json",)), body(text), body("plain", ("json",))) == ("[1]\n", "x\n", "plain")


@given(text=st.text(max_size=200), kind=st.sampled_from(KINDS))
@settings(max_examples=200, deadline=None)
def test_any_text_is_judged(text, kind):
    """No text breaks a rule; what is told is a known gate with words."""
    found = fault(text, kind)
    assert found is None or (found[0] in GATES and found[1])


@given(value=st.recursive(st.none() | st.integers() | st.text(max_size=8), st.lists, max_leaves=9).map(lambda v: [v]))
@settings(deadline=None)
def test_every_json_array_is_json(value):
    """What json writes is neither off-type nor truncated."""
    found = fault(json.dumps(value), "json")
    assert found is None or found[0] not in ("off_type", "truncated")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "word and word, " * 70_000, "[" * 1_000_000, "({[" * 300, '{"a":' * 900]
)
def test_huge_texts_are_judged_soon(kind, text):
    """A megabyte of anything, or brackets a thousand deep, is no trap."""
    fault(text, kind)


BEGINNINGS = (
    *("not x", "x if y else z()", "z() and y", "x or z()", "x in z()", "x is z()", "x not in z()", "lambda x: y\nz()"),
    *(
        "assert x",
        "del x",
        "import x",
        "from x import y",
        "for x in y: z()",
        "while x: z()",
        "if x: y()",
        "with x: y()",
    ),
    *("async def x(): y()", "def x(): y()", "class X: y", "global x", "nonlocal x", "raise x", "return x", "yield x"),
    *(
        "await x",
        "try : x()\nfinally : y()",
        "match x:\n case _: y()",
        "match x :\n case 1 : y()",
        "x\ny()",
        "x #y\nz()",
    ),
    *(
        "True and x()",
        "None if x else y()",
        "x 1",
        "x y",
        "type X = int",
        "case x",
        "_ x",
        "print x",
        "x\ty",
        "x\u00a0y",
    ),
)


@given(st.sampled_from(BEGINNINGS), st.sampled_from(("", " ", "\n", "\n\n", "\t", "\\\n", "#")), st.text(max_size=2))
def test_what_begins_with_two_words_is_no_python_as_its_own_parser_finds(begin, before, after):
    """With every word of Python's own among them: nothing that parses is taken for prose."""
    for text in (before + begin, begin + after):
        assert _parses(text) == (_python_error(text) is None and _does_something(text))
