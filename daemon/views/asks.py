"""Which outputs were named as worth rating, when, and how likely that was: what a rating that follows has to carry.

Only `outputs_asked` tells it. A rating counts as asked for by the newest ask before it, in the order of the log.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.views import saying
from daemon.views.columns import Columns, places_of
from daemon.views.folding import OUTPUTS_ASKED, kind_name
from daemon.views.page import Ints, Page

_SEQ_BITS = 40  # a trillion events
_NONE = np.empty(0, np.int64)


def asks_in(page: Page) -> Ints:
    """The page's rows that name outputs."""
    codes, kinds = page.coded("kind")
    wanted = np.array([kind_name(kind) == OUTPUTS_ASKED for kind in kinds])
    return np.flatnonzero(wanted[codes]) if wanted.any() else np.empty(0, np.int64)


def asks_of(page: Page, rows: Ints, into: Columns) -> None:
    """Each output that these rows name, as a row of a table of seq, output_seq and propensity."""
    for seq in page.whole("seq")[rows].tolist():
        outputs = page.bodies.get(seq, {}).get("outputs", ())
        into.append(
            len(outputs),
            seq=seq,
            output_seq=np.array([one["seq"] for one in outputs], np.int64),
            propensity=np.array([one["propensity"] for one in outputs], np.float32),
        )


class Asked:
    """What is known of how likely ratings were: what they said themselves, and the asks so far."""

    def __init__(self, asks: Columns, outputs: Columns, own: Columns) -> None:
        known, at = places_of(asks["output_seq"], outputs["seq"]) if asks.rows else (_NONE, _NONE)
        examples = outputs["example"][at]
        self._examples = np.unique(examples)
        keys = _keys(np.searchsorted(self._examples, examples), asks["seq"][known])
        order = np.argsort(keys, kind="stable")
        self._keys, self._of_ask = keys[order], asks["propensity"][known][order]
        self._own = own

    def propensities(self, examples: NDArray[Any], seqs: Ints, says: NDArray[Any]) -> NDArray[np.float32]:
        """That of each signal: its own, or else that of the newest ask of its output before it; nan for none.

        What came with its output was asked for by nobody, and its own propensity is the output's.
        """
        found = np.full(len(seqs), np.nan, np.float32)
        later = (says & saying.BRINGS_OUTPUT) == 0
        if self._own.rows:
            known, at = places_of(seqs, self._own["seq"])
            found[known] = self._own["propensity"][at]
            found[~later] = np.nan
        if len(self._keys):
            self._fill(
                found, np.flatnonzero(np.isnan(found) & later & np.isin(examples, self._examples)), examples, seqs
            )
        return found

    def _fill(self, found: NDArray[np.float32], rows: Ints, examples: NDArray[Any], seqs: Ints) -> None:
        ranks = np.searchsorted(self._examples, examples[rows])
        places = np.searchsorted(self._keys, _keys(ranks, seqs[rows])) - 1
        before = (places >= 0) & (self._keys[places] >> _SEQ_BITS == ranks)
        found[rows[before]] = self._of_ask[places[before]]


def _keys(ranks: NDArray[Any], seqs: Ints) -> Ints:
    return (ranks.astype(np.int64) << _SEQ_BITS) | seqs
