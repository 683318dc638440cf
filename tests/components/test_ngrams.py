"""Words and their runs: the same run has the same number, whatever text it stands in."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import ngrams
from components.ngrams import Tokens, as_strings, counted, in_both, new_vocabulary, pages, words

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), max_size=8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ", []),
        ("USER ||--o{ ORDER : places", ["USER", "||--", "o", "{", "ORDER", ":", "places"]),
        ("Größe_2 don't", ["Größe_2", "don", "'", "t"]),
        ("我要重置密码", list("我要重置密码")),
        ("パスワードを忘れた", list("パスワードを忘れた")),
        ("비밀번호 재설정", ["비밀번호", "재설정"]),
        ("ok👍👍🏽!", ["ok", "👍", "👍", "🏽", "!"]),
        ("half \ud83d pair", ["half", "\ud83d", "pair"]),
        ("a\0b", ["a", "\0", "b"]),
    ],
)
def test_words_of_all_scripts(text, expected) -> None:
    """Letters and ASCII marks in runs; ideographs, kana and emoji one by one; white space parts."""
    assert words(text) == expected


def test_plain_words_are_those_of_nltk() -> None:
    """For text without ideographs and emoji the splitting is nltk's wordpunct_tokenize."""
    from nltk.tokenize import wordpunct_tokenize

    for text in ("Hello, world!! It's 5 o'clock...", "def f(x): return x[0] -> None", "naïve café — “quoted”"):
        assert words(text) == wordpunct_tokenize(text)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_ascii_is_split_as_all_text_is(text) -> None:
    """The short cut for ASCII changes nothing, control characters included."""
    assert words(text) == ngrams._WORDS.findall(text)


@given(st.lists(st.integers(-5, 5)), st.lists(st.integers(-5, 5)))
def test_numbers_of_both_sides_are_found(left, right) -> None:
    """As sets have them, ascending."""
    found = in_both(np.array(left, dtype=np.int64), np.array(right, dtype=np.int64))
    assert found.tolist() == sorted(set(left) & set(right))


def plainly(texts: list[str], n: int) -> list[Counter[tuple[str, ...]]]:
    split = [text.split() for text in texts]
    return [Counter(tuple(one[i : i + n]) for i in range(len(one) - n + 1)) for one in split]


@pytest.mark.parametrize("most", [ngrams._MOST, 300, 2])
@given(texts=TEXTS)
def test_runs_are_counted_as_plain_counters_count_them(most, texts) -> None:
    """Row by row the same counts, also where numbers must be made small again at every step."""
    before, ngrams._MOST = ngrams._MOST, most
    try:
        for grams in Tokens.of(texts, str.split).ngrams(4):
            assert grams.span > int(grams.codes.max(initial=0))
            keys, counts = counted(grams.keys())
            expected = plainly(texts, grams.length)
            for row, counter in enumerate(expected):
                assert sorted(counts[keys // grams.span == row].tolist()) == sorted(counter.values())
            assert len(np.unique(grams.codes)) == len({gram for counter in expected for gram in counter})
    finally:
        ngrams._MOST = before


def test_huge_vocabularies_do_not_overflow() -> None:
    """Two runs that would be the same number modulo 2^64 stay two."""
    tokens = Tokens(np.array([2**24, 7, 2**25, 7]), np.array([4]), 2**40)
    runs = {grams.length: len(np.unique(grams.codes)) for grams in tokens.ngrams(3)}
    assert runs == {1: 3, 2: 3, 3: 2}


@given(TEXTS, st.data())
def test_rows_are_taken_in_any_order(texts, data) -> None:
    """A text more than once, in another order, or some that follow each other: their words come along."""
    tokens = Tokens.of(texts, str.split)
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=6)) if texts else []
    taken = tokens.taken(np.array(rows, dtype=np.int64))
    assert [part.ids.tolist() for part in each(taken)] == [each(tokens)[row].ids.tolist() for row in rows]
    both = tokens.part(0, len(texts) // 2).followed_by(tokens.part(len(texts) // 2, len(texts)))
    assert both.ids.tolist() == tokens.ids.tolist()
    assert both.lengths.tolist() == tokens.lengths.tolist()


def each(tokens: Tokens) -> list[Tokens]:
    return [tokens.part(row, row + 1) for row in range(len(tokens))]


def test_texts_are_taken_in_pages() -> None:
    """Thousands of texts, more than are split at a time, keep their words."""
    texts = [f"w{i} w{i + 1}" for i in range(5000)]
    tokens = Tokens.of(texts)
    assert tokens.lengths.tolist() == [2] * 5000
    assert tokens.ids[[1, 3, 9999]].tolist() == [1, 2, 5000]


@given(TEXTS, st.lists(st.lists(st.sampled_from("bcxy"), max_size=5).map(" ".join), max_size=5))
def test_strings_of_characters_are_equal_where_words_are(left, right) -> None:
    """Two characters are the same exactly where the words are, as long as they stand on different sides."""
    vocabulary = new_vocabulary()
    own, others = Tokens.of(left, str.split, vocabulary), Tokens.of(right, str.split, vocabulary)
    for text, string in zip(left, as_strings(own, others)[0], strict=True):
        for other, other_string in zip(right, as_strings(own, others)[1], strict=True):
            same = [[a == b for a in string] for b in other_string]
            assert same == [[a == b for a in text.split()] for b in other.split()]


@given(st.lists(st.integers(0, 12), max_size=20), st.integers(1, 15))
def test_pages_cover_every_row_once(sizes, most) -> None:
    """In order, none left out, none above the limit unless it is a single row."""
    found = list(pages(np.array(sizes, dtype=np.int64), most))
    assert [row for start, stop in found for row in range(start, stop)] == list(range(len(sizes)))
    assert all(stop - start == 1 or sum(sizes[start:stop]) <= most for start, stop in found)


def test_counting_nothing_gives_nothing() -> None:
    """No key, no count."""
    assert [part.tolist() for part in counted(np.zeros(0, dtype=np.int64))] == [[], []]
