"""Make pairs of a better and a worse output for one input, for workloads that learn from preferences (DPO).

Pairs come, in this order, from what somebody said of two outputs (`better`, `worse`), from corrections over what they
correct, from thumbs up and down on near-equal inputs, and from scores on them; two outputs are paired once, by the
first of these that speaks of them. A pair is a derived row whose text is {"input", "chosen", "rejected", "margin"}: the
margin in points of 100, None where the judgement has no size. Its source is the newest of the examples that it was
made of, so it is learnt when that is new; pairs of examples that were all learnt before are not made again.

Texts are looked at of the newest `most_texts` examples that say anything of the kind: inputs are equal by their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Moment, Pool
from adaptd.plugin.pool import Rows, Text
from components.bad_input import one_number, one_of, whole_number
from components.example_fields import as_text
from components.near_equal_inputs import group_inputs
from components.preference_pairs import (
    MIN_MARGIN,
    MOST_OUTPUTS,
    MOST_PAIRS,
    RowPairs,
    pairs_from_scores,
    pairs_from_thumbs,
    votes_from_verdicts,
)

WORDS = {
    "verdicts": "a pair: somebody said which of two outputs is the better one",
    "corrections": "a pair: the correction over what it corrects",
    "thumbs": "a pair: thumbs up over thumbs down on an equal input",
    "scores": "a pair: the higher score over the lower one on an equal input",
}
SIGNS = {"better": 1, "worse": -1, "tie": 0}


@dataclass(frozen=True)
class PairingSettings:
    sources: tuple[str, ...] = tuple(WORDS)  # what pairs are made of
    near: bool = True  # whether inputs that differ by a slip of the pen are equal
    min_margin: float = MIN_MARGIN  # points of 100 between two scores that make a pair
    most_outputs: int = MOST_OUTPUTS  # of one input, that scores rank
    most_pairs: int = MOST_PAIRS  # of one input, from thumbs
    most_texts: int = 2000  # examples that are looked at, the newest

    def __post_init__(self) -> None:
        for source in self.sources:
            one_of("sources", source, tuple(WORDS))
        one_number("min_margin", self.min_margin, 0.0, 100.0)
        whole_number("most_outputs", self.most_outputs, low=2)
        whole_number("most_pairs", self.most_pairs, low=1)
        whole_number("most_texts", self.most_texts, low=1)


class Pair(NamedTuple):
    """A better and a worse output, and the places of the examples that say so."""

    source: str
    places: tuple[int, ...]
    chosen: str
    rejected: str
    margin: float | None
    weight: float


class Said(NamedTuple):
    """The examples that are looked at: rows of the pool, their texts, and which inputs are equal."""

    rows: Rows
    texts: list[Text]
    outputs: list[str]
    groups: NDArray[np.int64]


class PairPreferences:
    """Derives a row for each pair of a better and a worse output of one input."""

    name: ClassVar[str] = "pair_preferences"
    Settings: ClassVar[type] = PairingSettings

    def __init__(self, settings: PairingSettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:  # noqa: ARG002 no time and no chance is in it
        said = self._said(pool)
        made = {"verdicts": _verdicts, "corrections": _corrections, "thumbs": self._thumbs, "scores": self._scores}
        new = pool["times_learnt"][said.rows] == 0
        taken: set[tuple[int, str, str]] = set()
        for source, words in WORDS.items():
            found = made[source](pool, said) if source in self.settings.sources and len(said.rows) else iter(())
            pairs = [pair for pair in found if new[list(pair.places)].any() and _first(pair, said, taken)]
            pool = self._with_pairs(pool, said, pairs, words)
        return pool

    def _said(self, pool: Pool) -> Said:
        says = pool.says("better", "worse", "tie", "correction", "up", "down", "score") & (pool["example"] >= 0)
        rows = pool.newest(says, self.settings.most_texts)
        texts = pool.texts(rows)
        there = [place for place, text in enumerate(texts) if text.get("input") and text.get("output") is not None]
        rows, texts = rows[there], [texts[place] for place in there]
        outputs = [as_text(text["output"]) for text in texts]
        groups = group_inputs([as_text(text["input"]) for text in texts], near=self.settings.near)
        return Said(rows, texts, outputs, groups)

    def _thumbs(self, pool: Pool, said: Said) -> Iterator[Pair]:
        ups, downs = pool["ups"][said.rows], pool["downs"][said.rows]
        rated = np.flatnonzero(ups != downs)
        outputs = [said.outputs[place] for place in rated.tolist()]
        found = pairs_from_thumbs(
            said.groups[rated], (ups > downs)[rated], _numbered(outputs), most_pairs=self.settings.most_pairs
        )
        yield from _of_rows("thumbs", said, rated, found)

    def _scores(self, pool: Pool, said: Said) -> Iterator[Pair]:
        score = pool["score"][said.rows]
        rated = np.flatnonzero(~np.isnan(score))
        found = pairs_from_scores(
            said.groups[rated],
            score[rated],
            min_margin=self.settings.min_margin,
            most_outputs=self.settings.most_outputs,
        )
        yield from _of_rows("scores", said, rated, found)

    def _with_pairs(self, pool: Pool, said: Said, pairs: list[Pair], words: str) -> Pool:
        sources = [_newest_place(pool, said, pair.places) for pair in pairs]
        texts = [
            {
                "input": said.texts[pair.places[0]]["input"],
                "chosen": pair.chosen,
                "rejected": pair.rejected,
                "margin": pair.margin,
            }
            for pair in pairs
        ]
        before = len(pool)
        pool = pool.derive(said.rows[sources] if pairs else [], texts, self.name, words)
        weight = pool["weight"].copy()
        weight[before:] *= [pair.weight for pair in pairs]
        return pool.with_columns(weight=weight) if pairs else pool


def _verdicts(pool: Pool, said: Said) -> Iterator[Pair]:  # noqa: ARG001 one signature for all sources
    """What was said of two outputs, whoever said it of which; the other output stands in the text."""
    places = [
        place
        for place, text in enumerate(said.texts)
        if text.get("verdict") in SIGNS and text.get("compared_with") and _other(text) != said.outputs[place]
    ]
    if not places:
        return
    ones, others = [said.outputs[place] for place in places], [_other(said.texts[place]) for place in places]
    numbers = _numbered([*ones, *others])
    signs = [SIGNS[said.texts[place]["verdict"]] for place in places]
    votes = votes_from_verdicts(said.groups[places], numbers[: len(ones)], numbers[len(ones) :], signs)
    for row, better, weight in zip(votes.rows.tolist(), votes.better.tolist(), votes.weights.tolist(), strict=True):
        if better:
            first, second = (ones[row], others[row]) if better > 0 else (others[row], ones[row])
            yield Pair("verdicts", (places[row],), first, second, None, weight)


def _corrections(pool: Pool, said: Said) -> Iterator[Pair]:  # noqa: ARG001 one signature for all sources
    for place, text in enumerate(said.texts):
        corrected = as_text(text.get("correction"))
        if corrected and corrected != said.outputs[place]:
            yield Pair("corrections", (place,), corrected, said.outputs[place], None, 1.0)


def _of_rows(source: str, said: Said, rated: Rows, found: RowPairs) -> Iterator[Pair]:
    chosen, rejected = rated[found.chosen].tolist(), rated[found.rejected].tolist()
    rest = (found.margins.tolist(), found.weights.tolist(), found.ties.tolist())
    for better, worse, margin, weight, tie in zip(chosen, rejected, *rest, strict=True):
        if not tie and said.outputs[better] != said.outputs[worse]:
            size = None if np.isnan(margin) else margin
            yield Pair(source, (better, worse), said.outputs[better], said.outputs[worse], size, weight)


def _first(pair: Pair, said: Said, taken: set[tuple[int, str, str]]) -> bool:
    """Whether nothing was said of these two outputs of this input yet; from now on it was."""
    low, high = sorted((pair.chosen, pair.rejected))
    key = (int(said.groups[pair.places[0]]), low, high)
    if key in taken:
        return False
    taken.add(key)
    return True


def _newest_place(pool: Pool, said: Said, places: tuple[int, ...]) -> int:
    """Of the examples of a pair the one that was learnt least, and of those the last one recorded."""
    learnt, numbers = pool["times_learnt"][said.rows], pool["example"][said.rows]
    return min(places, key=lambda place: (learnt[place], -numbers[place]))


def _numbered(texts: list[str]) -> NDArray[np.int64]:
    """Equal texts as equal numbers."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int64, len(texts))


def _other(text: Mapping[str, Any]) -> str:
    return as_text(text["compared_with"])


STAGE = PairPreferences
