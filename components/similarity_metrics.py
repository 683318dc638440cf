"""How alike two texts are, from 0 to 1: by their letters, by their runs of words and by their meaning.

The V2 document's three metrics and their weighted mean: Levenshtein likeness (components/edit_distance.py), BLEU with
the first text as the reference (components/bleu.py: nltk's `sentence_bleu` with its smoothing method 1) and the cosine
of embeddings (components/embeddings.py). A metric that says nothing is left out, the weights of the others are
renormalised, and the result says so: the cosine where no model reads the texts, BLEU where one of two texts has fewer
than four words, hence no run of four. What it deliberately does not do: judge which text is better, or treat its two
texts alike (BLEU compares the second with the first).

>>> calculator = SimilarityCalculator(use_embeddings=False)
>>> found = calculator.compare("the cat sat on the mat", "the cat lay on the mat")
>>> round(found.similarity, 3), round(found.edit, 3), round(found.bleu, 3), found.embedding
(0.582, 0.909, 0.254, None)
>>> found.weights, found.notes
({'edit': 0.5, 'bleu': 0.5}, ('without embeddings: not asked for',))
>>> calculator.all_pairs(["yes", "no thanks"], ["yes", "yes, please"]).similarity.round(3).tolist()
[[1.0, 0.273], [0.111, 0.091]]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(
        Path(__file__).resolve().parent.parent
    )  # so that `python components/similarity_metrics.py` runs too

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, finite_numbers, same_length
from components.bleu import HIGHEST, BleuCounts
from components.bleu_pairs import pair_bleu_of_tokens
from components.edit_distance import aligned_likeness, pair_likeness
from components.embeddings import EmbeddingGenerator
from components.ngrams import Tokenize, Tokens, new_vocabulary, words
from components.text_input import checked_text, checked_texts

Floats = NDArray[np.float64]
FEWEST_WORDS: Final = HIGHEST  # of both texts, so that BLEU counts
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Similarity:
    """How alike two texts are, and why: each metric, the weights as used, and what was left out or bounded."""

    similarity: float
    edit: float
    bleu: float
    embedding: float | None
    weights: dict[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Similarities:
    """The same for many pairs: arrays of one shape. `bleu_counted` tells in which pairs BLEU had its weight."""

    similarity: Floats
    edit: Floats
    bleu: Floats
    embedding: Floats | None
    bleu_counted: NDArray[np.bool_]
    weights: dict[str, float]  # of the pairs in which BLEU counts
    notes: tuple[str, ...]


class SimilarityCalculator:
    """The three metrics with their weights, which the document does not name: 0.3, 0.3 and 0.4 are ours.

    With `use_embeddings` the packaged model reads the texts, if it is installed; or `embeddings`, any generator. Hashed
    vectors count only when they are given so: they know spelling, which the edit distance sees already.
    """

    def __init__(
        self,
        use_embeddings: bool = True,  # noqa: FBT001, FBT002  # as the document has it
        *,
        edit_weight: float = 0.3,
        bleu_weight: float = 0.3,
        embedding_weight: float = 0.4,
        embeddings: EmbeddingGenerator | None = None,
        tokenize: Tokenize = words,
        workers: int = 1,
    ) -> None:
        given = {"edit": edit_weight, "bleu": bleu_weight, "embedding": embedding_weight}
        finite_numbers("weights", list(given.values()), low=0.0)
        self._tokenize, self._workers = tokenize, workers
        self._embeddings, self._without = _generator(use_embeddings, embeddings, embedding_weight)
        if self._embeddings is None:
            del given["embedding"]
        if not sum(given.values()):
            raise BadInput("weights", given, "at least one above 0 among the metrics that can be had")
        self.weights = {name: weight / sum(given.values()) for name, weight in given.items()}

    def calculate_similarity(self, text1: str, text2: str) -> float:
        """How alike they are, 0 to 1. Equal texts are 1, two empty ones too."""
        return self.compare(text1, text2).similarity

    def compare(self, text1: str, text2: str) -> Similarity:
        """The similarity with its reasons."""
        found = self.aligned([checked_text("text1", text1)], [checked_text("text2", text2)])
        weights = self.weights if found.bleu_counted[0] else _without_bleu(self.weights)
        return Similarity(
            similarity=float(found.similarity[0]),
            edit=float(found.edit[0]),
            bleu=float(found.bleu[0]),
            embedding=None if found.embedding is None else float(found.embedding[0]),
            weights=weights,
            notes=found.notes,
        )

    def aligned(self, texts: Sequence[str], others: Sequence[str]) -> Similarities:
        """Each text with the other in the same place."""
        checked_texts("texts", texts)
        same_length(texts=texts, others=checked_texts("others", others))
        own, there = self._split(texts, others)
        bleu = BleuCounts.of_tokens(there, own, np.arange(len(texts)), HIGHEST).scores()
        edit, bounded = aligned_likeness(texts, others, workers=self._workers)
        counted = np.minimum(own.lengths, there.lengths) >= FEWEST_WORDS
        cosine = None
        if self._embeddings is not None:
            cosine = _shares(np.einsum("ij,ij->i", *self._vectors(texts, others)))
        return self._weighed(edit, bleu, cosine, counted, bounded)

    def one_to_many(self, text: str, others: Sequence[str]) -> Similarities:
        """The text, as the first of each pair, with each of the others; arrays of one row."""
        found = self.all_pairs([checked_text("text", text)], others)
        cosine = None if found.embedding is None else found.embedding[0]
        rows = found.similarity[0], found.edit[0], found.bleu[0], cosine, found.bleu_counted[0]
        return Similarities(*rows, found.weights, found.notes)

    def all_pairs(self, texts: Sequence[str], others: Sequence[str] | None = None) -> Similarities:
        """A row for each text, a column for each of the others, or of the texts themselves.

        Each array has a number per pair; pages are the caller's. Work for much longer than minutes is refused.
        """
        checked_texts("texts", texts)
        others = texts if others is None else checked_texts("others", others)
        own, there = self._split(texts, others)
        bleu = pair_bleu_of_tokens(own, there)
        edit, bounded = pair_likeness(texts, others, workers=self._workers)
        counted = np.minimum(own.lengths[:, None], there.lengths[None, :]) >= FEWEST_WORDS
        cosine = None
        if self._embeddings is not None:
            first, second = self._vectors(texts, others)
            cosine = _shares(first @ second.T)
        return self._weighed(edit, bleu, cosine, counted, bounded)

    def _split(self, texts: Sequence[str], others: Sequence[str]) -> tuple[Tokens, Tokens]:
        vocabulary = new_vocabulary()
        return Tokens.of(texts, self._tokenize, vocabulary), Tokens.of(others, self._tokenize, vocabulary)

    def _vectors(self, texts: Sequence[str], others: Sequence[str]) -> tuple[Floats, Floats]:
        """Unit vectors of both sides. A text without a direction points in one that only such texts have."""
        assert self._embeddings is not None
        vectors = self._embeddings.encode([*texts, *others]).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.concatenate([vectors / np.where(lengths > 0, lengths, 1.0), lengths == 0], axis=1)
        return vectors[: len(texts)], vectors[len(texts) :]

    def _weighed(
        self, edit: Floats, bleu: Floats, cosine: Floats | None, counted: NDArray[np.bool_], bounded: int
    ) -> Similarities:
        parts = {"edit": edit, "bleu": bleu} | ({} if cosine is None else {"embedding": cosine})
        with_bleu, without = (_mean(parts, weights) for weights in (self.weights, _without_bleu(self.weights)))
        total = np.where(counted, with_bleu, without)
        return Similarities(total, edit, bleu, cosine, counted, dict(self.weights), self._notes(counted, bounded))

    def _notes(self, counted: NDArray[np.bool_], bounded: int) -> tuple[str, ...]:
        notes = [f"without embeddings: {self._without}"] if self._without else []
        if not counted.all():
            without = f"{int((~counted).sum())} of {counted.size} pairs"
            notes.append(f"BLEU has no weight in {without}: a text has fewer than {FEWEST_WORDS} words")
        if bounded:
            long = f"{bounded} of {counted.size} pairs"
            notes.append(f"too long to be compared by letters, so by words without their order: {long}")
        return tuple(notes)


def calculate_similarity(text1: str, text2: str) -> float:
    """How alike two texts are, 0 to 1, with the document's three metrics; the model is loaded at the first call."""
    return _shared_calculator().calculate_similarity(text1, text2)


@functools.cache
def _shared_calculator() -> SimilarityCalculator:
    return SimilarityCalculator()


def _generator(
    wanted: bool,  # noqa: FBT001
    given: EmbeddingGenerator | None,
    weight: float,
) -> tuple[EmbeddingGenerator | None, str]:
    """What embeds the texts; or None, and the reason."""
    if not wanted:
        return None, "not asked for"
    if not weight:
        return None, "their weight is 0"
    generator = EmbeddingGenerator() if given is None else given
    if given is None and not generator.uses_model:
        return None, generator.describe().partition(":")[0]
    return generator, ""


def _mean(parts: dict[str, Floats], weights: dict[str, float]) -> Floats:
    """The weighted mean. Both sums are taken in one order, so that the mean of ones is 1 to the last bit."""
    total = sum((weight * parts[name] for name, weight in weights.items()), np.zeros_like(parts["edit"]))
    return np.asarray(total / sum(weights.values()))


def _without_bleu(weights: dict[str, float]) -> dict[str, float]:
    """The weights for a pair in which BLEU says nothing; if it is the only metric that was asked for, it stays."""
    rest = {name: weight for name, weight in weights.items() if name != "bleu"}
    total = sum(rest.values())
    return {name: weight / total for name, weight in rest.items()} if total else dict(weights)


def _shares(cosines: Floats) -> Floats:
    """Cosines from 0 to 1: below 0 is as unlike as 0. A rounding away from 1 is 1, so that equal texts are equal."""
    return np.where(cosines > 1.0 - _ROUNDING, 1.0, np.maximum(cosines, 0.0))


def _example() -> str:
    calculator = SimilarityCalculator()
    first = "erDiagram: USER places ORDER, ORDER contains ITEM"
    seconds = [
        "erDiagram: USER places ORDER, ORDER contains ITEM",
        "erDiagram: CUSTOMER places ORDER, ORDER contains PRODUCT",
        "A customer's orders, with the goods in each, as a diagram",
        "The weather will be fine tomorrow.",
    ]
    found = calculator.one_to_many(first, seconds)
    lines = [f"How alike is each to {first!r}?", "", "  total   edit   BLEU  meaning"]
    for row, second in enumerate(seconds):
        meaning = "      –" if found.embedding is None else f"{found.embedding[row]:7.2f}"
        numbers = "".join(f"{part[row]:7.2f}" for part in (found.similarity, found.edit, found.bleu))
        lines.append(f"{numbers}  {meaning}  {second[:48]}")
    used = ", ".join(f"{name} {weight:.2f}" for name, weight in found.weights.items())
    return "\n".join([*lines, "", f"Weights: {used}", *found.notes]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_example())
