"""Which label feedback says is right for a text, and which one it says is wrong.

A correction is the right label, then a category where it is one of the labels seen, then the label that somebody
preferred to another one; a good score or more thumbs up than down confirm the label that was given, a bad score or more
thumbs down say that it is wrong, preferred or not. The rest teaches nothing. Where the right label stands against
another one, as in a correction or a preference, that one is the rejected label: comparisons draw negatives from it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Pool
from adaptd.plugin.pool import Text
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


class _Said(NamedTuple):
    """What the texts of one example come to, each "" where it is not there."""

    output: str
    correction: str
    preferred: str
    other: str  # that the preferred one was compared with


def labelled(pool: Pool, settings: SbertSettings) -> Labelled:
    """What the pool teaches."""
    texts = pool.texts(np.arange(len(pool)))
    said = [_said(text) for text in texts]
    known = {label for one in said for label in one if label}
    categories = [label if (label := _label(text.get("category"))) in known else "" for text in texts]
    judged = _confirmed(pool, settings)
    told = [
        one.correction or category or _preferred(one, judgement)
        for one, category, judgement in zip(said, categories, judged.tolist(), strict=True)
    ]
    labels = [right or one.output for right, one in zip(told, said, strict=True)]
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
        rejected=tuple(_rejected(said[row], told[row]) for row in rows),
        examples=pool["example"][rows],
    )


def _said(text: Text) -> _Said:
    """A derived pair has its two labels under names of their own (see the stage pair_preferences)."""
    output, correction = _label(text.get("output")), _label(text.get("correction"))
    if text.get("chosen") is not None:
        return _Said("", correction, _label(text["chosen"]), _label(text.get("rejected")))
    compared = _label(text.get("compared_with"))
    better, worse = {"better": (output, compared), "worse": (compared, output)}.get(text.get("verdict") or "", ("", ""))
    return _Said(output, correction, better if worse else "", worse if better else "")


def _preferred(said: _Said, judgement: int) -> str:
    """The better of two may be wrong all the same, where somebody said so of the output."""
    return "" if said.preferred == said.output and judgement < 0 else said.preferred


def _rejected(said: _Said, told: str) -> str:
    if not told:
        return ""
    against = said.other if told == said.preferred else said.output
    return against if against != told else ""


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
