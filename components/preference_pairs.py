"""Who is preferred to whom, in columns: rows with a group number and a judgement become pairs of rows.

A group is one question (`near_equal_inputs` makes groups, and so may embeddings); outputs are compared within it alone.
Scores rank the outputs of a group; thumbs set every output that went up against those that went down; verdicts
(«better», «worse», «tie») are counted as votes. All functions are numpy in, numpy out, and work on a million rows.

A pair's weight keeps a much-judged question from drowning the others: k outputs hold k - 1 independent comparisons,
however many pairs are made of them, so each of p pairs weighs (k - 1) / p and at most 1 (InstructGPT, arXiv 2203.02155,
kept a question's pairs in one batch for the same reason). Where raters disagreed it weighs less.

It deliberately reads no text, makes no pair across groups, and draws nothing at random: the same rows give the same
pairs.

>>> found = pairs_from_scores(groups=[7, 7, 7, 8], scores=[60, 90, 88, 50])
>>> found.chosen.tolist(), found.rejected.tolist(), found.margins.tolist(), found.ties.tolist()
([1, 1, 2], [2, 0, 0], [2.0, 30.0, 28.0], [True, False, False])
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_of, same_length, whole_number
from components.bad_input import scores as checked_scores

PAIRINGS = ("all", "best_against_rest", "best_against_worst")
MOST_OUTPUTS = 5  # the V2 document ranks two to five
MOST_PAIRS = 10  # as many as five outputs have
MIN_MARGIN = 5.0  # points of 100

Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowPairs:
    """Pairs of row numbers. Of a tie neither row is better; its margin is what lay between them."""

    chosen: Rows
    rejected: Rows
    margins: Numbers  # points between the two scores; NaN where the judgement has no size
    weights: Numbers  # 0 for ties
    ties: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.chosen)


@dataclass(frozen=True, slots=True)
class Votes:
    """One row per compared pair of outputs: the first row that compared them, and what the votes came to."""

    rows: Rows
    better: NDArray[np.int8]  # 1: the row's output won, -1: the other one did, 0: a tie
    weights: Numbers  # the lead among all votes; 0 for ties
    votes: Rows


def pairs_from_scores(
    groups: ArrayLike,
    scores: ArrayLike,
    *,
    min_margin: float = MIN_MARGIN,
    pairing: str = "all",
    most_outputs: int = MOST_OUTPUTS,
) -> RowPairs:
    """Rank the rows of each group by score (0-100) and pair the higher with the lower.

    Scores nearer than `min_margin`, and equal ones, are ties. Of a group of more than `most_outputs` rows as many are
    paired, spread evenly over its ranking, best and worst among them.
    """
    codes, points = _codes("groups", groups), checked_scores("scores", scores)
    same_length(groups=codes, scores=points)
    finite_numbers("min_margin", [min_margin], low=0, high=100)
    one_of("pairing", pairing, PAIRINGS)
    order = np.lexsort((np.arange(len(codes)), -points, codes))  # best first, and the earlier row among equals
    order = order[_spread(codes[order], whole_number("most_outputs", most_outputs, low=2))]
    codes, points = codes[order], points[order]
    sizes, place = _places(codes)
    better, worse = _ranked_pairs(sizes, place, pairing)
    margins = points[better] - points[worse]
    ties = (margins < min_margin) | (margins == 0)
    made = np.bincount(codes[better], weights=~ties, minlength=int(codes.max(initial=0)) + 1)[codes[better]]
    weights = np.where(ties, 0.0, _share(sizes[better], made))
    return RowPairs(order[better], order[worse], margins, weights, ties)


def _spread(codes: Rows, most: int) -> NDArray[np.bool_]:
    """Which rows of the ranked groups are kept: all, or `most` of them at even distances."""
    sizes, place = _places(codes)
    step = (place * (most - 1)) // np.maximum(sizes - 1, 1)
    before = ((place - 1) * (most - 1)) // np.maximum(sizes - 1, 1)
    kept: NDArray[np.bool_] = (step != before) | (sizes <= most)
    return kept


def _ranked_pairs(sizes: Rows, place: Rows, pairing: str) -> tuple[Rows, Rows]:
    """Positions of the better and the worse row of each pair, in groups that lie one after another, best first."""
    here = np.arange(len(sizes))
    if pairing == "best_against_worst":
        best = here[(place == 0) & (sizes > 1)]
        return best, best + sizes[best] - 1
    if pairing == "best_against_rest":
        rest = here[place > 0]
        return rest - place[rest], rest
    steps = range(1, int(sizes.max(initial=1)))
    worse = np.concatenate([here[:0], *(here[place >= step] for step in steps)])  # all that stand `step` places down
    better = np.concatenate([here[:0], *(here[place >= step] - step for step in steps)])
    by_rank = np.lexsort((worse, better))
    return better[by_rank], worse[by_rank]


def pairs_from_thumbs(
    groups: ArrayLike, up: ArrayLike, outputs: ArrayLike, *, most_pairs: int = MOST_PAIRS
) -> RowPairs:
    """Set the outputs of each group that went up against those that went down, each by its first row.

    Thumbs on equal outputs (`outputs` holds the same number, or text, for them) are votes on one; an output with as
    many thumbs up as down takes no part. A group makes at most `most_pairs` pairs, its outputs taking turns in
    the order of their rows.
    """
    codes, texts, thumbs = _codes("groups", groups), _codes("outputs", outputs), _thumbs(up)
    same_length(groups=codes, up=thumbs, outputs=texts)
    whole_number("most_pairs", most_pairs, low=1)
    first, judged = _firsts(codes, texts)
    votes = np.bincount(judged, minlength=len(first))
    lead = np.bincount(judged, weights=np.where(thumbs, 1.0, -1.0), minlength=len(first))
    order = np.lexsort((first, codes[first]))
    ups, downs = order[lead[order] > 0], order[lead[order] < 0]
    count = int(codes.max(initial=-1)) + 1
    many = [np.bincount(codes[first[side]], minlength=count) for side in (ups, downs)]
    owner, this_up, that_down, made = _by_turns(many[0], many[1], most_pairs)
    better, worse = ups[this_up], downs[that_down]
    agreement = np.abs(lead) / np.maximum(votes, 1)
    weights = _share((many[0] + many[1])[owner], made) * agreement[better] * agreement[worse]
    no_size, no_ties = np.full(len(better), np.nan), np.zeros(len(better), dtype=np.bool_)
    return RowPairs(first[better], first[worse], no_size, weights, no_ties)


def _by_turns(ups: Rows, downs: Rows, most: int) -> tuple[Rows, Rows, Rows, Rows]:
    """For each pair: its group, which of all ups and of all downs it joins, and how many pairs its group makes.

    Pair t of a group joins row t of the larger side, starting over at its end, with a row of the smaller side that
    moves on by one at each round: no pair comes twice, and no output waits for another's second turn.
    """
    made = np.minimum(ups * downs, most)
    owner = np.repeat(np.arange(len(made)), made)
    turn = np.arange(len(owner)) - (np.cumsum(made) - made)[owner]
    larger, smaller = np.maximum(ups, downs)[owner], np.minimum(ups, downs)[owner]
    of_larger = turn % larger
    of_smaller = (of_larger + turn // larger) % smaller
    more_ups = (ups >= downs)[owner]
    this_up = (np.cumsum(ups) - ups)[owner] + np.where(more_ups, of_larger, of_smaller)
    that_down = (np.cumsum(downs) - downs)[owner] + np.where(more_ups, of_smaller, of_larger)
    return owner, this_up, that_down, made[owner]


def votes_from_verdicts(groups: ArrayLike, outputs: ArrayLike, others: ArrayLike, better: ArrayLike) -> Votes:
    """Count what was said of each two outputs of a group: 1 for the output, -1 for the other one, 0 for a tie.

    The verdict with most votes holds, whichever way round the two were shown; where two verdicts have most, it is a
    tie. `outputs` and `others` hold the same number, or text, for the same output.
    """
    codes, verdicts = _codes("groups", groups), _verdicts(better)
    one, other = np.asarray(outputs), np.asarray(others)
    length = same_length(groups=codes, outputs=one, others=other, better=verdicts)
    both = _codes("outputs", np.concatenate([one, other])) if length else codes[:0]
    one, other = both[:length], both[length:]
    if (one == other).any():
        place = int(np.flatnonzero(one == other)[0])
        raise BadInput(f"others[{place}]", "the output itself", "another output", "Leave the row out.")
    low, high = np.minimum(one, other), np.maximum(one, other)
    first, compared = _firsts(codes, _firsts(low, high)[1])
    signs = np.where(one == low, verdicts, -verdicts)
    for_low, for_high, ties = (
        np.bincount(compared, weights=signs == sign, minlength=len(first)) for sign in (1, -1, 0)
    )
    winner = (for_low > np.maximum(for_high, ties)).astype(np.int8) - (for_high > np.maximum(for_low, ties))
    of_row = np.where(one == low, 1, -1)[first] * winner
    votes = np.bincount(compared, minlength=len(first))
    lead = np.abs(for_low - for_high) / np.maximum(votes, 1)
    return Votes(first, of_row.astype(np.int8), np.where(of_row == 0, 0.0, lead), votes)


def kto_class_weights(ups: int, downs: int) -> tuple[float, float]:
    """Weights for thumbs up and thumbs down that let both sides count alike: 1 for the rarer side, less for the other.

    With one side alone both weigh 1: there is nothing to balance.
    """
    whole_number("ups", ups)
    whole_number("downs", downs)
    if not ups or not downs:
        return 1.0, 1.0
    return min(1.0, downs / ups), min(1.0, ups / downs)


def _share(outputs: Rows, pairs: NDArray[np.generic]) -> Numbers:
    """What each of that many pairs weighs when that many outputs were compared."""
    share: Numbers = np.minimum(1.0, (outputs - 1) / np.maximum(pairs, 1))
    return share


def _places(codes: Rows) -> tuple[Rows, Rows]:
    """How large each row's group is and where the row stands in it, for groups that lie one after another."""
    _, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    sizes_of_rows = np.repeat(sizes, sizes)
    return sizes_of_rows, np.arange(len(codes)) - np.repeat(first, sizes)


def _firsts(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """The first row of each different couple, and for every row which couple it is; in the order of the couples."""
    couples = one * (int(other.max(initial=0)) + 1) + other  # codes run from 0 to at most the number of rows
    _, first, which = np.unique(couples, return_index=True, return_inverse=True)
    return first, which


def _codes(thing: str, values: ArrayLike) -> Rows:
    """The values numbered from 0: equal values have equal numbers."""
    column = np.asarray(values)
    wanted = "one whole number or text per row"
    if column.ndim != 1 or (column.dtype.kind not in "iuUSbO" and len(column)):
        raise BadInput(thing, f"{column.dtype} of shape {column.shape}", wanted)
    try:
        return np.unique(column, return_inverse=True)[1].astype(np.int64)
    except TypeError as error:
        raise BadInput(thing, "values of several kinds", wanted) from error


def _thumbs(values: ArrayLike) -> NDArray[np.bool_]:
    column = np.asarray(values)
    if column.ndim != 1 or (column.dtype != np.bool_ and len(column)):
        raise BadInput("up", f"{column.dtype} of shape {column.shape}", "True or False per row")
    return column.astype(np.bool_)


def _verdicts(values: ArrayLike) -> Rows:
    column = finite_numbers("better", values)
    wrong = ~np.isin(column, (-1, 0, 1))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise BadInput(f"better[{place}]", float(column[place]), "1 (the output), -1 (the other one) or 0 (a tie)")
    return column.astype(np.int64)


def worked_example() -> str:
    """Five outputs of one question, ranked by score, and the pairs that come of it."""
    points = [88, 41, 86, 70, 95]
    pairs = pairs_from_scores([0] * 5, points)
    lines = ["five outputs with the scores " + ", ".join(map(str, points)), ""]
    for better, worse, margin, weight, tie in zip(
        pairs.chosen, pairs.rejected, pairs.margins, pairs.weights, pairs.ties, strict=True
    ):
        sign = "=" if tie else ">"
        lines.append(f"  output {better} {sign} output {worse}   {margin:>4.0f} points   weight {weight:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(worked_example())
