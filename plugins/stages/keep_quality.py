"""Leave out new examples whose text is not worth learning: empty, cut off, repetitive, off-type, generic, repeated.

The gates are components/quality_gates.py. Only texts of examples that were never learnt are looked at, and of those the
newest `most_texts`, as long as they have `most_characters` at most: a text costs a reading of the log, and its judging
a microsecond a character. What is judged is what would be learnt: the correction where there is one, else the output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Moment, Pool
from adaptd.plugin.pool import Rows
from components.bad_input import whole_number
from components.example_fields import as_text
from components.genericness import GENERIC_AT
from components.near_duplicates import NEAR
from components.quality_gates import GatedRows, QualityGates

# Words of our own: what the gates say quotes the output, and reasons are stored where anybody may read them.
WORDS = {
    "empty": "there is nothing in its output, or a mark that stands for nothing",
    "off_type": "its output is not what its artifact type is made of",
    "truncated": "its output was cut off",
    "repetitive": "its output says the same again and again",
    "stock_phrase": "its output has a stock phrase in it",
    "generic": "{0:.0f} other inputs got nearly the same output",
    "repeated": "another new example has nearly the same input and output",
}


@dataclass(frozen=True)
class QualitySettings:
    most_texts: int = 2000  # new examples whose texts are looked at in one batch, the newest; older ones stay
    most_characters: int = 2_000_000  # of those texts together: some two seconds' work
    off: tuple[str, ...] = ()  # gates that leave nothing out, by the names that the reasons have
    generic_at: int = GENERIC_AT  # other inputs with nearly the same output make it generic
    near: float = NEAR  # from which likeness on two texts are nearly the same, 0 to 1
    closed_sets: tuple[str, ...] = ()  # artifact types whose outputs are labels, which repeat rightly
    kinds: dict[str, str] = field(default_factory=dict)  # mermaid, json, code, markdown or other, of artifact types

    def __post_init__(self) -> None:
        whole_number("most_texts", self.most_texts, low=1)
        whole_number("most_characters", self.most_characters, low=1)
        self.gates()

    def gates(self) -> QualityGates:
        """The component with these settings; it checks the rest of them."""
        return QualityGates(
            generic_at=self.generic_at, near=self.near, kinds=self.kinds, closed_sets=self.closed_sets, off=self.off
        )


class KeepQuality:
    """Leaves out new examples that teach nothing, by their texts."""

    name: ClassVar[str] = "keep_quality"
    Settings: ClassVar[type] = QualitySettings

    def __init__(self, settings: QualitySettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:  # noqa: ARG002 no time and no chance is in it
        new = (pool["times_learnt"] == 0) & (pool["example"] >= 0)
        rows = pool.newest(new, self.settings.most_texts)
        new[rows] = False
        pool = self._passed_by(pool, np.flatnonzero(new), f"{self.settings.most_texts} new ones are newer")
        inputs, outputs, rows = _said(pool, rows)
        short = self._within_characters(pool, rows, inputs, outputs)
        pool = self._passed_by(pool, rows[~short], f"newer ones have {self.settings.most_characters} characters")
        kept = np.flatnonzero(short)
        rows = rows[kept]
        if not len(rows):
            return pool
        names = pool.names.get("artifact_type", ())
        gated = self.settings.gates().check_columns(
            [inputs[place] for place in kept.tolist()],
            [outputs[place] for place in kept.tolist()],
            [_name(names, code) for code in pool["artifact_type"][rows].tolist()],
            scores=_scores(pool, rows),
        )
        return self._without(pool, rows, gated)

    def _passed_by(self, pool: Pool, rows: Rows, why: str) -> Pool:
        return pool.because(self.name, f"its text was not looked at: {why}", rows) if len(rows) else pool

    def _within_characters(self, pool: Pool, rows: Rows, inputs: list[str], outputs: list[str]) -> NDArray[np.bool_]:
        """Which of the texts are looked at, the newest first, until there are too many characters."""
        lengths = np.array([len(one) + len(other) for one, other in zip(inputs, outputs, strict=True)], np.int64)
        newest_first = np.lexsort((-pool["example"][rows], pool["age_days"][rows]))
        within = np.empty(len(rows), np.bool_)
        within[newest_first] = np.cumsum(lengths[newest_first]) <= self.settings.most_characters
        return within

    def _without(self, pool: Pool, rows: Rows, gated: GatedRows) -> Pool:
        generic = np.zeros(len(pool))
        generic[rows] = gated.genericness
        stays = np.ones(len(pool), np.bool_)
        for gate in gated.counts:
            gone = rows[[one.row for one in gated.refused if one.gate == gate]]
            values = (generic,) if gate == "generic" else ()
            pool = pool.because(self.name, f"{gate}: {WORDS[gate]}", gone, *values, kept=False)
            stays[gone] = False
        return pool if stays.all() else pool.take(np.flatnonzero(stays))


def _said(pool: Pool, rows: Rows) -> tuple[list[str], list[str], Rows]:
    """Inputs and what would be learnt as outputs, of the rows that have any."""
    texts = pool.texts(rows)
    there = [place for place, text in enumerate(texts) if "output" in text or text.get("correction")]
    said = [texts[place] for place in there]
    inputs = [as_text(text.get("input")) for text in said]
    return inputs, [as_text(text.get("correction") or text.get("output")) for text in said], rows[there]


def _name(names: object, code: int) -> str:
    known = names if isinstance(names, tuple | list) else ()
    return as_text(known[code]) if code < len(known) else ""


def _scores(pool: Pool, rows: Rows) -> NDArray[np.float64]:
    """Scores, or what the worth stands for: the best of what repeats each other is the one that stays."""
    score, worth = pool["score"][rows], np.nan_to_num(pool["worth"][rows])
    return np.where(np.isnan(score), 50.0 * (1.0 + worth), score)


STAGE = KeepQuality
