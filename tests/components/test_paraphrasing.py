"""Requests are said in other words; what they ask for stays to the letter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dice import Dice
from components.paraphrasing import paraphrase
from components.protected_text import same_meaning


def all_of(text, seeds=60):
    """What comes out over many seeds."""
    return {said for seed in range(seeds) if (said := paraphrase(text, Dice(seed, text))) is not None}


def test_a_request_changes_its_frame_and_its_verb():
    """Every paraphrase asks for the same thing with known words."""
    said = all_of("Generate ERD for the e-commerce system", 200)
    assert len(said) >= 10
    assert "Could you please generate ERD for the e-commerce system?" in said
    assert "Create ERD for the e-commerce system" in said
    assert all("ERD for the e-commerce system" in one for one in said)


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("please call me a cab", "i want you to call me a cab"),
        ("how do i pay my bill", "how can i pay my bill"),
        ("what is on my list", "quick question: what is on my list"),
        ("i'm sure i don't need to pay", "i am sure i do not need to pay"),
        ("can you lend me a pen", "would you lend me a pen?"),
        ("can i pay later", "may i pay later"),
        ("i would like to pay", "i want to pay"),
        ("Thanks, that is a lot of help", "Thank you, that is plenty of help"),
    ],
)
def test_each_rule_gives_what_is_expected(text, one):
    """Frames, questions, contractions, phrases, the start of a text."""
    assert one in all_of(text, seeds=200)


@pytest.mark.parametrize(
    "text",
    [
        'Draw "Can you need to have to" for Ada Lovelace with 12 tables, `make sure` and {maybe}',
        "please send 3.5 kg of Big Sugar to https://a.b/need-to by 9:30",
        "Explain what get_user() does to 'a lot of' rows in src/big.py",
        "don't draw more than two big shops, and never without the API",
    ],
)
def test_protected_parts_stay_to_the_letter(text):
    """Code, quotes, names, figures, placeholders, addresses, negations: the same in every paraphrase."""
    said = all_of(text)
    assert said
    assert all(same_meaning(text, one) for one in said)


@pytest.mark.parametrize(
    "text",
    [
        "flange",
        "",
        "   ",
        "😀😀",
        "Zeichne einen großen Laden mit Kunden",
        "dessine une banque s'il te plaît",
        "图书馆的数据库",
        "order status",
        "play list of the year",
        "the bank was closed yesterday",
        "change of address",
    ],
)
def test_where_no_rule_fits_nothing_is_said(text):
    """No known phrase, another language, a noun that could be a verb: no doubtful paraphrase."""
    assert all_of(text) == set()


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("what can you do", "would you"),
        ("what can i do", "may"),
        ("when do i have to pay", "'ve"),
        ("tell me who i am", "i'm"),
        ("can you draw it. then stop", "stop?"),
    ],
)
def test_traps_are_known(text, never):
    """Phrases that look alike and are not."""
    assert all(never not in one for one in all_of(text, 200))


@given(text=st.text(max_size=120), seed=st.integers(0, 99))
@settings(max_examples=200)
def test_any_text_is_survived(text, seed):
    """It is said otherwise or not at all, and the same for the same seed."""
    said = paraphrase(text, Dice(seed, text))
    assert said != text
    assert said == paraphrase(text, Dice(seed, text))


WORDS = "please draw generate can you could i need to the a shop Ada 12 `x y` not don't what how do have maybe ? . ,"
words = st.sampled_from([*WORDS.split(), '"big"', "big"])


@given(st.lists(words, min_size=1, max_size=14), st.integers(0, 30))
@settings(max_examples=300)
def test_sentences_of_loose_words_keep_what_matters(pieces, seed):
    """Whatever comes out has the same figures, names, quotes, code and negations."""
    text = " ".join(pieces)
    said = paraphrase(text, Dice(seed, text))
    if said is not None:
        for kept in ("12", "`x y`", '"big"'):
            assert text.count(kept) == said.count(kept)
        negations = [one.count("not") + one.count("n't") for one in (text, said)]
        assert negations[0] == negations[1]


@pytest.mark.parametrize("text", ["draw a shop. " * 80_000, "can you " * 100_000, "i'm " * 250_000])
def test_a_megabyte_is_no_trap(text):
    """The head is reworded, the tail stays."""
    said = paraphrase(text, Dice(1, "x"))
    assert said is None or said.rstrip()[-500_000:] == text.rstrip()[-500_000:]
