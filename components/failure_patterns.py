"""What separates failures from successes, in words.

Numbers read off each example (how long, how many lines, figures, brackets …) are compared by the share of pairs in
which the failure has more (the area under the ROC curve, with the Mann-Whitney test, ties counted); words by their log
odds with an informative Dirichlet prior (Monroe et al. 2008, "Fightin' Words"). What chance explains after Benjamini
and Hochberg's correction is not reported.

It finds what goes together with failing, not what causes it, and it knows no meaning of words.

>>> words, failed = [[3.0], [4.0], [9.0], [8.0], [5.0], [12.0]], [False, False, True, True, False, True]
>>> print(separating_numbers(words * 5, failed * 5, names=["input_words"])[0].why)
failures have more words in the input: median 9 against 4 (100% of pairs)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, whole_number

FALSE_FINDS = 0.05  # of the reported patterns at most this share is expected to be chance
SMALLEST_LEAD = 0.1  # an area of .6 (or .4): less is not worth a reader's time
FEWEST_OF_EACH = 5
_LONGEST_READ = 20_000  # characters of a text that are looked at
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_PRIOR_WORDS = 500.0  # how much the corpus as a whole speaks before the two sides do

_Numbers = NDArray[np.float64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One thing that failures have more or less of."""

    name: str
    more: bool  # failures have more of it
    strength: (
        float  # numbers: share of pairs, .5 to 1, in which the failure has more (or less); words: |log odds| / s.e.
    )
    chance: float  # the probability of as much by chance, corrected for how many were looked at
    why: str


def _share_of_different_words(text: str) -> float:
    words = _WORD.findall(text.casefold())
    return len(set(words)) / len(words) if words else 1.0


def _brackets_left_open(text: str) -> float:
    return float(sum(abs(text.count(left) - text.count(right)) for left, right in ("()", "[]", "{}")))


_MEASURES: dict[str, tuple[str, Callable[[str], float]]] = {
    "words": ("words", lambda text: float(len(text.split()))),
    "lines": ("lines", lambda text: float(text.count("\n") + 1 if text else 0)),
    "figures": ("figures", lambda text: float(len(_NUMBER.findall(text)))),
    "questions": ("question marks", lambda text: float(text.count("?"))),
    "commas": ("commas", lambda text: float(text.count(","))),
    "beyond_ascii": ("characters beyond ASCII", lambda text: float(len(text) - len(text.encode("ascii", "ignore")))),
    "different_words": ("variety of words", _share_of_different_words),
    "open_brackets": ("brackets left open", _brackets_left_open),
}
NUMBERS: dict[str, str] = {
    f"{side}_{name}": f"{words} in the {side}" for side in ("input", "output") for name, (words, _) in _MEASURES.items()
}


def measured(inputs: Sequence[str], outputs: Sequence[str]) -> _Numbers:
    """The numbers of NUMBERS for each example: one row each. Only the first 20,000 characters of a text are read."""
    rows = [
        [measure(text[:_LONGEST_READ]) for text in pair for _, measure in _MEASURES.values()]
        for pair in zip(inputs, outputs, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(NUMBERS))


def separating_numbers(numbers: ArrayLike, failed: ArrayLike, *, names: Sequence[str]) -> list[Pattern]:
    """The columns that separate failures from successes, the strongest first; none with under five of a side."""
    table, flags = np.asarray(numbers, dtype=np.float64), np.asarray(failed, dtype=bool)
    if table.shape != (len(flags), len(names)):
        raise BadInput("numbers", f"an array of shape {table.shape}", f"{len(flags)} rows and {len(names)} columns")
    finite_numbers("numbers", table.ravel())
    if min(flags.sum(), (~flags).sum()) < FEWEST_OF_EACH:
        return []
    area, chance = _areas(table, flags)
    chance = _corrected(chance)
    lead = np.abs(area - 0.5)
    found = np.flatnonzero((chance <= FALSE_FINDS) & (lead >= SMALLEST_LEAD))
    order = found[np.argsort(-lead[found], kind="stable")]
    medians = np.median(table[flags], axis=0), np.median(table[~flags], axis=0)
    return [_number_pattern(names[i], area[i], chance[i], (medians[0][i], medians[1][i])) for i in order.tolist()]


def separating_words(texts: Sequence[str], failed: ArrayLike, *, limit: int = 10) -> list[Pattern]:
    """The words that failures have more, or less, often than successes; each counts once per text."""
    flags = np.asarray(failed, dtype=bool)
    if flags.shape != (len(texts),):
        raise BadInput("failed", f"an array of shape {flags.shape}", f"one flag for each of {len(texts)} texts")
    if not 0 < flags.sum() < len(flags):
        return []
    of_failures = _in_how_many(text for text, fails in zip(texts, flags, strict=True) if fails)
    of_successes = _in_how_many(text for text, fails in zip(texts, flags, strict=True) if not fails)
    words = sorted(word for word in {*of_failures, *of_successes} if of_failures[word] + of_successes[word] > 2)
    if len(words) < 2:  # one word has no others to have odds against
        return []
    counts = np.array([[side[word] for word in words] for side in (of_failures, of_successes)], dtype=np.float64)
    z = log_odds(counts)
    chance = _corrected(_both_tails(z))
    found = np.flatnonzero(chance <= FALSE_FINDS)
    order = found[np.argsort(-np.abs(z[found]), kind="stable")][: whole_number("limit", limit)]
    sizes = int(flags.sum()), int((~flags).sum())
    return [_word_pattern(words[i], z[i], chance[i], counts[:, i], sizes) for i in order.tolist()]


def log_odds(counts: _Numbers) -> _Numbers:
    """How many standard errors each word's log odds differ between the two rows of counts (Monroe et al., eq. 22)."""
    both = counts.sum(axis=0)
    prior = both / both.sum() * min(_PRIOR_WORDS, float(both.sum()))
    with_prior = counts + prior
    others = with_prior.sum(axis=1, keepdims=True) - with_prior
    difference = np.log(with_prior[0] / others[0]) - np.log(with_prior[1] / others[1])
    return np.asarray(difference / np.sqrt(1 / with_prior[0] + 1 / with_prior[1]))


def _areas(table: _Numbers, failed: _Flags) -> tuple[_Numbers, _Numbers]:
    """Per column the area under the curve, and how probable one as far from a half is by chance."""
    ranks, ties = zip(*(_ranks(column) for column in table.T), strict=True)
    above, below = float(failed.sum()), float((~failed).sum())
    total = above + below
    sums = np.array([rank[failed].sum() for rank in ranks])
    area = (sums - above * (above + 1) / 2) / (above * below)
    tied = np.array([float((one.astype(np.float64) ** 3 - one).sum()) for one in ties])
    spread = np.sqrt(above * below / 12 * ((total + 1) - tied / (total * (total - 1))))
    z = np.divide((area - 0.5) * above * below, spread, out=np.zeros_like(area), where=spread > 0)
    return area, _both_tails(z)


def _ranks(column: _Numbers) -> tuple[_Numbers, NDArray[np.int64]]:
    """Ranks from 1, ties at their mean, and how many share each value."""
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place], counts


def _both_tails(z: _Numbers) -> _Numbers:
    return np.array([math.erfc(abs(one) / math.sqrt(2)) for one in z.tolist()])


def _corrected(chance: _Numbers) -> _Numbers:
    """Benjamini and Hochberg's adjusted probabilities."""
    order = np.argsort(-chance, kind="stable")
    raised = chance[order] * len(chance) / np.arange(len(chance), 0, -1)
    adjusted = np.empty_like(chance)
    adjusted[order] = np.minimum(np.minimum.accumulate(raised), 1.0)
    return adjusted


def _in_how_many(texts: Iterable[str]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(set(_WORD.findall(text[:_LONGEST_READ].casefold())))
    return counted


def _number_pattern(name: str, area: float, chance: float, medians: tuple[float, float]) -> Pattern:
    more = bool(area > 0.5)
    strength = float(max(area, 1 - area))
    word = "more" if more else "less"
    why = (
        f"failures have {word} {NUMBERS.get(name, name)}: "
        f"median {medians[0]:.3g} against {medians[1]:.3g} ({strength:.0%} of pairs)"
    )
    return Pattern(name, more, strength, float(chance), why)


def _word_pattern(word: str, z: float, chance: float, counts: _Numbers, sizes: tuple[int, int]) -> Pattern:
    more = bool(z > 0)
    often = "more" if more else "less"
    why = (
        f"failures say «{word}» {often} often: {counts[0]:.0f} of {sizes[0]} failures, "
        f"{counts[1]:.0f} of {sizes[1]} successes"
    )
    return Pattern(f"word:{word}", more, abs(float(z)), float(chance), why)
