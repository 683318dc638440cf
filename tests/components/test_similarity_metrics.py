"""Two texts are as alike as their metrics say; what says nothing has no weight, and the result tells."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from components import edit_distance, similarity_metrics
from components.bad_input import BadInput
from components.embeddings import EmbeddingGenerator
from components.ngrams import words
from components.similarity_metrics import SimilarityCalculator, calculate_similarity

TEXT = st.lists(st.sampled_from(["a", "b", "the", "of", ".", "中", "😀"]), max_size=9).map(" ".join) | st.text(
    max_size=9
)
TEXTS = st.lists(TEXT, max_size=5)
HASHING = EmbeddingGenerator("hashing")
BOTH = [SimilarityCalculator(use_embeddings=False), SimilarityCalculator(embeddings=HASHING)]


def levenshtein(text: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, letter in enumerate(text, 1):
        above, row[0] = row[0], i
        for j, other_letter in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other_letter))
    return row[-1]


def plainly(
    text: str, other: str, weights: dict[str, float], embeddings: EmbeddingGenerator | None
) -> dict[str, float]:
    """The same by the definitions, one pair at a time."""
    method = SmoothingFunction().method1
    parts = {
        "edit": 1 - levenshtein(text, other) / max(len(text), len(other), 1),
        "bleu": float(sentence_bleu([words(text)], words(other), smoothing_function=method)),
    }
    if embeddings is not None:
        first, second = embeddings.encode([text, other]).astype(np.float64)
        both = np.linalg.norm(first) * np.linalg.norm(second)
        parts["embedding"] = (
            max(0.0, float(first @ second / both)) if both else float(not first.any() and not second.any())
        )
    used = {name: weights[name] for name in parts}
    if min(len(words(text)), len(words(other))) < 4:
        del used["bleu"]
    total = sum(weight * parts[name] for name, weight in used.items()) / sum(used.values())
    return {**parts, "similarity": total}


@pytest.mark.parametrize("calculator", BOTH)
@settings(max_examples=30)
@given(texts=TEXTS, others=TEXTS)
def test_every_form_is_as_the_definitions_say(calculator, texts, others) -> None:
    """One pair, pairs in the same place, one to many and all pairs give the same numbers for the same texts."""
    embeddings = calculator._embeddings
    weights = {"edit": 0.3, "bleu": 0.3, "embedding": 0.4}
    found = calculator.all_pairs(texts, others)
    assert found.similarity.shape == (len(texts), len(others))
    for i, text in enumerate(texts):
        one = calculator.one_to_many(text, others)
        aligned = calculator.aligned([text] * len(others), others)
        for j, other in enumerate(others):
            single = calculator.compare(text, other)
            assert calculator.calculate_similarity(text, other) == single.similarity
            for name, value in plainly(text, other, weights, embeddings).items():
                assert getattr(single, name) == pytest.approx(value, abs=1e-9)
                for many in (one, aligned):
                    assert getattr(many, name)[j] == pytest.approx(value, abs=1e-9)
                assert getattr(found, name)[i, j] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("calculator", BOTH)
@given(TEXT)
def test_a_text_is_itself(calculator, text) -> None:
    """Exactly 1, the empty text and one word included."""
    assert calculator.calculate_similarity(text, text) == 1.0
    assert calculator.all_pairs([text, "x y z w"]).similarity[0, 0] == 1.0


@pytest.mark.parametrize("calculator", BOTH)
@given(TEXT, TEXT)
def test_likeness_is_a_share(calculator, text, other) -> None:
    """Never below 0, never above 1."""
    assert 0.0 <= calculator.calculate_similarity(text, other) <= 1.0


def test_a_text_is_itself_whatever_the_weights() -> None:
    """Weights whose sum is rounded give 1 to the last bit."""
    rng = np.random.default_rng(7)
    for edit, bleu, embedding in rng.uniform(0.01, 1, (200, 3)).tolist():
        calculator = SimilarityCalculator(
            edit_weight=edit, bleu_weight=bleu, embedding_weight=embedding, embeddings=HASHING
        )
        assert calculator.calculate_similarity("a b c d", "a b c d") == 1.0


def test_a_text_with_itself_by_default() -> None:
    """`all_pairs(texts)` compares the texts with each other."""
    texts = ["the cat sat on the mat", "the cat lay on a mat", "no"]
    calculator = SimilarityCalculator(use_embeddings=False)
    assert np.array_equal(calculator.all_pairs(texts).similarity, calculator.all_pairs(texts, texts).similarity)


def test_bleu_reads_the_first_text_as_the_reference() -> None:
    """As nltk does it; the other way round is another number, and the edit distance is the same."""
    calculator = SimilarityCalculator(use_embeddings=False)
    short, long = "the cat sat on", "the cat sat on the mat by the door"
    one, other = calculator.compare(long, short), calculator.compare(short, long)
    assert one.bleu != other.bleu
    assert one.edit == other.edit


def test_without_a_model_the_weights_are_renormalised_and_it_says_so(monkeypatch) -> None:
    """The hashing vectoriser knows no more than the edit distance, so it is not taken for a model unasked."""
    monkeypatch.setattr(similarity_metrics, "EmbeddingGenerator", lambda: EmbeddingGenerator("hashing"))
    found = SimilarityCalculator().compare("one two three four", "one two three five")
    assert found.embedding is None
    assert found.weights == {"edit": 0.5, "bleu": 0.5}
    assert found.notes == ("without embeddings: no model",)


def test_embeddings_that_are_given_count() -> None:
    """Also hashed ones."""
    found = SimilarityCalculator(embeddings=HASHING).compare("one two three four", "one two three five")
    assert found.weights == {"edit": 0.3, "bleu": 0.3, "embedding": 0.4}
    assert found.embedding is not None
    assert found.notes == ()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"use_embeddings": False}, "not asked for"), ({"embedding_weight": 0.0}, "their weight is 0")],
)
def test_no_model_is_loaded_for_nothing(monkeypatch, options, reason) -> None:
    """Not asked for, or without weight: no generator is made."""
    monkeypatch.setattr(similarity_metrics, "EmbeddingGenerator", None)
    found = SimilarityCalculator(**options).compare("a b c d", "a b c e")
    assert found.notes == (f"without embeddings: {reason}",)


def test_bleu_has_no_weight_where_a_text_has_fewer_than_four_words() -> None:
    """nltk's number is shown all the same; if nothing else was asked for, it counts."""
    found = SimilarityCalculator(use_embeddings=False).all_pairs(
        ["yes", "one two three four"], ["yes", "one two three 4"]
    )
    assert found.bleu_counted.tolist() == [[False, False], [False, True]]
    assert found.notes[1] == "BLEU has no weight in 3 of 4 pairs: a text has fewer than 4 words"
    assert found.bleu[0, 0] == pytest.approx(
        sentence_bleu([["yes"]], ["yes"], smoothing_function=SmoothingFunction().method1)
    )
    assert found.similarity[0, 0] == 1.0
    single = SimilarityCalculator(use_embeddings=False).compare("yes", "yes")
    assert single.weights == {"edit": 1.0}
    only_bleu = SimilarityCalculator(edit_weight=0, bleu_weight=1, embedding_weight=0)
    assert only_bleu.compare("yes", "yes").similarity == pytest.approx(found.bleu[0, 0])


def test_texts_that_are_too_long_are_said_to_be_compared_by_words(monkeypatch) -> None:
    """With how many pairs."""
    monkeypatch.setattr(edit_distance, "LONGEST_PAIR", 300)
    found = SimilarityCalculator(use_embeddings=False).all_pairs(["short", "long " * 9], ["long " * 9])
    assert found.notes[-1] == "too long to be compared by letters, so by words without their order: 1 of 2 pairs"


def test_megabytes_are_compared() -> None:
    """In seconds, with a likeness that makes sense."""
    long, other = "one two three four five " * 42_000, "one two three four six " * 44_000
    found = SimilarityCalculator(use_embeddings=False).compare(long, other)
    assert 0.5 < found.similarity < 0.9
    assert len(found.notes) == 2


def test_weights_are_taken_in_proportion() -> None:
    """They need not add up to 1."""
    calculator = SimilarityCalculator(False, edit_weight=3, bleu_weight=1)
    assert calculator.weights == {"edit": 0.75, "bleu": 0.25}


def test_texts_without_a_direction_are_alike_only_to_each_other() -> None:
    """Blank texts have no hashed features."""
    found = SimilarityCalculator(embeddings=HASHING).all_pairs(["", "a b c d"], [" ", "a b c d"])
    assert found.embedding is not None
    assert found.embedding.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda c: c.compare("a", None), "text2: found None, expected a text. components.example_fields.as_text"),
        (lambda c: c.compare(3, "a"), "text1: found 3, expected a text"),
        (lambda c: c.one_to_many("a", "b"), r"others: found 'b', expected a list of texts. Write \[text\]."),
        (lambda c: c.all_pairs(["a", 3]), r"texts\[1\]: found 3, expected a text"),
        (lambda c: c.aligned(["a"], ["b", "c"]), "columns: found {'texts': 1, 'others': 2}, expected the same number"),
        (lambda _: SimilarityCalculator(edit_weight=-1), r"weights\[0\]: found -1.0, expected numbers from 0 to inf"),
        (
            lambda _: SimilarityCalculator(False, edit_weight=0, bleu_weight=0),
            "weights: found {'edit': 0, 'bleu': 0}, expected at least one above 0 among the metrics that can be had",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(call, expected) -> None:
    """Each complaint names the thing and what was expected."""
    with pytest.raises(BadInput, match=expected):
        call(SimilarityCalculator(use_embeddings=False))


def test_the_documents_call_gives_a_share(monkeypatch) -> None:
    """`calculate_similarity(text1, text2)`, with one calculator for all calls."""
    made = []
    monkeypatch.setattr(
        similarity_metrics, "SimilarityCalculator", lambda: made.append(1) or SimilarityCalculator(embeddings=HASHING)
    )
    similarity_metrics._shared_calculator.cache_clear()
    assert calculate_similarity("Generate an ERD", "Generate an ERD") == 1.0
    assert 0.0 < calculate_similarity("Generate an ERD for a shop", "Draw an ERD of a shop") < 1.0
    assert made == [1]
    similarity_metrics._shared_calculator.cache_clear()


@pytest.mark.slow  # torch is imported anew
def test_the_example_prints_within_eighty_columns() -> None:
    """Started as a file, as the document has it, it shows four pairs and the weights."""
    printed = subprocess.check_output([sys.executable, "components/similarity_metrics.py"], text=True)
    assert "Weights: edit" in printed
    assert max(map(len, printed.splitlines())) <= 80
