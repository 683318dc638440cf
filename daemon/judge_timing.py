"""This file knows how long a model takes for an example, of all that it is judged on and of each artifact type.

The quickest of some passes counts: whatever else the machine did is no property of a model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from adaptd.plugin.pool import Pool, Rows
from adaptd.plugin.workload import Judged
from daemon.gate import FEWEST_IN_A_SLICE

PASSES = 3
LONG_SECONDS = 10.0  # a pass that takes so long is not done again; beyond so much no other type is measured
Says = Callable[[Any], Judged]
Clock = Callable[[], float]
Latencies = dict[str, dict[str, float]]


def timed(says: Says, dataset: Any, clock: Clock = time.monotonic) -> tuple[Judged, float]:
    """What it answers, and the seconds of the quickest pass."""
    judged, quickest = _once(says, dataset, clock)
    for _ in range(PASSES - 1 if quickest <= LONG_SECONDS else 0):
        quickest = min(quickest, _once(says, dataset, clock)[1])
    return judged, quickest


def _once(says: Says, dataset: Any, clock: Clock) -> tuple[Judged, float]:
    began = clock()
    judged = says(dataset)
    return judged, clock() - began


def by_type(
    models: Mapping[str, Says],
    examples: Callable[[Pool], Any],
    pool: Pool,
    types: Sequence[str | None],
    warm: Any,
    clock: Clock = time.monotonic,
) -> Latencies:
    """Seconds an example as `type NAME`, of types with enough examples, the largest first, as far as time allows.

    What a call costs in any case, such as loading the model, is shared by all examples alike: else a type of which
    there are few would seem slow.
    """
    began, told = clock(), Latencies()
    parts = list(_parts(types))
    fixed = {who: timed(says, warm, clock)[1] if parts and len(warm) else 0.0 for who, says in models.items()}
    for name, rows in parts:
        if clock() - began > LONG_SECONDS:
            break
        try:
            dataset = examples(pool.take(rows))
            took = {who: max(0.0, timed(says, dataset, clock)[1] - fixed[who]) for who, says in models.items()}
        except Exception as error:  # noqa: BLE001 a workload that can do nothing with a part has answered the whole
            _tell_untimed(f"type {name}", len(rows), error)
            continue
        told[f"type {name}"] = {who: took[who] / len(rows) + fixed[who] / len(pool) for who in models}
    return told


def _tell_untimed(part: str, rows: int, error: Exception) -> None:
    """Into what the judging printed, without the error's own words: they may hold an example's."""
    told = f"latency of {part}: not measured, its {rows} examples alone gave {type(error).__name__}"
    sys.stderr.write(f"{told}; expected answers, as for all examples together. The verdict does not hang on it.\n")


def _parts(types: Sequence[str | None]) -> Iterator[tuple[str, Rows]]:
    names = np.array([name or "" for name in types], np.str_)
    found, sizes = np.unique(names, return_counts=True)
    for place in np.argsort(-sizes, kind="stable").tolist():
        if sizes[place] >= FEWEST_IN_A_SLICE and found[place]:
            yield str(found[place]), np.flatnonzero(names == found[place])
