"""An example is read alike, however its fields are spelt."""

from types import SimpleNamespace

from components.example_fields import as_text, column, field


def test_both_generations_of_names_mean_the_same() -> None:
    """The V2 document's names, today's names, a mapping and an object give the same values."""
    old = {"input_data": "ask", "ai_output": "say", "validation_score": 85.0, "model_used": "m"}
    new = SimpleNamespace(input="ask", output="say", score=85.0, model="m")
    names = ("input", "output", "score", "model")
    assert [field(old, name) for name in names] == [field(new, name) for name in names] == ["ask", "say", 85.0, "m"]


def test_nothing_counts_as_not_given() -> None:
    """A None is passed over for the other spelling, and zero is a value."""
    assert field({"score": None, "validation_score": 0.0}, "score", 50.0) == 0.0
    assert column([{"score": 1}, {}], "score", 7) == [1, 7]


def test_any_value_becomes_one_text() -> None:
    """An object is the same text whatever the order of its keys."""
    assert as_text({"b": 1, "a": "é"}) == '{"a": "é", "b": 1}'
    assert (as_text("x"), as_text(None)) == ("x", "")
