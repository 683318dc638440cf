"""What no rewording may touch is found, and lost figures, names and negations are noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.protected_text import asks, parts, protected_parts, same_meaning


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("run `rm -r x` now", ["`rm -r x`"]),
        ("here:\n```py\nif x: pass\n```\nso", ["```py\nif x: pass\n```"]),
        ('call it "The Shop" or “Le Shop” or «Laden»', ['"The Shop"', "“Le Shop”", "«Laden»"]),
        ("say 'good morning' but don't shout", ["'good morning'"]),
        ("see https://a.b/c?d=1 or www.x.org", ["https://a.b/c?d=1", "www.x.org"]),
        ("mail ada@x.org", ["ada@x.org"]),
        (
            "dear {name}, {{order}} is <late> [soon] ${cost} %s %(x)d",
            ["{name}", "{{order}}", "<late>", "[soon]", "${cost}"],
        ),
        ("tell @ada about #shop", ["@ada", "#shop"]),
        ("on 2026-01-05 at 9:30 pay 3.50 for 2kg, v1.2", ["2026-01-05", "9:30", "3.50", "2kg", "v1.2"]),
        ("call my_function in src/main.py or getUser", ["my_function", "src/main.py", "getUser"]),
        ("Draw an ERD for Ada and New York", ["ERD", "Ada", "New", "York"]),
        ("Please ask Frau Müller", ["Frau", "Müller"]),
    ],
)
def test_protected_parts_are_found(text, kept):
    """Code, quotes, addresses, placeholders, handles, figures, identifiers, names."""
    found = protected_parts(text)
    assert [part for part in kept if part not in found] == []


@pytest.mark.parametrize("text", ["draw a shop, don't wait; can't you?", "I think I am late.", "Please draw it.", ""])
def test_plain_words_are_free(text):
    """Contractions, the first word of a sentence and the first person are no names."""
    assert [part for part, free in parts(text) if not free] == []
    assert not protected_parts(text)


@given(st.text(max_size=200))
def test_the_pieces_are_the_text(text):
    """Nothing is lost and nothing is added, whatever the text."""
    assert "".join(part for part, _ in parts(text)) == text


@given(st.text(alphabet="ab AB'’.,;!?-19\"`{}\n", max_size=60))
def test_the_short_way_finds_what_the_long_way_finds(text):
    """Plain texts are not searched, and would not have given anything."""
    import re

    from components import protected_text

    long_way = protected_text.PROTECTED.findall(text)
    assert sorted(protected_parts(text).elements()) == sorted(long_way)
    assert re.sub(r"\s", "", "".join(p for p, free in parts(text) if not free)) == re.sub(r"\s", "", "".join(long_way))


@pytest.mark.parametrize(
    "piece", ["x", "a.", "a_", "a-", "1.", "A", "aA", "@", "/", "`", '"', "{", "x@y.", "http://", "```"]
)
def test_a_word_of_any_length_is_read_once(piece):
    """Twenty thousand characters without a space, of any shape, are no trap: it would take minutes."""
    assert "".join(part for part, _ in parts(piece * 20_000)) == piece * 20_000


def test_the_tail_of_a_huge_text_is_protected():
    """After 20,000 characters nothing is touched."""
    text = "word " * 10_000
    assert [(len(part), free) for part, free in parts(text)] == [(20_000, True), (30_000, False)]


@pytest.mark.parametrize(
    ("text", "other", "same"),
    [
        ("do not send 3 cats", "please don't send 3 cats", True),
        ("send 3 cats", "send 4 cats", False),
        ("send it", "do not send it", False),
        ("I can't go without it", "I can't go with it", False),
        ("ask Ada", "ask Bob", False),
        ("pay before noon", "pay after noon", False),
        ("two cats", "three cats", False),
        ("use `x`", "use `y`", False),
        ("dear {name}", "dear name", False),
        ("a b", "b a", True),
    ],
)
def test_meaning_is_kept_where_what_matters_is_kept(text, other, same):
    """Figures, negations, names, order in time, quantities, code, placeholders."""
    assert same_meaning(text, other) is same
    assert same_meaning(other, text) is same


def test_questions_are_told_from_requests():
    """By the mark, or by how they begin."""
    assert asks("is it late?")
    assert asks("how late is it")
    assert not asks("draw a shop")
