"""How good and how varied responses are: BLEU, ROUGE, distinct n-grams, repetition, entropy and one score of them all.

The metrics that the dialogue document watches, per response and over the corpus. Distinct-n: Li et al. 2016 (arXiv
1510.03055). The score is 0.3 BLEU-4 + 0.3 ROUGE-L + 0.2 distinct-2 + 0.2 (1 − repetition); without references its first
two parts are left out and the weights of the others renormalised, and the result says so. Some 100 bytes per word are
needed at a time. What it deliberately does not do: judge whether a response is true, or read anything but words.

>>> measured = text_metrics(
...     ["I have reset your password", "please please please wait", "yes"],
...     ["I have reset the password for you", "please wait a moment", "yes of course"],
... )
>>> {name: round(value, 3) for name, value in measured.corpus.items() if name in ("bleu_4", "rouge_l", "distinct_2")}
{'bleu_4': 0.122, 'rouge_l': 0.556, 'distinct_2': 0.857}
>>> measured.per_response["repetition_rate"].round(3).tolist(), measured.per_response["quality_score"].round(3).tolist()
([0.0, 0.667, 0.0], [0.657, 0.401, 0.357])

The document's own table of an untrained model gives its score of 0.0086:

>>> round(float(composite_quality(bleu_4=0.0003, rouge_l=0.0028, distinct_2=0.0204, repetition_rate=0.9822)), 4)
0.0086
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # so that `python components/text_metrics.py` runs too

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_of, whole_number
from components.bleu import HIGHEST, BleuCounts, bleu, corpus_bleu
from components.bleu_pairs import pair_bleu
from components.ngrams import Tokenize, Tokens, counted, new_vocabulary, words
from components.rouge import Rouge, rouge, rouge_words, rouges
from components.text_input import checked_texts, flat_references

__all__ = [
    "QUALITY_WEIGHTS", "Rouge", "TextMetrics", "bleu", "composite_quality", "corpus_bleu", "distinct", "entropy",
    "pair_bleu", "quality_category", "repetition", "rouge", "rouge_words", "rouges", "text_metrics", "words",
]  # fmt: skip

Floats = NDArray[np.float64]
QUALITY_WEIGHTS: Final = {"bleu_4": 0.3, "rouge_l": 0.3, "distinct_2": 0.2, "repetition_rate": 0.2}
ROUGE_PARTS: Final = ("fmeasure", "recall", "precision")
KINDS_WATCHED: Final = ("rouge1", "rouge2", "rougeL")
_DISTINCT: Final = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class TextMetrics:
    """Every metric by its name in the document's log: a column, a row per response, and one number for the corpus."""

    per_response: dict[str, Floats]
    corpus: dict[str, float]
    weights: dict[str, float]  # of the quality score, as they were used
    notes: tuple[str, ...]  # what was left out or not counted exactly, in words


def text_metrics(
    responses: Sequence[str],
    references: Sequence[str | Sequence[str]] | None = None,
    *,
    smoothing: str = "method1",
    rouge_part: str = "fmeasure",
    tokenize: Tokenize = words,
) -> TextMetrics:
    """All metrics at once; each text is split once for BLEU and variety, and once, as rouge-score does it, for ROUGE.

    Over the corpus BLEU is nltk's `corpus_bleu`, ROUGE the mean over the responses; distinct, repetition and entropy
    are those of all responses together, and the quality score is made of these. `rouge_part`: which of the three
    numbers that ROUGE gives is meant; the document does not say, and rouge-score's users report the F-measure.
    """
    one_of("rouge_part", rouge_part, ROUGE_PARTS)
    if not len(checked_texts("responses", responses)):
        raise BadInput("responses", "none", "at least one text")
    vocabulary = new_vocabulary()
    own = Tokens.of(responses, tokenize, vocabulary)
    found: dict[str, tuple[Floats, float]] = {}
    notes = ["without references: no BLEU and no ROUGE; the quality score is of distinct-2 and repetition alone"]
    if references is not None:
        flat, owner = flat_references(responses, references)
        there = Tokens.of(flat, tokenize, vocabulary)
        found |= _bleus(BleuCounts.of_tokens(own, there, np.asarray(owner, dtype=np.int64), HIGHEST), smoothing)
        overlaps = rouges(responses, references, KINDS_WATCHED)
        found |= {_named(kind): _with_mean(getattr(overlap, rouge_part)) for kind, overlap in overlaps.items()}
        bounded = int(overlaps["rougeL"].bounded.sum())
        long = f"too long for ROUGE-L, so it is an upper bound: {bounded} of {len(own)} responses"
        notes = [long] if bounded else []
    found |= _distinct(own, _DISTINCT)
    found |= {"repetition_rate": _repetition(own), "entropy": _entropy(own)}
    rows, corpus = {name: of for name, (of, _) in found.items()}, {name: over for name, (_, over) in found.items()}
    weights = _weights(found)
    rows["quality_score"] = composite_quality(**{name: found[name][0] for name in weights})
    corpus["quality_score"] = float(composite_quality(**{name: found[name][1] for name in weights}))
    rows["length"], corpus["avg_length"] = _with_mean(own.lengths.astype(np.float64))
    return TextMetrics(rows, corpus, weights, tuple(notes))


def distinct(responses: Sequence[str], n: int, *, tokenize: Tokenize = words) -> tuple[Floats, float]:
    """The share of runs of n words that are different ones: in each response, and over all of them. No run: 0."""
    grams = Tokens.of(checked_texts("responses", responses), tokenize)
    return _distinct(grams, (whole_number("n", n, low=1),))[f"distinct_{n}"]


def repetition(responses: Sequence[str], *, tokenize: Tokenize = words) -> tuple[Floats, float]:
    """The share of words that repeat the word just before them: in each response, and over all. One word or none: 0."""
    return _repetition(Tokens.of(checked_texts("responses", responses), tokenize))


def entropy(responses: Sequence[str], *, tokenize: Tokenize = words) -> tuple[Floats, float]:
    """Bits per word of the distribution of words: in each response, and over all of them. No word: 0."""
    return _entropy(Tokens.of(checked_texts("responses", responses), tokenize))


def composite_quality(
    *,
    distinct_2: ArrayLike,
    repetition_rate: ArrayLike,
    bleu_4: ArrayLike | None = None,
    rouge_l: ArrayLike | None = None,
) -> Floats:
    """The document's quality score, 0 to 1, of one response or of a column of them. A part that is None is left out."""
    given = {"bleu_4": bleu_4, "rouge_l": rouge_l, "distinct_2": distinct_2, "repetition_rate": repetition_rate}
    parts = {name: _shares(name, part) for name, part in given.items() if part is not None}
    parts["repetition_rate"] = 1.0 - parts["repetition_rate"]
    weights = _weights(parts)
    return np.asarray(sum(weights[name] * part for name, part in parts.items()))


def quality_category(quality_score: float, repetition_rate: float) -> str:
    """The document's four words for it. What falls between its lines (a repetition of exactly 0.40) is poor."""
    quality, repeats = (
        float(_shares("quality_score", quality_score)),
        float(_shares("repetition_rate", repetition_rate)),
    )
    for name, least, most in (("excellent", 0.50, 0.10), ("good", 0.40, 0.20), ("moderate", 0.30, 0.40)):
        if quality > least and repeats < most:
            return name
    return "poor"


def _bleus(counts: BleuCounts, smoothing: str) -> dict[str, tuple[Floats, float]]:
    return {f"bleu_{n}": (counts.scores(n, smoothing), counts.corpus_score(n, smoothing)) for n in (1, 2, 4)}


def _named(kind: str) -> str:
    return f"rouge_{kind[-1].lower()}"


def _with_mean(column: Floats) -> tuple[Floats, float]:
    return column, float(column.mean())


def _distinct(tokens: Tokens, orders: Sequence[int]) -> dict[str, tuple[Floats, float]]:
    found = {}
    for grams in tokens.ngrams(max(orders)):
        if grams.length in orders:
            possible = np.maximum(tokens.lengths - (grams.length - 1), 0)
            different = np.bincount(counted(grams.keys())[0] // grams.span, minlength=len(tokens))
            overall = len(counted(grams.codes)[0]) / max(1, len(grams.codes))
            found[f"distinct_{grams.length}"] = different / np.maximum(possible, 1), overall
    return found


def _repetition(tokens: Tokens) -> tuple[Floats, float]:
    rows = tokens.rows()
    beside = rows[1:] == rows[:-1]
    again = beside & (tokens.ids[1:] == tokens.ids[:-1])
    repeats = np.bincount(rows[1:][again], minlength=len(tokens))
    return repeats / np.maximum(tokens.lengths - 1, 1), float(again.sum() / max(1, beside.sum()))


def _entropy(tokens: Tokens) -> tuple[Floats, float]:
    (grams,) = tokens.ngrams(1)
    keys, counts = counted(grams.keys())
    lengths = np.maximum(tokens.lengths, 1)
    sums = np.bincount(keys // grams.span, weights=counts * np.log2(counts), minlength=len(tokens))
    # The difference of two roundings may be a hair below nothing.
    each = np.maximum(np.log2(lengths) - sums / lengths, 0.0)
    _, overall = counted(tokens.ids)
    share = overall / max(1, overall.sum())
    return each, float(abs((share * np.log2(share)).sum()))


def _weights(parts: Container[str]) -> dict[str, float]:
    """The document's weights for the parts that there are, so that they add up to 1."""
    present = {name: weight for name, weight in QUALITY_WEIGHTS.items() if name in parts}
    return {name: weight / sum(present.values()) for name, weight in present.items()}


def _shares(name: str, values: ArrayLike) -> Floats:
    """Numbers from 0 to 1, in the shape given."""
    shape = np.shape(values)
    return finite_numbers(name, np.ravel(np.asarray(values)), low=0.0, high=1.0).reshape(shape)


def _example() -> str:
    responses = [
        "Your account is unlocked. Please sign in again.",
        "Please please please please wait.",
        "Your card is fine and unlocked.",
    ]
    references = [
        "Your account is unlocked now, please sign in.",
        "Please wait a moment while I look.",
        "I am sorry, your card was declined by the bank.",
    ]
    measured = text_metrics(responses, references)
    shown = ("bleu_4", "rouge_l", "distinct_2", "repetition_rate", "quality_score")
    lines = [f"  {'':31s}" + "".join(f"{name:>9s}" for name in ("BLEU-4", "ROUGE-L", "distinct", "repeats", "quality"))]
    for row, text in enumerate(responses):
        numbers = "".join(f"{measured.per_response[name][row]:9.2f}" for name in shown)
        lines.append(f"  {text[:31]:31s}{numbers}")
    lines.append(f"  {'all of them':31s}" + "".join(f"{measured.corpus[name]:9.2f}" for name in shown))
    words_for = [
        quality_category(float(quality), float(repeats))
        for quality, repeats in zip(
            measured.per_response["quality_score"], measured.per_response["repetition_rate"], strict=True
        )
    ]
    return "\n".join([*lines, "", "The document's words for the three: " + ", ".join(words_for)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_example())
