"""How unsure a model is of each row: the margin between its two best classes, and the entropy of all of them.

Margin: Scheffer, Decomain, Wrobel (2001); entropy: Settles (2009), section 3.1. What comes in are probabilities.
It does not ask whether they are calibrated: both only order rows.

>>> margins(np.array([[0.5, 0.5, 0.0], [0.7, 0.2, 0.1]])).round(2).tolist()
[0.0, 0.5]
>>> [f"{nats:.3f}" for nats in entropies(np.array([[0.5, 0.5], [0.9, 0.1]]))]
['0.693', '0.325']
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput

GOOD_SCORE = 70.0  # the score from which the V2 document counts an output as a success
_BLOCK = 65_536
_SUM_MAY_MISS = 0.01  # float16 probabilities over 150 classes miss one by a few thousandths


def check_probabilities(probabilities: Any, rows: int) -> NDArray[Any]:
    """The probabilities as they were given, when they are (rows, at least two classes), finite, and sum to one."""
    given = np.asanyarray(probabilities)
    if given.ndim != 2 or len(given) != rows:
        raise BadInput("probabilities", f"an array of shape {given.shape}", f"one row for each of the {rows} rows")
    if given.shape[1] < 2:
        raise BadInput(
            "probabilities", "one class only", "at least two", "A model of one class is never unsure: use typiclust."
        )
    for start in range(0, rows, _BLOCK):
        block = np.asarray(given[start : start + _BLOCK], dtype=np.float32)
        wrong = ~(np.abs(block.sum(axis=1) - 1) <= _SUM_MAY_MISS) | (block.min(axis=1) < 0)
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise BadInput(
                f"probabilities[{start + place}]", block[place].tolist(), "finite numbers of at least 0 that sum to 1"
            )
    return cast("NDArray[Any]", given)


def chances_of_scores(scores: NDArray[Any]) -> NDArray[np.float64]:
    """What a rating from 0 to 100 says as probabilities (rows, 2) of a failure and a success: 70 is a toss-up."""
    good = np.where(
        scores < GOOD_SCORE, scores / (2 * GOOD_SCORE), 0.5 + (scores - GOOD_SCORE) / (200 - 2 * GOOD_SCORE)
    )
    return np.stack([1 - good, good], axis=1)


def margins(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """The best class's probability less the second's: 0 is a toss-up, 1 is certain."""
    found = np.empty(len(probabilities), dtype=np.float32)
    for start in range(0, len(found), _BLOCK):
        block = np.array(probabilities[start : start + _BLOCK], dtype=np.float32)  # a copy, to strike out the best in
        every, best = np.arange(len(block)), block.argmax(axis=1)
        top = block[every, best]
        block[every, best] = -np.inf
        found[start : start + _BLOCK] = top - block.max(axis=1)
    return found


def entropies(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """In nats: 0 is certain, log(classes) is knowing nothing."""
    found = np.empty(len(probabilities), dtype=np.float32)
    for start in range(0, len(found), _BLOCK):
        block = np.asarray(probabilities[start : start + _BLOCK], dtype=np.float32)
        found[start : start + _BLOCK] = -(block * np.log(np.maximum(block, 1e-12))).sum(axis=1)
    return found
