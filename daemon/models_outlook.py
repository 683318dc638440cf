"""This file knows what is told of a workload's models to somebody who looks: the one in use, and what was decided last.

Standard library alone, and little of it: `status` comes here.
"""

from __future__ import annotations

import os

from daemon.moments import short_moment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

JUDGE_WANTED = 200  # where config.toml says nothing else
GOLDEN_OF_ALL = "default"  # the set of workloads that have none of their own
MOST_REMARKS = 3  # `adaptd history` has them all
SENTENCES = ("Turned down: ", "Promoted: ", "Not promoted by itself: ")


class ModelsOutlook:
    """One workload: how its ratings come, how many fair examples are wanted, what the views have in short.

    `short` is of the models, `course` of the history: where something fell or stands still; `behind` names indexes that
    are not there for the model in use; `golden` is how many examples its frozen set has.
    """

    def __init__(
        self,
        name: str,
        ratings: str,
        judge_wanted: int,
        short: Mapping[str, Any] | None,
        course: Mapping[str, Any] | None = None,
        behind: Sequence[str] = (),
        golden: int = 0,
    ) -> None:
        self.behind, self.golden = tuple(behind), golden
        self.name, self.ratings, self.judge_wanted = name, ratings, judge_wanted
        self.short, self.course = short or {}, course or {}

    @property
    def champion(self) -> int | None:
        """The model in use; 0 is the one that the workload began with."""
        number: int | None = self.short.get("champion")
        return number

    @property
    def told(self) -> list[str]:
        """«champion 3 since 2026-11-24: accuracy 0.91», and «4 was turned down: …»; nothing where there is no model."""
        if not self.short:
            return []
        behind = f"not indexed: {', '.join(self.behind)} (adaptd reindex)" if self.behind else None
        return [part for part in (self._in_use(), behind, self._last()) if part]

    @property
    def remarks(self) -> list[str]:
        """«erd fell 6 points since 12 November», «no gain for 9 nights: plateau since 16 November»; mostly none."""
        if not self.course.get("slices"):
            return []
        from daemon.history_words import course_words

        return list(course_words(self.course))[:MOST_REMARKS]

    def _in_use(self) -> str:
        if self.champion is None:
            return "no champion yet"
        figure = self.short.get("figure")
        told = f": {figure['metric']} {figure['value']:.3g}" if figure else ""
        return f"champion {self.champion} since {short_moment_of(self.short['since'])[:10]}{told}"

    def _last(self) -> str | None:
        """What became of the newest challenger; of the champion itself that it is in use says enough."""
        waiting, decided = self.short.get("challenger"), self.short.get("decided")
        if decided is None or (decided["kind"] == "challenger_promoted" and decided["model"] == self.champion):
            return None if waiting is None else f"{waiting} waits to be judged"
        words = decided.get("failed") or decided.get("sentence") or decided.get("reason") or ""
        why = without_verdict(words).rstrip(".")
        if waiting is not None and waiting != decided["model"]:
            return f"{waiting} waits to be judged"
        what = "left for a person to say" if decided.get("verdict") == "by hand" else "turned down"
        return f"{decided['model']} was {what}: {why}"


def without_verdict(sentence: str) -> str:
    """The sentence of a decision where its verdict is said already."""
    return next((sentence.removeprefix(begin) for begin in SENTENCES if sentence.startswith(begin)), sentence)


def models_outlooks(
    table: Mapping[str, Any],
    told: Mapping[str, Any],
    courses: Mapping[str, Any],
    state_dir: str = "",
    goldens: Mapping[str, int] | None = None,
) -> list[ModelsOutlook]:
    """The workloads of config.toml as it was read, with what the views of models and of the history have of each."""
    workloads, gate = table.get("workloads"), table.get("gate") or {}
    if not isinstance(workloads, dict):
        return []
    wanted = int(gate.get("judge_wanted", JUDGE_WANTED))
    return [
        ModelsOutlook(
            name,
            _ratings(one),
            wanted,
            told.get(name),
            courses.get(name),
            _behind(state_dir, name, one, told.get(name)),
            (goldens or {}).get(name) or (goldens or {}).get(GOLDEN_OF_ALL, 0),
        )
        for name, one in workloads.items()
    ]


def _ratings(workload: Mapping[str, Any]) -> str:
    """How they come at best: where those of one source are fair, some of what is rated is."""
    ways = [str(workload.get("ratings", "volunteered")), *map(str, dict(workload.get("ratings_of") or {}).values())]
    return next((one for one in ways if one != "volunteered"), "volunteered")


def _behind(state_dir: str, workload: str, table: Mapping[str, Any], short: Mapping[str, Any] | None) -> list[str]:
    """Which of its indexes the model in use has not."""
    champion = (short or {}).get("champion")
    if champion is None or not isinstance(table.get("index"), dict):
        return []
    folder = f"{state_dir}/indexes/{workload}/{champion:04}"
    return [name for name in table["index"] if not os.path.isdir(f"{folder}/{name}")]
