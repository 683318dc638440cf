"""A list of texts is a list of texts."""

import pytest

from components.bad_input import BadInput
from components.text_input import checked_text, checked_texts, flat_references


def test_texts_come_back_as_they_are() -> None:
    """Nothing is copied or changed."""
    texts = ["a", ""]
    assert checked_texts("texts", texts) is texts
    assert checked_text("text", "") == ""


def test_references_are_put_in_one_row() -> None:
    """One text or several for each response, with the row that each belongs to."""
    assert flat_references(["r", "s"], ["a", ("b", "c")]) == (["a", "b", "c"], [0, 1, 1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: checked_texts("texts", "abc"), "texts: found 'abc', expected a list of texts. Write [text]."),
        (
            lambda: checked_texts("texts", ["a", b"b"]),
            "texts[1]: found b'b', expected a text. components.example_fields.as_text makes one of any value.",
        ),
        (
            lambda: flat_references(["a"], ["b", "c"]),
            "references: found '2 for 1 responses', expected a text, or a list of texts, for each response.",
        ),
    ],
)
def test_anything_else_is_refused(call, words) -> None:
    """With the place, what was found and what to do."""
    with pytest.raises(BadInput) as told:
        call()
    assert str(told.value) == words
