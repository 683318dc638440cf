"""The texts of a pool with the label of each: the right one, or one that feedback says is wrong.

Which label that is, and which one it stands against, components/told_labels.py reads out of what was said: corrections,
categories, preferences, scores and thumbs. The rest teaches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Pool
from components.category_columns import names_at
from components.example_fields import as_text
from components.told_labels import judgements, told_labels
from plugins.workloads.sbert.settings import SbertSettings


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with a label each, and whether it is the right one or a wrong one."""

    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    artifact_types: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()  # the label that the right one was preferred to, "" where there is none
    examples: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # their numbers in the pool

    def __len__(self) -> int:
        return len(self.inputs)

    def version(self) -> str:
        """Of the data, so that a checkpoint of other data is refused."""
        told = [self.inputs, self.labels, self.right.tolist(), self.rejected]
        return blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()

    @classmethod
    def of(cls, inputs: Sequence[str], labels: Sequence[str]) -> Labelled:
        """Texts whose labels are all right, as a file of labelled texts has them."""
        rows = len(inputs)
        return cls(tuple(inputs), tuple(labels), np.ones(rows, np.bool_), np.ones(rows), ("",) * rows)


def labelled(pool: Pool, settings: SbertSettings) -> Labelled:
    """What the pool teaches, of each text the label that feedback names: components/told_labels.py says how."""
    texts = pool.texts(np.arange(len(pool)))
    judged = judgements(
        pool["score"],
        pool["ups"],
        pool["downs"],
        said_up=pool.says("up"),
        said_down=pool.says("down"),
        good_score=settings.good_score,
        bad_score=settings.bad_score,
    )
    told = told_labels(texts, judged)
    return Labelled(
        inputs=tuple(as_text(texts[row].get("input")) for row in told.rows),
        labels=told.labels,
        right=told.right,
        weights=pool["weight"][told.rows],
        artifact_types=names_at(pool["artifact_type"][told.rows].tolist(), pool.names.get("artifact_type", ())),
        rejected=told.rejected,
        examples=pool["example"][told.rows],
    )
