"""Negatives for contrastive training: near to the anchor, yet not so near that they are probably right answers.

A candidate is taken when its similarity to the anchor is at most 95% of the positive's (relative margin 0.05:
TopK-PercPos of NV-Retriever, Moreira et al. 2024, arXiv 2407.15831); among those the nearest are the hardest. With
several positives the least similar one counts. Rows in, rows out, block by block: all against all is never held.

The margin alone does not remove every right answer: on CLINC150 (6,000 rows, MiniLM, a random positive of the class)
the three nearest are of the anchor's own class in 88% unfiltered, in 46% with the margin, in none with labels given.

It makes no embeddings and re-scores nothing by a cross-encoder. Cost grows with anchors × candidates: 100,000 against
100,000 rows are some 8 TFLOP.

>>> anchors = [[1.0, 0.0]]
>>> candidates = [[0.8, 0.6], [0.79, 0.6131], [0.6, 0.8], [0.0, 1.0]]  # the positive, its near-copy, two others
>>> mined = mine_negatives(anchors, candidates, positives=[0], num_negatives=2)
>>> mined.rows.tolist(), mined.too_near.tolist()
([[2, 3]], [1])
>>> print(mined.why())
2 of 2 negatives for 1 anchors; 1 candidates are nearly as near as the positive and may be right answers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_of, whole_number

RELATIVE_MARGIN = 0.05
SAMPLINGS = ("top", "random")
_NONE = -1  # the row of no candidate
_ANCHORS_AT_ONCE, _CANDIDATES_AT_ONCE = 512, 8192  # a block of similarities is 16 MB

_Rows = NDArray[np.int64]
_Similarities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MinedNegatives:
    """The negatives of each anchor, hardest first; row -1 and similarity NaN where there was none."""

    rows: _Rows  # (anchors, num_negatives), rows of the candidates
    similarities: _Similarities  # the same shape
    positive_similarities: _Similarities  # (anchors,), of the least similar positive; NaN where an anchor has none
    ceilings: _Similarities  # (anchors,), the highest similarity that a negative may have
    too_near: _Rows  # (anchors,), candidates above the ceiling: probably right answers
    positives: _Rows  # (anchors, most positives of one anchor), -1 where there is none

    def triplets(self) -> _Rows:
        """Every (anchor, positive, negative) as three columns of rows, anchor by anchor."""
        anchors, slots, places = np.nonzero((self.positives != _NONE)[:, :, None] & (self.rows != _NONE)[:, None, :])
        return np.stack([anchors, self.positives[anchors, slots], self.rows[anchors, places]], axis=1)

    def why(self) -> str:
        """What was found and what was refused, in words."""
        anchors, wanted = self.rows.shape
        found = int((self.rows != _NONE).sum())
        said = f"{found} of {anchors * wanted} negatives for {anchors} anchors"
        refused, without = int(self.too_near.sum()), int(np.isnan(self.positive_similarities).sum())
        if refused:
            said += f"; {refused} candidates are nearly as near as the positive and may be right answers"
        return said + (f"; {without} anchors have no positive to compare with" if without else "")


def mine_negatives(
    anchors: ArrayLike,
    candidates: ArrayLike,
    positives: ArrayLike,
    *,
    num_negatives: int = 3,
    relative_margin: float = RELATIVE_MARGIN,
    absolute_margin: float | None = None,
    max_similarity: float | None = None,
    range_min: int = 0,
    range_max: int | None = None,
    anchor_labels: ArrayLike | None = None,
    candidate_labels: ArrayLike | None = None,
    sampling: str = "top",
    rng: np.random.Generator | None = None,
) -> MinedNegatives:
    """The hardest candidates that are no probable positives, for each anchor (cosine similarity).

    `positives` holds each anchor's row among the candidates, or several rows, filled up with -1. With labels, whatever
    has the anchor's label is never a negative. `range_min` passes over the very nearest that are left; `random` draws
    from the `range_max` nearest (20 per negative unless told). An anchor without a positive gets no negatives.
    """
    near, far = _unit_rows("anchors", anchors), _unit_rows("candidates", candidates)
    if near.shape[1] != far.shape[1]:
        raise BadInput("candidates", f"{far.shape[1]} dimensions", f"{near.shape[1]}, as the anchors have")
    rows = _positive_rows(positives, len(near), len(far))
    labels = _labels_of_both(anchor_labels, candidate_labels, len(near), len(far))
    wanted = whole_number("num_negatives", num_negatives, low=1)
    skipped = whole_number("range_min", range_min)
    kept = _how_many_kept(one_of("sampling", sampling, SAMPLINGS), wanted, skipped, range_max)
    of_positives = _least_positive(near, far, rows)
    ceilings = _ceilings(of_positives, relative_margin, absolute_margin, max_similarity)
    best, similarity, too_near = _nearest_below(near, far, rows, ceilings, labels, kept)
    best, similarity = best[:, skipped:], similarity[:, skipped:]
    if sampling == "random":
        best, similarity = _drawn(best, similarity, wanted, np.random.default_rng(0) if rng is None else rng)
    similarity[best == _NONE] = np.nan
    return MinedNegatives(best, similarity, of_positives, ceilings, too_near, rows)


def nearest_of_same_label(embeddings: ArrayLike, labels: ArrayLike) -> _Rows:
    """For each row the most similar other row of its label, as its positive; -1 for the only one of a label."""
    vectors = _unit_rows("embeddings", embeddings)
    _, codes = np.unique(np.asarray(labels), return_inverse=True)
    if codes.shape != (len(vectors),):
        raise BadInput("labels", f"an array of shape {np.shape(labels)}", f"one label for each of {len(vectors)} rows")
    nearest = np.full(len(vectors), _NONE, dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(members) > 1:
            nearest[members] = members[_nearest_other(vectors[members])]
    return nearest


def _nearest_other(vectors: _Similarities) -> _Rows:
    found = np.empty(len(vectors), dtype=np.int64)
    step = max(1, _ANCHORS_AT_ONCE * _CANDIDATES_AT_ONCE // len(vectors))
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step] @ vectors.T
        own = np.arange(len(block))
        block[own, own + start] = -np.inf
        found[start : start + step] = block.argmax(axis=1)
    return found


def _unit_rows(thing: str, vectors: ArrayLike) -> _Similarities:
    try:
        given = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadInput(thing, vectors, "rows of numbers") from error
    if given.ndim != 2 or 0 in given.shape:
        raise BadInput(thing, f"an array of shape {given.shape}", "at least one row of at least one number")
    lengths = np.sqrt(np.einsum("ij,ij->i", given, given))
    wrong = ~(np.isfinite(lengths) & (lengths > 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"{thing}[{row}]", float(lengths[row]), "a vector of finite length above 0", "Leave the row out."
        )
    return cast(_Similarities, given / lengths[:, None])


def _positive_rows(positives: ArrayLike, anchors: int, candidates: int) -> _Rows:
    rows = np.asarray(positives)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or len(rows) != anchors or not np.issubdtype(rows.dtype, np.integer):
        raise BadInput(
            "positives", f"{rows.dtype} of shape {rows.shape}", f"one or more rows for each of {anchors} anchors"
        )
    outside = (rows < _NONE) | (rows >= candidates)
    if outside.any():
        found = int(rows[outside][0])
        raise BadInput("positives", found, f"rows of the {candidates} candidates, or -1 for none")
    return rows.astype(np.int64)


def _labels_of_both(
    anchor_labels: ArrayLike | None, candidate_labels: ArrayLike | None, anchors: int, candidates: int
) -> tuple[_Rows, _Rows] | None:
    if anchor_labels is None and candidate_labels is None:
        return None
    if anchor_labels is None or candidate_labels is None:
        missing = "anchor_labels" if anchor_labels is None else "candidate_labels"
        raise BadInput(missing, None, "labels of both sides or of neither")
    both = np.concatenate([np.asarray(anchor_labels), np.asarray(candidate_labels)])
    if np.shape(anchor_labels) != (anchors,) or np.shape(candidate_labels) != (candidates,):
        found = {"anchors": np.shape(anchor_labels), "candidates": np.shape(candidate_labels)}
        raise BadInput("labels", found, f"{anchors} and {candidates} labels")
    codes = np.unique(both, return_inverse=True)[1].astype(np.int64)
    return codes[:anchors], codes[anchors:]


def _how_many_kept(sampling: str, wanted: int, skipped: int, range_max: int | None) -> int:
    if sampling == "top" and range_max is None:
        return skipped + wanted
    window = skipped + 20 * wanted if range_max is None else range_max
    whole_number("range_max", window, low=skipped + wanted)
    return window if sampling == "random" else skipped + wanted


def _least_positive(near: _Similarities, far: _Similarities, rows: _Rows) -> _Similarities:
    least = np.full(len(near), np.nan, dtype=np.float32)
    for column in rows.T:
        given = np.flatnonzero(column != _NONE)
        similarity = np.einsum("ij,ij->i", near[given], far[column[given]])
        least[given] = np.fmin(least[given], similarity)
    return least


def _ceilings(positive: _Similarities, relative: float, absolute: float | None, highest: float | None) -> _Similarities:
    (share,) = finite_numbers("relative_margin", [relative], low=0.0, high=1.0)
    # |positive| · share is taken away: multiplying by 1 − share would raise the ceiling of a negative similarity
    ceilings = positive - np.abs(positive) * share
    if absolute is not None:
        (distance,) = finite_numbers("absolute_margin", [absolute], low=0.0, high=2.0)
        ceilings = np.minimum(ceilings, positive - distance)
    if highest is not None:
        (limit,) = finite_numbers("max_similarity", [highest], low=-1.0, high=1.0)
        ceilings = np.minimum(ceilings, limit)
    return np.asarray(ceilings, dtype=np.float32)


def _nearest_below(
    near: _Similarities,
    far: _Similarities,
    positives: _Rows,
    ceilings: _Similarities,
    labels: tuple[_Rows, _Rows] | None,
    kept: int,
) -> tuple[_Rows, _Similarities, _Rows]:
    """The `kept` nearest candidates under each anchor's ceiling, and how many were above it."""
    rows = np.full((len(near), kept), _NONE, dtype=np.int64)
    best = np.full((len(near), kept), -np.inf, dtype=np.float32)
    too_near = np.zeros(len(near), dtype=np.int64)
    for top in range(0, len(near), _ANCHORS_AT_ONCE):
        some = slice(top, top + _ANCHORS_AT_ONCE)
        for left in range(0, len(far), _CANDIDATES_AT_ONCE):
            block = near[some] @ far[left : left + _CANDIDATES_AT_ONCE].T
            own = None if labels is None else (labels[0][some], labels[1][left : left + block.shape[1]])
            too_near[some] += _forbid(block, positives[some] - left, ceilings[some], own)
            rows[some], best[some] = _merged(rows[some], best[some], block, left)
    return rows, best, too_near


def _forbid(
    block: _Similarities, positives: _Rows, ceilings: _Similarities, labels: tuple[_Rows, _Rows] | None
) -> _Rows:
    """Strike out what may not be a negative; how many of each anchor's candidates were too near."""
    anchors = np.arange(len(block))
    for column in positives.T:
        here = (column >= 0) & (column < block.shape[1])
        block[anchors[here], column[here]] = -np.inf
    if labels is not None:
        block[labels[0][:, None] == labels[1][None, :]] = -np.inf
    above = block > ceilings[:, None]
    np.putmask(block, above, -np.inf)
    block[np.isnan(ceilings)] = -np.inf  # without a positive nothing can be told from a right answer
    return np.asarray(np.count_nonzero(above, axis=1), dtype=np.int64)


def _merged(rows: _Rows, best: _Similarities, block: _Similarities, left: int) -> tuple[_Rows, _Similarities]:
    """The best of both, nearest first; the lower row goes first among equals."""
    kept, floor = best.shape[1], best[:, -1]
    if block.shape[1] > kept and np.isneginf(floor).any():
        highest = np.partition(block, block.shape[1] - kept, axis=1)[:, block.shape[1] - kept]
        floor = np.maximum(floor, np.nextafter(highest, np.float32(-np.inf)))
    found = np.flatnonzero(block > floor[:, None])  # few, once the first block has set the floor
    anchors, columns = np.divmod(found, block.shape[1])
    if not len(anchors):
        return rows, best
    held = np.repeat(np.arange(len(best)), kept)
    of_anchor = np.concatenate([held, anchors])
    similarity = np.concatenate([best.ravel(), block[anchors, columns]])
    row = np.concatenate([rows.ravel(), columns + left])
    order = np.lexsort((row, -similarity, of_anchor))
    starts = np.searchsorted(of_anchor[order], np.arange(len(best)))
    taken = order[(starts[:, None] + np.arange(kept)).ravel()]
    merged = similarity[taken].reshape(best.shape)
    return np.where(np.isneginf(merged), _NONE, row[taken].reshape(best.shape)), merged


def _drawn(rows: _Rows, best: _Similarities, wanted: int, rng: np.random.Generator) -> tuple[_Rows, _Similarities]:
    """As many as wanted of each anchor's window, nearest first."""
    lots = np.where(rows == _NONE, 2.0, rng.random(rows.shape))
    places = np.sort(np.argsort(lots, axis=1, kind="stable")[:, :wanted], axis=1)
    return np.take_along_axis(rows, places, axis=1), np.take_along_axis(best, places, axis=1)
