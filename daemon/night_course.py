"""This file knows how what is known of nights is read: what happened in each, and whether it gets better or worse.

Pure: facts in, answers out. A fact belongs to the night that opened before it, within a day, else to its date in UTC.
The figures are those of the model in use on what was judged that night; `components.performance_tracker` says from them
what is a plateau and what is a drop.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import NormalDist
from typing import Any, NamedTuple

from components.performance_tracker import Evaluation, Metrics, PerformanceTracker

Fact = dict[str, Any]
JUDGED, PROMOTED = "challenger_judged", "challenger_promoted"
TURNED_DOWN, ROLLED_BACK = "challenger_turned_down", "champion_rolled_back"
DAY = 86_400_000_000  # microseconds
ALL = "all"
PATIENCE = 5  # nights without a gain that are a plateau: three noisy ones are none
LEAST_GAIN, LEAST_DROP = 0.5, 1.0  # points; in the own unit of another metric, any
_Z = NormalDist().inv_cdf(0.975)  # the intervals are at 95%


class Night(NamedTuple):
    """One that was opened."""

    opens_at: int
    date: str


class Figure(NamedTuple):
    """What a model reached on so many examples, with 95% confidence; `success` None where the metric has no scale."""

    mean: float
    low: float
    high: float
    success: float | None
    rows: int


class Happened(NamedTuple):
    """One thing that came of a night."""

    night: str
    at: int
    what: str  # "promoted", "promoted by hand", "turned down", "left open", "judged", "rolled back", "no run" …
    words: str
    model: int | None = None
    in_use: int | None = None  # the champion afterwards
    figures: Mapping[str, Figure] = {}  # of the model in use, by slice; from this night's judging, or its last
    measured: bool = False  # that night
    challengers: Mapping[str, Figure] = {}  # of the model that was judged
    before: Mapping[str, Figure] = {}  # of whom it was compared with: the champion then, or what takes no model
    latency: Mapping[str, float] | None = None  # seconds an example
    metric: str | None = None
    latencies: Mapping[str, Mapping[str, float]] = {}  # the same by slice

    @property
    def tells(self) -> bool:
        """Whether it says anew how the model in use does: it was judged, or another one came into use."""
        return self.measured or self.what in ("rolled back", "promoted by hand")

    def seconds(self, part: str = ALL) -> float | None:
        """What the model in use takes for an example of that slice, as it was measured that night."""
        took = self.latency if part == ALL else self.latencies.get(part)
        return None if took is None else took.get("challenger" if self.in_use == self.model else "champion")


class Course:
    """How the nights of one workload went."""

    def __init__(self, facts: Sequence[Fact], opened: Sequence[Night], reasons: Mapping[str, Sequence[Any]]) -> None:
        self._opened = opened
        happened = list(self._happened(facts))
        busy = {one.night for one in happened}
        idle = [Happened(night, at, "no run", str(why)) for night, (_, at, why) in reasons.items() if night not in busy]
        self.happened = sorted([*happened, *idle], key=lambda one: (one.at, one.night))
        newest = next((fact for fact in reversed(facts) if fact["kind"] == JUDGED), {})
        self.metric: str | None = newest.get("metric")
        self.higher_is_better: bool = newest.get("higher_is_better") is not False
        self.measured = [one for one in self.happened if one.measured and one.metric == self.metric]
        self._took = dict(_latencies(facts))

    def night_of(self, at: int) -> str:
        """The date of the night to which a moment belongs."""
        place = bisect_right(self._opened, at, key=lambda night: night.opens_at) - 1
        if place >= 0 and at - self._opened[place].opens_at < DAY:
            return self._opened[place].date
        return datetime.fromtimestamp(at / 1e6, UTC).date().isoformat()

    # What happened

    def _happened(self, facts: Sequence[Fact]) -> Iterator[Happened]:
        in_use: int | None = None
        known: dict[int | None, dict[str, Figure]] = {}  # what each model reached last
        judged: Fact | None = None
        for fact in facts:
            if fact["kind"] == JUDGED:
                if judged is not None and judged["model"] != fact["model"]:
                    yield self._of_judging(judged, None, judged["champion"], known)
                judged, in_use = fact, fact["champion"]
                known |= {fact["champion"]: _figures(fact, "champion"), fact["model"]: _figures(fact, "challenger")}
                continue
            in_use = {PROMOTED: fact.get("model"), ROLLED_BACK: fact.get("to")}.get(fact["kind"], in_use)
            if judged is not None and fact.get("model") == judged["model"]:
                yield self._of_judging(judged, fact, in_use, known)
                judged = None
            else:
                yield self._of_deed(fact, in_use, known.get(in_use, {}))
        if judged is not None:
            yield self._of_judging(judged, None, judged["champion"], known)

    def _of_judging(
        self, judged: Fact, decided: Fact | None, in_use: int | None, known: Mapping[int | None, dict[str, Figure]]
    ) -> Happened:
        """Without a champion nothing is in use: what the challenger was compared with then is no model."""
        last = decided or judged
        figures = {} if in_use is None else known.get(in_use, {})
        return Happened(
            self.night_of(last["at"]),
            last["at"],
            _what(decided),
            _words(decided),
            judged["model"],
            in_use,
            figures,
            bool(figures) and in_use in (judged["model"], judged["champion"]),
            _figures(judged, "challenger"),
            _figures(judged, "champion"),
            judged.get("latency"),
            judged.get("metric"),
            judged.get("latencies") or {},
        )

    def _of_deed(self, fact: Fact, in_use: int | None, figures: Mapping[str, Figure]) -> Happened:
        words = f"{fact['run']} {_what(fact).removeprefix('run ')}: {_words(fact)}" if "run" in fact else _words(fact)
        model = fact.get("model", fact.get("from"))
        return Happened(self.night_of(fact["at"]), fact["at"], _what(fact), words, model, in_use, figures)

    # Better or worse

    @property
    def in_points(self) -> bool:
        """Whether the figures are shares, told in points of a hundred."""
        figures = [figure for one in self.measured for figure in one.figures.values()]
        return self.higher_is_better and all(0 <= figure.mean <= 1 for figure in figures)

    def latency(self, part: str = ALL) -> float | None:
        """Seconds that the model in use now takes for an example of that slice, as measured last."""
        in_use = next((one.in_use for one in reversed(self.happened) if one.what != "no run"), None)
        return None if in_use is None else self._took.get((in_use, part))

    def tracker(self) -> PerformanceTracker:
        """Every evaluation of the model in use; its slices are what it calls artifact types."""
        scale = (100.0 if self.in_points else 1.0) * (1.0 if self.higher_is_better else -1.0)
        return PerformanceTracker(
            patience=PATIENCE,
            least_gain=LEAST_GAIN if self.in_points else 0.0,
            state=[_evaluation(number, one, scale) for number, one in enumerate(self.measured, 1)],
        )

    def slices(self) -> list[str]:
        """Those that were ever judged, as events name them: `all` first, then `golden` and `type NAME`."""
        found = {name for one in self.measured for name in one.figures}
        return sorted(found, key=lambda name: (name != ALL, name))

    def standing_of(self, name: str, tracker: PerformanceTracker | None = None) -> Fact:
        """Of one slice: a plateau and a drop, each None where there is none, and the direction."""
        tracker = tracker or self.tracker()
        seen = [one for one in self.measured if name in one.figures]
        plateau, drop = tracker.plateau(name), tracker.drop(name, least_drop=LEAST_DROP if self.in_points else 0.0)
        trend = tracker.get_performance_trend(name)
        gain = len(seen) - 1 - plateau.since
        fell = None if drop is None else seen[drop.since]
        return {
            "slice": name,
            "direction": trend["direction"],
            "slope": trend["slope"],
            "nights": len(seen),
            "plateau": {"nights": plateau.since, "since": seen[gain].night} if plateau.reached else None,
            "drop": None if fell is None else {"since": fell.night, "from": fell.figures[name].mean,
                                               "to": seen[-1].figures[name].mean},
        }  # fmt: skip

    def short(self) -> Fact:
        """What `status` tells: where something fell, and whether all of it stands still."""
        tracker = self.tracker()
        standings = [self.standing_of(name, tracker) for name in self.slices()]
        worth = [one for one in standings if one["drop"] or (one["plateau"] and one["slice"] == ALL)]
        newest = self.measured[-1].night if self.measured else None
        return {"metric": self.metric, "in_points": self.in_points, "newest": newest, "slices": worth}


def _figures(judged: Fact, who: str) -> dict[str, Figure]:
    return {name: Figure._make([*one[who], one["rows"]]) for name, one in judged["slices"].items()}


def _latencies(facts: Sequence[Fact]) -> Iterator[tuple[tuple[Any, str], float]]:
    """Of each model and slice, as they were measured, the last one last."""
    for fact in facts:
        if fact["kind"] == JUDGED:
            for part, took in {**(fact.get("latencies") or {}), ALL: fact.get("latency") or {}}.items():
                who = {"champion": fact["champion"], "challenger": fact["model"]}
                yield from (((who[name], part), seconds) for name, seconds in took.items())


def _evaluation(number: int, one: Happened, scale: float) -> Evaluation:
    metrics = {name: _metrics(figure, scale, one.seconds(name)) for name, figure in one.figures.items()}
    return Evaluation(number, str(one.in_use), metrics)


def _metrics(figure: Figure, scale: float, seconds: float | None) -> Metrics:
    latency_ms = float("nan") if seconds is None else 1000 * seconds
    error = abs(scale) * (figure.high - figure.low) / 2 / _Z if figure.rows > 1 else float("nan")
    success = float("nan") if figure.success is None else figure.success
    return Metrics(figure.rows, scale * figure.mean, error, success, float("nan"), latency_ms, float("nan"))


def _what(fact: Fact | None) -> str:
    if fact is None:
        return "judged"
    if fact.get("verdict") == "by hand":
        return "left open"
    if fact["kind"] == PROMOTED:
        return "promoted by hand" if fact.get("by") == "hand" else "promoted"
    return {TURNED_DOWN: "turned down", ROLLED_BACK: "rolled back"}.get(fact["kind"]) or fact["kind"].replace("_", " ")


def _words(fact: Fact | None) -> str:
    if fact is None:
        return "nothing was decided yet"
    told = fact.get("failed") or (fact.get("sentence") if fact.get("by") != "hand" else None) or fact.get("reason")
    return str(told or "")
