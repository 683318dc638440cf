"""Chunks change around what the output rests on; that stays, and so does the caller's context."""

import copy

import pytest

from components.context_variation import chunks_of, vary_context
from components.dice import Dice

BANK, CATS, RATES = "The bank opens at nine.", "Cats sleep a lot.", "Rates rose in May."
OUTPUT = "It opens at nine: the bank does."


def all_of(context, output=OUTPUT, others=(), seeds=60):
    found = [vary_context(context, output, Dice(seed, "x"), others) for seed in range(seeds)]
    return [one for one in found if one is not None]


def test_what_supports_the_output_is_always_there():
    """Left out, exchanged or mixed: the supporting chunk stays, and strangers come from the others alone."""
    said = all_of([BANK, CATS, RATES], others=["Ships sail.", BANK, "The bank opens at nine on Mondays."])
    assert {what for _, what in said} == {
        "a chunk that the output does not rest on was left out",
        "a chunk that the output does not rest on was exchanged for one of another example",
        "the chunks came in another order",
    }
    for context, _ in said:
        assert BANK in context
        assert set(context) <= {BANK, CATS, RATES, "Ships sail."}


def test_a_lone_supporting_chunk_gets_a_stranger_beside_it():
    """Nothing can be left out; something can be put beside."""
    said = all_of([BANK], others=["Ships sail."])
    assert {tuple(context) for context, _ in said} == {(BANK, "Ships sail."), ("Ships sail.", BANK)}
    assert {what for _, what in said} == {"a chunk of another example was put beside"}


def test_without_support_only_the_order_changes():
    """Where no chunk shares a word with the output, none is known to be dispensable."""
    assert {tuple(sorted(context)) for context, _ in all_of([CATS, RATES], others=["Ships sail."])} == {(CATS, RATES)}


@pytest.mark.parametrize(
    "context",
    [
        {"rag": [BANK, CATS], "notes": "n"},
        {"rag": f"{BANK}\n\n{CATS}", "notes": "n"},
        {"chunks": ({"text": BANK, "id": 1}, {"text": CATS, "id": 2})},
        [BANK, CATS],
        f"{BANK}\n---\n{CATS}",
    ],
)
def test_a_context_keeps_its_form(context):
    """Lists, tuples, one text, chunks that are objects, other fields beside: as before."""
    before = copy.deepcopy(context)
    said = all_of(context)
    assert said
    assert context == before
    for one, _ in said:
        assert type(one) is type(context)
        if isinstance(context, dict):
            assert set(one) == set(context)
            assert one.get("notes") == context.get("notes")
        assert all(chunk in chunks_of(context) for chunk in chunks_of(one))


@pytest.mark.parametrize(
    "context", [None, "", {}, {"notes": "n"}, "one chunk alone", 5, {"rag": ""}, [], [CATS], [CATS] * 99]
)
def test_a_context_without_chunks_to_vary_is_left(context):
    """Nothing, a single text, one chunk that supports nothing, too many chunks."""
    assert all_of(context) == []
