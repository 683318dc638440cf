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
SENTENCES = ("Turned down: ", "Promoted: ", "Not promoted by itself: ")


class ModelsOutlook:
    """One workload: how its ratings come, how many fair examples are wanted, what the view of models has in short."""

    def __init__(
        self, name: str, ratings: str, judge_wanted: int, short: Mapping[str, Any] | None, behind: Sequence[str] = ()
    ) -> None:
        self.behind = tuple(behind)  # indexes that are not there for the model in use
        self.name, self.ratings, self.judge_wanted = name, ratings, judge_wanted
        self.short = short or {}

    @property
    def champion(self) -> int | None:
        """The model in use; 0 is the one that the workload began with."""
        number: int | None = self.short.get("champion")
        return number

    @property
    def told(self) -> str | None:
        """«champion 3 since 2026-11-24: accuracy 0.91; 4 was turned down: …»; None where there is no model."""
        if not self.short:
            return None
        behind = f"not indexed: {', '.join(self.behind)} (adaptd reindex)" if self.behind else None
        return "; ".join(part for part in (self._in_use(), behind, self._last()) if part)

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
        why = next((words.removeprefix(begin) for begin in SENTENCES if words.startswith(begin)), words).rstrip(".")
        if waiting is not None and waiting != decided["model"]:
            return f"{waiting} waits to be judged"
        what = "left for a person to say" if decided.get("verdict") == "by hand" else "turned down"
        return f"{decided['model']} was {what}: {why}"


def models_outlooks(table: Mapping[str, Any], told: Mapping[str, Any], state_dir: str = "") -> list[ModelsOutlook]:
    """The workloads of config.toml as it was read, with what the view of models has of each."""
    workloads, gate = table.get("workloads"), table.get("gate") or {}
    if not isinstance(workloads, dict):
        return []
    wanted = int(gate.get("judge_wanted", JUDGE_WANTED))
    return [
        ModelsOutlook(
            name,
            str(one.get("ratings", "volunteered")),
            wanted,
            told.get(name),
            _behind(state_dir, name, one, told.get(name)),
        )
        for name, one in workloads.items()
    ]


def _behind(state_dir: str, workload: str, table: Mapping[str, Any], short: Mapping[str, Any] | None) -> list[str]:
    """Which of its indexes the model in use has not."""
    champion = (short or {}).get("champion")
    if champion is None or not isinstance(table.get("index"), dict):
        return []
    folder = f"{state_dir}/indexes/{workload}/{champion:04}"
    return [name for name in table["index"] if not os.path.isdir(f"{folder}/{name}")]
