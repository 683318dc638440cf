"""Add children of new examples: the input in other words, the output permuted, other context (data_augmenter).

It is not in the shipped order: a child of each of 2 or 5 examples a class changed accuracy on CLINC150 by -0.4 and -0.1
points. Children are made of new examples alone, the newest `most_texts`, and of none that was judged bad and not
corrected, since what is to be avoided is no pattern to multiply. A child keeps its source's correction, rating and
reward. It never comes near to an example of this batch; what is held out, no stage can see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from adaptd.plugin import Moment, Pool
from adaptd.plugin.pool import Rows
from components.bad_input import one_number, one_of, whole_number
from components.data_augmenter import METHODS, AugmentedColumns, DataAugmenter

WORDS = {
    "paraphrase": "made from its source: the input in other words",
    "output": "made from its source: the output with what has no order permuted",
    "context": "made from its source: other context",
    "random_edits": "made from its source: a few words of the input edited",
}
OWN_METHODS = tuple(name for name in METHODS if name in WORDS)  # to translate there and back needs two models


@dataclass(frozen=True)
class AugmentingSettings:
    factor: int = 2  # examples that become of each one, itself among them
    methods: tuple[str, ...] = OWN_METHODS  # in which ways
    weight: float = 1.0  # of a child, times its source's
    most_texts: int = 500  # examples that have children, the newest

    def __post_init__(self) -> None:
        whole_number("factor", self.factor, low=1, high=20)
        for method in self.methods:
            one_of("methods", method, OWN_METHODS)
        one_number("weight", self.weight, 0.0, 1.0, above=True)
        whole_number("most_texts", self.most_texts, low=1)

    def augmenter(self, seed: int) -> DataAugmenter:
        """The component with these settings."""
        return DataAugmenter(self.factor, methods=self.methods, seed=seed)


class AugmentExamples:
    """Derives children of new examples, each with the way in which it was made."""

    name: ClassVar[str] = "augment_examples"
    Settings: ClassVar[type] = AugmentingSettings

    def __init__(self, settings: AugmentingSettings) -> None:
        self.settings = settings

    def shape(self, pool: Pool, moment: Moment) -> Pool:
        rows = self._sources(pool)
        texts = pool.texts(rows)
        there = [place for place, text in enumerate(texts) if text.get("input") is not None]
        rows, texts = rows[there], [texts[place] for place in there]
        if not len(rows):
            return pool
        seed = int(moment.rng(self.name).integers(2**31))
        made = self.settings.augmenter(seed).augment_columns(
            [text.get("input") for text in texts],
            [_target(text) for text in texts],
            contexts=[text.get("context") for text in texts],
            artifact_types=[str(code) for code in pool["artifact_type"][rows].tolist()],
        )
        return self._with_children(pool, rows, texts, made)

    def _sources(self, pool: Pool) -> Rows:
        good = (~(pool["worth"] < 0) & ~(pool["reward"] < 0)) | pool.says("correction")
        new = (pool["times_learnt"] == 0) & (pool["example"] >= 0)
        return pool.newest(good & new, self.settings.most_texts)

    def _with_children(self, pool: Pool, rows: Rows, texts: list[Mapping[str, Any]], made: AugmentedColumns) -> Pool:
        parents = rows[made.parent_rows]
        children = [
            _child(texts[row], changed, value)
            for row, changed, value in zip(made.parent_rows.tolist(), made.changed, made.values, strict=True)
        ]
        for method in self.settings.methods:
            own = [place for place, name in enumerate(made.methods) if name == method]
            pool = pool.derive(
                parents[own], [children[place] for place in own], self.name, WORDS[method], self.settings.weight
            )
        return pool


def _target(text: Mapping[str, Any]) -> Any:
    """What would be learnt of it."""
    return text.get("correction") or text.get("output") or ""


def _child(text: Mapping[str, Any], changed: str, value: Any) -> dict[str, Any]:
    field = "correction" if changed == "output" and text.get("correction") else changed
    return {**text, field: value}


STAGE = AugmentExamples
