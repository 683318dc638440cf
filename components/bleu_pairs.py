"""BLEU of every response with every reference, at once.

The smaller of two counts is the number of k for which both are at least k. So a text becomes a row of ones, one for
each run of words and each of its repeats, and the matches of all pairs are one product of sparse matrices per order.
The scores are those of components/bleu.py. What it deliberately does not do: several references to a response.

>>> pair_bleu(["it is a guide to action", "no"], ["it is a guide", "a guide to action it is"]).round(4).tolist()
[[0.6065, 0.6043], [0.0, 0.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, whole_number
from components.bleu import HIGHEST, Floats, score
from components.ngrams import Ngrams, Tokenize, Tokens, counted, in_both, new_vocabulary, words
from components.text_input import checked_texts

# Runs that two texts have in common, summed over all pairs: what the work grows with.
MOST_MEETINGS: Final = 50_000_000_000
_PAGE_PAIRS: Final = 500_000


def pair_bleu(
    references: Sequence[str],
    responses: Sequence[str],
    n: int = HIGHEST,
    *,
    smoothing: str = "method1",
    tokenize: Tokenize = words,
) -> Floats:
    """A row for each reference, a column for each response."""
    vocabulary = new_vocabulary()
    tokens = [
        Tokens.of(checked_texts(thing, texts), tokenize, vocabulary)
        for thing, texts in (("references", references), ("responses", responses))
    ]
    return pair_bleu_of_tokens(tokens[0], tokens[1], n, smoothing)


def pair_bleu_of_tokens(references: Tokens, responses: Tokens, n: int = HIGHEST, smoothing: str = "method1") -> Floats:
    """The same for texts that were split already, with one vocabulary."""
    whole_number("n", n, low=1)
    out = np.zeros((len(references), len(responses)))
    if not out.size:
        return out
    sides = [_ones(grams, len(responses), len(references)) for grams in responses.followed_by(references).ngrams(n)]
    totals = np.maximum(1, responses.lengths[None, :] - np.arange(n)[:, None])[:, None, :]
    step = max(1, _PAGE_PAIRS // len(responses))
    for start in range(0, len(references), step):
        page = slice(start, start + step)
        matches = np.stack([(there[page] @ own).toarray() for own, there in sides])
        out[page] = score(matches, totals, responses.lengths[None, :], references.lengths[page, None], smoothing)
    return out


def _ones(grams: Ngrams, responses: int, references: int) -> tuple[Any, Any]:
    """Two sparse matrices of ones, a column for each response and a row for each reference; their product: matches."""
    from scipy import sparse

    keys, counts = counted(grams.keys())
    text, code = keys // grams.span, keys % grams.span
    border = int(np.searchsorted(text, responses))
    shared = in_both(code[:border], code[border:])
    place = np.searchsorted(shared, code)
    kept = np.append(shared, -1)[place] == code
    text, counts, place = text[kept], counts[kept], place[kept]
    most = np.zeros((2, len(shared)), dtype=np.int64)
    np.maximum.at(most, ((text >= responses).astype(np.int64), place), counts)
    allowed = most.min(axis=0)  # repeats that no text of the other side has meet nothing
    offset = np.append(0, np.cumsum(allowed))
    counts = np.minimum(counts, allowed[place])
    begins = np.cumsum(counts) - counts
    feature = np.repeat(offset[place] - begins, counts) + np.arange(int(counts.sum()))
    width, border = int(offset[-1]), int(counts[text < responses].sum())
    _refuse_endless(feature[:border], feature[border:], width)
    lengths = np.bincount(text, weights=counts, minlength=responses + references).astype(np.int64)
    ends = np.append(0, np.cumsum(lengths))
    ones = np.ones(len(feature), dtype=np.int32)
    own = ones[:border], feature[:border], ends[: responses + 1]
    there = ones[border:], feature[border:], ends[responses:] - border
    return (
        sparse.csc_matrix(own, shape=(width, responses)).tocsr(),
        sparse.csr_matrix(there, shape=(references, width)),
    )


def _refuse_endless(own: NDArray[np.int64], there: NDArray[np.int64], width: int) -> None:
    sides = [np.bincount(side, minlength=width).astype(np.float64) for side in (own, there)]
    meetings = float(sides[0] @ sides[1])
    if meetings > MOST_MEETINGS:
        step = "Compare fewer or shorter texts at a time."
        raise BadInput("texts", f"{meetings:.0e} common runs of words", f"at most {MOST_MEETINGS:.0e}", step)
