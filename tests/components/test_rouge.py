"""ROUGE equals the package rouge-score's, with its splitting of texts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from components import bleu
from components import rouge as rouge_file
from components.bad_input import BadInput
from components.ngrams import words
from components.rouge import KINDS, rouge, rouges

TEXT = st.lists(st.sampled_from(["a", "B", "c,", "the", "of-1", "ß", "…"]), max_size=12).map(" ".join)
ANY_TEXT = st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)  # rouge-score cannot read half surrogate pairs
PAIRS = st.lists(st.tuples(TEXT | ANY_TEXT, st.lists(TEXT | ANY_TEXT, min_size=1, max_size=3)), min_size=1, max_size=5)


@settings(max_examples=60)
@given(PAIRS)
def test_each_response_has_rouge_scores_numbers(pairs) -> None:
    """Precision, recall and F-measure of every kind, with one or more references."""
    scorer = RougeScorer(list(KINDS))
    expected = [scorer.score_multi(references, response) for response, references in pairs]
    found = rouges([own for own, _ in pairs], [given for _, given in pairs], KINDS)
    for kind in KINDS:
        for part in ("precision", "recall", "fmeasure"):
            told = [getattr(score[kind], part) for score in expected]
            assert np.allclose(getattr(found[kind], part), told, rtol=1e-12, atol=1e-12), (kind, part)
        assert not found[kind].bounded.any()


def test_one_kind_is_the_same_as_among_several() -> None:
    """ROUGE-2 alone counts what it counts beside the others."""
    texts = ["the cat sat on the mat", "no"], ["a cat sat on the mat", "yes"]
    assert np.array_equal(rouge(*texts, "rouge2").recall, rouges(*texts, KINDS)["rouge2"].recall)


def test_pages_give_what_one_page_gives(monkeypatch) -> None:
    """The page sizes change nothing."""
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(list("abcdef"), rng.integers(0, 30))) for _ in range(60)]
    references = [texts[i : i + 1 + i % 3] for i in range(60)]
    whole = rouges(texts, references, KINDS)
    monkeypatch.setattr(bleu, "_PAGE_WORDS", 70)
    monkeypatch.setattr(rouge_file, "_PAGE_WORDS", 70)
    paged = rouges(texts, references, KINDS)
    assert all(np.array_equal(whole[kind].fmeasure, paged[kind].fmeasure) for kind in KINDS)


def test_other_scripts_need_another_splitting() -> None:
    """rouge-score reads a–z and 0–9 alone; with `words` an ideograph is a word."""
    texts = ["我要重置密码 😀"], ["我想重置密码 😀"]
    assert rouge(*texts).fmeasure.tolist() == [0.0]
    assert rouge(*texts, tokenize=words).fmeasure.tolist() == [pytest.approx(6 / 7)]


def test_half_a_surrogate_pair_is_no_trouble() -> None:
    """It is no word, as any sign that is not a–z or 0–9."""
    assert rouge(["half \ud83d pair"], ["half pair"]).fmeasure.tolist() == [1.0]


def test_a_megabyte_is_scored() -> None:
    """Long and short texts beside each other."""
    long = "one two three four five six " * 37_000
    found = rouge([long, "one six"], [long[:200_000], long])
    assert found.precision.round(3).tolist() == [0.193, 1.0]


def test_pairs_that_are_too_long_have_an_upper_bound(monkeypatch) -> None:
    """Words without their order: never less than the longest common sequence, and told."""
    texts = ["a b c d", "a b"], ["d c b a", "b"]
    exact = rouge(*texts)
    monkeypatch.setattr(rouge_file, "LONGEST_PAIR", 5)
    bounded = rouge(*texts)
    assert bounded.bounded.tolist() == [True, False]
    assert (exact.fmeasure.tolist(), bounded.fmeasure.tolist()) == (
        [0.25, pytest.approx(2 / 3)],
        [1.0, pytest.approx(2 / 3)],
    )


def test_no_response_has_no_score() -> None:
    """Empty columns."""
    assert rouge([], []).fmeasure.tolist() == []


def test_an_unknown_kind_is_refused() -> None:
    """With the known ones; a text that is none is refused as for BLEU."""
    with pytest.raises(
        BadInput, match="kind: found 'rougeLsum', expected one of rouge1, rouge2, rouge3, rouge4, rougeL"
    ):
        rouge(["a"], ["a"], "rougeLsum")
    with pytest.raises(BadInput, match=r"responses\[0\]: found None, expected a text"):
        rouge([None], ["a"])
