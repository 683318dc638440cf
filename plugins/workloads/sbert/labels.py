"""Which label feedback says is right for a text, and which one it says is wrong.

A correction is the right label, then a category where it is one of the labels seen; a good score or more thumbs up than
down confirm the label that was given, a bad score or more thumbs down say that it is wrong. The rest teaches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Pool
from components.example_fields import as_text
from plugins.workloads.sbert.settings import SbertSettings


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with a label each, and whether it is the right one or a wrong one."""

    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    artifact_types: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def version(self) -> str:
        """Of the data, so that a checkpoint of other data is refused."""
        told = [self.inputs, self.labels, self.right.tolist()]
        return blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()

    @classmethod
    def of(cls, inputs: Sequence[str], labels: Sequence[str]) -> Labelled:
        """Texts whose labels are all right, as a file of labelled texts has them."""
        rows = len(inputs)
        return cls(tuple(inputs), tuple(labels), np.ones(rows, np.bool_), np.ones(rows), ("",) * rows)


def labelled(pool: Pool, settings: SbertSettings) -> Labelled:
    """What the pool teaches."""
    texts = pool.texts(np.arange(len(pool)))
    outputs = [_label(text.get("output")) for text in texts]
    corrections = [_label(text.get("correction")) for text in texts]
    known = {label for label in (*outputs, *corrections) if label}
    categories = [label if (label := _label(text.get("category"))) in known else "" for text in texts]
    told = [correction or category for correction, category in zip(corrections, categories, strict=True)]
    judged = _confirmed(pool, settings)
    labels = [right or output for right, output in zip(told, outputs, strict=True)]
    right = np.array([bool(one) for one in told], np.bool_) | (judged > 0)
    says = np.array([bool(label) for label in labels], np.bool_)
    rows = np.flatnonzero(says & (right | (judged < 0)))
    types = pool.names.get("artifact_type", ())
    return Labelled(
        inputs=tuple(as_text(texts[row].get("input")) for row in rows),
        labels=tuple(labels[row] for row in rows),
        right=right[rows],
        weights=pool["weight"][rows],
        artifact_types=tuple(_name(types, place) for place in pool["artifact_type"][rows].tolist()),
    )


def _label(value: Any) -> str:
    return "" if value is None else as_text(value).strip()


def _name(names: Sequence[str | None], place: int) -> str:
    return (names[place] if place < len(names) else None) or ""


def _confirmed(pool: Pool, settings: SbertSettings) -> NDArray[np.int8]:
    """1 where the output was confirmed, -1 where it was called wrong, 0 where neither; a score before thumbs."""
    thumbs = np.sign(pool["ups"] - pool["downs"])
    bare = (pool["ups"] == 0) & (pool["downs"] == 0)  # a pool that counts no thumbs says that there were some
    thumbs = np.where(bare, pool.says("up").astype(int) - pool.says("down"), thumbs)
    score = pool["score"]  # NaN compares as neither
    by_score = (score >= settings.good_score).astype(int) - (score < settings.bad_score)
    return np.where(by_score != 0, by_score, thumbs).astype(np.int8)
