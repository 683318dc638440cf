"""ROUGE: how much of a reference stands in a response, by runs of words or (L) by the longest common sequence of words.

Lin 2004 (aclanthology.org/W04-1013), equal to the package rouge-score; of several references the one with the best
F-measure counts. Texts are split as there: lower case, and nothing but a–z and 0–9 is read, so that another script has
no words and scores 0; give `tokenize=words` (components/ngrams.py) for such. What it deliberately does not do: stem, or
ROUGE-Lsum.

>>> found = rouge(["the cat sat on the mat"], ["the cat lay on a mat"], "rougeL")
>>> [round(float(part[0]), 4) for part in (found.precision, found.recall, found.fmeasure)]
[0.6667, 0.6667, 0.6667]
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import one_of
from components.bleu import clipped_matches
from components.ngrams import Ints, Tokenize, Tokens, as_strings, new_vocabulary, pages
from components.text_input import flat_references

Floats = NDArray[np.float64]
KINDS: Final = ("rouge1", "rouge2", "rouge3", "rouge4", "rougeL")
LONGEST_PAIR: Final = 2_000_000_000  # words × words: 0.4 s; above it ROUGE-L looks at the words without their order
_PAGE_WORDS: Final = 1_000_000
_WORDS: Final = re.compile(r"[a-z0-9]+")


def rouge_words(text: str) -> Sequence[Hashable]:
    """The words as rouge-score sees them, without stemming."""
    return _WORDS.findall(text.lower())


@dataclass(frozen=True, slots=True)
class Rouge:
    """A number for each response. Where `bounded`, the texts were too long for ROUGE-L, and it is an upper bound."""

    precision: Floats
    recall: Floats
    fmeasure: Floats
    bounded: NDArray[np.bool_]


def rouge(
    responses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    kind: str = "rougeL",
    *,
    tokenize: Tokenize = rouge_words,
) -> Rouge:
    """One kind of ROUGE for each response."""
    return rouges(responses, references, (kind,), tokenize=tokenize)[kind]


def rouges(
    responses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    kinds: Sequence[str],
    *,
    tokenize: Tokenize = rouge_words,
) -> dict[str, Rouge]:
    """Several kinds of ROUGE; the texts are split once."""
    for kind in kinds:
        one_of("kind", kind, KINDS)
    flat, rows = flat_references(responses, references)
    vocabulary = new_vocabulary()
    own, there = Tokens.of(responses, tokenize, vocabulary), Tokens.of(flat, tokenize, vocabulary)
    owner = np.asarray(rows, dtype=np.int64)
    own = own if len(flat) == len(responses) else own.taken(owner)  # a pair for each reference
    runs = [int(kind[-1]) for kind in kinds if kind != "rougeL"]
    matches = clipped_matches(own, there, np.arange(len(own)), max(runs, default=1))
    found = {}
    for kind in kinds:
        if kind == "rougeL":
            common, bounded = _common_sequences(own, there, matches[0])
            found[kind] = _best(_rouge(common, own.lengths, there.lengths, bounded), owner)
        else:
            less = int(kind[-1]) - 1
            possible, there_possible = (np.maximum(side.lengths - less, 0) for side in (own, there))
            exact = np.zeros(len(own), dtype=np.bool_)
            found[kind] = _best(_rouge(matches[less], possible, there_possible, exact), owner)
    return found


def _rouge(common: Ints, of_response: Ints, of_reference: Ints, bounded: NDArray[np.bool_]) -> Rouge:
    precision, recall = common / np.maximum(of_response, 1), common / np.maximum(of_reference, 1)
    both = precision + recall
    fmeasure = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1.0), 0.0)
    return Rouge(precision, recall, fmeasure, bounded)


def _best(pairs: Rouge, owner: Ints) -> Rouge:
    """For each response the pair with the highest F-measure, of equal ones the first."""
    order = np.lexsort((np.arange(len(owner)), -pairs.fmeasure, owner))
    chosen = order[np.flatnonzero(np.append(True, owner[order][1:] != owner[order][:-1])[: len(owner)])]
    return Rouge(pairs.precision[chosen], pairs.recall[chosen], pairs.fmeasure[chosen], pairs.bounded[chosen])


def _common_sequences(own: Tokens, there: Tokens, common_words: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """The length of each pair's longest common sequence; for pairs that are too long, how many words they share."""
    bounded = own.lengths * there.lengths > LONGEST_PAIR
    found = common_words.copy()  # right already where one word or none is shared
    asked = np.flatnonzero(~bounded & (common_words > 1))
    for start, stop in pages((own.lengths + there.lengths)[asked], _PAGE_WORDS):
        page = asked[start:stop]
        found[page] = _longest_common(*as_strings(own.taken(page), there.taken(page)))
    return found, bounded


def _longest_common(texts: list[str], others: list[str]) -> Ints:
    from rapidfuzz import process
    from rapidfuzz.distance import LCSseq

    return np.asarray(process.cpdist(texts, others, scorer=LCSseq.similarity, dtype=np.int64))
