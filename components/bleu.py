"""BLEU: how many of a response's runs of one to four words stand in a reference, times a penalty for being short.

Papineni et al. 2002 (aclanthology.org/P02-1040), equal to nltk's `sentence_bleu` and `corpus_bleu`; smoothing after
Chen and Cherry 2014, by default their method 1 (a missing count becomes 0.1), since without it a short text scores next
to 0. What it deliberately does not do: nltk's methods 5 to 7, its `auto_reweigh`, and weights that are not equal.

>>> response, reference = "it is a guide to action", "it is a guide to action that obeys"
>>> bleu([response], [reference]).round(4).tolist(), bleu([response], [reference], n=1).round(4).tolist()
([0.7165], [0.7165])
>>> round(corpus_bleu([response, "yes"], [reference, ["no", "yes it is"]]), 4)
0.6319
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import one_of, whole_number
from components.ngrams import Ints, Ngrams, Tokenize, Tokens, counted, new_vocabulary, pages, words
from components.text_input import flat_references

Floats = NDArray[np.float64]
SMOOTHING: Final = ("method0", "method1", "method2", "method3", "method4")
HIGHEST: Final = 4
_EPSILON: Final = 0.1  # nltk's defaults for methods 1 and 4
_K: Final = 5
_PAGE_WORDS: Final = 2_000_000


def bleu(
    responses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    n: int = HIGHEST,
    *,
    smoothing: str = "method1",
    tokenize: Tokenize = words,
) -> Floats:
    """BLEU-n of each response against its reference or references: nltk's `sentence_bleu` with equal weights."""
    return BleuCounts.of(responses, references, whole_number("n", n, low=1), tokenize).scores(n, smoothing)


def corpus_bleu(
    responses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    n: int = HIGHEST,
    *,
    smoothing: str = "method1",
    tokenize: Tokenize = words,
) -> float:
    """BLEU-n of all responses as one text, which is no mean of theirs: nltk's `corpus_bleu`."""
    return BleuCounts.of(responses, references, whole_number("n", n, low=1), tokenize).corpus_score(n, smoothing)


class BleuCounts:
    """What BLEU is made of, counted once for every n up to the highest."""

    def __init__(self, matches: Ints, lengths: Ints, closest: Ints) -> None:
        self.matches = matches  # (highest, rows): runs that a reference has too, no run counted oftener than there
        self.lengths = lengths  # (rows,): words of the response
        self.closest = closest  # (rows,): words of the reference that is nearest in length, of two the shorter

    @classmethod
    def of(
        cls,
        responses: Sequence[str],
        references: Sequence[str | Sequence[str]],
        highest: int = HIGHEST,
        tokenize: Tokenize = words,
    ) -> BleuCounts:
        flat, rows = flat_references(responses, references)
        vocabulary = new_vocabulary()
        tokens = Tokens.of(responses, tokenize, vocabulary), Tokens.of(flat, tokenize, vocabulary)
        return cls.of_tokens(*tokens, np.asarray(rows, dtype=np.int64), highest)

    @classmethod
    def of_tokens(cls, responses: Tokens, references: Tokens, rows: Ints, highest: int) -> BleuCounts:
        """The same from texts that were split already; `rows` says whose reference each is, ascending."""
        matches = clipped_matches(responses, references, rows, highest)
        return cls(matches, responses.lengths, _closest(responses.lengths, references.lengths, rows))

    def totals(self) -> Ints:
        """Runs in each response; at least 1 even where there is none, as nltk has it."""
        orders = np.arange(len(self.matches))[:, None]
        return np.asarray(np.maximum(1, self.lengths[None, :] - orders))

    def scores(self, n: int = HIGHEST, smoothing: str = "method1") -> Floats:
        return score(self.matches[:n], self.totals()[:n], self.lengths, self.closest, smoothing)

    def corpus_score(self, n: int = HIGHEST, smoothing: str = "method1") -> float:
        matches, totals = (part[:n].sum(axis=1, keepdims=True) for part in (self.matches, self.totals()))
        length, closest = (part.sum(keepdims=True) for part in (self.lengths, self.closest))
        return float(score(matches, np.maximum(totals, 1), length, closest, smoothing)[0])


def score(matches: NDArray[Any], totals: NDArray[Any], length: Ints, closest: Ints, smoothing: str) -> Floats:
    """BLEU from its counts: orders along the first axis, anything along the others."""
    logs = _log_precisions(matches.astype(np.float64), totals.astype(np.float64), length, smoothing)
    penalty = np.where(length > closest, 1.0, np.exp(1.0 - closest / np.maximum(length, 1)))
    return np.asarray(np.where(matches[0] > 0, penalty * np.exp(logs.mean(axis=0)), 0.0))


def _log_precisions(matches: Floats, totals: Floats, length: Ints, smoothing: str) -> Floats:
    """The logarithm of each order's share of matches; where there is none, of what the smoothing puts in its place."""
    one_of("smoothing", smoothing, SMOOTHING)
    missing = matches == 0
    if smoothing == "method0":
        shares = np.where(missing, np.finfo(np.float64).tiny, matches / totals)
    elif smoothing == "method1":
        shares = np.where(missing, _EPSILON, matches) / totals
    elif smoothing == "method2":
        added = (np.arange(len(matches)) > 0).astype(np.float64).reshape(-1, *[1] * (matches.ndim - 1))
        shares = (matches + added) / (totals + added)
        shares = np.where(shares == 0, 1.0, shares)  # no match of one word: the score is 0 anyway
    else:
        turn = np.cumsum(missing, axis=0)  # the first missing order counts half, the second a quarter
        instead = 0.5**turn
        if smoothing == "method4":
            instead = instead * np.log(np.maximum(length, 1)) / _K
        shares = np.where(missing, instead, matches) / totals
        if smoothing == "method4":
            shares = np.where(missing & (length <= 1), 1.0, shares)  # nltk leaves these orders out of the product
    return np.log(shares)


def clipped_matches(responses: Tokens, references: Tokens, rows: Ints, highest: int) -> Ints:
    """For each order and response: runs that a reference of it has too, none counted oftener than in the reference."""
    matches = np.zeros((highest, len(responses)), dtype=np.int64)
    weight = responses.lengths + np.bincount(rows, weights=references.lengths, minlength=len(responses)).astype(int)
    for start, stop in pages(weight, _PAGE_WORDS):
        first, last = np.searchsorted(rows, [start, stop])
        both = responses.part(start, stop).followed_by(references.part(int(first), int(last)))
        owner = np.concatenate([np.arange(stop - start), rows[first:last] - start])
        for grams in both.ngrams(highest):
            matches[grams.length - 1, start:stop] = _clipped(grams, owner, stop - start)
    return matches


def _clipped(grams: Ngrams, owner: Ints, responses: int) -> Ints:
    """For each response: the sum over its runs of the smaller of two counts, its own and the largest in a reference."""
    keys, counts = counted(grams.keys())
    text = keys // grams.span
    keys += (owner[text] - text) * grams.span  # the response's row instead of the text's own
    border = int(np.searchsorted(text, responses))
    there, most = keys[border:], counts[border:]
    if len(there) and (there[1:] <= there[:-1]).any():  # some response has several references
        order = np.argsort(there, kind="stable")
        there, most = there[order], most[order]
        first = np.flatnonzero(np.append(True, there[1:] != there[:-1]))
        there, most = there[first], np.maximum.reduceat(most, first)
    if not len(there):
        return np.zeros(responses, dtype=np.int64)
    place = np.minimum(np.searchsorted(there, keys[:border]), len(there) - 1)
    met = there[place] == keys[:border]
    smaller = np.minimum(counts[:border][met], most[place[met]])
    return np.bincount(text[:border][met], weights=smaller, minlength=responses).astype(np.int64)


def _closest(lengths: Ints, of_references: Ints, rows: Ints) -> Ints:
    """The length of the reference that is nearest to the response's; of two equally near the shorter."""
    order = np.lexsort((of_references, np.abs(of_references - lengths[rows]), rows))
    first = np.flatnonzero(np.append(True, rows[order][1:] != rows[order][:-1])[: len(rows)])
    return np.asarray(of_references[order][first])
