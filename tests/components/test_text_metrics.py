"""Quality and variety of responses: each number is what its definition, nltk and rouge-score say."""

import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate import bleu_score
from rouge_score.rouge_scorer import RougeScorer

from components.bad_input import BadInput
from components.text_metrics import (
    composite_quality,
    distinct,
    entropy,
    quality_category,
    repetition,
    text_metrics,
    words,
)

TEXT = st.lists(st.sampled_from(["a", "b", "the", "of", ".", "中", "😀"]), max_size=12).map(" ".join)
TEXTS = st.lists(TEXT, min_size=1, max_size=6)
NAMES = ["bleu_1", "bleu_2", "bleu_4", "rouge_1", "rouge_2", "rouge_l", "distinct_1", "distinct_2", "distinct_3"]


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    split = words(text)
    return [tuple(split[i : i + n]) for i in range(len(split) - n + 1)]


def bits(counts: Counter[str]) -> float:
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values()) if total else 0.0


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


@given(TEXTS)
def test_variety_is_as_plain_counting_says(texts) -> None:
    """Distinct runs, repeats and entropy, per response and over all of them."""
    for n in (1, 2, 3, 5):
        each = [share(len(set(grams(text, n))), len(grams(text, n))) for text in texts]
        together = [gram for text in texts for gram in grams(text, n)]
        found, overall = distinct(texts, n)
        assert np.allclose(found, each)
        assert overall == pytest.approx(share(len(set(together)), len(together)))
    pairs = [[a == b for a, b in grams(text, 2)] for text in texts]
    found, overall = repetition(texts)
    assert np.allclose(found, [share(sum(own), len(own)) for own in pairs])
    assert overall == pytest.approx(share(sum(map(sum, pairs)), sum(map(len, pairs))))
    found, overall = entropy(texts)
    assert np.allclose(found, [bits(Counter(words(text))) for text in texts])
    assert overall == pytest.approx(bits(Counter(word for text in texts for word in words(text))), abs=1e-12)


@settings(max_examples=40)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_all_metrics_are_those_of_nltk_and_rouge_score(pairs) -> None:
    """Per response and over the corpus, each to the last digits, and the score is the document's formula over them."""
    responses, references = [own for own, _ in pairs], [given for _, given in pairs]
    found = text_metrics(responses, references)
    method = bleu_score.SmoothingFunction().method1
    split = [words(text) for text in responses], [[words(text)] for text in references]
    for n in (1, 2, 4):
        settings_ = {"weights": (1 / n,) * n, "smoothing_function": method}
        each = [bleu_score.sentence_bleu(there, own, **settings_) for own, there in zip(*split, strict=True)]
        assert np.allclose(found.per_response[f"bleu_{n}"], each, rtol=0, atol=1e-12)
        corpus = bleu_score.corpus_bleu(split[1], split[0], **settings_)
        assert found.corpus[f"bleu_{n}"] == pytest.approx(corpus, abs=1e-12)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for kind in ("rouge1", "rouge2", "rougeL"):
        each = [scorer.score(there, own)[kind].fmeasure for own, there in pairs]
        assert np.allclose(found.per_response[f"rouge_{kind[-1].lower()}"], each, rtol=0, atol=1e-12)
        assert found.corpus[f"rouge_{kind[-1].lower()}"] == pytest.approx(np.mean(each), abs=1e-12)
    for side in (found.per_response, found.corpus):
        expected = 0.3 * side["bleu_4"] + 0.3 * side["rouge_l"] + 0.2 * side["distinct_2"]
        assert np.allclose(side["quality_score"], expected + 0.2 * (1 - side["repetition_rate"]))


def test_names_are_those_of_the_documents_log() -> None:
    """Every column of its CSV file, in its order; the length is a mean over the corpus."""
    found = text_metrics(["a b", "c"], ["a b", "d"])
    assert list(found.corpus) == [*NAMES, "repetition_rate", "entropy", "quality_score", "avg_length"]
    assert list(found.per_response) == [*NAMES, "repetition_rate", "entropy", "quality_score", "length"]
    assert found.corpus["avg_length"] == 1.5
    assert found.weights == {"bleu_4": 0.3, "rouge_l": 0.3, "distinct_2": 0.2, "repetition_rate": 0.2}
    assert found.notes == ()


def test_the_documents_untrained_model_has_its_score() -> None:
    """Its own table: 0.0086."""
    told = composite_quality(bleu_4=0.0003, rouge_l=0.0028, distinct_2=0.0204, repetition_rate=0.9822)
    assert round(float(told), 4) == 0.0086


def test_without_references_the_weights_are_renormalised_and_it_says_so() -> None:
    """Distinct-2 and repetition count half each."""
    found = text_metrics(["a a b c"])
    assert found.weights == {"distinct_2": 0.5, "repetition_rate": 0.5}
    assert found.notes == (
        "without references: no BLEU and no ROUGE; the quality score is of distinct-2 and repetition alone",
    )
    assert "bleu_4" not in found.per_response
    assert found.per_response["quality_score"].tolist() == [pytest.approx(0.5 * 1 + 0.5 * (1 - 1 / 3))]


def test_the_score_takes_numbers_and_columns() -> None:
    """A part that is missing is left out of columns too."""
    assert composite_quality(distinct_2=1, repetition_rate=0) == 1.0
    found = composite_quality(distinct_2=[1, 0], repetition_rate=[0, 1], rouge_l=[0.5, 0.0])
    assert found.tolist() == [pytest.approx((0.3 * 0.5 + 0.4) / 0.7), 0.0]


def test_the_part_of_rouge_can_be_chosen() -> None:
    """Recall of a response that says half of what was asked for."""
    recall = text_metrics(["a b"], ["a b c d"], rouge_part="recall").corpus["rouge_l"]
    fmeasure = text_metrics(["a b"], ["a b c d"]).corpus["rouge_l"]
    assert (recall, fmeasure) == (0.5, pytest.approx(2 / 3))


def test_rouge_l_of_texts_that_are_too_long_is_said_to_be_a_bound(monkeypatch) -> None:
    """In words, with how many."""
    from components import rouge

    monkeypatch.setattr(rouge, "LONGEST_PAIR", 3)
    notes = text_metrics(["a b", "a"], ["b a", "a"]).notes
    assert notes == ("too long for ROUGE-L, so it is an upper bound: 1 of 2 responses",)


@pytest.mark.parametrize("texts", [[""], [" \n"], ["", "a"], ["😀"], ["中文"], ["a\ud800"], ["word " * 200_000]])
def test_odd_texts_have_finite_numbers(texts) -> None:
    """Empty, blank, one word, emoji, half a surrogate pair, a megabyte: with and without references."""
    for found in (text_metrics(texts), text_metrics(texts, texts)):
        assert all(np.isfinite(column).all() for column in found.per_response.values())
        assert all(math.isfinite(value) for value in found.corpus.values())


@pytest.mark.parametrize(
    ("quality", "repeats", "name"),
    [
        (0.51, 0.09, "excellent"),
        (0.51, 0.15, "good"),
        (0.50, 0.05, "good"),
        (0.41, 0.20, "moderate"),
        (0.31, 0.39, "moderate"),
        (0.30, 0.0, "poor"),
        (0.9, 0.40, "poor"),
        (0.1, 0.9, "poor"),
    ],
)
def test_quality_has_the_documents_words(quality, repeats, name) -> None:
    """Its thresholds; what it leaves open is poor."""
    assert quality_category(quality, repeats) == name


@pytest.mark.parametrize(
    ("call", "words_"),
    [
        (lambda: text_metrics([]), "responses: found 'none', expected at least one text."),
        (
            lambda: text_metrics(["a"], ["a"], rouge_part="f1"),
            "rouge_part: found 'f1', expected one of fmeasure, recall",
        ),
        (lambda: text_metrics(["a"], ["a"], smoothing="x"), "smoothing: found 'x', expected one of method0, method1"),
        (lambda: text_metrics("a"), "responses: found 'a', expected a list of texts"),
        (lambda: text_metrics(["a"], ["a", "b"]), "references: found '2 for 1 responses'"),
        (lambda: distinct(["a"], 0), "n: found 0, expected a whole number of at least 1"),
        (
            lambda: composite_quality(distinct_2=[0.5, float("nan")], repetition_rate=[0, 0]),
            r"distinct_2\[1\]: found nan, expected numbers from 0 to 1",
        ),
        (
            lambda: composite_quality(distinct_2=0.5, repetition_rate=1.5),
            r"repetition_rate\[0\]: found 1.5, expected numbers from 0 to 1",
        ),
        (lambda: quality_category(2, 0), r"quality_score\[0\]: found 2.0, expected numbers from 0 to 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, words_) -> None:
    """Each complaint names the thing, the value and what was expected."""
    with pytest.raises(BadInput, match=words_):
        call()


@pytest.mark.parametrize("name", ["components.text_metrics", "components/text_metrics.py"])
def test_the_example_prints_within_eighty_columns(name) -> None:
    """Both ways of starting it; it needs no heavy library but rapidfuzz."""
    started = [sys.executable, "-m", name] if "/" not in name else [sys.executable, name]
    printed = subprocess.check_output(started, text=True)
    assert "The document's words for the three: excellent, poor, good" in printed
    assert max(map(len, printed.splitlines())) <= 80
