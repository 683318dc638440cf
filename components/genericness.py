"""How generic an output is: how many other inputs, quite different from its own, got nearly the same output.

Near-equal outputs and near-equal inputs are grouped by `near_duplicates`; an output is as generic as the number of
groups of other inputs in its group. Outputs are compared as they are, without the words of their input, and without
what they quote of it, so that a template with the question or its words put in does not pass for an answer.

An artifact type whose outputs are a closed set of short texts, such as class labels, repeats them rightly: its outputs
are never generic. Meaning is not looked at: the same thing said in other words is another output.

>>> inputs = ["What is a loan?", "Where is my card?", "Why so slow?", "Who are you?"]
>>> outputs = ["Please contact our support team.", "please contact our support team", "The disk is full.", "I am Ada."]
>>> other_inputs(inputs, outputs).tolist()
[1, 1, 0, 0]
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.bad_input import same_length
from components.near_duplicates import NEAR, KnownTexts, near_duplicate_groups

GENERIC_AT = 3  # other inputs
CLOSED_SHARE = 0.6  # of a type's rows whose short output many other inputs share
ALL_SHORT = 0.95  # of a type's rows; the rest may be slips
LONGEST_LABEL = 40  # characters
_FEWEST_WORDS_LEFT, _FEWEST_LETTERS_LEFT = 5, 30
_LONGEST_READ = 200_000  # characters
_QUOTED = 3  # words
_MARKS = ".,;:!?\"'“”„«»()[]…"
_WORDS = re.compile(r"[^\W\d_]{4,}")
_FIGURES = re.compile(r"\d+")

_Counts = NDArray[np.int64]


def other_inputs(
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    threshold: float = NEAR,
    beyond_input: Sequence[bool] | None = None,
    of_input: _Counts | None = None,
    of_output: _Counts | None = None,
    known: KnownTexts | None = None,
) -> _Counts:
    """For each row how many other inputs, near-equal ones counted once, got an output near to its own.

    `beyond_input` says of which rows the output is also compared without the input's own words; of all unless told.
    `of_input` and `of_output` are the groups of near-equal ones, where they are known; `known` as for
    `near_duplicate_groups`.
    """
    size = same_length(inputs=inputs, outputs=outputs)
    known = KnownTexts() if known is None else known
    flags = [True] * size if beyond_input is None else list(beyond_input)
    groups = input_groups(inputs, threshold=threshold, known=known) if of_input is None else of_input
    said = shortened(outputs)
    same = output_groups(outputs, threshold=threshold, known=known) if of_output is None else of_output
    others = inputs_per_output(groups, same) - 1
    if not any(flags):
        return others
    # in each way: a long input asks with words that a stock answer happens to use, a short one is put in word by word
    for way in (beyond, unquoted):
        left = [
            way(given[:_LONGEST_READ], made) if leave_out else made
            for given, made, leave_out in zip(inputs, said, flags, strict=True)
        ]
        if left != said:
            found = inputs_per_output(groups, near_duplicate_groups(left, threshold=threshold, known=known)) - 1
            others = np.maximum(others, found)
    return others


def shortened(texts: Sequence[str]) -> list[str]:
    """As much of each text as is compared."""
    return [text[:_LONGEST_READ] for text in texts]


def input_groups(inputs: Sequence[str], *, threshold: float = NEAR, known: KnownTexts | None = None) -> _Counts:
    """Which inputs are nearly the same."""
    return near_duplicate_groups(shortened(inputs), threshold=threshold, known=known)


def output_groups(outputs: Sequence[str], *, threshold: float = NEAR, known: KnownTexts | None = None) -> _Counts:
    """Which outputs are nearly the same."""
    return near_duplicate_groups(shortened(outputs), threshold=threshold, known=known)


def inputs_per_output(of_input: _Counts, of_output: _Counts) -> _Counts:
    """For each row how many groups of inputs share its group of outputs: columns in, a column out."""
    pairs = np.unique(np.stack([of_output, of_input], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=int(of_output.max(initial=-1)) + 1)[of_output].astype(np.int64)


def beyond(given: str, made: str) -> str:
    """What the output says besides the words of its input; the whole output where that leaves too little to compare."""
    asked, words = set(_WORDS.findall(given.casefold())), made.casefold().split()
    theirs = {word for word in set(words) if not asked.isdisjoint(_WORDS.findall(word))}
    return _if_enough([word for word in words if word not in theirs], made)


def unquoted(given: str, made: str) -> str:
    """The output without the runs of three words and more that stand in its input too; whole where little is left."""
    asked, words = [word.strip(_MARKS) for word in given.casefold().split()], made.casefold().split()
    runs = set(zip(asked, asked[1:], asked[2:], strict=False))
    bare = [word.strip(_MARKS) for word in words]
    if runs.isdisjoint(zip(bare, bare[1:], bare[2:], strict=False)):
        return made
    quoted = [False] * len(words)
    for place, run in enumerate(zip(bare, bare[1:], bare[2:], strict=False)):
        if run in runs:
            quoted[place : place + _QUOTED] = [True] * _QUOTED
    return _if_enough([word for word, out in zip(words, quoted, strict=True) if not out], made)


def _if_enough(words: list[str], made: str) -> str:
    left = " ".join(words)
    return left if len(left) >= _FEWEST_LETTERS_LEFT and len(words) >= _FEWEST_WORDS_LEFT else made


def closed_set(outputs: Sequence[str], others: _Counts, *, generic_at: int = GENERIC_AT) -> bool:
    """Are these outputs, all of one type, a closed set of short texts, such as class labels?

    Where all but a few are short it suffices that most are said twice: two hundred answers in 150 labels say few
    of them four times, and just those would be taken for generic.
    """
    short = np.fromiter((len(made) <= LONGEST_LABEL for made in outputs), bool, len(outputs))
    if not len(short):
        return False
    said_again = 1 if short.mean() >= ALL_SHORT else generic_at
    return bool((short & (others >= said_again)).mean() > CLOSED_SHARE)


def repeats(
    inputs: Sequence[str],
    outputs: Sequence[str],
    rank: NDArray[np.int64],
    *,
    of_input: _Counts | None = None,
    of_output: _Counts | None = None,
    threshold: float = NEAR,
) -> _Counts:
    """For each row the row that it repeats: near-equal input, near-equal output, the same figures; -1 for none.

    Of those that repeat each other the one of the lowest rank stays. `of_input` and `of_output` are the groups of
    near-equal ones, where they are known.
    """
    size = same_length(inputs=inputs, outputs=outputs, rank=rank)
    kept = np.full(size, -1, dtype=np.int64)
    if not size:
        return kept
    both = [input_groups(inputs, threshold=threshold) if of_input is None else of_input]
    both.append(output_groups(outputs, threshold=threshold) if of_output is None else of_output)
    number: dict[tuple[str, ...], int] = {}
    figures = [
        number.setdefault(tuple(_FIGURES.findall(given) + ["|"] + _FIGURES.findall(made)), len(number))
        for given, made in zip(inputs, outputs, strict=True)
    ]
    keys = np.stack([*both, np.array(figures)], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    order = np.lexsort((rank, group))
    opens = np.concatenate([[True], group[order][1:] != group[order][:-1]])
    first = order[np.maximum.accumulate(np.where(opens, np.arange(size), 0))]
    kept[order[~opens]] = first[~opens]
    return kept
