"""A tenth of the words is edited; what the label hangs on is not."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dice import Dice
from components.protected_text import same_meaning
from components.random_edits import edit, wordnet_synonyms

WORDS = "please send not two the cats 12 Ada `x` before really big dogs to from a don't all"
TEXT = "where can i find the nearest quiet cash machine in this little town"


def all_of(text, seeds=100, **more):
    return {said for seed in range(seeds) if (said := edit(text, Dice(seed, text), **more)) is not None}


def test_fillers_go_and_neighbours_swap():
    """Without synonyms these two; one edit in twelve words."""
    said = all_of(TEXT)
    assert TEXT.replace("the ", "") in said
    assert TEXT.replace("cash machine", "machine cash") in said
    for one in said:
        assert set(one.split()) <= set(TEXT.split())
        assert len(one.split()) >= len(TEXT.split()) - 1


def test_synonyms_take_the_place_of_words_where_there_are_some():
    """From whatever gives them; capitals stay; fixed and protected words are not asked about."""
    asked = []

    def synonyms(word):
        asked.append(word)
        return ["tiny"] if word == "little" else []

    said = all_of(TEXT.replace("little", "Little"), synonyms=lambda w: ["tiny"] if w == "little" else [])
    assert not any("tiny" in one.casefold() for one in said)  # a capital inside a sentence is a name's
    said = all_of(TEXT, synonyms=synonyms)
    assert TEXT.replace("little", "tiny") in said
    assert not {"where", "can", "i", "the", "in", "this"} & set(asked)
    first = all_of("Little cash machines are here in town", synonyms=synonyms)
    assert "Tiny cash machines are here in town" in first


def test_longer_texts_have_more_edits():
    """A share of one half edits more words than a tenth."""
    changed = [sum(a != b for a, b in zip(TEXT.split(), one.split(), strict=False)) for one in all_of(TEXT, share=0.5)]
    assert max(changed) > 2


@pytest.mark.parametrize(
    "text", ["", "too short to edit", "a b", "😀 😀 😀 😀 😀 😀", "x" * 1_000_000, "1 2 3 4 5 6 7"]
)
def test_what_is_too_short_or_has_no_free_words_is_left(text):
    """Under five words nothing is edited, and figures and signs never are."""
    assert all_of(text, 20) == set()


@given(
    st.lists(
        st.sampled_from(
            [
                "please",
                "send",
                "not",
                "two",
                "the",
                "cats",
                "12",
                "Ada",
                "`x`",
                "before",
                "really",
                "big",
                "dogs",
                "to",
                "from",
                "a",
                "don't",
                "all",
            ]
        ),
        min_size=5,
        max_size=14,
    ),
    st.integers(0, 50),
)
@settings(max_examples=300)
def test_figures_names_code_and_negations_survive(pieces, seed):
    """And nothing but a filler ever goes."""
    text = "so " + " ".join(pieces)
    said = edit(text, Dice(seed, text), share=0.4)
    if said is not None:
        assert same_meaning(text, said)
        gone = set(text.split()) - set(said.split())
        assert gone <= {"the", "a", "really", "please"}


def test_without_data_there_are_no_synonyms(monkeypatch):
    """No nltk, or no WordNet in it: None, and nothing is downloaded."""
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    assert wordnet_synonyms() is None


def test_wordnets_synonyms_are_single_small_words(monkeypatch):
    """Of the first two senses, without the word itself, names and compounds; from a stand-in of WordNet's shape."""
    import types

    sense = lambda *names: types.SimpleNamespace(lemma_names=lambda: list(names))  # noqa: E731
    senses = [sense("little", "small", "a_bit"), sense("tiny", "Little"), sense("never", "asked")]
    wordnet = types.SimpleNamespace(ensure_loaded=lambda: None, synsets=lambda word: senses)
    monkeypatch.setitem(sys.modules, "nltk", types.ModuleType("nltk"))
    monkeypatch.setitem(sys.modules, "nltk.corpus", types.SimpleNamespace(wordnet=wordnet))
    assert wordnet_synonyms()("little") == ["small", "tiny"]
