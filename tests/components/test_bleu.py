"""BLEU equals nltk's, per response, over the corpus and over all pairs."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate import bleu_score

from components import bleu as bleu_file
from components import bleu_pairs
from components.bad_input import BadInput
from components.bleu import SMOOTHING, bleu, corpus_bleu
from components.bleu_pairs import pair_bleu

TEXT = st.lists(st.sampled_from(["a", "b", "c", "the", "of"]), max_size=12).map(" ".join)
PAIRS = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=1, max_size=6)
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def nltk_sentence(references: list[str], response: str, n: int, smoothing: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # method 0 warns of every missing count
        return float(
            bleu_score.sentence_bleu(
                [text.split() for text in references],
                response.split(),
                weights=(1 / n,) * n,
                smoothing_function=getattr(bleu_score.SmoothingFunction(), smoothing),
            )
        )


def nltk_corpus(references: list[list[str]], responses: list[str], n: int, smoothing: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(
            bleu_score.corpus_bleu(
                [[text.split() for text in own] for own in references],
                [text.split() for text in responses],
                weights=(1 / n,) * n,
                smoothing_function=getattr(bleu_score.SmoothingFunction(), smoothing),
            )
        )


@pytest.mark.parametrize(("smoothing", "n"), list(itertools.product(SMOOTHING, (1, 2, 3, 4, 6))))
@settings(max_examples=25)
@given(pairs=PAIRS)
def test_each_response_has_nltks_score(smoothing, n, pairs) -> None:
    """One or more references, empty texts and texts shorter than n included, for every smoothing."""
    responses, references = [own for own, _ in pairs], [given for _, given in pairs]
    expected = [nltk_sentence(given, own, n, smoothing) for own, given in pairs]
    assert np.allclose(bleu(responses, references, n, smoothing=smoothing), expected, **EXACT)
    assert np.isclose(
        corpus_bleu(responses, references, n, smoothing=smoothing),
        nltk_corpus(references, responses, n, smoothing),
        **EXACT,
    )


@pytest.mark.parametrize("smoothing", SMOOTHING)
@settings(max_examples=25)
@given(references=st.lists(TEXT, max_size=5), responses=st.lists(TEXT, max_size=5))
def test_each_pair_has_nltks_score(smoothing, references, responses) -> None:
    """A row per reference, a column per response; empty sides give empty answers."""
    found = pair_bleu(references, responses, smoothing=smoothing)
    assert found.shape == (len(references), len(responses))
    for (i, reference), (j, response) in itertools.product(enumerate(references), enumerate(responses)):
        assert np.isclose(found[i, j], nltk_sentence([reference], response, 4, smoothing), **EXACT)


def test_pages_give_what_one_page_gives(monkeypatch) -> None:
    """The page sizes change nothing, in both forms."""
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(list("abcdef"), rng.integers(0, 30))) for _ in range(60)]
    references = [texts[i : i + 1 + i % 3] or ["a"] for i in range(60)]
    whole = bleu(texts, references), pair_bleu(texts, texts[:40])
    monkeypatch.setattr(bleu_file, "_PAGE_WORDS", 70)
    monkeypatch.setattr(bleu_pairs, "_PAGE_PAIRS", 90)
    assert np.array_equal(whole[0], bleu(texts, references))
    assert np.array_equal(whole[1], pair_bleu(texts, texts[:40]))


def test_texts_are_split_by_the_given_function() -> None:
    """By default marks are words of their own; another splitting is another score, and nltk's for it."""
    from components.ngrams import words

    response, reference = "It's done: see log.", "It's done; see log."
    ours = float(bleu([response], [reference])[0])
    method = bleu_score.SmoothingFunction().method1
    assert ours == pytest.approx(
        bleu_score.sentence_bleu([words(reference)], words(response), smoothing_function=method), abs=1e-12
    )
    assert ours != bleu([response], [reference], tokenize=str.split)[0]


def test_other_scripts_and_emoji_have_a_score() -> None:
    """Ideographs are words, so that near texts without spaces are near."""
    near, far = bleu(["我要重置我的密码 😀", "我要重置我的密码"], ["我想重置我的密码 😀", "今天天气怎么样呢"])
    assert near > 0.5 > 0.1 > far


def test_a_megabyte_is_scored() -> None:
    """Long and short texts beside each other."""
    long = "one two three four five six " * 37_000
    assert bleu([long, "one two"], [long, long]).round(6).tolist() == [1.0, 0.0]
    assert pair_bleu([long, "a b c d"], [long])[:, 0].round(6).tolist() == [1.0, 0.0]


def test_no_response_has_no_score() -> None:
    """Nothing per response; nltk's 0 over the corpus."""
    assert bleu([], []).tolist() == []
    assert corpus_bleu([], []) == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: bleu(["a"], []),
            "references: found '0 for 1 responses', expected a text, or a list of texts, for each",
        ),
        (lambda: bleu(["a"], "a"), "references: found .*'a'.*, expected a text, or a list of texts, for each response"),
        (lambda: bleu(["a"], [[]]), r"references\[0\]: found \[\], expected a text, or a list of at least one. Leave"),
        (lambda: bleu(["a", 5], ["a", "b"]), r"responses\[1\]: found 5, expected a text. components.example_fields"),
        (lambda: bleu(["a"], [["a", None]]), r"references\[0\]\[1\]: found None, expected a text"),
        (lambda: bleu("a", ["a"]), r"responses: found 'a', expected a list of texts. Write \[text\]."),
        (lambda: bleu(["a"], ["a"], 0), "n: found 0, expected a whole number of at least 1"),
        (
            lambda: bleu(["a"], ["a"], smoothing="method7"),
            "smoothing: found 'method7', expected one of method0, method1",
        ),
        (lambda: pair_bleu(["a"], "b"), "responses: found 'b', expected a list of texts"),
        (lambda: pair_bleu(["a"], ["b"], 0), "n: found 0, expected a whole number of at least 1"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, words) -> None:
    """Each complaint names the thing and what was expected."""
    with pytest.raises(BadInput, match=words):
        call()


def test_pairs_with_endless_work_are_refused(monkeypatch) -> None:
    """Before it begins, with what it would be."""
    monkeypatch.setattr(bleu_pairs, "MOST_MEETINGS", 100)
    pair_bleu(["a b"] * 5, ["a c"] * 20)
    with pytest.raises(
        BadInput, match=r"texts: found '2e\+02 common runs of words', expected at most 1e\+02. Compare fewer"
    ):
        pair_bleu(["a b"] * 5, ["a b"] * 20)
